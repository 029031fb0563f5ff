"""The intake over real sockets: whoever leads is found, by his epoch or over TCP by his address."""

import asyncio
import socket
import stat
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from cambist.engine import events
from cambist.engine.commands import OrderType, Place, Role, Side, TimeInForce
from cambist.engine.events import Status
from cambist.errors import Unavailable
from cambist.flow.venue import Listing, Venue
from cambist.intake.client import Client
from cambist.intake.listener import AddressTaken, IntakeListener, socket_path
from cambist.intake.port import IntakePort, addresses
from cambist.match.queries import OpenOrders
from tests.wires import Leader, secret_of

HOST = "127.0.0.1"
WITHIN_S = 120


class Site:
    """A directory for sockets, a log and a journal, whoever leads there, and a port that looks for it."""

    def __init__(self, directory: Path) -> None:
        self.run, self.journal = directory / "run", directory / "journal"
        self.journal.mkdir()
        self.batches: list[bytes] = []
        self.venue = Venue(Listing(), 1, append=self.batches.append)
        self.leader: Leader | None = None
        self.listener: IntakeListener | None = None

    async def lead(self, epoch: int, tcp: tuple[str, int] | None = None) -> None:
        self.leader = Leader(self.journal, self.batches)
        self.leader.server.start()
        self.listener = IntakeListener(self.leader.server, self.journal, secret_of)
        await self.listener.start(self.run, epoch, [tcp] if tcp else [])

    async def end(self) -> None:
        if self.leader is not None and self.listener is not None:
            await asyncio.to_thread(self.leader.server.stop)
            await self.listener.stop()

    def port(self, servers: list[tuple[str, int]] | None = None) -> IntakePort:
        client = Client(Role.TRADE, "test", secret_of(Role.TRADE), give_up_s=WITHIN_S, silent_s=10)
        return IntakePort(client, lambda: addresses(self.run, servers or []))

    def order(self, price: int) -> bytearray:
        return Place(
            account=self.venue.accounts[0],
            market=self.venue.markets[0],
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            price_ticks=price,
            quantity_lots=1,
        ).encode()

    async def open_prices(self, port: IntakePort) -> list[int]:
        found = await port.query(OpenOrders(self.venue.accounts[0]))
        return sorted(order.price_ticks for order in found)


def play(scene: Callable[[Site], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with tempfile.TemporaryDirectory(prefix="cambist-intake-") as directory:
            site = Site(Path(directory))
            try:
                await asyncio.wait_for(scene(site), WITHIN_S)
            finally:
                await site.end()

    asyncio.run(bounded())


def free_address() -> tuple[str, int]:
    with socket.create_server((HOST, 0)) as listener:
        return HOST, listener.getsockname()[1]


@pytest.mark.parametrize("over_tcp", [False, True], ids=["unix", "tcp"])
def test_orders_go_on_over_a_change_of_leader_each_once(over_tcp):
    address = free_address() if over_tcp else None

    async def scene(site: Site) -> None:
        await site.lead(1, address)
        port = site.port([address] if address else None)
        running = asyncio.create_task(port.run())
        await port.opened(WITHIN_S)
        sent = [port.submit(site.order(price)) for price in range(1, 41)]
        await sent[0]
        await site.end()
        sent += [port.submit(site.order(price)) for price in range(41, 51)]
        await site.lead(2, address)
        answers = [events.result(answer) for answer in await asyncio.gather(*sent)]
        assert {answer.status for answer in answers} == {Status.OK}
        assert await site.open_prices(port) == list(range(1, 51))
        running.cancel()

    play(scene)


def test_the_newest_epoch_that_answers_is_gone_to():
    async def scene(site: Site) -> None:
        site.run.mkdir()
        with socket.socket(socket.AF_UNIX) as stopped:  # its kernel takes connections, nobody answers
            stopped.bind(str(socket_path(site.run, 1)))
            stopped.listen()
            await site.lead(2)
            port = site.port()
            running = asyncio.create_task(port.run())
            await port.opened(WITHIN_S)
            assert events.result(await port.submit(site.order(1))).status == Status.OK
            running.cancel()

    play(scene)


def test_a_leader_that_went_back_to_an_older_epoch_is_found_behind_a_dead_socket():
    async def scene(site: Site) -> None:
        await site.lead(1)
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(socket_path(site.run, 7)))
        port = site.port()
        running = asyncio.create_task(port.run())
        await port.opened(WITHIN_S)
        running.cancel()

    play(scene)


def test_a_leader_that_still_talks_is_left_when_a_newer_epoch_begins():
    async def scene(site: Site) -> None:
        await site.lead(1)
        older = site.listener
        assert older is not None
        port = site.port()
        running = asyncio.create_task(port.run())
        await port.opened(WITHIN_S)
        await site.lead(2)
        newer = site.leader
        assert newer is not None
        price = 0
        while await newer.server.query(lambda engine: engine.open_order_count) == 0:
            price += 1
            await port.submit(site.order(price))
            await asyncio.sleep(0.01)
        running.cancel()
        await older.stop()

    play(scene)


def test_who_waits_at_the_socket_of_a_stopped_leader_leaves_it_when_a_newer_epoch_begins():
    async def scene(site: Site) -> None:
        site.run.mkdir(mode=0o700)
        with socket.socket(socket.AF_UNIX) as stopped:  # it takes connections, and says nothing
            stopped.bind(str(socket_path(site.run, 1)))
            stopped.listen()
            client = Client(Role.TRADE, "test", secret_of(Role.TRADE), give_up_s=WITHIN_S, silent_s=WITHIN_S)
            port = IntakePort(client, lambda: addresses(site.run, []))
            running = asyncio.create_task(port.run())
            while not client.is_connected:
                await asyncio.sleep(0.01)
            await site.lead(2)
            await port.opened(WITHIN_S / 2)
            running.cancel()

    play(scene)


def test_only_the_owner_can_open_the_socket_and_older_ones_are_taken_away():
    async def scene(site: Site) -> None:
        await site.lead(1)
        await site.end()
        await site.lead(2)
        assert [path.name for path in site.run.iterdir()] == ["intake-2.sock"]
        assert stat.S_IMODE(socket_path(site.run, 2).stat().st_mode) == 0o600
        assert stat.S_IMODE(site.run.stat().st_mode) == 0o700

    play(scene)


def test_an_address_that_is_in_use_is_named():
    async def scene(site: Site) -> None:
        with socket.create_server((HOST, 0)) as other, pytest.raises(AddressTaken, match=r"intake\.listen"):
            await site.lead(1, other.getsockname())

    play(scene)


def test_where_nobody_leads_a_port_says_so():
    async def scene(site: Site) -> None:
        port = site.port()
        running = asyncio.create_task(port.run())
        with pytest.raises(Unavailable, match="nobody leads here"):
            await port.opened(0.1)
        running.cancel()

    play(scene)


def test_who_is_refused_learns_why():
    async def scene(site: Site) -> None:
        await site.lead(1)
        client = Client(Role.TRADE, "n" * 23, secret_of(Role.TRADE), give_up_s=1, silent_s=10)
        port = IntakePort(client, lambda: addresses(site.run, []))
        running = asyncio.create_task(port.run())
        while client.refused is None:
            await asyncio.sleep(0.01)
        with pytest.raises(Unavailable, match="BAD_NAME"):
            await port.opened(0)
        running.cancel()

    play(scene)
