"""However an intake connection is cut and fed: each command is executed once, and answered as at first."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cambist.engine import events
from cambist.engine.commands import Cancel, CancelAll, Kind, OrderType, Place, Side, TimeInForce
from cambist.engine.events import OrderAccepted
from cambist.errors import Overloaded
from cambist.log.journal import read
from cambist.match.queries import OpenOrders
from tests.wires import World

BYTES = st.one_of(st.integers(1, 60), st.just(1 << 20))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["buy", "sell"]), st.integers(90, 110)),
        st.tuples(st.just("cancel"), st.integers(1, 60)),
        st.tuples(st.just("many"), st.integers(2, 100)),
        st.tuples(st.sampled_from(["to server", "to client", "late"]), BYTES),
        st.tuples(st.sampled_from(["cancel all", "ask", "cut", "crash", "fail"]), st.none()),
        st.tuples(st.sampled_from(["turn", "pull", "tick"]), st.none()),
        st.tuples(st.just("flow"), st.integers(1, 4)),
    ),
    max_size=80,
)


class Sender:
    """What a test has sent, and what has come back."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sent: list[asyncio.Future[bytes]] = []
        self.names: list[bytes | None] = []  # the client ids of orders
        self.asked: list[asyncio.Future[Any]] = []

    def order(self, side: Side, price_ticks: int) -> None:
        name = b"o-%d" % len(self.sent)
        command = Place(
            account=self.world.account,
            market=self.world.market,
            side=side,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            price_ticks=price_ticks,
            quantity_lots=1,
            client_id=name,
        )
        self._send(command, name)

    def cancel(self, order_id: int) -> None:
        command = Cancel(account=self.world.account, market=self.world.market, order_id=order_id)
        self._send(command, None)

    def cancel_all(self) -> None:
        self._send(CancelAll(account=self.world.account, market=self.world.market), None)

    def ask(self) -> None:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.world.client.query(OpenOrders(self.world.account), future, self.world.now_s)
        self.asked.append(future)

    def is_answered(self) -> bool:
        return all(future.done() for future in self.sent + self.asked)

    def _send(self, command: Any, name: bytes | None) -> None:
        self.sent.append(self.world.submit(command))
        self.names.append(name)


async def play(world: World, sender: Sender, steps: list[tuple[str, Any]]) -> None:
    for what, number in steps:
        wire = world.wire
        match what:
            case "buy" | "sell":
                sender.order(Side.BUY if what == "buy" else Side.SELL, number)
            case "many":
                for nth in range(number):
                    sender.order(Side.BUY, 1 + nth)
            case "cancel":
                sender.cancel(number)
            case "cancel all":
                sender.cancel_all()
            case "ask":
                sender.ask()
            case "flow":
                for _ in range(number):
                    await world.step()
            case "pull":
                wire.pull()
            case "to server":
                wire.pull()
                wire.deliver_to_server(number, world.now_s)
            case "to client":
                wire.pull()
                wire.deliver_to_client(number, world.now_s)
            case "late":
                for old in world.old_wires:
                    old.deliver_to_server(number, world.now_s)
            case "turn":
                world.leader.turn()
            case "cut":
                world.reconnect()
            case "crash":
                world.crash()
            case "fail":
                world.leader.log.fails = True
            case "tick":
                wire.connection.tick(world.now_s)
        for _ in range(3):
            await asyncio.sleep(0)
        if world.leader.server.problem is not None:
            world.crash()


def said(world: World) -> tuple[dict[int, bytes], Counter[bytes]]:
    """From the journal: the records of each number of the session, and how often each order was accepted."""
    records: dict[int, bytes] = {}
    by_sequence: dict[int, int] = {}
    accepted: Counter[bytes] = Counter()
    for batch in read(world.journal):
        for record in events.split(batch.events):
            result = events.result(record)
            if result.command == Kind.CONTINUE and result.value in by_sequence:
                records[by_sequence[result.value]] += record
            elif result.session == world.client.session:
                assert result.number not in records, "a number was executed, or logged, twice"
                records[result.number] = record
                by_sequence[result.sequence] = result.number
            for event in events.decode(record):
                if isinstance(event, OrderAccepted):
                    accepted[event.client_id] += 1
    return records, accepted


@given(steps=STEPS, queue_max=st.sampled_from([8, 1_000]))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_each_command_is_executed_once_and_answered_as_at_first(steps, queue_max):
    async def scenario() -> None:
        world = World(queue_max=queue_max)
        try:
            sender = Sender(world)
            await world.settle(lambda: world.client.is_open)
            await play(world, sender, steps)
            await world.settle(sender.is_answered)
            records, accepted = said(world)
            for future, name in zip(sender.sent, sender.names, strict=True):
                if future.exception() is not None:
                    assert isinstance(future.exception(), Overloaded)
                    assert name is None or accepted[name] == 0, "said not to be executed, and was"
                else:
                    answer = future.result()
                    assert answer == records[events.result(answer).number]
                    assert name is None or accepted[name] == 1
            assert all(count == 1 for count in accepted.values())
            for asked in sender.asked:
                assert asked.exception() is None or isinstance(asked.exception(), Overloaded)
        finally:
            world.close()

    asyncio.run(scenario())


BORDERS = range(
    12
)  # a conversation of the handshake, two orders, a question and a cancel-all has fewer frames


@pytest.mark.parametrize("is_duplicated", [False, True], ids=["lost", "late as well"])
@pytest.mark.parametrize("direction", ["to server", "to client"])
@pytest.mark.parametrize("border", BORDERS)
def test_a_connection_may_end_at_every_frame_border(border, direction, is_duplicated):
    """What is sent behind the border is lost, or (late) arrives after the sender has begun anew."""

    async def scenario() -> None:
        world = World()
        try:
            sender = Sender(world)
            for price in (100, 101):
                sender.order(Side.BUY, price)
            sender.ask()
            sender.cancel_all()
            passed = {"to server": 0, "to client": 0}
            while passed[direction] < border and not sender.is_answered():
                wire = world.wire
                for way in ("to server", "to client"):
                    wire.pull()
                    if size := first_frame(wire.to_server if way == "to server" else wire.to_client):
                        passed[way] += 1
                        deliver = wire.deliver_to_server if way == "to server" else wire.deliver_to_client
                        deliver(size, world.now_s)
                        if passed[direction] == border:
                            break
                    world.leader.turn()
                    for _ in range(3):
                        await asyncio.sleep(0)
            world.wire.pull()
            old = world.wire
            world.reconnect()
            if is_duplicated:
                world.wire.pull()
                old.deliver_to_server(1 << 20, world.now_s)
            await world.settle(sender.is_answered)
            records, accepted = said(world)
            for future in sender.sent:
                assert future.result() == records[events.result(future.result()).number]
            assert set(accepted.values()) == {1} and len(accepted) == 2
        finally:
            world.close()

    asyncio.run(scenario())


def first_frame(data: bytes) -> int:
    """The bytes of the first frame, 0 if there is none."""
    return 4 + int.from_bytes(data[:4], "little") if data else 0
