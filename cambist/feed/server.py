"""The data process's end of the feed: who is connected, what they ask for, and how messages reach them.

What a connection sends is handed to whom it concerns; messages to it are gathered and leave as one frame per
turn of the event loop. A gateway that does not read is cut off: it connects again and says where it was.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec

from cambist.errors import ExchangeError, Unavailable
from cambist.feed.messages import (
    FRAME_MAX_BYTES,
    Answer,
    Ask,
    Hello,
    Message,
    ToData,
    Unwatch,
    UnwatchAccount,
    Watch,
    WatchAccount,
    frame,
    read_to_data,
)
from cambist.frames import Frames, FrameTooLarge

UNREAD_MAX_BYTES = 64 << 20  # of one gateway, beyond which it is cut off

log = logging.getLogger(__name__)


class MarketSide(Protocol):
    """Who publishes streams. `hello` comes once per connection and before its first `watch`."""

    def hello(self, gateway: "Connection", hello: Hello) -> None: ...
    def watch(self, gateway: "Connection", streams: list[str]) -> None: ...
    def unwatch(self, gateway: "Connection", streams: list[str]) -> None: ...
    def gone(self, gateway: "Connection") -> None: ...


class AccountSide(Protocol):
    """Who publishes private events."""

    def watch_account(self, gateway: "Connection", account: int, after_sequence: int | None) -> None: ...
    def unwatch_account(self, gateway: "Connection", account: int) -> None: ...
    def gone(self, gateway: "Connection") -> None: ...


Question = Callable[[Any], bytes]  # parameters in, JSON out; raises ExchangeError for what it refuses


class FeedServer:
    def __init__(
        self, path: Path, market: MarketSide, accounts: AccountSide, questions: Mapping[str, Question]
    ) -> None:
        self.market = market
        self.accounts = accounts
        self.questions = questions
        self.connections: set[Connection] = set()
        self._path = path
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listens. Only one data process runs at a time, so a socket left at the path is dead."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        # Before bind: the file is made with this mode, so there is no moment in which others could open it.
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(self._path))
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: Connection(self), sock=listener)

    async def stop(self) -> None:
        assert self._server is not None, "stopped before it was started"
        self._server.close()
        for connection in list(self.connections):
            connection.close()
        await self._server.wait_closed()
        self._path.unlink(missing_ok=True)

    def send_all(self, message: Message) -> None:
        for connection in self.connections:
            connection.send(message)


class Connection(asyncio.Protocol):
    """One gateway."""

    def __init__(self, server: FeedServer) -> None:
        self._server = server
        self._frames = Frames(FRAME_MAX_BYTES)
        self._outgoing: list[Message] = []
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None

    def send(self, message: Message) -> None:
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(message)

    def close(self) -> None:
        """Sends what it can and waits for nobody: a gateway that comes back says where it was."""
        self._flush()
        self._abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._frames.fed(data):
                for message in read_to_data(payload):
                    self._take(message)
        except (FrameTooLarge, msgspec.DecodeError) as problem:
            log.error("feed: a gateway sent what cannot be read and is cut off: %s", problem)
            self._abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._outgoing.clear()
        self._server.connections.discard(self)
        self._server.market.gone(self)
        self._server.accounts.gone(self)

    def _take(self, message: ToData) -> None:
        match message:
            case Hello():
                self._server.market.hello(self, message)
            case Watch(streams):
                self._server.market.watch(self, streams)
            case Unwatch(streams):
                self._server.market.unwatch(self, streams)
            case WatchAccount(account, after_sequence):
                self._server.accounts.watch_account(self, account, after_sequence)
            case UnwatchAccount(account):
                self._server.accounts.unwatch_account(self, account)
            case Ask():
                self.send(self._answer(message))

    def _answer(self, ask: Ask) -> Answer:
        question = self._server.questions.get(ask.question)
        if question is None:
            return Answer(ask.id, error=f"there is no question {ask.question!r}")
        try:
            return Answer(ask.id, question(ask.params))
        except ExchangeError as problem:
            return Answer(ask.id, error=str(problem), may_retry=isinstance(problem, Unavailable))

    def _flush(self) -> None:
        transport = self._transport
        if transport is None or not self._outgoing:
            return
        messages, self._outgoing = self._outgoing, []
        transport.write(frame(messages))
        unread = transport.get_write_buffer_size()
        if unread > UNREAD_MAX_BYTES:
            log.error("feed: a gateway leaves %d bytes unread and is cut off", unread)
            self._abort()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
