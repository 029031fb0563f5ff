"""Who listens to which account's events, each from a position of its own.

Events arrive in order, marked with the sequence of their command and their number within it. A listener gets
what lies after its position and each event once, whatever happens to the data process meanwhile. Times in
the events are microseconds; for most listeners they are cut to milliseconds.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

import msgspec

from cambist.errors import Unavailable

QUESTION = "account_events"  # [account, after_sequence] -> Events
_LAST = 1 << 62  # beyond every ordinal
_CATCH_UP_TRIES, _CATCH_UP_PAUSE_S = 10, 0.05

_position = re.compile(r"([0-9]{1,19})\.([0-9]{1,9})").fullmatch
_MICROSECONDS = re.compile(rb'"([EOTWDu])":([0-9]{13})[0-9]{3}(?=[,}])')


class Position(NamedTuple):
    """Of an event: the sequence of its command, and its number among the account's events of that command."""

    sequence: int
    ordinal: int

    @classmethod
    def parse(cls, text: str) -> "Position | None":
        found = _position(text)
        return cls(int(found[1]), int(found[2])) if found else None


class PastEvents(msgspec.Struct):
    """Everything after a position up to the command `until`, as (sequence, ordinal, event)."""

    until: int
    events: list[tuple[int, int, msgspec.Raw]]


class Feed(Protocol):
    def watch_account(self, account: int, after_sequence: int | None = None) -> None: ...
    def unwatch_account(self, account: int) -> None: ...
    async def ask(self, question: str, params: Any = None) -> bytes: ...


class AccountStream:
    """One listener's view of an account. It holds back what arrives before it was started."""

    __slots__ = ("_deliver", "_held", "_in_microseconds", "account", "position")

    def __init__(
        self, account: int, position: Position, deliver: Callable[[bytes], None], *, in_microseconds: bool
    ) -> None:
        self.account = account
        self.position = position
        self._deliver = deliver
        self._in_microseconds = in_microseconds
        self._held: list[tuple[Position, bytes]] | None = []

    def take(self, position: Position, body: bytes) -> None:
        if self._held is not None:
            self._held.append((position, body))
        elif position > self.position:
            self.position = position
            self._deliver(body if self._in_microseconds else _in_milliseconds(body))

    def insert(self, past: list[tuple[int, int, msgspec.Raw]]) -> None:
        """Events from before those that are held back."""
        assert self._held is not None, "the past comes before the start"
        self._held[:0] = [(Position(sequence, ordinal), bytes(body)) for sequence, ordinal, body in past]

    def start(self) -> None:
        held, self._held = self._held or [], None
        for position, body in held:
            self.take(position, body)


class _Watched:
    __slots__ = ("from_sequence", "last", "streams")

    def __init__(self, from_sequence: int) -> None:
        self.from_sequence = from_sequence
        self.last = Position(from_sequence, _LAST)
        self.streams: set[AccountStream] = set()


class AccountHub:
    def __init__(self, feed: Feed, last_sequence: Callable[[], Awaitable[int]]) -> None:
        """`last_sequence` gives the sequence of the engine's last command."""
        self._feed = feed
        self._last_sequence = last_sequence
        self._watched: dict[int, _Watched] = {}

    async def now(self) -> int:
        """To be asked for before a listener is told that a stream has begun, and given to `open`."""
        return await self._last_sequence()

    async def open(
        self,
        account: int,
        deliver: Callable[[bytes], None],
        *,
        after: Position | None = None,
        now: int | None = None,
        in_microseconds: bool = False,
    ) -> AccountStream:
        """Events after that position, or of all commands from now on; `start` the stream to get them.

        Raises Unavailable, and FeedRefused if events from then are not to be had any more.
        """
        if now is None:
            now = await self._last_sequence()
        stream = AccountStream(
            account, after or Position(now, _LAST), deliver, in_microseconds=in_microseconds
        )
        watched = self._watched.get(account)
        if watched is None:
            watched = self._watched[account] = _Watched(now)
            self._feed.watch_account(account, now)
        watched.streams.add(stream)
        if stream.position < watched.last:
            try:
                await self._catch_up(stream, watched.from_sequence)
            except BaseException:
                self.close(stream)
                raise
        return stream

    def close(self, stream: AccountStream) -> None:
        watched = self._watched.get(stream.account)
        if watched is None or stream not in watched.streams:
            return
        watched.streams.discard(stream)
        if not watched.streams:
            del self._watched[stream.account]
            self._feed.unwatch_account(stream.account)

    def on_private(self, account: int, sequence: int, ordinal: int, body: bytes) -> None:
        watched = self._watched.get(account)
        if watched is None:
            return
        watched.last = Position(sequence, ordinal)
        for stream in tuple(watched.streams):
            stream.take(watched.last, body)

    async def _catch_up(self, stream: AccountStream, live_from: int) -> None:
        """Past events up to where the live ones began: the data process may not have come that far yet."""
        for _ in range(_CATCH_UP_TRIES):
            after = max(stream.position.sequence - 1, 0)
            answer = await self._feed.ask(QUESTION, [stream.account, after])
            past = msgspec.json.decode(answer, type=PastEvents)
            if past.until >= live_from:
                stream.insert(past.events)
                return
            await asyncio.sleep(_CATCH_UP_PAUSE_S)
        raise Unavailable("account events are behind")


def _in_milliseconds(body: bytes) -> bytes:
    return _MICROSECONDS.sub(rb'"\1":\2', body)
