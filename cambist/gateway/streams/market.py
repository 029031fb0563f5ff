"""Stream connections: /ws and /stream with what they subscribe to, market streams and listen keys alike."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import msgspec
from picows import WSCloseCode

from cambist.errors import ExchangeError
from cambist.feed.names import StreamName, parse
from cambist.gateway.streams import control
from cambist.gateway.streams.accounts import AccountHub, AccountStream
from cambist.gateway.streams.connection import Connection, Registry
from cambist.gateway.streams.control import ControlError, Request
from cambist.gateway.streams.hub import StreamHub
from cambist.store.listen_keys import ListenKeys

STREAMS_MAX = 1_024
NAME_MAX = 200
UNREAD_MAX_BYTES = 1 << 20  # of one connection, beyond which it is cut off
_SHUTDOWN = "!serverShutdown"


class Streams(msgspec.Struct, frozen=True):
    """What stream connections share."""

    hub: StreamHub
    accounts: AccountHub
    listen_keys: ListenKeys
    by_listen_key: "dict[str, set[StreamConnection]]"
    messages_max: int


class StreamConnection(Connection):
    """`combined` messages name their stream. A name that no stream has is taken, and nothing ever comes."""

    __slots__ = ("_began", "_combined", "_in_microseconds", "_names", "_opening", "_streams", "_tasks")

    def __init__(
        self,
        registry: Registry,
        client_ip: str,
        streams: Streams,
        names: list[str],
        *,
        combined: bool,
        in_microseconds: bool,
    ) -> None:
        super().__init__(registry, client_ip, streams.messages_max)
        self._streams = streams
        self._opening = names
        self._began: int | None = None  # the sequence behind which `_opening` tells of accounts
        self._combined = combined
        self._in_microseconds = in_microseconds
        self._names: dict[str, StreamName | AccountStream | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def needs_to_prepare(self) -> bool:
        return self._names_accounts(self._opening)

    async def prepare(self) -> None:
        """Whoever was told that he is connected misses nothing that he orders then, at whichever gateway."""
        self._began = await self._streams.accounts.now()

    def on_open(self) -> None:
        assert self.transport is not None, "it has just been opened"
        self.transport.underlying_transport.set_write_buffer_limits(high=UNREAD_MAX_BYTES)
        self._subscribe(self._opening, self._began)
        self._opening = []

    def on_message(self, message: bytes) -> None:
        if not self.counted():
            return
        try:
            self._answer(control.read(message))
        except ControlError as problem:
            self.send(control.error(problem))

    def on_end(self) -> None:
        for name in list(self._names):
            self._unsubscribe(name)

    def shutdown(self) -> None:
        self._tell(_SHUTDOWN, msgspec.json.encode({"e": "serverShutdown", "E": self._now()}))
        super().shutdown()

    def resynchronize(self) -> None:
        """Depth updates were lost. Clients take a new snapshot when they connect again."""
        self.close(WSCloseCode.SERVICE_RESTART, "updates were lost: connect and synchronize again")

    def end_listen_key(self, listen_key: str) -> None:
        self._unsubscribe(listen_key)
        event = {"e": "listenKeyExpired", "E": self._now(), "listenKey": listen_key}
        self._tell(listen_key, msgspec.json.encode(event))

    def _answer(self, request: Request) -> None:
        """The answer goes out before any message of what it subscribes to."""
        match request.method:
            case "SUBSCRIBE":
                names = control.stream_names(request)
                self._require_room(names, request)
                if self._names_accounts(names):
                    self._keep(self._subscribe_later(names, request))
                else:
                    self.send(control.result(request.id, None))
                    self._subscribe(names)
            case "UNSUBSCRIBE":
                for name in control.stream_names(request):
                    self._unsubscribe(name)
                self.send(control.result(request.id, None))
            case "LIST_SUBSCRIPTIONS":
                self.send(control.result(request.id, list(self._names)))
            case "SET_PROPERTY":
                self._set_combined(control.combined_value(request))
                self.send(control.result(request.id, None))
            case "GET_PROPERTY":
                control.property_name(request, most=1)
                self.send(control.result(request.id, self._combined))

    def _require_room(self, names: list[str], request: Request) -> None:
        if len(self._names.keys() | names) > STREAMS_MAX:
            raise ControlError(
                2, f"Invalid request: at most {STREAMS_MAX} streams per connection", request.id
            )
        if any(len(name) > NAME_MAX for name in names):
            raise ControlError(2, f"Invalid request: a stream name over {NAME_MAX} characters", request.id)

    def _names_accounts(self, names: list[str]) -> bool:
        now_ns = time.time_ns()
        return any(self._streams.listen_keys.account_of(name, now_ns) is not None for name in names)

    async def _subscribe_later(self, names: list[str], request: Request) -> None:
        """As `prepare`."""
        try:
            now = await self._streams.accounts.now()
        except ExchangeError:
            self._close_without_events()
            return
        try:
            self._require_room(names, request)  # once more: other requests were answered meanwhile
        except ControlError as problem:
            self.send(control.error(problem))
            return
        self.send(control.result(request.id, None))
        if self.is_open:
            self._subscribe(names, now)

    def _subscribe(self, names: list[str], now: int | None = None) -> None:
        """`now` is where accounts' events begin, if somebody has asked for it."""
        for name in names:
            if name in self._names:
                continue
            account = self._streams.listen_keys.account_of(name, time.time_ns())
            if account is not None:
                self._names[name] = None
                self._streams.by_listen_key.setdefault(name, set()).add(self)
                self._keep(self._open_account(name, account, now))
                continue
            stream = None if "?" in name else parse(name)
            if stream is not None:
                stream = stream._replace(in_microseconds=self._in_microseconds)
                self._streams.hub.add(stream, name, self, combined=self._combined)
            self._names[name] = stream

    def _unsubscribe(self, name: str) -> None:
        stream = self._names.pop(name, None)
        if isinstance(stream, StreamName):
            self._streams.hub.remove(stream, name, self)
        elif listeners := self._streams.by_listen_key.get(name):
            listeners.discard(self)
            if not listeners:
                del self._streams.by_listen_key[name]
            if stream is not None:
                self._streams.accounts.close(stream)

    async def _open_account(self, name: str, account: int, now: int | None) -> None:
        try:
            stream = await self._streams.accounts.open(
                account, lambda body: self._tell(name, body), now=now, in_microseconds=self._in_microseconds
            )
        except ExchangeError:
            self._close_without_events()
            return
        if name in self._names:
            self._names[name] = stream
            stream.start()
        else:
            self._streams.accounts.close(stream)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs it; the loop alone would not keep it."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _close_without_events(self) -> None:
        self.close(WSCloseCode.TRY_AGAIN_LATER, "the account's events are not available")

    def _set_combined(self, combined: bool) -> None:
        self._combined = combined
        for name, stream in self._names.items():
            if isinstance(stream, StreamName):
                self._streams.hub.add(stream, name, self, combined=combined)

    def _tell(self, name: str, body: bytes) -> None:
        self.send(b'{"stream":"%b","data":%b}' % (name.encode(), body) if self._combined else body)

    def _now(self) -> int:
        return time.time_ns() // (1_000 if self._in_microseconds else 1_000_000)
