"""Where a process apart hands in the commands that its records ask for: the intake, for a courier.

The courier numbers its commands itself and sends one at a time, blocking a thread; the connection lives in
the process's event loop.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from cambist.engine.commands import Role
from cambist.errors import OutcomeUnknown
from cambist.intake.port import IntakePort, port_to_leader
from cambist.match.queries import LastSequence
from cambist.settings import Settings
from cambist.store import outbox
from cambist.store.records import Records

OPENED_WITHIN_S = 5.0

T = TypeVar("T")


def desk_port(settings: Settings, records: Records, role: Role, name: str) -> IntakePort:
    """The way to the match server for the sender `name`, with the session that the records have of it."""
    with records.read() as db:
        sender = outbox.sender(db, name)
    session, reached = (0, 0) if sender is None else (sender.session, sender.sequence)
    return port_to_leader(settings, records.vault, role, name, session=session, reached=reached)


class IntakeDesk:
    """A courier's Desk over a `desk_port` that runs. Made in the event loop, used in other threads."""

    def __init__(self, port: IntakePort) -> None:
        self._port = port
        self._loop = asyncio.get_running_loop()

    def place(self, session: int) -> tuple[int, int | None]:
        return self._wait(self._place(session))

    def open_session(self, role: Role, name: str) -> int:
        """The connection's: it was opened with the same role and name."""
        return self._wait(self._open_session())

    def call(self, command: bytearray) -> bytes:
        return self._wait(self._call(command))

    async def _place(self, session: int) -> tuple[int, int | None]:
        sequence = await self._port.query(LastSequence())  # over the connection that the rest is read of
        return sequence, self._port.last_number if self._port.session == session else None

    async def _open_session(self) -> int:
        await self._port.opened(OPENED_WITHIN_S)
        return self._port.session

    async def _call(self, command: bytearray) -> bytes:
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._port.send(command, future, self._loop, is_stamped=True)
        try:
            return await future
        except OutcomeUnknown:
            # The number is sent again, and the intake takes one below the newest over a new connection only.
            self._port.leave()
            raise

    def _wait(self, asked: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()
