"""A gateway's end of the feed: what it watches and asks, over however many connections that takes.

The data process may end at any moment and comes back within a second or so. Until then asks wait; then the
client says where it was, watches everything again and repeats the asks that were not answered. Private events
it has handed on already are dropped, so each arrives once.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec

from cambist.errors import Refused, Unavailable
from cambist.feed.messages import (
    FRAME_MAX_BYTES,
    Answer,
    Ask,
    Gap,
    Hello,
    Market,
    Message,
    Position,
    Private,
    Published,
    ToGateway,
    Unwatch,
    UnwatchAccount,
    Watch,
    WatchAccount,
    frame,
    read_to_gateway,
)
from cambist.frames import Frames, FrameTooLarge

ANSWER_WITHIN_S = 0.8  # client libraries give up after a second
_RETRY_FIRST_S, _RETRY_MOST_S = 0.02, 0.5
_BEFORE_ALL = (0, -1)

log = logging.getLogger(__name__)


class FeedRefused(Refused):
    """The data process understood the question and has no answer to it."""

    code = "feed_refused"


class FeedClient:
    """Callbacks run on the event loop and must not raise.

    `position` is the last sequence that the views are known to hold, `published` the last one whose
    messages have all arrived.
    """

    def __init__(
        self,
        path: Path,
        on_market: Callable[[str, bytes], None],
        on_private: Callable[[int, int, int, bytes], None],
        on_gap: Callable[[], None],
        after_sequence: int = 0,
    ) -> None:
        """What happened up to `after_sequence` is of no interest, should the data process be behind it."""
        self.position = 0
        self._path = path
        self._on_market = on_market
        self._on_private = on_private
        self._on_gap = on_gap
        self._published = Published(after_sequence, after_sequence, after_sequence)
        self._streams: set[str] = set()
        self._accounts: dict[int, tuple[int | None, tuple[int, int]]] = {}  # asked from, seen up to
        self._asked: dict[int, tuple[Ask, asyncio.Future[bytes]]] = {}
        self._ids = itertools.count(1)
        self._waiting: set[tuple[int, asyncio.Future[None]]] = set()
        self._connection: _Connection | None = None

    @property
    def published(self) -> int:
        return self._published.sequence

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def run(self) -> None:
        """Connects again and again until it is cancelled."""
        loop = asyncio.get_running_loop()
        pause_s = _RETRY_FIRST_S
        while True:
            try:
                _, connection = await loop.create_unix_connection(lambda: _Connection(self), str(self._path))
            except (FileNotFoundError, ConnectionError):
                pause_s = min(2 * pause_s, _RETRY_MOST_S)
            else:
                pause_s = _RETRY_FIRST_S
                try:
                    await connection.lost
                finally:
                    self._connection = None
                    connection.close()
            await asyncio.sleep(pause_s)

    def watch(self, stream: str) -> None:
        if stream not in self._streams:
            self._streams.add(stream)
            self._send(Watch([stream]))

    def unwatch(self, stream: str) -> None:
        if stream in self._streams:
            self._streams.discard(stream)
            self._send(Unwatch([stream]))

    def watch_account(self, account: int, after_sequence: int | None = None) -> None:
        """Private events of commands after that sequence, or from now on. Watching again starts again."""
        self._accounts[account] = (after_sequence, _BEFORE_ALL)
        self._send(WatchAccount(account, after_sequence))

    def unwatch_account(self, account: int) -> None:
        if self._accounts.pop(account, None) is not None:
            self._send(UnwatchAccount(account))

    async def ask(self, question: str, params: Any = None) -> bytes:
        """The answer's JSON. Raises FeedRefused, or Unavailable if there is no answer yet."""
        ask = Ask(next(self._ids), question, params)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked[ask.id] = (ask, future)
        self._send(ask)
        try:
            return await asyncio.wait_for(future, ANSWER_WITHIN_S)
        except TimeoutError:
            raise Unavailable(f"market data did not answer within {ANSWER_WITHIN_S} s") from None
        finally:
            del self._asked[ask.id]

    async def wait_position(self, sequence: int, timeout_s: float) -> bool:
        """Whether the views hold everything up to `sequence` within that time."""
        if self.position >= sequence:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (sequence, future)
        self._waiting.add(entry)
        try:
            await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(entry)
        return True

    def _send(self, message: Message) -> None:
        """Without a connection there is nothing to do: a new one says everything again."""
        if self._connection is not None:
            self._connection.send([message])

    def _opened(self, connection: "_Connection") -> None:
        self._connection = connection
        published = self._published
        everything: list[Message] = [
            Hello(
                published.sequence,
                published.fast_sequence,
                published.slow_sequence,
                published.time_ns,
                sorted(self._streams),
            )
        ]
        everything += [
            WatchAccount(account, self._resumes_after(asked, seen))
            for account, (asked, seen) in self._accounts.items()
        ]
        everything += [ask for ask, _ in self._asked.values()]
        connection.send(everything)

    def _resumes_after(self, asked: int | None, seen: tuple[int, int]) -> int | None:
        """Everything published has arrived; of the command seen last, some events may be missing."""
        if asked is not None:  # past events may still have been on their way
            return max(asked, seen[0] - 1)
        return max(self.published, seen[0] - 1) or None

    def _take(self, message: ToGateway) -> None:
        match message:
            case Market(stream, body):
                self._on_market(stream, body)
            case Private():
                self._take_private(message)
            case Published():
                self._published = message
            case Position(sequence):
                self._take_position(sequence)
            case Gap():
                self._on_gap()
            case Answer():
                self._take_answer(message)

    def _take_private(self, event: Private) -> None:
        asked, seen = self._accounts.get(event.account, (None, None))
        place = (event.sequence, event.ordinal)
        if seen is None or place <= seen:
            return  # not watched any more, or handed on before a reconnect
        self._accounts[event.account] = (asked, place)
        self._on_private(event.account, event.sequence, event.ordinal, event.body)

    def _take_position(self, sequence: int) -> None:
        self.position = sequence
        for wanted, future in self._waiting:
            if wanted <= sequence and not future.done():
                future.set_result(None)

    def _take_answer(self, answer: Answer) -> None:
        _, future = self._asked.get(answer.id, (None, None))
        if future is None or future.done():
            return  # nobody waits for it any more
        if answer.body is None:
            problem = Unavailable if answer.may_retry else FeedRefused
            future.set_exception(problem(answer.error or "no answer"))
        else:
            future.set_result(answer.body)


class _Connection(asyncio.Protocol):
    def __init__(self, client: FeedClient) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._client = client
        self._frames = Frames(FRAME_MAX_BYTES)
        self._transport: asyncio.Transport | None = None

    def send(self, messages: list[Message]) -> None:
        assert self._transport is not None, "sent before it was connected"
        self._transport.write(frame(messages))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._client._opened(self)

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._frames.fed(data):
                for message in read_to_gateway(payload):
                    self._client._take(message)
        except (FrameTooLarge, msgspec.DecodeError) as problem:
            log.error("feed: the data process sent what cannot be read: %s", problem)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
