"""The intake connection: who is let in, what he may send, what he is told, and that nothing grows."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from cambist.engine import events
from cambist.engine.commands import AssetList, Cancel, CancelAll, Command, OrderType, Place, Role, Side
from cambist.engine.commands import TimeInForce as Tif
from cambist.engine.events import Status
from cambist.errors import OutcomeUnknown, Overloaded, Unavailable
from cambist.intake import client as sender
from cambist.intake import protocol
from cambist.intake.client import Client
from cambist.intake.protocol import Code, Kind, Refusal, frame, to_json
from cambist.intake.server import SILENT_S, Connection
from cambist.match import queries
from cambist.match.queries import Query
from tests.wires import Leader, ServerLine, World, secret_of


def scenario(play: Callable[[World], Coroutine[Any, Any, None]], **options: Any) -> None:
    """Runs it with a sender that has a session."""

    async def run() -> None:
        world = World(**options)
        try:
            await world.settle(lambda: world.client.is_open)
            await play(world)
        finally:
            world.close()

    asyncio.run(run())


def bid(world: World, price: int = 100) -> Command:
    return Place(
        account=world.account,
        market=world.market,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=Tif.GTC,
        price_ticks=price,
        quantity_lots=1,
    )


def ask(world: World, query: Query[Any]) -> "asyncio.Future[Any]":
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    world.client.query(query, future, world.now_s)
    return future


async def answered(world: World, future: "asyncio.Future[Any]") -> Any:
    await world.settle(future.done)
    return future.result()


class Stranger:
    """Speaks to a match server by hand."""

    def __init__(self, leader: Leader) -> None:
        self.line = ServerLine.__new__(ServerLine)
        self.line.is_closed = False
        self.connection = Connection(leader.intake, self.line, 0.0)

    def says(self, *frames: bytes) -> list[tuple[int, bytes]]:
        """What is answered, as kind and body."""
        self.connection.received(b"".join(frames), 0.0)
        out, found = self.connection.outgoing(), []
        while out:
            length = int.from_bytes(out[:4], "little")
            found.append((out[4], out[5 : 4 + length]))
            out = out[4 + length :]
        return found

    def hello(self, **changed: Any) -> bytes:
        fields: dict[str, Any] = {
            "version": 1,
            "role": "trade",
            "name": "me",
            "session": 0,
            "after": 0,
            "nonce": b"n",
        }
        return to_json(protocol.Hello(**fields | changed))


def refusal(said: list[tuple[int, bytes]]) -> Refusal:
    ((kind, body),) = said
    assert kind == Kind.REFUSED
    return protocol.read_refused(body).why


# Who is let in


def test_a_sender_gets_a_session_of_its_role():
    async def play(world):
        row = world.leader.engine.session(world.client.session)
        assert row == (Role.TRADE, b"test", 0)

    scenario(play)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"version": 2}, Refusal.BAD_VERSION),
        ({"role": "king"}, Refusal.BAD_NAME),
        ({"name": ""}, Refusal.BAD_NAME),
        ({"name": "n" * 23}, Refusal.BAD_NAME),
    ],
)
def test_a_hello_that_says_something_else_is_refused_by_name(changed, why):
    async def play(world):
        stranger = Stranger(world.leader)
        assert refusal(stranger.says(frame(Kind.HELLO, stranger.hello(**changed)))) == why
        assert stranger.line.is_closed

    scenario(play)


def test_who_does_not_know_the_secret_gets_no_session():
    async def play(world):
        stranger = Stranger(world.leader)
        hello = stranger.hello()
        ((kind, body),) = stranger.says(frame(Kind.HELLO, hello))
        assert kind == Kind.CHALLENGE
        nonce = protocol.read_challenge(body).nonce
        proof = protocol.prove(secret_of(Role.ADMIN), b"client", hello, nonce)
        assert refusal(stranger.says(frame(Kind.PROOF, proof))) == Refusal.BAD_PROOF
        assert stranger.line.is_closed

    scenario(play)


def test_a_proof_is_good_for_one_connection():
    async def play(world):
        first, second = Stranger(world.leader), Stranger(world.leader)
        hello = first.hello()
        ((_, body),) = first.says(frame(Kind.HELLO, hello))
        proof = protocol.prove(secret_of(Role.TRADE), b"client", hello, protocol.read_challenge(body).nonce)
        second.says(frame(Kind.HELLO, hello))
        assert refusal(second.says(frame(Kind.PROOF, proof))) == Refusal.BAD_PROOF

    scenario(play)


def test_a_sender_does_not_talk_to_a_server_without_the_secret():
    async def play(world):
        impostor = Client(Role.TRADE, "test", b"another secret", give_up_s=5, silent_s=1)
        world.wire.cut()
        world.client = impostor
        world.reconnect()
        await world.step()
        assert world.wire.is_cut and not impostor.is_open

    scenario(play)


def test_a_session_is_not_given_to_another_role():
    async def play(world):
        stranger = Stranger(world.leader)
        hello = stranger.hello(role="admin", session=world.client.session)
        ((_, body),) = stranger.says(frame(Kind.HELLO, hello))
        nonce = protocol.read_challenge(body).nonce
        stranger.says(frame(Kind.PROOF, protocol.prove(secret_of(Role.ADMIN), b"client", hello, nonce)))
        world.leader.turn()
        for _ in range(3):
            await asyncio.sleep(0)
        assert refusal(stranger.says()) == Refusal.SESSION_OF_ANOTHER

    scenario(play)


def test_a_role_may_send_only_its_own_commands_and_whoever_sends_others_is_told_of(caplog):
    async def play(world):
        listing = world.submit(AssetList(scale=8, name=b"GOLD"))
        answer = events.result(await answered(world, listing))
        assert answer.status == Status.NOT_PERMITTED
        assert "test (trade) sent a command that its role may not send" in caplog.text

    scenario(play)


@pytest.mark.parametrize(
    "said",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x00",
        frame(Kind.COMMANDS, b""),
        frame(Kind.PROOF, b"no hello before"),
        frame(Kind.HELLO, b"no json"),
        frame(Kind.HELLO, bytes(2_000)),
    ],
)
def test_what_is_no_handshake_ends_the_connection_before_anything_else(said):
    async def play(world):
        stranger = Stranger(world.leader)
        assert stranger.says(said) == []
        assert stranger.line.is_closed

    scenario(play)


def test_who_does_not_finish_the_handshake_is_cut_off():
    async def play(world):
        stranger = Stranger(world.leader)
        stranger.connection.received(b"\x20", SILENT_S)
        stranger.connection.tick(SILENT_S)
        assert not stranger.line.is_closed
        stranger.connection.tick(SILENT_S + 0.1)
        assert stranger.line.is_closed

    scenario(play)


# What is sent


def test_a_command_that_is_cut_short_ends_the_connection():
    async def play(world):
        world.wire.connection.received(frame(Kind.COMMANDS, bytes(bid(world).encode()[:-1])), 0.0)
        assert world.wire.server.is_closed

    scenario(play)


def test_commands_of_another_session_end_the_connection():
    async def play(world):
        foreign = bid(world).encode()
        foreign[4:8] = (world.client.session - 1).to_bytes(4, "little")
        foreign[8:16] = (1).to_bytes(8, "little")
        world.wire.connection.received(frame(Kind.COMMANDS, bytes(foreign)), 0.0)
        world.leader.turn()
        assert world.wire.server.is_closed
        assert world.leader.engine.open_order_count == 0

    scenario(play)


def test_a_cancel_all_is_answered_with_all_its_parts_though_the_connection_was_lost_in_between():
    async def play(world):
        for price in range(1, 101):
            world.submit(bid(world, price))
        await world.settle(lambda: world.leader.engine.open_order_count == 100)
        cancel = world.submit(CancelAll(account=world.account))
        world.wire.pull()
        world.wire.deliver_to_server(1 << 20, world.now_s)
        world.leader.turn()
        assert world.leader.engine.pending, "the first part has been done, and not the second"
        world.reconnect()
        parts = list(events.split(await answered(world, cancel)))
        assert [events.result(part).more for part in parts] == [True, False]

    scenario(play)


def test_a_question_is_answered_in_its_own_type():
    async def play(world):
        await answered(world, world.submit(bid(world, 99)))
        (order,) = await answered(world, ask(world, queries.OpenOrders(world.account)))
        assert (order.price_ticks, order.account) == (99, world.account)
        book = await answered(world, ask(world, queries.Depth(world.market, 5)))
        assert book == queries.Book(book.update_id, [(99, 1)], [])
        balances = await answered(world, ask(world, queries.Balances(world.account)))
        assert balances[0].available_atoms > 1 << 64, "more than 64 bits go over the wire"

    scenario(play)


EVERY_QUERY = [
    queries.LastSequence(),
    queries.Rules(),
    queries.MarketCount(),
    queries.Listed(),
    queries.Markets(),
    queries.Assets(),
    queries.MarketLimits([1]),
    queries.Depth(1, 5),
    queries.BestLevels([1]),
    queries.ReferencePrice(1),
    queries.Account(3),
    queries.Account(999),
    queries.Balances(1),
    queries.AccountStatement(1),
    queries.Fees(1, [1]),
    queries.OpenOrders(1),
    queries.OpenOrder(1, 1, b""),
    queries.OpenOrder(1, 0, b"\xff\x00"),
    queries.Untouched([1, 2]),
]


@pytest.mark.parametrize("query", EVERY_QUERY, ids=lambda query: type(query).__name__)
def test_a_question_over_the_wire_says_what_the_engine_says(query):
    async def play(world):
        await answered(world, world.submit(bid(world)))
        assert await answered(world, ask(world, query)) == query(world.leader.engine)

    scenario(play)


def test_there_is_no_query_that_the_wire_does_not_know():
    assert {type(query) for query in EVERY_QUERY} == set(Query.__subclasses__())


def test_a_question_that_fails_is_told_so_and_the_connection_goes_on():
    async def play(world):
        question = ask(world, queries.Depth(-1, 5))
        await world.settle(question.done)
        assert isinstance(question.exception(), RuntimeError)
        assert await answered(world, ask(world, queries.MarketCount())) == 1

    scenario(play)


# Load


def test_orders_are_turned_away_when_the_match_server_has_no_room():
    async def play(world):
        orders = [world.submit(bid(world, price)) for price in range(1, 11)]
        await world.settle(lambda: all(order.done() for order in orders))
        problems = [order.exception() for order in orders]
        assert sum(problem is None for problem in problems) == world.leader.engine.open_order_count == 8
        assert all(isinstance(problem, Overloaded) for problem in problems if problem)

    scenario(play, queue_max=8)


def test_without_a_free_number_orders_are_turned_away_and_cancels_wait():
    async def play(world):
        for _ in range(sender.ORDERS_MAX):
            world.submit(bid(world))
        with pytest.raises(Overloaded):
            world.submit(bid(world))
        cancels = [
            world.submit(Cancel(account=world.account, market=world.market, order_id=nth + 1))
            for nth in range(500)
        ]
        await world.settle(lambda: all(cancel.done() for cancel in cancels))
        assert all(events.result(cancel.result()).status == Status.OK for cancel in cancels)

    scenario(play, queue_max=10_000)


def test_more_commands_at_once_than_the_engine_keeps_results_of_end_the_connection():
    async def play(world):
        command = bid(world).encode()
        command[4:8] = world.client.session.to_bytes(4, "little")
        many = []
        for number in range(1, protocol.WINDOW + 2):
            command[8:16] = number.to_bytes(8, "little")
            many.append(bytes(command))
        world.wire.connection.received(frame(Kind.COMMANDS, b"".join(many)), 0.0)
        assert world.wire.server.is_closed

    scenario(play, queue_max=10_000)


# Time


def test_what_was_sent_and_not_answered_in_time_is_unknown_and_not_sent_again():
    async def play(world):
        order = world.submit(bid(world))
        world.wire.pull()
        world.wire.cut()
        world.now_s += 5.1
        world.client.tick(world.now_s)
        assert isinstance(order.exception(), OutcomeUnknown)
        await world.settle(lambda: world.client.is_open)
        for _ in range(5):
            await world.step()
        assert world.leader.engine.open_order_count == 0

    scenario(play, give_up_s=5)


def test_what_was_never_sent_was_not_executed_and_is_told_so():
    async def play(world):
        world.wire.cut()
        order, question = world.submit(bid(world)), ask(world, queries.Rules())
        world.now_s += 5.1
        world.client.tick(world.now_s)
        for told in (order, question):
            assert isinstance(told.exception(), Unavailable)
            assert not isinstance(told.exception(), OutcomeUnknown)

    scenario(play, give_up_s=5)


def test_both_sides_say_something_when_there_is_nothing_to_say():
    async def play(world):
        await world.step()
        for side in (world.client, world.wire.connection):
            said = b""
            for _ in range(2):
                side.tick(world.now_s)
                said += side.outgoing()
            assert said == frame(Kind.HEARTBEAT)

    scenario(play)


def test_a_silent_match_server_is_left():
    async def play(world):
        world.client.tick(world.now_s + 1.0)
        assert not world.wire.is_cut
        world.client.tick(world.now_s + 1.1)
        assert world.wire.is_cut

    scenario(play)


def test_a_silent_sender_is_cut_off():
    async def play(world):
        world.wire.connection.tick(world.now_s + SILENT_S + 0.1)
        assert world.wire.server.is_closed

    scenario(play)


def test_a_session_that_the_engine_has_forgotten_gives_way_to_a_new_one():
    async def play(world):
        order = world.submit(bid(world))
        world.wire.pull()
        world.client.session += 100
        world.reconnect()
        await world.settle(lambda: world.client.is_open)
        assert isinstance(order.exception(), OutcomeUnknown)
        assert events.result(await answered(world, world.submit(bid(world)))).number == 1

    scenario(play)


def test_results_that_are_in_no_journal_any_more_are_unknown():
    async def play(world):
        order = world.submit(bid(world))
        world.wire.pull()
        world.wire.deliver_to_server(1 << 20, world.now_s)
        world.leader.turn()
        for file in world.journal.iterdir():
            file.unlink()
        world.reconnect()
        await world.settle(order.done)
        assert isinstance(order.exception(), OutcomeUnknown)

    scenario(play)


def test_answers_that_are_not_whole_end_the_connection():
    with pytest.raises(protocol.Violation):
        list(protocol.split_answers(protocol.pack_answer(protocol.Answer(1, Code.OK, b"record"))[:-1]))
    with pytest.raises(protocol.Violation):
        protocol.unpack_query(b"\0\0\0\0" + msgspec.json.encode({"type": "DropEverything"}))
