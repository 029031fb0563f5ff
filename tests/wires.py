"""A sender and a match server joined by wires that a test cuts and feeds by hand, all in one event loop."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cambist._matching import Engine
from cambist.engine import commands
from cambist.engine.commands import Role
from cambist.flow.venue import TIME_NS, Listing, Venue
from cambist.intake.client import Client
from cambist.intake.server import Connection, Intake
from cambist.log.errors import LogFailed
from cambist.log.journal_writer import JournalWriter
from cambist.match.disk import LowDiskMark
from cambist.match.server import MatchServer
from cambist.settings import Log, Match
from tests.journals import LOG_ID, records_of

T = TypeVar("T")


def secret_of(role: Role) -> bytes:
    return b"secret of " + role.name.encode()


class MemoryLog:
    """`fails` is a disk that takes the batch and then says that it has not."""

    def __init__(self, batches: list[bytes]) -> None:
        self.batches = batches
        self.fails = False

    def append(self, payload: bytes) -> None:
        self.batches.append(payload)
        if self.fails:
            raise LogFailed("fdatasync: Input/output error")

    def seal(self) -> None: ...

    def require_leading(self) -> None: ...

    def beat(self) -> None: ...

    def close(self) -> None: ...


class Leader:
    """A match server whose rounds are taken by `turn`; a new one begins from the log, as after a crash."""

    def __init__(self, directory: Path, batches: list[bytes], *, queue_max: int = 1_000) -> None:
        self.log = MemoryLog(batches)
        self.engine = Engine()
        journal = JournalWriter(directory, LOG_ID, Engine().event_hash)
        for record in records_of(batches, self.engine):
            if record.first_sequence > journal.last_sequence:
                journal.append(record)
        self.server = MatchServer(
            self.log,
            self.engine,
            journal,
            match=Match(queue_max=queue_max, batch_max=8),
            log_settings=Log(),
            disk=LowDiskMark(0, lambda: 1),
            clock=lambda: TIME_NS,
        )
        self.intake = Intake(self.server, directory, secret_of, _at_once)

    def turn(self) -> None:
        self.server.turn(sleep_max_s=0)


class Wire:
    """One connection, as two streams of bytes on their way."""

    def __init__(self, client: Client, leader: Leader, now_s: float) -> None:
        self.to_server = self.to_client = b""
        self.is_cut = False
        self.sender = SenderLine(self, client)
        self.server = ServerLine(self)
        self.connection = Connection(leader.intake, self.server, now_s)
        client.opened(self.sender, now_s)

    def pull(self) -> None:
        """What both sides have to send goes on its way."""
        if not self.is_cut:
            self.to_server += self.sender.client.outgoing()
            self.to_client += self.connection.outgoing()

    def deliver_to_server(self, count: int, now_s: float) -> None:
        data, self.to_server = self.to_server[:count], self.to_server[count:]
        if data:
            self.connection.received(data, now_s)

    def deliver_to_client(self, count: int, now_s: float) -> None:
        data, self.to_client = self.to_client[:count], self.to_client[count:]
        if data and not self.is_cut:
            self.sender.client.received(data, now_s)

    def cut(self) -> None:
        """The sender notices at once, the server does not: what is on its way to it may still arrive."""
        if not self.is_cut:
            self.is_cut = True
            self.sender.client.lost()


class SenderLine:
    def __init__(self, wire: Wire, client: Client) -> None:
        self.wire = wire
        self.client = client

    def wake(self) -> None: ...

    def opened(self) -> None: ...

    def close(self) -> None:
        self.wire.is_cut = True


class ServerLine:
    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.is_closed = False

    def wake(self) -> None: ...

    def close(self) -> None:
        self.is_closed = True


class World:
    """One sender, whoever leads now, and the wire between them. Use it inside a running loop."""

    def __init__(self, *, role: Role = Role.TRADE, queue_max: int = 1_000, give_up_s: float = 1_000) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="cambist-wires-")
        self.journal = Path(self._directory.name)
        self.batches: list[bytes] = []
        self.venue = Venue(Listing(), 2, append=self.batches.append)
        self.account = self.venue.accounts[0]
        self.market = self.venue.markets[0]
        self.queue_max = queue_max
        self.now_s = 0.0
        self.leader = Leader(self.journal, self.batches, queue_max=queue_max)
        self.client = Client(role, "test", secret_of(role), give_up_s=give_up_s, silent_s=1.0)
        self.wire = Wire(self.client, self.leader, self.now_s)
        self.old_wires: list[Wire] = []

    def close(self) -> None:
        self._directory.cleanup()

    def submit(self, command: commands.Command) -> "asyncio.Future[bytes]":
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.client.send(command.encode(), future, self.now_s)
        return future

    def reconnect(self) -> None:
        self.wire.cut()
        self.old_wires.append(self.wire)
        self.wire = Wire(self.client, self.leader, self.now_s)

    def crash(self) -> None:
        """Whoever led is no more; the next one begins from the log."""
        self.wire.cut()
        self.old_wires.clear()
        self.leader = Leader(self.journal, self.batches, queue_max=self.queue_max)
        self.wire = Wire(self.client, self.leader, self.now_s)

    async def settle(self, until: Callable[[], bool], rounds: int = 2_000) -> None:
        """Everything flows again until the condition holds."""
        for _ in range(rounds):
            await self.step()
            if until():
                return
        raise AssertionError("it did not come to rest")

    async def step(self) -> None:
        """Everything that is on its way arrives, and the match server takes a round."""
        if self.leader.server.problem is not None:
            self.crash()
        if self.wire.is_cut or self.wire.server.is_closed:
            self.reconnect()
        self.wire.pull()
        self.wire.deliver_to_server(len(self.wire.to_server), self.now_s)
        await asyncio.sleep(0)
        self.leader.turn()
        for _ in range(3):  # futures tell their callbacks in the next turns of the loop
            await asyncio.sleep(0)
        self.wire.connection.tick(self.now_s)
        self.wire.pull()
        self.wire.deliver_to_client(len(self.wire.to_client), self.now_s)
        await asyncio.sleep(0)


def _at_once(work: Callable[[], T], done: Callable[[T], None]) -> None:
    done(work())
