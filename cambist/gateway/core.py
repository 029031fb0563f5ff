"""The match server as a request sees it: an answer within ten seconds, or an outcome that is not known."""

import asyncio
from collections import deque
from typing import Protocol, TypeAlias, TypeVar

from cambist.engine import events
from cambist.engine.commands import account_of
from cambist.errors import OutcomeUnknown
from cambist.gateway.neighbours import Neighbours
from cambist.match.queries import Query
from cambist.match.server import Waiter

ANSWER_WITHIN_S = 10
LOOK_EVERY_S = 1

Loop: TypeAlias = asyncio.AbstractEventLoop
T = TypeVar("T")


class Port(Protocol):
    """The way to the match server, wherever that is. Questions and commands keep their order."""

    def submit(self, command: bytearray) -> "asyncio.Future[bytes]": ...
    def send(self, command: bytearray, waiter: Waiter, loop: Loop) -> None: ...
    def query(self, ask: Query[T]) -> "asyncio.Future[T]": ...


class Core:
    """Commands and questions go through one queue, so a question sees every command sent before it."""

    def __init__(self, port: Port, begin: int, neighbours: Neighbours) -> None:
        """`begin` is the engine's sequence now."""
        self._port = port
        self._neighbours = neighbours
        self._answered: dict[int, int] = {}  # by account
        self._is_watching = False
        self._waiting: deque[tuple[float, Waiter]] = deque()  # until when, in that order
        self._begin = begin

    async def execute(self, command: bytearray) -> bytes:
        """RESULT and events. A client that goes away meanwhile changes nothing: the command is on its way."""
        answer = await self._in_time(self._port.submit(command))
        for record in events.split(answer):
            self.heard(account_of(command), events.place(record)[0])
        return answer

    def send(self, command: bytearray, waiter: Waiter, loop: Loop) -> None:
        """The same for one who is no future, is told in `loop`, and says himself what he has `heard`.

        Raises Overloaded or Unavailable; nothing was sent then.
        """
        self._port.send(command, waiter, loop)
        self._watch(waiter, loop)

    def heard(self, account: int, sequence: int) -> None:
        """An account's owner is told of what happened there."""
        self._answered[account] = sequence
        if not self._neighbours.is_alone:
            self._neighbours.answered(account, sequence)

    def answered(self, account: int) -> int:
        """The last sequence that this account's owner may know of from an answer, whoever gave it."""
        own = self._answered.get(account, self._begin)
        return own if self._neighbours.is_alone else max(own, self._neighbours.last_answered(account))

    async def query(self, ask: Query[T]) -> T:
        return await self._in_time(self._port.query(ask))

    async def _in_time(self, future: "asyncio.Future[T]") -> T:
        self._watch(future, asyncio.get_running_loop())
        return await future

    def _watch(self, waiter: Waiter, loop: Loop) -> None:
        waiting = self._waiting
        while waiting and waiting[0][1].done():
            waiting.popleft()
        waiting.append((loop.time() + ANSWER_WITHIN_S, waiter))
        if not self._is_watching:
            self._is_watching = True
            loop.call_later(LOOK_EVERY_S, self._give_up_on_the_late, loop)

    def _give_up_on_the_late(self, loop: Loop) -> None:
        """One timer for all who wait: one for each would cost more than asking."""
        waiting = self._waiting
        while waiting and (waiting[0][1].done() or waiting[0][0] <= loop.time()):
            _give_up(waiting.popleft()[1])
        self._is_watching = bool(waiting)
        if waiting:
            loop.call_later(LOOK_EVERY_S, self._give_up_on_the_late, loop)


def _give_up(waiter: Waiter) -> None:
    if not waiter.done():
        waiter.set_exception(
            OutcomeUnknown(f"no answer within {ANSWER_WITHIN_S} s; the outcome is not known")
        )
