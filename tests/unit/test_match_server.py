"""The match server: durable before answered, one wake per batch, bounded, never sheds cancels; its end."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cambist._matching import Engine
from cambist.engine import commands, events
from cambist.engine.commands import (
    AccountClass,
    AccountCreate,
    AssetList,
    Cancel,
    CancelAll,
    Countdown,
    Credit,
    Filters,
    Kind,
    MarketList,
    MarketStatus,
    OrderType,
    Permission,
    Place,
    Role,
    Side,
    TimeInForce,
)
from cambist.engine.events import OrderClosed, Result, Status
from cambist.errors import Broken, OutcomeUnknown, Overloaded, Refused, Unavailable
from cambist.log.errors import Fenced, LogFailed
from cambist.log.journal import JournalRecord
from cambist.log.journal_writer import JournalFailed
from cambist.match.disk import LowDiskMark
from cambist.match.server import MatchServer, Port
from cambist.settings import Log, Match

TIME_NS = 1_700_000_000_000_000_000


class MemoryLog:
    """Keeps what it is given. Closed gates hold `append` back; `fail_next` makes it fail as a disk would."""

    def __init__(self) -> None:
        self.batches: list[bytes] = []
        self.seals = 0
        self.is_closed = False
        self.fail_next = False
        self.is_replaced = False
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Event()
        self.sealed = threading.Event()

    def append(self, payload: bytes) -> None:
        self.waiting.set()
        assert self.gate.wait(timeout=60)
        if self.fail_next:
            raise LogFailed("fdatasync: Input/output error")
        self.batches.append(payload)
        self.require_leading()

    def require_leading(self) -> None:
        if self.is_replaced:
            raise Fenced("epoch 2 has begun")

    def beat(self) -> None: ...

    def seal(self) -> None:
        self.seals += 1
        self.sealed.set()

    def close(self) -> None:
        self.is_closed = True

    def hold(self) -> None:
        """From now on `append` waits; `waiting` is set when one does."""
        self.waiting.clear()
        self.gate.clear()


class MemoryJournal:
    def __init__(self) -> None:
        self.records: list[JournalRecord] = []
        self.failure: Exception | None = None

    def append(self, record: JournalRecord) -> None:
        if self.failure is not None:
            raise self.failure
        self.records.append(record)

    def close(self) -> None: ...


class Market:
    """A running match server with one market and one rich account."""

    def __init__(self, *, queue_max: int = 1_000, batch_max: int = 100, seal_idle_ms: int = 10_000) -> None:
        self.log = MemoryLog()
        self.engine = Engine()
        self.journal = MemoryJournal()
        self.clock_ns = TIME_NS
        self.free_bytes = 100
        self.monotonic_ns = 1
        self.disk = LowDiskMark(50, lambda: self.free_bytes, lambda: self.monotonic_ns)
        self.server = MatchServer(
            self.log,
            self.engine,
            self.journal,
            match=Match(queue_max=queue_max, batch_max=batch_max),
            log_settings=Log(seal_idle_ms=seal_idle_ms),
            disk=self.disk,
            clock=lambda: self.clock_ns,
        )
        self.server.start()
        self.admin = self.server.open_port(Role.ADMIN, "admin")
        for name in (b"BTC", b"USDT"):
            self.value(self.admin, AssetList(scale=0, name=name))
        self.market = self.value(
            self.admin,
            MarketList(
                base=1,
                quote=2,
                tick_atoms=1,
                lot_atoms=1,
                filters=Filters(1, 10**6, 1, 10**6, 1, 10**6, 1, 10**12, 10_000, 0),
                state=MarketStatus.TRADING,
                symbol=b"BTCUSDT",
            ),
        )
        mirror = self.value(self.admin, _account(AccountClass.MIRROR, b"mirror"))
        self.ann = self.value(self.admin, _account(AccountClass.USER, b"ann"))
        for asset in (1, 2):
            credit = Credit(
                market=asset,
                account=self.ann,
                counter_account=mirror,
                amount_atoms=10**9,
                reference=b"funds-%d" % asset,
            )
            self.value(self.admin, credit)
        self.port = self.server.open_port(Role.TRADE, "gateway")

    def value(self, port: Port, command: commands.Command) -> int:
        answer = events.result(port.call(command.encode()))
        assert answer.status == Status.OK
        return answer.value

    def wait_for_a_look_at_the_disk(self) -> None:
        self.monotonic_ns += 1_000_000_000
        self.server.query_blocking(lambda engine: None)

    def bid(self, price: int = 10) -> bytearray:
        return Place(
            account=self.ann,
            market=self.market,
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            price_ticks=price,
            quantity_lots=1,
        ).encode()

    def cancel(self, order_id: int) -> bytearray:
        return Cancel(account=self.ann, market=self.market, order_id=order_id).encode()

    def cancel_all(self) -> bytearray:
        return CancelAll(account=self.ann, market=self.market).encode()


def _account(account_class: AccountClass, reference: bytes) -> AccountCreate:
    return AccountCreate(account_class=account_class, permissions=Permission.TRADE, reference=reference)


@pytest.fixture
def market():
    market = Market()
    yield market
    market.log.gate.set()
    market.server.stop()


def results(records: list[bytes]) -> list[Result]:
    return [events.result(record) for record in records]


def closed(answer: bytes) -> list[OrderClosed]:
    parts = events.split(answer)
    return [event for part in parts for event in events.decode(part) if isinstance(event, OrderClosed)]


def test_answers_come_in_the_order_of_submission_and_name_growing_sequences(market):
    async def main():
        return await asyncio.gather(*(market.port.submit(market.bid()) for _ in range(250)))

    answers = results(asyncio.run(main()))
    assert [answer.status for answer in answers] == [Status.OK] * 250
    first = answers[0].sequence
    assert [answer.sequence for answer in answers] == list(range(first, first + 250))
    assert [answer.number for answer in answers] == list(range(1, 251))


def test_nothing_is_answered_before_its_batch_is_durable(market):
    async def main() -> None:
        market.log.hold()
        answer = market.port.submit(market.bid())
        await asyncio.to_thread(market.log.waiting.wait, 10)
        await asyncio.sleep(0.02)
        assert not answer.done()
        assert market.engine.open_order_count == 0
        market.log.gate.set()
        assert events.result(await answer).status == Status.OK

    asyncio.run(main())


def test_the_event_loop_is_woken_once_per_batch(market):
    async def main() -> int:
        loop = asyncio.get_running_loop()
        wakes: list[Any] = []
        wake = loop.call_soon_threadsafe

        def counted(*call: Any) -> Any:
            wakes.append(call)
            return wake(*call)

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign,assignment]
        market.log.hold()
        first = market.port.submit(market.bid())
        await asyncio.to_thread(market.log.waiting.wait, 10)
        wakes.clear()
        rest = [market.port.submit(market.bid()) for _ in range(50)]
        market.log.gate.set()
        await asyncio.gather(first, *rest)
        return len(wakes)

    before = len(market.log.batches)
    assert asyncio.run(main()) == 2  # the batch of one that was held back, and the batch of fifty
    assert len(market.log.batches) - before == 2


def test_what_one_turn_of_the_event_loop_sends_is_one_batch(market):
    async def main() -> None:
        await market.port.submit(market.bid())
        before = len(market.log.batches)
        await asyncio.gather(*(market.port.submit(market.bid()) for _ in range(50)))
        assert len(market.log.batches) == before + 1

    asyncio.run(main())


def test_who_is_no_future_is_told_in_his_event_loop(market):
    class Teller:
        def __init__(self) -> None:
            self.told = asyncio.Event()

        def done(self) -> bool:
            return False

        def set_result(self, record: bytes) -> None:
            assert events.result(record).status == Status.OK
            asyncio.get_running_loop()
            self.told.set()

        def set_exception(self, problem: BaseException) -> None:
            raise problem

    async def main() -> None:
        teller = Teller()
        market.port.send(market.bid(), teller, asyncio.get_running_loop())
        await asyncio.wait_for(teller.told.wait(), 60)

    asyncio.run(main())


def test_a_batch_is_what_replays_to_the_same_hash(market):
    async def main() -> None:
        await asyncio.gather(*(market.port.submit(market.bid(price)) for price in range(1, 200)))

    asyncio.run(main())
    replayed = Engine()
    for batch in market.log.batches:
        replayed.apply(batch)
    assert replayed.event_hash == market.server.query_blocking(lambda engine: engine.event_hash)
    assert replayed.state_hash() == market.server.query_blocking(lambda engine: engine.state_hash())


def test_time_never_goes_back_when_the_clock_does(market):
    first = events.result(market.port.call(market.bid()))
    market.clock_ns -= 1_000_000_000
    second = events.result(market.port.call(market.bid()))
    market.clock_ns += 5_000_000_000
    third = events.result(market.port.call(market.bid()))
    assert (first.time_ns, second.time_ns, third.time_ns) == (TIME_NS, TIME_NS, TIME_NS + 4_000_000_000)


def test_a_port_may_send_only_what_its_role_may(market):
    answer = events.result(market.port.call(AssetList(scale=8, name=b"XYZ").encode()))
    assert answer.status == Status.NOT_PERMITTED


@pytest.mark.parametrize("spoil", [lambda bid: bid + bytes(8), lambda bid: bid[:-8], lambda bid: bid[:16]])
def test_bytes_that_are_no_command_never_reach_the_log(market, spoil):
    before = len(market.log.batches)
    with pytest.raises(ValueError, match="not one command"):
        market.port.call(spoil(market.bid()))
    assert len(market.log.batches) == before
    assert events.result(market.port.call(market.bid())).status == Status.OK


def test_a_query_sees_what_was_submitted_before_it(market):
    async def main() -> tuple[int, bytes]:
        order = market.port.submit(market.bid())
        orders = market.server.query(lambda engine: len(engine.open_orders(market.ann)))
        return await orders, await order

    assert asyncio.run(main())[0] == 1


def test_a_query_that_raises_raises_for_who_asked_and_for_nobody_else(market):
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await market.server.query(lambda engine: 1 // 0)

    asyncio.run(main())
    assert events.result(market.port.call(market.bid())).status == Status.OK


def test_an_answer_that_nobody_waits_for_any_more_disturbs_nobody(market):
    async def main():
        market.log.hold()
        given_up = market.port.submit(market.bid())
        kept = market.port.submit(market.bid())
        given_up.cancel()
        market.log.gate.set()
        return await kept

    assert events.result(asyncio.run(main())).status == Status.OK


def test_callers_on_two_event_loops_get_each_their_own_answers(market):
    def caller(price: int) -> set[int]:
        async def main():
            return await asyncio.gather(*(market.port.submit(market.bid(price)) for _ in range(100)))

        return {events.result(record).value for record in asyncio.run(main())}

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(caller, (10, 20))
    prices = {row[0]: row[7] for row in market.engine.open_orders(market.ann)}
    assert {prices[order] for order in first} == {10}
    assert {prices[order] for order in second} == {20}


# Overload


def fill_queue(market: Market, count: int) -> list["asyncio.Future[bytes]"]:
    """One command is taken and held back in the log, `count` more wait behind it."""
    market.log.hold()
    taken = market.port.submit(market.bid())
    assert market.log.waiting.wait(timeout=60)
    return [taken, *(market.port.submit(market.bid()) for _ in range(count))]


def test_a_full_queue_turns_an_order_away_before_it_is_logged():
    market = Market(queue_max=10, batch_max=10)

    async def main() -> None:
        waiting = fill_queue(market, 10)
        with pytest.raises(Overloaded):
            market.port.submit(market.bid())
        with pytest.raises(Overloaded):
            market.server.query(lambda engine: None)
        market.log.gate.set()
        await asyncio.gather(*waiting)
        assert events.result(await market.port.submit(market.bid())).status == Status.OK

    asyncio.run(main())
    assert market.engine.open_order_count == 12
    market.server.stop()


def test_cancels_pass_a_queue_that_is_full_of_orders():
    market = Market(queue_max=10, batch_max=10)
    order_id = market.value(market.port, commands.decode(bytes(market.bid())))

    async def main() -> tuple[Result, Result]:
        waiting = fill_queue(market, 10)
        cancel = market.port.submit(market.cancel(order_id))
        cancel_all = market.port.submit(market.cancel_all())
        market.log.gate.set()
        await asyncio.gather(*waiting)
        return events.result(await cancel), events.result(await cancel_all)

    cancelled, all_cancelled = asyncio.run(main())
    assert (cancelled.status, cancelled.value) == (Status.OK, order_id)
    assert (all_cancelled.status, all_cancelled.value) == (Status.OK, 11)
    market.server.stop()


def test_low_disk_stops_new_orders_and_never_cancels(market):
    order_id = market.value(market.port, commands.decode(bytes(market.bid())))
    market.free_bytes = 49
    market.wait_for_a_look_at_the_disk()
    with pytest.raises(Overloaded, match="low on disk space"):
        market.port.call(market.bid())
    assert events.result(market.port.call(market.cancel(order_id))).value == order_id


def test_orders_are_taken_again_when_there_is_room_on_the_disk(market):
    market.free_bytes = 49
    market.wait_for_a_look_at_the_disk()
    market.free_bytes = 50
    market.wait_for_a_look_at_the_disk()
    assert events.result(market.port.call(market.bid())).status == Status.OK


def test_the_disk_is_looked_at_once_a_second_at_most(market):
    market.wait_for_a_look_at_the_disk()
    market.free_bytes = 49
    market.monotonic_ns += 999_999_999
    market.server.query_blocking(lambda engine: None)
    assert events.result(market.port.call(market.bid())).status == Status.OK


# Cancel-all in parts


def test_a_large_cancel_all_is_answered_once_with_every_cancelled_order(market):
    async def main() -> tuple[list[int], bytes]:
        placed = results(await asyncio.gather(*(market.port.submit(market.bid()) for _ in range(200))))
        return [answer.value for answer in placed], await market.port.submit(market.cancel_all())

    placed, answer = asyncio.run(main())
    assert [event.order_id for event in closed(answer)] == placed
    assert len(list(events.split(answer))) == 4  # 64 + 64 + 64 + 8
    assert market.engine.open_order_count == 0


def test_two_large_cancel_alls_are_answered_each_with_its_own(market):
    bob = market.value(market.admin, _account(AccountClass.USER, b"bob"))
    market.value(
        market.admin,
        Credit(
            market=2, account=bob, counter_account=market.ann - 1, amount_atoms=10**6, reference=b"funds-bob"
        ),
    )

    async def main():
        bids = [market.bid() for _ in range(300)]
        for bid in bids[::2]:
            bid[16:20] = bob.to_bytes(4, "little")
        await asyncio.gather(*(market.port.submit(bid) for bid in bids))
        theirs = CancelAll(account=bob, market=market.market).encode()
        return await asyncio.gather(market.port.submit(market.cancel_all()), market.port.submit(theirs))

    owners = [{event.account for event in closed(answer)} for answer in asyncio.run(main())]
    assert owners == [{market.ann}, {bob}]
    assert market.engine.open_order_count == 0


def test_an_order_placed_behind_a_large_cancel_all_stays(market):
    async def main() -> int:
        await asyncio.gather(*(market.port.submit(market.bid()) for _ in range(200)))
        everything, later = market.port.submit(market.cancel_all()), market.port.submit(market.bid())
        await everything
        return events.result(await later).value

    stays = asyncio.run(main())
    assert [row[0] for row in market.engine.open_orders(market.ann)] == [stays]


def test_a_cancel_all_cut_short_by_a_restart_is_finished_by_the_next_server(market):
    async def main() -> None:
        await asyncio.gather(*(market.port.submit(market.bid()) for _ in range(200)))

    asyncio.run(main())
    engine = Engine.restore(market.server.query_blocking(lambda engine: engine.snapshot()))
    command = market.cancel_all()
    commands.stamp(command, market.port._session, 1_000)
    engine.apply(commands.batch(engine.sequence + 1, engine.time_ns, engine.epoch, [command]))
    assert engine.open_order_count == 136
    run_for_a_moment(engine)
    assert engine.open_order_count == 0
    assert not engine.pending


def test_a_countdown_that_passed_while_nobody_ran_is_dealt_with_by_the_next_server(market):
    market.server.activate_rules(2)
    market.value(market.port, commands.decode(market.bid()))
    market.value(market.port, Countdown(account=market.ann, deadline_ns=TIME_NS + 1))
    engine = Engine.restore(market.server.query_blocking(lambda engine: engine.snapshot()))
    assert engine.open_order_count == 1
    run_for_a_moment(engine)
    assert engine.open_order_count == 0
    assert engine.next_deadline_ns is None


def run_for_a_moment(engine: Engine) -> None:
    successor = MatchServer(
        MemoryLog(),
        engine,
        MemoryJournal(),
        match=Match(),
        log_settings=Log(),
        disk=LowDiskMark(0, lambda: 1),
    )
    successor.start()
    successor.stop()


# The seal, and the end


def test_an_idle_log_is_sealed_once():
    market = Market(seal_idle_ms=5)
    market.log.sealed.clear()
    market.port.call(market.bid())
    market.clock_ns += 5_000_000
    assert market.log.sealed.wait(timeout=60)
    seals = market.log.seals
    market.server.stop()
    assert market.log.seals == seals


def test_stop_answers_what_waits_seals_and_closes(market):
    async def main():
        waiting = [market.port.submit(market.bid()) for _ in range(300)]
        await asyncio.to_thread(market.server.stop)
        return await asyncio.gather(*waiting)

    assert {answer.status for answer in results(asyncio.run(main()))} == {Status.OK}
    assert market.log.seals == 1
    assert market.log.is_closed
    assert market.server.problem is None
    with pytest.raises(Unavailable, match="is stopping"):
        market.port.call(market.bid())


def test_whoever_calls_while_it_stops_gets_an_answer_or_a_refusal(market):
    def calls_until_refused() -> int:
        done = 0
        while True:
            try:
                market.port.call(market.bid())
            except Unavailable:
                return done
            done += 1

    with ThreadPoolExecutor(8) as threads:
        callers = [threads.submit(calls_until_refused) for _ in range(8)]
        while market.server.query_blocking(lambda engine: engine.open_order_count) < 200:
            pass
        market.server.stop()
        accepted = sum(caller.result(timeout=60) for caller in callers)
    assert market.engine.open_order_count == accepted


def test_who_was_let_in_just_before_the_end_is_turned_away_after_it(market):
    market.server.stop()
    market.server._is_stopping = False  # as a caller saw it who was let in, and then had to wait
    with pytest.raises(Unavailable):
        market.port.call(market.bid())


def test_a_failed_log_leaves_the_outcome_unknown_and_is_never_tried_again(market):
    async def main() -> None:
        waiting = fill_queue(market, 5)
        market.log.fail_next = True
        market.log.gate.set()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(answer) for answer in answers] == [OutcomeUnknown] + [Unavailable] * 5
        with pytest.raises(Unavailable, match="has stopped after a failure"):
            market.port.submit(market.bid())

    before = len(market.log.batches)
    asyncio.run(main())
    market.server.join()
    assert len(market.log.batches) == before
    assert market.log.seals == 0
    assert isinstance(market.server.problem, LogFailed)


def test_a_failed_log_leaves_a_half_done_cancel_all_unknown(market):
    async def main() -> None:
        await asyncio.gather(*(market.port.submit(market.bid()) for _ in range(100)))
        append, left = market.log.append, [1]

        def fails_second(payload: bytes) -> None:
            market.log.fail_next = not left
            left.clear()
            append(payload)

        market.log.append = fails_second
        with pytest.raises(OutcomeUnknown):
            await market.port.submit(market.cancel_all())

    asyncio.run(main())


def test_an_engine_that_breaks_stops_everything(market):
    async def main() -> None:
        market.server._engine = BrokenEngine(market.engine)
        with pytest.raises(OutcomeUnknown):
            await market.port.submit(market.bid())

    asyncio.run(main())
    market.server.join()
    assert isinstance(market.server.problem, Broken)


def test_orders_go_when_a_countdown_has_passed_before_what_waits_is_done(market):
    market.server.activate_rules(2)
    market.value(market.port, commands.decode(market.bid()))
    deadline_ns = TIME_NS + 5_000_000_000
    market.value(market.port, Countdown(account=market.ann, deadline_ns=deadline_ns))
    market.clock_ns = deadline_ns - 1
    assert market.server.query_blocking(lambda engine: engine.open_order_count) == 1
    market.clock_ns = deadline_ns
    market.value(market.port, commands.decode(market.bid()))
    assert market.server.query_blocking(lambda engine: engine.open_order_count) == 1
    output = b"".join(record.events for record in market.journal.records)
    kinds = [events.result(record).command for record in events.split(output)]
    assert kinds[-2:] == [Kind.TIME, Kind.PLACE]


def test_an_idle_server_wakes_for_a_deadline(market):
    market.server.activate_rules(2)
    market.value(market.port, commands.decode(market.bid()))
    market.value(market.port, Countdown(account=market.ann, deadline_ns=TIME_NS + 50_000_000))
    market.log.waiting.clear()
    market.clock_ns = TIME_NS + 50_000_000
    assert market.log.waiting.wait(timeout=60)
    assert market.server.query_blocking(lambda engine: engine.open_order_count) == 0


def test_rules_that_nobody_knows_are_refused(market):
    with pytest.raises(Refused):
        market.server.activate_rules(99)


def test_the_journal_gets_what_every_command_was_answered(market):
    async def main() -> list[bytes]:
        return list(await asyncio.gather(*(market.port.submit(market.bid()) for _ in range(50))))

    answers = asyncio.run(main())
    market.server.query_blocking(lambda engine: None)  # after the batch, so after its record
    told = [record for each in market.journal.records for record in events.split(each.events)]
    assert [record for record in told if record in answers] == answers
    borders = [(each.first_sequence, each.last_sequence) for each in market.journal.records]
    assert [first for first, _ in borders] == [1, *(last + 1 for _, last in borders[:-1])]
    last = market.journal.records[-1]
    assert (last.last_sequence, last.event_hash) == (market.engine.sequence, market.engine.event_hash)


def test_a_journal_that_cannot_be_written_ends_the_exchange_and_nobody_is_told_anything_wrong(market):
    async def main() -> None:
        market.journal.failure = JournalFailed("no space left on device")
        placed = await market.port.submit(market.bid())  # it is durable, and it is executed
        assert events.result(placed).status == Status.OK
        market.server.join()
        with pytest.raises(Unavailable, match="has stopped after a failure"):
            market.port.submit(market.bid())

    asyncio.run(main())
    assert isinstance(market.server.problem, JournalFailed)
    assert market.log.is_closed


class BrokenEngine:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def apply(self, payload: bytes) -> bytes:
        raise RuntimeError("an invariant does not hold")


# Who leads


def test_who_was_replaced_says_unknown_to_what_is_in_flight_and_takes_nothing_more(market):
    market.log.hold()
    with ThreadPoolExecutor() as clients:
        in_flight = clients.submit(market.port.call, market.bid())
        assert market.log.waiting.wait(timeout=60)
        later = clients.submit(market.server.query_blocking, lambda engine: engine.sequence)
        market.log.is_replaced = True
        market.log.gate.set()
        with pytest.raises(OutcomeUnknown):
            in_flight.result(timeout=60)
        with pytest.raises((OutcomeUnknown, Unavailable)):
            later.result(timeout=60)
    market.server.join()
    assert isinstance(market.server.problem, Fenced)
    with pytest.raises(Unavailable):
        market.port.call(market.bid())


def test_an_idle_leader_that_was_replaced_ends_by_itself(market):
    market.log.is_replaced = True
    market.server.join()
    assert isinstance(market.server.problem, Fenced)
    assert market.log.is_closed


def test_a_query_is_answered_only_by_who_still_leads(market):
    market.log.is_replaced = True
    with pytest.raises((OutcomeUnknown, Unavailable)):
        market.server.query_blocking(lambda engine: engine.sequence)
