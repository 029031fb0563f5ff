"""A leader dies or is stopped under load while others stand by: whoever was told yes was told the truth.

Three match servers in processes of their own, and a client that places orders over intake as a gateway does
and writes down what it is told. Times are printed, not judged.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from cambist._matching import Engine
from cambist.control import verify
from cambist.engine import events
from cambist.engine.commands import OrderType, Place, Role, Side, TimeInForce
from cambist.engine.events import OrderAccepted, Status
from cambist.errors import OutcomeUnknown, Unavailable
from cambist.intake.client import Client
from cambist.intake.port import IntakePort, addresses
from cambist.intake.protocol import secret_of
from cambist.log.file import read
from cambist.log.leadership import Condition, epoch_file, leader_of, newest_epoch
from cambist.settings import Settings
from cambist.store.secrets import Vault
from cambist.supervisor.client import supervisor
from tests.e2e.harness import HOST, WAIT_SECONDS, Exchange, cambist, environment, running
from tests.e2e.market import SYMBOL, Owner, create_exchange, place, report, settings_of
from tests.leading import holder_of
from tests.ports import free_port

FENCED = 4
STANDBYS = 2
AT_WORK = 16
PAUSE_S = 0.02
ORDERS_BETWEEN = 200
GIVE_UP_S = 60.0  # so that a slow machine makes a takeover late, and no order unknown
APART = {
    "CAMBIST_PROCESSES_MATCH_APART": "true",
    "CAMBIST_PROCESSES_GATEWAYS": "1",
    "CAMBIST_PROCESSES_STANDBY": "true",
    "CAMBIST_INTAKE_GIVE_UP_MS": "60000",
}


class MatchServer:
    def __init__(self, home: Path, tcp_port: int) -> None:
        self.tcp_port = tcp_port
        self.output = home.parent / f"{home.name}.output"
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cambist.app_match", "match", "--standby"],
                env={**environment(home, free_port()), "CAMBIST_INTAKE_LISTEN": f"{HOST}:{tcp_port}"},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def wait(self) -> int:
        return self.process.wait(WAIT_SECONDS)


@contextmanager
def match_servers(home: Path) -> Iterator[list[MatchServer]]:
    """Those that the test puts into the list are killed at the end."""
    servers: list[MatchServer] = []
    try:
        yield servers
    except BaseException:
        print(servers[0].output.read_text())
        raise
    finally:
        for server in servers:
            server.process.kill()
            server.process.wait(WAIT_SECONDS)


class Flow:
    """Orders of one account, `AT_WORK` at a time; what each was told, by its name."""

    def __init__(self, port: IntakePort, owner: Owner) -> None:
        self._port = port
        self._owner = owner
        self.sent: set[bytes] = set()
        self.told: dict[bytes, events.Result] = {}
        self.unknown: set[bytes] = set()
        self.told_at: list[float] = []

    async def run(self) -> None:
        await asyncio.gather(*(self._place_orders() for _ in range(AT_WORK)))

    async def _place_orders(self) -> None:
        while True:
            name = b"o-%d" % len(self.sent)
            self.sent.add(name)
            command = Place(
                account=self._owner.account,
                market=1,
                side=Side.BUY if len(self.sent) % 2 else Side.SELL,
                order_type=OrderType.LIMIT,
                time_in_force=TimeInForce.GTC,
                price_ticks=100 + len(self.sent) % 3,
                quantity_lots=1,
                client_id=name,
            )
            try:
                self.told[name] = events.result(await self._port.submit(command.encode()))
                self.told_at.append(time.monotonic())
            except (OutcomeUnknown, Unavailable):
                self.unknown.add(name)
            await asyncio.sleep(PAUSE_S)

    async def wait_for(self, orders: int) -> None:
        """Until so many more have been told."""
        enough = len(self.told) + orders
        while len(self.told) < enough:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def flowing(settings: Settings, owner: Owner) -> AsyncIterator[Flow]:
    secret = secret_of(Vault.open(settings.secrets_directory), Role.TRADE)
    client = Client(Role.TRADE, "gateway", secret, give_up_s=GIVE_UP_S, silent_s=1.0)
    port = IntakePort(client, partial(addresses, settings.run_directory, []))
    connecting = asyncio.create_task(port.run())
    await port.opened(WAIT_SECONDS)
    flow = Flow(port, owner)
    placing = asyncio.create_task(flow.run())
    try:
        yield flow
    finally:
        for task in (placing, connecting):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until_leading(settings: Settings, epoch: int) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            newest = newest_epoch(settings.log_directory)
            if newest >= epoch and leader_of(settings.log_directory, newest).condition == Condition.LEADING:
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("times", [2, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(1_800)])])
def test_what_a_client_was_told_is_in_the_chain_whoever_led(tmp_path: Path, number: int, times: int) -> None:
    home = tmp_path / "home"
    owner = create_exchange(home)[0]
    settings = settings_of(home)
    with match_servers(home) as servers:
        flow = asyncio.run(lead_in_turn(settings, owner, servers, number, times))
    check_chain(settings, flow, epochs=times + 1)
    found = verify.verify(settings, None, report)
    assert found["problems"] == []


async def lead_in_turn(
    settings: Settings, owner: Owner, servers: list[MatchServer], number: int, times: int
) -> Flow:
    servers.append(MatchServer(settings.home, free_port()))
    await until_leading(settings, 1)
    for _ in range(STANDBYS):
        await stand_by(settings, servers)
    async with flowing(settings, owner) as flow:
        for epoch in range(2, times + 2):
            await flow.wait_for(ORDERS_BETWEEN)
            leader = leading(settings, servers)
            told, now_s = len(flow.told_at), time.monotonic()
            leader.signal(number)
            await until_leading(settings, epoch)
            await flow.wait_for(ORDERS_BETWEEN)
            first_s = next(at for at in flow.told_at[told:] if at > now_s + 0.05)
            name = signal.Signals(number).name
            print(f"{name}: the first answer of epoch {epoch} came after {first_s - now_s:.2f} s")
            if number == signal.SIGSTOP:
                leader.signal(signal.SIGCONT)
                assert await asyncio.to_thread(leader.wait) == FENCED
                await flow.wait_for(ORDERS_BETWEEN)
                await until_listening(leader.tcp_port)  # which the old leader held as long as it was there
            if epoch <= times:
                await stand_by(settings, servers)
        return flow


async def until_listening(port: int) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            with suppress(ConnectionError):
                _, writer = await asyncio.open_connection(HOST, port)
                writer.close()
                return
            await asyncio.sleep(0.05)


def leading(settings: Settings, servers: list[MatchServer]) -> MatchServer:
    lock = epoch_file(settings.log_directory, newest_epoch(settings.log_directory))
    return next(server for server in servers if server.process.pid == holder_of(lock))


async def stand_by(settings: Settings, servers: list[MatchServer]) -> None:
    """One more has read the log, and says so by its position."""
    position = settings.run_directory / "position-standby"
    position.unlink(missing_ok=True)
    servers.append(MatchServer(settings.home, servers[0].tcp_port))
    async with asyncio.timeout(WAIT_SECONDS):
        while not position.exists():
            await asyncio.sleep(0.01)


def check_chain(settings: Settings, flow: Flow, epochs: int) -> None:
    """Everything that was told is there once, as it was told; what is there was sent."""
    engine = Engine()
    accepted: dict[bytes, events.Result] = {}
    for payload in read(settings.log_directory):
        for record in events.split(engine.apply(payload)):
            for event in events.decode(record):
                if isinstance(event, OrderAccepted):
                    assert event.client_id not in accepted, "executed twice"
                    accepted[event.client_id] = events.result(record)
    assert engine.epoch >= epochs
    assert accepted.keys() <= flow.sent
    for name, told in flow.told.items():
        assert told.status == Status.OK
        assert (accepted[name].sequence, accepted[name].value) == (told.sequence, told.value)
    print(f"{len(flow.told)} orders told, {len(flow.unknown)} unknown, {len(accepted)} in the chain")


def test_a_client_of_the_public_port_only_waits_while_another_process_begins_to_lead(tmp_path: Path) -> None:
    home = tmp_path / "home"
    keys = create_exchange(home)[0].credentials
    settings = settings_of(home)
    with running(home, settings=APART) as exchange:
        client = exchange.client()
        placed = [place(client, keys, "BUY", price=1)]
        for number in (signal.SIGKILL, signal.SIGSTOP):
            until_both_are_ready(exchange)
            epoch = newest_epoch(settings.log_directory)
            leader = holder_of(epoch_file(settings.log_directory, epoch))
            os.kill(leader, number)
            placed.append(place(client, keys, "BUY", price=1))
            assert newest_epoch(settings.log_directory) > epoch
            if number == signal.SIGSTOP:
                os.kill(leader, signal.SIGCONT)
                wait_for_the_end_of(leader)
            placed.append(place(client, keys, "BUY", price=1))
        until_both_are_ready(exchange)  # who was replaced stands by now
        assert cambist(home, "user", "list"), "the operator reaches the one that leads"
        found = client.signed(keys, "GET", "/api/v3/openOrders", symbol=SYMBOL)
        assert [order["orderId"] for order in found] == placed
        assert exchange.stop() == 0
    found = verify.verify(settings, None, report)
    assert found["problems"] == []


def until_both_are_ready(exchange: Exchange) -> None:
    deadline_s = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline_s:
        with supervisor(exchange.home / "supervisor.sock") as keeper:
            ready = {each.name for each in keeper.status().processes if each.is_ready}
        if {"match", "standby"} <= ready:
            return
        time.sleep(0.05)
    raise AssertionError(exchange.output.read_text())


def wait_for_the_end_of(pid: int) -> None:
    deadline_s = time.monotonic() + WAIT_SECONDS
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline_s, "it was replaced, and is still there"
        time.sleep(0.05)
