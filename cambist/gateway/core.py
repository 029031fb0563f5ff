"""The match server as a request sees it: an answer within ten seconds, or an outcome that is not known."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from cambist._matching import Engine, History
from cambist.errors import OutcomeUnknown
from cambist.match.server import MatchServer, Port

ANSWER_WITHIN_S = 10

T = TypeVar("T")


class Core:
    """Commands and questions go through one queue, so a question sees every command sent before it."""

    def __init__(self, server: MatchServer, port: Port) -> None:
        self._server = server
        self._port = port

    async def execute(self, command: bytearray) -> bytes:
        """RESULT and events. A client that goes away meanwhile changes nothing: the command is on its way."""
        return await _in_time(self._port.submit(command))

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
