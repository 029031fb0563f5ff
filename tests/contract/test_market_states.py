"""Market states in which orders only rest, and countdowns that cancel an account's orders."""

import pytest

from cambist.engine import commands
from cambist.engine.codes import CountdownState, MarketStatus, Role, Status
from cambist.engine.events import CountdownEvent, Level

from .script import FILTERS, MARKET, BookScript

RESTING = [MarketStatus.PRE_OPEN, MarketStatus.POST_ONLY]


@pytest.mark.parametrize("state", RESTING)
class TestOrdersRest:
    def test_orders_come_and_go_and_nothing_trades(self, book_v2: BookScript, state):
        book_v2.state(state)
        book_v2.run("""
            ann sell 5 @ 100 as a
            bob buy 5 @ 99
            bob buy 5 @ 100 -> WOULD_TAKE
            bob buy 5 @ 101 post-only -> WOULD_TAKE
            ann amend a to 4
            ann replace a: sell 3 @ 101
            bob buy 1 @ 100
        """)
        assert book_v2.trades() == []
        assert book_v2.resting() == ["ann sell 3 @ 101", "bob buy 1 @ 100", "bob buy 5 @ 99"]
        book_v2.run("ann cancel all")

    @pytest.mark.parametrize("order", ["1 at market", "1 @ 90 ioc", "1 @ 90 fok"])
    def test_orders_that_cannot_rest_are_refused(self, book_v2: BookScript, state, order):
        book_v2.state(state)
        book_v2.run(f"bob buy {order} -> MARKET_CLOSED")

    def test_opening_changes_nothing_but_that_the_market_trades(self, book_v2: BookScript, state):
        book_v2.state(state)
        book_v2.run("ann sell 5 @ 100\nbob buy 5 @ 99")
        book_v2.events.clear()
        book_v2.state(MarketStatus.TRADING)
        assert not [event for event in book_v2.events if isinstance(event, Level)]
        book_v2.run("bob buy 5 @ 100")
        assert book_v2.trades() == ["bob takes 5 from ann @ 100"]

    def test_a_market_may_be_listed_so(self, book_v2: BookScript, state):
        assert book_v2.send(_listing(state)) == Status.OK

    def test_version_1_does_not_know_the_state(self, venue, state):
        book = BookScript(venue, rules=1)
        assert book.send(commands.MarketState(market=MARKET, state=state)) == Status.BAD_STATE
        assert book.send(_listing(state)) == Status.BAD_STATE


def test_no_operator_can_pause_a_market(book_v2: BookScript):
    paused = commands.MarketState(market=MARKET, state=MarketStatus.PAUSED)
    assert book_v2.send(paused) == Status.BAD_STATE
    assert book_v2.send(_listing(MarketStatus.PAUSED)) == Status.BAD_STATE


def _listing(state: MarketStatus) -> commands.MarketList:
    return commands.MarketList(
        base=2, quote=1, tick_atoms=1, lot_atoms=1, filters=FILTERS, state=state, symbol=b"OTHER"
    )


def count_down(book: BookScript, name: str, seconds: float, market: int = MARKET) -> None:
    deadline_ns = book.venue.time_ns + round(seconds * 1_000_000_000) if seconds else 0
    command = commands.Countdown(account=book.account(name), market=market, deadline_ns=deadline_ns)
    assert book.send(command) == Status.OK


class TestCountdown:
    def test_at_the_deadline_all_orders_of_the_account_in_the_market_are_cancelled(self, book_v2: BookScript):
        book_v2.run("ann sell 5 @ 100\nann buy 5 @ 90\nbob sell 1 @ 100")
        count_down(book_v2, "ann", 10)
        book_v2.wait(9.9)
        assert len(book_v2.resting()) == 3
        book_v2.wait(0.1)
        assert book_v2.resting() == ["bob sell 1 @ 100"]
        assert book_v2.closed() == ["ann cancelled 0/5", "ann cancelled 0/5"]

    def test_it_happens_once(self, book_v2: BookScript):
        count_down(book_v2, "ann", 10)
        book_v2.wait(10)
        book_v2.run("ann sell 5 @ 100")
        book_v2.wait(10)
        assert book_v2.resting() == ["ann sell 5 @ 100"]

    def test_a_new_countdown_takes_the_place_of_the_old_one(self, book_v2: BookScript):
        book_v2.run("ann sell 5 @ 100")
        count_down(book_v2, "ann", 10)
        book_v2.wait(9)
        count_down(book_v2, "ann", 10)
        book_v2.wait(9)
        assert book_v2.resting() == ["ann sell 5 @ 100"]
        book_v2.wait(1)
        assert book_v2.resting() == []

    def test_it_can_be_stopped(self, book_v2: BookScript):
        book_v2.run("ann sell 5 @ 100")
        count_down(book_v2, "ann", 10)
        count_down(book_v2, "ann", 0)
        book_v2.wait(20)
        assert book_v2.resting() == ["ann sell 5 @ 100"]

    def test_one_of_all_markets_stands_beside_those_of_single_ones(self, book_v2: BookScript):
        ann = book_v2.account("ann")
        count_down(book_v2, "ann", 20)
        count_down(book_v2, "ann", 10, market=0)
        now = book_v2.venue.time_ns
        deadlines = [(0, now + 10_000_000_000), (MARKET, now + 20_000_000_000)]
        assert book_v2.venue.queries.countdowns(ann) == deadlines
        assert book_v2.venue.queries.next_deadline_ns == now + 10_000_000_000
        book_v2.run("ann sell 5 @ 100")
        book_v2.wait(10)
        assert book_v2.resting() == []
        assert book_v2.venue.queries.countdowns(ann) == deadlines[1:]

    def test_setting_stopping_and_firing_are_told(self, book_v2: BookScript):
        ann = book_v2.account("ann")
        count_down(book_v2, "ann", 10)
        count_down(book_v2, "ann", 0)
        deadline = book_v2.venue.time_ns + 10_000_000_000
        count_down(book_v2, "ann", 10)
        book_v2.wait(10)
        assert book_v2.events == [
            CountdownEvent(MARKET, CountdownState.SET, ann, deadline),
            CountdownEvent(MARKET, CountdownState.STOPPED, ann, 0),
            CountdownEvent(MARKET, CountdownState.SET, ann, deadline),
            CountdownEvent(MARKET, CountdownState.FIRED, ann, 0),
        ]

    def test_many_orders_go_in_steps(self, book_v2: BookScript):
        book_v2.run("\n".join(f"ann sell 1 @ {100 + nth}" for nth in range(70)))
        count_down(book_v2, "ann", 10)
        book_v2.wait(10)
        assert len(book_v2.resting()) == 6
        book_v2.send(commands.Continue())
        assert book_v2.resting() == []

    def test_many_deadlines_go_in_steps(self, book_v2: BookScript):
        names = [f"user{nth}" for nth in range(20)]
        for name in names:
            book_v2.run(f"{name} sell 1 @ 100")
            count_down(book_v2, name, 10)
        book_v2.venue.time_ns += 10_000_000_000
        first = book_v2.venue.send(commands.Time()).result
        assert (first.value, first.more) == (16, True)
        assert len(book_v2.resting()) == 4
        second = book_v2.venue.send(commands.Time()).result
        assert (second.value, second.more) == (4, False)
        assert book_v2.resting() == []

    def test_trading_sessions_may_set_one_and_others_may_not(self, book_v2: BookScript):
        trade = book_v2.venue.send(commands.SessionOpen(role=Role.TRADE)).result.value
        wallet = book_v2.venue.send(commands.SessionOpen(role=Role.WALLET)).result.value
        command = commands.Countdown(account=book_v2.account("ann"), deadline_ns=1)
        assert book_v2.venue.send(command, trade).result.status == Status.OK
        assert book_v2.venue.send(command, wallet).result.status == Status.NOT_PERMITTED

    def test_of_an_account_and_a_market_that_exist(self, book_v2: BookScript):
        assert book_v2.send(commands.Countdown(account=9_999, deadline_ns=1)) == Status.UNKNOWN_ACCOUNT
        ann = book_v2.account("ann")
        status = book_v2.send(commands.Countdown(account=ann, market=9, deadline_ns=1))
        assert status == Status.UNKNOWN_MARKET

    def test_version_1_has_none(self, venue):
        book = BookScript(venue, rules=1)
        command = commands.Countdown(account=book.account("ann"), deadline_ns=1)
        assert book.send(command) == Status.UNKNOWN_KIND
        trade = venue.send(commands.SessionOpen(role=Role.TRADE)).result.value
        assert venue.send(command, trade).result.status == Status.NOT_PERMITTED
