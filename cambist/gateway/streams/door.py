"""The way from a request to upgrade to an open WebSocket, on the port that everything else uses too.

The HTTP server has read the request's head. It is handed to picows with the connection, written anew with the
headers that count, because picows takes a plain `Connection: Upgrade` only and browsers add to it.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote

from picows import WSAutoPingStrategy, WSListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # not among its published names

from cambist.errors import ExchangeError
from cambist.gateway import errors
from cambist.gateway.errors import Refusal
from cambist.gateway.limits import Window, client_of
from cambist.gateway.neighbours import Neighbours
from cambist.gateway.streams.connection import PING_EVERY_S, Connection

CONNECTIONS_INTERVAL_S = 300
STOP_WITHIN_S = 5
_READ_BUFFER_BYTES = 2_048  # grows with larger messages
_PASSED_ON = (b"sec-websocket-key", b"sec-websocket-version")

# What a client sends wrongly writes no log lines; faults of ours are told by Connection.
_log = logging.getLogger("picows.silent")
_log.setLevel(logging.CRITICAL + 1)
_logger = logging.LoggerAdapter(_log)  # picows makes a Logger per connection of anything that is one


class Upgrade(NamedTuple):
    """A request to upgrade, as the HTTP server has read it."""

    method: bytes
    target: bytes  # path and query
    headers: list[tuple[bytes, bytes]]  # names in lower case
    client_ip: str


class Target(NamedTuple):
    path: str
    query: dict[str, str]

    @classmethod
    def of(cls, target: bytes) -> "Target":
        path, _, query = target.decode("latin-1").partition("?")
        pairs = [pair.partition("=") for pair in query.split("&")]
        return cls(unquote(path), {unquote(name): unquote(value) for name, _, value in pairs})


class Door:
    """Accepts upgrades, counts and pings what is open, and says goodbye at the end."""

    def __init__(
        self,
        route: Callable[["Door", Target, str], Connection | None],
        attempts_max: int,
        neighbours: Neighbours | None = None,
    ) -> None:
        """At most `attempts_max` upgrades per address in five minutes; 0 is no limit."""
        self._route = route
        self._attempts_max = attempts_max
        self._attempts = Window(CONNECTIONS_INTERVAL_S, "websockets", neighbours)
        self._slots: list[set[Connection]] = [set() for _ in range(PING_EVERY_S)]
        self._slot_of: dict[Connection, int] = {}
        self._at = 0
        self._preparing: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.refused = 0  # for the limit

    @property
    def count(self) -> int:
        return len(self._slot_of)

    def opened(self, connection: Connection) -> None:
        self._slots[self._at].add(connection)
        self._slot_of[connection] = self._at

    def ended(self, connection: Connection) -> None:
        slot = self._slot_of.pop(connection, None)
        if slot is not None:
            self._slots[slot].discard(connection)

    def accept(self, transport: asyncio.Transport, upgrade: Upgrade) -> None:
        client = client_of(upgrade.client_ip)
        now_s = int(time.time())
        if self._attempts_max and self._attempts.add(client, 1, now_s) > self._attempts_max:
            self.refused += 1
            _refuse(transport, errors.TOO_MANY_CONNECTIONS, self._attempts.ends_in_s(now_s))
            return
        connection = (
            None if self._stopping else self._route(self, Target.of(upgrade.target), upgrade.client_ip)
        )
        if connection is None:
            _refuse(transport, errors.NO_SUCH_ROUTE)
            return
        if connection.needs_to_prepare():
            transport.pause_reading()
            task = asyncio.get_running_loop().create_task(self._prepare(transport, upgrade, connection))
            self._preparing.add(task)  # the loop alone would not keep it
            task.add_done_callback(self._preparing.discard)
        else:
            _hand_over(transport, upgrade, connection)

    async def _prepare(self, transport: asyncio.Transport, upgrade: Upgrade, connection: Connection) -> None:
        try:
            await connection.prepare()
        except ExchangeError as problem:
            _refuse(transport, errors.of_error(problem))
            return
        if self._stopping:
            _refuse(transport, errors.TRY_AGAIN)
        elif not transport.is_closing():
            _hand_over(transport, upgrade, connection)

    async def run(self) -> None:
        """Pings until it is cancelled: a part of the connections each second."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1)
            self._at = (self._at + 1) % PING_EVERY_S
            payload = b"%d" % (time.time_ns() // 1_000_000)
            for connection in tuple(self._slots[self._at]):
                connection.beat(loop.time(), payload)

    async def stop(self) -> None:
        """Tells every client that the exchange stops, and gives them some seconds to leave."""
        self._stopping = True
        for connection in tuple(self._slot_of):
            connection.shutdown()
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + STOP_WITHIN_S
        while self._slot_of and loop.time() < deadline_s:
            await asyncio.sleep(0.02)


def _hand_over(transport: asyncio.Transport, upgrade: Upgrade, listener: WSListener) -> None:
    head = [
        upgrade.method,
        b" ",
        upgrade.target,
        b" HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n",
    ]
    for name, value in upgrade.headers:
        if name in _PASSED_ON:
            head += [name, b": ", value, b"\r\n"]
    head.append(b"\r\n")
    protocol = WSProtocol(
        None,  # host and path are a client's
        None,
        False,
        lambda _: listener,
        _logger,
        True,  # an exception ends the connection
        None,  # the head is here: nothing to wait for
        False,  # pings are sent by the door: a task per connection would cost more than its buffers
        PING_EVERY_S,
        PING_EVERY_S,
        WSAutoPingStrategy.PING_PERIODICALLY,
        False,  # pongs are counted
        Connection.message_max_bytes,
        None,
        _READ_BUFFER_BYTES,
    )
    transport.pause_reading()  # so that the loop reads into the new protocol's buffer when it goes on
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    _feed(protocol, b"".join(head))
    if not transport.is_closing():
        transport.resume_reading()


def _feed(protocol: WSProtocol, data: bytes) -> None:
    while data:
        buffer = protocol.get_buffer(len(data))
        taken = min(len(buffer), len(data))
        buffer[:taken] = data[:taken]
        protocol.buffer_updated(taken)
        data = data[taken:]


def _refuse(transport: asyncio.Transport, refusal: Refusal, retry_after_s: int | None = None) -> None:
    body = errors.body(refusal)
    retry = b"" if retry_after_s is None else b"retry-after: %d\r\n" % retry_after_s
    transport.write(
        b"HTTP/1.1 %d Refused\r\ncontent-type: application/json;charset=UTF-8\r\n%bconnection: close\r\n"
        b"content-length: %d\r\n\r\n%b" % (refusal.http, retry, len(body), body)
    )
    transport.close()
