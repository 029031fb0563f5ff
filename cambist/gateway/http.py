"""The HTTP server before the application: uvicorn on uvloop and httptools, with bounds on what it reads.

A request to upgrade to a WebSocket leaves it with its connection, through the door it was given.
"""

import asyncio
import importlib
import resource
import sys
from collections import Counter
from functools import partial
from typing import Any

import httptools
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from cambist.gateway.app import HEAD_MAX_BYTES
from cambist.gateway.limits import client_of
from cambist.gateway.streams.door import Door, Upgrade
from cambist.settings import Settings

IDLE_S = 75
REQUEST_WITHIN_S = 10  # from its first byte to its last
SHUTDOWN_S = 5
CONNECTIONS_WAITING = 2_048  # for the server to take them, at most
_OF_UPGRADES = (b"upgrade", b"connection", b"http2-settings")
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def open_files_max() -> int:
    """What this process may have open: connections, and the log's next segment."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Addresses:
    """How many connections each address has open; an IPv6 address counts for its network."""

    def __init__(self, most: int) -> None:
        """At most so many each; 0 is no limit."""
        self._most = most
        self._open: Counter[str] = Counter()

    def enter(self, client: str) -> bool:
        """Counts one more; false if it is one too many."""
        self._open[client] += 1
        return not self._most or self._open[client] <= self._most

    def leave(self, client: str) -> None:
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]


class BoundedProtocol(HttpToolsProtocol):
    """Lets go of a connection whose request does not end in time, or grows without an end beside its body.

    Connections may have half of the files that may be open, and those taken at once a quarter: a log that
    cannot open its next segment ends the exchange, and nobody outside may bring that about.
    Trailers (headers behind a chunked body) are read and dropped: the application reads headers after them.
    A connection between two requests is uvicorn's to close, after IDLE_S. One address may have only so many;
    WebSockets are no longer among them.
    A wish for another protocol than WebSocket is no reason not to answer: the request is read without it.
    Known limit: the read in which a head begins is not counted, so a head may come to that and
    HEAD_MAX_BYTES.
    """

    _in_head = False
    _in_request = True  # the first one, from the moment of connecting
    _has_begun = False  # in the read that is looked at
    _beside_body = 0  # bytes of head, trailers and what frames chunks
    _deadline: asyncio.TimerHandle | None = None

    _client: str | None = None  # as it is counted
    _upgrade_at: int | None = None  # where, in the read, a request ended that wanted to upgrade

    def __init__(self, *args: Any, addresses: Addresses, door: Door | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._addresses = addresses
        self._door = door

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        open_sockets = self._door.count if self._door else 0
        self._client = client_of(self.client[0] if self.client else "")
        has_room = self._addresses.enter(self._client)
        if not has_room or len(self.connections) + open_sockets > open_files_max() // 2:
            transport.close()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_request = False
        self._watch()
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._has_begun = False
        super().data_received(data)
        if self._upgrade_at is not None:
            rest, self._upgrade_at = data[self._upgrade_at :], None
            self._read_again(rest)
            return
        if self._in_request and not self._has_begun:
            self._beside_body += len(data)
            if self._beside_body > HEAD_MAX_BYTES and not self.transport.is_closing():
                if self._in_head:
                    self.transport.write(_TOO_LARGE)
                self.transport.close()
        self._watch()

    def on_message_begin(self) -> None:
        self.begin_request()
        super().on_message_begin()

    def begin_request(self) -> None:
        """Each request has its own time, also one that began in the same read as another ended."""
        self._in_head = self._in_request = self._has_begun = True
        self._beside_body = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._beside_body -= len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self.parser.should_upgrade() and not self._should_upgrade():
            return  # to be read again
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade() and not self._should_upgrade():
            return
        self._in_request = False
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Called while the parser's HttpParserUpgrade is handled, which says where the head ended."""
        problem = sys.exc_info()[1]
        assert problem is not None
        self._upgrade_at = problem.args[0]

    def _read_again(self, rest: bytes) -> None:
        """Such a request's body has not been read: to the parser all that follows was the other protocol."""
        lines = [b"%b %b HTTP/1.1" % (self.parser.get_method(), self.url)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] not in _OF_UPGRADES]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join([*lines, b"", rest]))

    def handle_websocket_upgrade(self) -> None:
        """The connection is no longer this protocol's. Behind a request that is not answered it ends."""
        self._in_request = False
        self._watch()
        last: RequestResponseCycle | None = self.cycle  # its type forgets None
        if last is not None and not last.response_complete:
            self.transport.close()
            return
        assert self._door is not None, "upgrades are taken where there is a door"
        self.connections.discard(self)
        self._leave()
        client_ip = self.client[0] if self.client else ""
        upgrade = Upgrade(self.parser.get_method(), self.url, self.headers, client_ip)
        self._door.accept(self.transport, upgrade)

    def _leave(self) -> None:
        if self._client is not None:
            self._addresses.leave(self._client)
            self._client = None

    def _should_upgrade_to_ws(self) -> bool:
        return self._door is not None

    def _watch(self) -> None:
        """A request that came in one piece never needs a timer."""
        if self._in_request and self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_WITHIN_S, self.transport.close)
        elif not self._in_request and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def server_config(
    app: ASGIApp, settings: Settings, door: Door | None = None, **overrides: Any
) -> uvicorn.Config:
    """Raises ImportError without the parts that make uvicorn three times faster: it would not say so."""
    for module in ("uvloop", "httptools"):
        importlib.import_module(module)
    options: dict[str, Any] = {
        "host": settings.server.host,
        "port": settings.server.port,
        "loop": "uvloop",
        "http": partial(BoundedProtocol, door=door, addresses=Addresses(settings.limits.connections)),
        "ws": "none",
        "lifespan": "off",
        "backlog": min(CONNECTIONS_WAITING, open_files_max() // 4),
        "access_log": False,
        "log_config": None,
        "log_level": "error",  # a warning is about what a client sent, and costs the client nothing
        "server_header": False,
        "proxy_headers": False,  # until a proxy is configured, an address in a header is a claim and no more
        "timeout_keep_alive": IDLE_S,
        "timeout_graceful_shutdown": SHUTDOWN_S,
    }
    return uvicorn.Config(app, **(options | overrides))
