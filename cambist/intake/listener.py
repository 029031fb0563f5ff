"""Where a leading match server takes intake connections: a Unix socket of its epoch, and a TCP port if set.

The socket's name says who leads: senders go to the highest epoch that answers.
"""

import asyncio
import logging
import os
import re
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar, cast

from cambist.engine.commands import Role
from cambist.errors import Refused
from cambist.intake.protocol import HEARTBEAT_S
from cambist.intake.server import Connection, Intake
from cambist.match.server import MatchServer

UNREAD_MAX_BYTES = 512 << 20  # of one sender, beyond which it is cut off

EPOCH_MAX = 999_999  # more takeovers than there will be: the longest name that a socket gets
_NAME = re.compile(r"intake-(\d+)\.sock")

T = TypeVar("T")

log = logging.getLogger(__name__)


def socket_path(directory: Path, epoch: int) -> Path:
    return directory / f"intake-{epoch}.sock"


def sockets(directory: Path) -> list[tuple[int, Path]]:
    """Epoch and socket of all who lead or have led, the newest first; only the newest may lead."""
    found = [(_NAME.fullmatch(path.name), path) for path in directory.glob("intake-*.sock")]
    return sorted(((int(name[1]), path) for name, path in found if name), reverse=True)


class AddressTaken(Refused):
    code = "address_taken"


class IntakeListener:
    def __init__(self, server: MatchServer, journal: Path, secrets: Callable[[Role], bytes]) -> None:
        self._intake = Intake(server, journal, secrets, _in_a_thread)
        self._servers: list[asyncio.Server] = []
        self._ticking: asyncio.Task[None] | None = None

    @property
    def senders(self) -> int:
        """Processes that are connected."""
        return len(self._intake.connections)

    async def start(self, directory: Path, epoch: int, tcp: Sequence[tuple[str, int]] = ()) -> None:
        """Listens as the leader of that epoch. Raises AddressTaken."""
        loop = asyncio.get_running_loop()
        directory.mkdir(mode=0o700, exist_ok=True)
        for older, path in sockets(directory):
            if older <= epoch:
                path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        # Before bind: the file is made with this mode, so there is no moment in which others could open it.
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(socket_path(directory, epoch)))
        self._servers.append(await loop.create_unix_server(self._connection, sock=listener))
        for host, port in tcp:
            await self.listen(host, port)
        self._ticking = asyncio.create_task(self._tick())

    async def listen(self, host: str, port: int) -> None:
        """There too. Raises AddressTaken."""
        loop = asyncio.get_running_loop()
        try:
            self._servers.append(await loop.create_server(self._connection, host, port))
        except OSError as problem:
            raise AddressTaken(
                f"intake.listen: {host}:{port} cannot be listened on: {problem.strerror}"
            ) from None

    async def stop(self) -> None:
        """Answers that are ready are sent; whoever waits for one goes to the next leader.

        The socket stays, because a successor may have made it anew: behind an old one nobody answers.
        """
        for server in self._servers:
            server.close()
        if self._ticking is not None:
            self._ticking.cancel()
        for connection in tuple(self._intake.connections):
            connection.close()

    def _connection(self) -> "_Line":
        return _Line(self._intake)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            for connection in tuple(self._intake.connections):
                connection.tick(loop.time())


class _Line(asyncio.Protocol):
    def __init__(self, intake: Intake) -> None:
        self._loop = asyncio.get_running_loop()
        self._intake = intake
        self._connection: Connection
        self._transport: asyncio.Transport
        self._is_awake = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connection = Connection(self._intake, self, self._loop.time())

    def data_received(self, data: bytes) -> None:
        self._connection.received(data, self._loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.close()

    def wake(self) -> None:
        if not self._is_awake:
            self._is_awake = True
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        self._is_awake = False
        out = self._connection.outgoing()
        if not out or self._transport.is_closing():
            return
        self._transport.write(out)
        unread = self._transport.get_write_buffer_size()
        if unread > UNREAD_MAX_BYTES:
            log.error("intake: %s leaves %d bytes unread and is cut off", self._connection, unread)
            self._transport.abort()


def _in_a_thread(work: Callable[[], T], done: Callable[[T], None]) -> None:
    future = asyncio.get_running_loop().run_in_executor(None, work)
    future.add_done_callback(lambda finished: done(finished.result()))
