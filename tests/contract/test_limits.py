"""What a market limits by rules version 2: prices around a reference, positions, amends, executions."""

from typing import Any

import pytest

from cambist.engine import commands
from cambist.engine.codes import Contingency, MarketStatus, OrderType, Side, Status, TimeInForce
from cambist.engine.commands import Limits
from cambist.engine.events import LimitsEvent, MarketEvent

from .script import FUNDS, MARKET, BookScript


def trade_at(book: BookScript, price: int, lots: int = 1) -> None:
    book.run(f"sue sell {lots} @ {price}\ntom buy {lots} @ {price}")


def reference(book: BookScript) -> int:
    return book.venue.queries.reference_price(MARKET)


class TestReferencePrice:
    def test_there_is_none_before_the_first_trade_and_nothing_is_measured_by_it(self, book_v2: BookScript):
        book_v2.limits(bid_up_e4=10_000, range_bid_up_e4=10_000)
        assert reference(book_v2) == 0
        book_v2.run("ann sell 1 @ 9000\nbob buy 1 @ 9000")

    def test_without_an_average_it_is_the_last_price(self, book_v2: BookScript):
        trade_at(book_v2, 100)
        trade_at(book_v2, 50)
        assert reference(book_v2) == 50

    def test_it_is_weighted_by_volume_and_rounded_down(self, book_v2: BookScript):
        book_v2.limits(bid_up_e4=100_000, average_minutes=5)
        trade_at(book_v2, 100, lots=2)
        trade_at(book_v2, 103, lots=3)
        assert reference(book_v2) == 101  # 509 / 5

    def test_a_trade_counts_for_whole_seconds_and_no_longer(self, book_v2: BookScript):
        book_v2.limits(bid_up_e4=100_000, average_minutes=1)
        trade_at(book_v2, 100)
        book_v2.wait(30)
        trade_at(book_v2, 200)
        assert reference(book_v2) == 150
        book_v2.wait(29)
        assert reference(book_v2) == 150
        book_v2.wait(1)
        assert reference(book_v2) == 200

    def test_when_all_trades_are_old_it_is_the_last_price(self, book_v2: BookScript):
        book_v2.limits(bid_up_e4=100_000, average_minutes=1)
        trade_at(book_v2, 100)
        trade_at(book_v2, 200)
        book_v2.wait(3_600)
        assert reference(book_v2) == 200

    def test_new_limits_begin_the_average_anew(self, book_v2: BookScript):
        book_v2.limits(bid_up_e4=100_000, average_minutes=1)
        trade_at(book_v2, 100)
        trade_at(book_v2, 200)
        book_v2.limits(bid_up_e4=100_000, average_minutes=2)
        assert reference(book_v2) == 200
        trade_at(book_v2, 300)
        assert reference(book_v2) == 300


class TestPercentPriceBySide:
    @pytest.mark.parametrize(
        ("passes", "fails"),
        [
            ("ann buy 1 @ 123", "ann buy 1 @ 124 -> PERCENT_PRICE_BY_SIDE"),
            ("ann buy 1 @ 21", "ann buy 1 @ 20 -> PERCENT_PRICE_BY_SIDE"),
            ("ann sell 1 @ 515", "ann sell 1 @ 516 -> PERCENT_PRICE_BY_SIDE"),
            ("ann sell 1 @ 83", "ann sell 1 @ 82 -> PERCENT_PRICE_BY_SIDE"),
        ],
    )
    def test_the_example_of_the_filters_page_around_103(self, book_v2: BookScript, passes, fails):
        """Multipliers 1.2 and 0.2 for bids, 5 and 0.8 for asks: 123.6, 20.6, 515 and 82.4."""
        book_v2.limits(bid_up_e4=12_000, bid_down_e4=2_000, ask_up_e4=50_000, ask_down_e4=8_000)
        trade_at(book_v2, 103)
        book_v2.run(f"{fails}\n{passes}")

    def test_a_multiplier_of_0_bounds_nothing(self, book_v2: BookScript):
        book_v2.limits(bid_up_e4=12_000)
        trade_at(book_v2, 100)
        book_v2.run("ann buy 1 @ 1\nann sell 1 @ 9999\nann buy 1 @ 121 -> PERCENT_PRICE_BY_SIDE")

    def test_market_orders_have_no_price_to_look_at(self, book_v2: BookScript):
        trade_at(book_v2, 100)
        book_v2.run("ann sell 1 @ 500")
        book_v2.limits(bid_up_e4=12_000)
        book_v2.run("bob buy 1 at market")

    def test_the_last_price_that_passed_through_the_filters_comes_first(self, book_v2: BookScript):
        trade_at(book_v2, 100)
        book_v2.limits(bid_up_e4=12_000)
        book_v2.filters(price_max_ticks=150, max_orders=1)
        book_v2.run("""
            ann buy 1 @ 151 -> PRICE_FILTER
            ann buy 1 @ 150 -> PERCENT_PRICE_BY_SIDE
            ann buy 1 @ 120 as a
            ann buy 1 @ 150 as a -> MAX_NUM_ORDERS
        """)


class TestMaxPosition:
    def test_what_one_has_and_wants_to_buy_counts_and_sells_do_not(self, book_v2: BookScript):
        book_v2.account("ann")
        book_v2.limits(max_position_atoms=FUNDS + 10)
        book_v2.run("""
            ann buy 6 @ 100 as a
            ann buy 5 @ 100 -> MAX_POSITION
            ann sell 500 @ 110
            ann buy 5 @ 100 -> MAX_POSITION
            ann buy 4 @ 100
            ann cancel a
            ann buy 6 @ 100
        """)

    def test_a_budget_counts_for_the_lots_that_it_would_buy(self, book_v2: BookScript):
        book_v2.run("bob sell 5 @ 100\nbob sell 100 @ 200")
        book_v2.account("ann")
        book_v2.limits(max_position_atoms=FUNDS + 6)
        book_v2.run("""
            ann buy for 900 at market -> MAX_POSITION
            ann buy for 899 at market
            ann buy 1 at market -> MAX_POSITION
        """)

    def test_what_fills_is_counted_once(self, book_v2: BookScript):
        book_v2.account("ann")
        book_v2.limits(max_position_atoms=FUNDS + 10)
        book_v2.run("ann buy 10 @ 100\nbob sell 10 @ 100\nann buy 1 @ 1 -> MAX_POSITION")


def test_an_order_is_amended_as_often_as_the_market_allows(book_v2: BookScript):
    book_v2.limits(max_amends=2)
    book_v2.run("""
        ann sell 9 @ 100 as a
        ann sell 9 @ 100 as b
        ann amend a to 8
        ann amend a to 9 -> AMEND_NOT_SMALLER
        ann amend a to 7
        ann amend a to 6 -> MAX_NUM_ORDER_AMENDS
        ann amend b to 6
    """)


class TestPriceRange:
    def test_a_taker_goes_to_the_end_of_the_range_and_expires(self, book_v2: BookScript):
        trade_at(book_v2, 100)
        book_v2.limits(range_bid_up_e4=11_000)
        book_v2.run("""
            ann sell 1 @ 110
            ann sell 1 @ 111
            bob buy 5 @ 200
        """)
        assert book_v2.trades()[1:] == ["bob takes 1 from ann @ 110"]
        assert book_v2.closed()[-1] == "bob expired_price_range 1/5"
        assert book_v2.resting() == ["ann sell 1 @ 111"]
        assert book_v2.has("bob") == {"base": (1, 0), "quote": (-110, 0)}

    @pytest.mark.parametrize(
        "taker", ["bob buy 5 at market", "bob buy for 999 at market", "bob buy 5 @ 200 ioc"]
    )
    def test_whatever_its_kind(self, book_v2: BookScript, taker):
        trade_at(book_v2, 100)
        book_v2.limits(range_bid_up_e4=11_000)
        book_v2.run(f"ann sell 1 @ 110\nann sell 9 @ 111\n{taker}")
        assert book_v2.closed()[-1].startswith("bob expired_price_range 1/")
        assert book_v2.has("bob") == {"base": (1, 0), "quote": (-110, 0)}

    def test_sellers_have_multipliers_of_their_own(self, book_v2: BookScript):
        trade_at(book_v2, 100)
        book_v2.limits(range_ask_down_e4=9_000)
        book_v2.run("ann buy 1 @ 90\nann buy 1 @ 89\nbob sell 2 @ 1")
        assert book_v2.closed()[-1] == "bob expired_price_range 1/2"

    def test_a_fill_or_kill_that_would_leave_the_range_is_not_filled_and_pauses_nothing(
        self, book_v2: BookScript
    ):
        trade_at(book_v2, 100)
        book_v2.limits(range_bid_up_e4=11_000, pause_seconds=60)
        book_v2.run("ann sell 1 @ 110\nann sell 1 @ 111\nbob buy 2 @ 111 fok")
        assert book_v2.closed()[-1] == "bob expired 0/2"
        book_v2.run("bob buy 1 at market")

    def test_a_budget_with_too_little_left_for_the_next_price_is_filled(self, book_v2: BookScript):
        trade_at(book_v2, 100)
        book_v2.limits(range_bid_up_e4=11_000, pause_seconds=60)
        book_v2.run("ann sell 1 @ 110\nann sell 1 @ 111\nbob buy for 150 at market\nbob buy 1 @ 90 ioc")

    def test_the_range_stays_where_it_was_when_the_taker_began(self, book_v2: BookScript):
        trade_at(book_v2, 100)
        book_v2.limits(range_bid_up_e4=11_000)
        book_v2.run("ann sell 1 @ 109\nann sell 1 @ 112\nbob buy 2 @ 112\nbob buy 1 @ 112")
        assert book_v2.trades()[1:] == ["bob takes 1 from ann @ 109", "bob takes 1 from ann @ 112"]


class TestPause:
    @pytest.fixture
    def paused(self, book_v2: BookScript) -> BookScript:
        trade_at(book_v2, 100, lots=9)
        book_v2.limits(range_bid_up_e4=11_000, pause_seconds=60, average_minutes=5)
        book_v2.run("ann sell 2 @ 110\nann sell 2 @ 115 as far\nbob buy 5 @ 120")
        return book_v2

    def test_a_market_that_was_left_pauses_and_lets_orders_rest(self, paused: BookScript):
        assert paused.venue.picture().markets[MARKET].state == MarketStatus.PAUSED
        paused.run("""
            bob buy 1 @ 114
            bob buy 1 @ 115 -> WOULD_TAKE
            bob buy 1 at market -> MARKET_CLOSED
            bob buy 1 @ 90 ioc -> MARKET_CLOSED
            ann amend far to 1
            ann cancel far
        """)
        assert paused.trades()[1:] == ["bob takes 2 from ann @ 110"]

    def test_it_ends_when_its_time_has_passed(self, paused: BookScript):
        paused.wait(59.9)
        paused.run("bob buy 1 @ 115 -> WOULD_TAKE")
        paused.wait(0.1)
        paused.run("bob buy 1 @ 115")
        assert paused.trades()[-1] == "bob takes 1 from ann @ 115"

    def test_it_ends_by_an_operator_and_the_time_means_nothing_then(self, paused: BookScript):
        paused.state(MarketStatus.HALTED)
        paused.wait(60)
        assert paused.venue.picture().markets[MARKET].state == MarketStatus.HALTED
        assert paused.venue.picture().next_deadline_ns is None

    def test_the_reference_is_the_last_price_then(self, paused: BookScript):
        assert reference(paused) == 110
        paused.wait(60)
        paused.run("bob buy 2 @ 115")
        assert paused.closed()[-1] == "bob filled 2/2"

    def test_a_stop_whose_turn_came_in_the_pause_works_after_it(self, book_v2: BookScript):
        """The trade at 110 triggers it; the taker then leaves the range before its turn comes."""
        trade_at(book_v2, 100)
        book_v2.limits(range_bid_up_e4=11_000, pause_seconds=60)
        stop = place(
            book_v2,
            order_type=OrderType.STOP_LOSS_LIMIT,
            side=Side.BUY,
            stop_price_ticks=110,
            price_ticks=115,
        )
        book_v2.run("eve sell 1 @ 110\neve sell 9 @ 115")
        assert book_v2.send(stop) == Status.OK
        book_v2.run("bob buy 2 @ 120")
        assert book_v2.trades()[-1] == "bob takes 1 from eve @ 110"
        book_v2.wait(60)
        book_v2.send(commands.Continue())
        assert book_v2.trades()[-1] == "ann takes 1 from eve @ 115"

    def test_both_changes_of_state_are_told(self, paused: BookScript):
        paused.wait(60)
        states = [event.state for event in paused.events if isinstance(event, MarketEvent)]
        assert states == [MarketStatus.PAUSED, MarketStatus.TRADING]

    def test_without_a_time_the_market_does_not_pause(self, book_v2: BookScript):
        trade_at(book_v2, 100)
        book_v2.limits(range_bid_up_e4=10_000)
        book_v2.run("ann sell 1 @ 101\nbob buy 1 @ 101\nann cancel all\nbob buy 1 @ 100")
        assert book_v2.venue.picture().markets[MARKET].state == MarketStatus.TRADING


class TestSettingLimits:
    @pytest.mark.parametrize(
        "limits",
        [
            Limits(average_minutes=61),
            Limits(pause_seconds=365 * 86_400 + 1),
            Limits(bid_up_e4=9_999, bid_down_e4=10_000),
            Limits(range_ask_up_e4=1, range_ask_down_e4=2),
            Limits(trailing_above_min=2, trailing_above_max=1),
            Limits(trailing_below_min=1),
        ],
    )
    def test_limits_that_contradict_themselves_are_refused(self, book_v2: BookScript, limits):
        assert book_v2.send(commands.MarketLimits(market=MARKET, limits=limits)) == Status.BAD_LIMITS

    def test_they_are_told_and_can_be_asked_for(self, book_v2: BookScript):
        limits = Limits(bid_up_e4=12_000, max_amends=10, max_position_atoms=1 << 110)
        book_v2.send(commands.MarketLimits(market=MARKET, limits=limits))
        kept = limits._replace(max_position_atoms=1 << 100)
        assert book_v2.events == [LimitsEvent(MARKET, kept)]
        assert book_v2.venue.picture().limits[MARKET] == kept

    def test_of_a_market_that_exists(self, book_v2: BookScript):
        assert book_v2.send(commands.MarketLimits(market=9, limits=Limits())) == Status.UNKNOWN_MARKET

    def test_version_1_has_none(self, venue):
        book = BookScript(venue, rules=1)
        assert book.send(commands.MarketLimits(market=MARKET, limits=Limits())) == Status.UNKNOWN_KIND


class TestStopsIcebergsAndLists:
    """By the market's limits of them; the last price is 100."""

    @pytest.fixture
    def market(self, book_v2: BookScript) -> BookScript:
        trade_at(book_v2, 100)
        return book_v2

    def test_an_iceberg_has_so_many_parts(self, market: BookScript):
        market.limits(iceberg_parts=3)
        assert market.send(place(market, iceberg_lots=3, quantity_lots=9)) == Status.OK
        assert market.send(place(market, iceberg_lots=3, quantity_lots=10)) == Status.ICEBERG_PARTS

    def test_an_account_has_so_many_icebergs(self, market: BookScript):
        market.limits(max_iceberg_orders=2)
        for expected in (Status.OK, Status.OK, Status.MAX_NUM_ICEBERG_ORDERS):
            assert market.send(place(market, iceberg_lots=1, quantity_lots=2)) == expected
        market.run("ann sell 1 @ 500\nann cancel all")
        assert market.send(place(market, iceberg_lots=1, quantity_lots=2)) == Status.OK

    @pytest.mark.parametrize(
        ("order_type", "side", "delta", "status"),
        [
            (OrderType.STOP_LOSS_LIMIT, Side.BUY, 20, Status.OK),
            (OrderType.STOP_LOSS_LIMIT, Side.BUY, 30, Status.OK),
            (OrderType.STOP_LOSS_LIMIT, Side.BUY, 19, Status.TRAILING_DELTA),
            (OrderType.TAKE_PROFIT_LIMIT, Side.SELL, 31, Status.TRAILING_DELTA),
            (OrderType.STOP_LOSS_LIMIT, Side.SELL, 50, Status.OK),
            (OrderType.TAKE_PROFIT_LIMIT, Side.BUY, 60, Status.OK),
            (OrderType.STOP_LOSS_LIMIT, Side.SELL, 61, Status.TRAILING_DELTA),
            (OrderType.TAKE_PROFIT_LIMIT, Side.BUY, 49, Status.TRAILING_DELTA),
        ],
    )
    def test_trailing_deltas_from_above_and_from_below(
        self, market: BookScript, order_type, side, delta, status
    ):
        market.limits(
            trailing_above_min=20, trailing_above_max=30, trailing_below_min=50, trailing_below_max=60
        )
        order = place(market, order_type=order_type, side=side, trailing_delta=delta, price_ticks=100)
        assert market.send(order) == status

    def test_an_account_has_so_many_stops_that_do_not_work_yet(self, market: BookScript):
        market.limits(max_algo_orders=2)
        rising = {"order_type": OrderType.STOP_LOSS_LIMIT, "side": Side.BUY, "price_ticks": 120}
        assert market.send(place(market, stop_price_ticks=101, **rising)) == Status.OK
        assert market.send(place(market, stop_price_ticks=110, **rising)) == Status.OK
        assert market.send(place(market, stop_price_ticks=111, **rising)) == Status.MAX_NUM_ALGO_ORDERS
        market.run("ann buy 1 @ 50")
        trade_at(market, 105)
        assert market.send(place(market, stop_price_ticks=111, **rising)) == Status.OK

    def test_an_account_has_so_many_lists(self, market: BookScript):
        market.limits(max_order_lists=1, max_algo_orders=9)
        assert market.send(one_cancels_the_other(market)) == Status.OK
        assert market.send(one_cancels_the_other(market)) == Status.MAX_NUM_ORDER_LISTS
        market.run("ann cancel all")
        assert market.send(one_cancels_the_other(market)) == Status.OK

    def test_a_lists_stops_count_like_others(self, market: BookScript):
        market.limits(max_algo_orders=1)
        assert market.send(one_cancels_the_other(market)) == Status.OK
        assert market.send(one_cancels_the_other(market)) == Status.MAX_NUM_ALGO_ORDERS

    def test_a_stop_without_a_limit_has_no_price_to_look_at(self, market: BookScript):
        market.limits(ask_down_e4=9_000)
        falling = {"order_type": OrderType.STOP_LOSS, "time_in_force": TimeInForce.IOC, "price_ticks": 0}
        assert market.send(place(market, stop_price_ticks=50, **falling)) == Status.OK


def place(book: BookScript, **terms: Any) -> commands.Place:
    usual = {
        "account": book.account("ann"),
        "market": MARKET,
        "side": Side.SELL,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "price_ticks": 500,
        "quantity_lots": 1,
    }
    return commands.Place(**usual | terms)


def one_cancels_the_other(book: BookScript) -> commands.ListPlace:
    falls = commands.Leg(
        side=Side.SELL,
        order_type=OrderType.STOP_LOSS_LIMIT,
        time_in_force=TimeInForce.GTC,
        price_ticks=80,
        stop_price_ticks=90,
        quantity_lots=1,
    )
    gains = commands.Leg(
        side=Side.SELL,
        order_type=OrderType.LIMIT_MAKER,
        time_in_force=TimeInForce.GTC,
        price_ticks=110,
        quantity_lots=1,
    )
    return commands.ListPlace(
        account=book.account("ann"), market=MARKET, contingency=Contingency.OCO, legs=(falls, gains)
    )
