"""The match server as a request sees it: an answer within ten seconds, or an outcome that is not known."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from cambist._matching import Engine, History
from cambist.engine import events
from cambist.engine.commands import account_of
from cambist.errors import OutcomeUnknown
from cambist.match.server import MatchServer, Port

ANSWER_WITHIN_S = 10

T = TypeVar("T")


class Core:
    """Commands and questions go through one queue, so a question sees every command sent before it."""

    def __init__(self, server: MatchServer, port: Port) -> None:
        self._server = server
        self._port = port
        self._answered: dict[int, int] = {}  # by account
        self._begin = server.query_blocking(lambda engine, _: engine.sequence)

    async def execute(self, command: bytearray) -> bytes:
        """RESULT and events. A client that goes away meanwhile changes nothing: the command is on its way."""
        answer = await _in_time(self._port.submit(command))
        for record in events.split(answer):
            self._answered[account_of(command)] = events.place(record)[0]
        return answer

    def answered(self, account: int) -> int:
        """The last sequence that this account's owner may know of from an answer."""
        return self._answered.get(account, self._begin)

    async def query(self, ask: Callable[[Engine, History], T]) -> T:
        return await _in_time(self._server.query(ask))


async def _in_time(future: "asyncio.Future[T]") -> T:
    timer = asyncio.get_running_loop().call_later(ANSWER_WITHIN_S, _give_up, future)
    try:
        return await future
    finally:
        timer.cancel()


def _give_up(future: "asyncio.Future[T]") -> None:
    if not future.done():
        future.set_exception(
            OutcomeUnknown(f"no answer within {ANSWER_WITHIN_S} s; the outcome is not known")
        )
