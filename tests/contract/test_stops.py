"""Stop orders: what they hold, what triggers them, when they work, and how they end."""

import pytest

from cambist.engine import commands
from cambist.engine.codes import MarketStatus, Side, Status
from cambist.engine.events import Balance, OrderAccepted, OrderTriggered

from .script import FUNDS, MARKET, BookScript
from .venues import Venue

CROWD = 66  # two more than one command runs


@pytest.fixture
def traded(book_v2: BookScript) -> BookScript:
    """Somebody has traded at 100."""
    book_v2.trade_at(100)
    return book_v2


@pytest.mark.parametrize(
    ("order", "before", "at"),
    [
        ("sell 5 stop 98", 99, 98),
        ("sell 5 @ 90 stop 98", 99, 98),
        ("buy 5 stop 102", 101, 102),
        ("buy 5 @ 110 stop 102", 101, 102),
        ("sell 5 profit 102", 101, 102),
        ("sell 5 @ 90 profit 102", 101, 102),
        ("buy 5 profit 98", 99, 98),
        ("buy 5 @ 110 profit 98", 99, 98),
    ],
)
def test_a_trade_at_the_stop_price_triggers_and_one_tick_short_does_not(
    traded: BookScript, order: str, before: int, at: int
):
    traded.run(f"ann {order}")
    traded.trade_at(before)
    assert traded.triggered() == []
    assert len(traded.waiting()) == 1
    traded.trade_at(at)
    assert len(traded.triggered()) == 1
    assert traded.waiting() == []


@pytest.mark.parametrize(
    ("order", "beyond"),
    [("sell 5 stop {}", -1), ("buy 5 stop {}", 1), ("sell 5 profit {}", 1), ("buy 5 profit {}", -1)],
)
def test_an_order_that_would_trigger_at_once_is_refused(traded: BookScript, order: str, beyond: int):
    traded.run(f"""
        ann {order.format(100)} -> WOULD_TRIGGER
        ann {order.format(100 - beyond)} -> WOULD_TRIGGER
        ann {order.format(100 + beyond)}
    """)


def test_before_the_first_trade_there_are_no_stops(book_v2: BookScript):
    book_v2.run("""
        ann sell 5 stop 98 -> NO_LAST_PRICE
        ann sell 5 stop trailing 100 -> NO_LAST_PRICE
    """)


def test_a_stop_keeps_the_filters_with_its_stop_price(traded: BookScript):
    traded.filters(price_min_ticks=50, price_max_ticks=150, notional_min_atoms=90)
    traded.run("""
        ann buy 1 @ 120 stop 151 -> PRICE_FILTER
        ann buy 1 @ 151 stop 120 -> PRICE_FILTER
        ann buy 1 stop 150
        ann sell 1 stop 49 -> PRICE_FILTER
        ann sell 1 stop 89 -> NOTIONAL
        ann sell 1 stop 90
    """)


def test_a_stop_holds_from_the_beginning(traded: BookScript):
    traded.run("""
        ann sell 5 stop 98
        bob buy 5 @ 110 stop 102
        cat buy 5 stop 102
        dan buy 5 profit 97
        eve buy 5 stop trailing 500
    """)
    assert traded.has("ann") == {"base": (0, 5), "quote": (0, 0)}
    assert traded.has("bob") == {"base": (0, 0), "quote": (0, 550)}
    assert traded.has("cat") == {"base": (0, 0), "quote": (0, 510)}
    assert traded.has("dan") == {"base": (0, 0), "quote": (0, 485)}
    assert traded.has("eve") == {"base": (0, 0), "quote": (0, 525)}
    traded.run("""
        ann sell 1000000 at market -> LOT_SIZE
        ann sell 9996 stop 97
        ann cancel all
        bob cancel all
    """)
    assert traded.has("ann")["base"] == (0, 0)
    assert traded.has("bob")["quote"] == (0, 0)


def test_a_stop_loss_sells_at_the_market_in_the_command_that_traded(traded: BookScript):
    traded.run("""
        ann sell 5 stop 98
        bob buy 3 @ 97
        cat buy 9 @ 96
    """)
    traded.trade_at(98)
    assert traded.trades()[-2:] == ["ann takes 3 from bob @ 97", "ann takes 2 from cat @ 96"]
    assert traded.closed()[-1] == "ann filled 5/5"
    assert traded.has("ann") == {"base": (-5, 0), "quote": (3 * 97 + 2 * 96, 0)}


def test_a_triggered_limit_order_trades_to_its_limit_and_rests_behind_those_who_were_there(
    traded: BookScript,
):
    traded.run("ann sell 9 @ 97 stop 98")
    traded.run("bob buy 3 @ 97")
    traded.trade_at(98)
    assert traded.resting() == ["ann sell 6 @ 97"]
    traded.run("""
        dan sell 4 @ 97
        eve buy 7 @ 97
    """)
    assert traded.trades()[-2:] == ["eve takes 6 from ann @ 97", "eve takes 1 from dan @ 97"]
    later = BookScript(type(traded.venue)())
    later.trade_at(100)
    later.run("""
        ann sell 9 @ 99 stop 98
        dan sell 4 @ 99
    """)
    later.trade_at(98)
    later.run("eve buy 5 @ 99")
    assert later.trades()[-2:] == ["eve takes 4 from dan @ 99", "eve takes 1 from ann @ 99"]


@pytest.mark.parametrize(("force", "ends"), [("ioc", "ann expired 3/9"), ("fok", "ann expired 0/9")])
def test_a_triggered_limit_order_keeps_its_time_in_force(traded: BookScript, force: str, ends: str):
    traded.run(f"""
        ann sell 9 @ 97 stop 98 {force}
        bob buy 3 @ 97
    """)
    traded.trade_at(98)
    assert ends in traded.closed()
    assert traded.has("ann")["base"][1] == 0


def test_a_stop_buy_pays_from_what_is_available_and_gets_back_what_it_does_not_need(traded: BookScript):
    traded.run("""
        ann buy 5 stop 102
        bob sell 2 @ 103
        cat sell 9 @ 104
    """)
    traded.trade_at(102)
    assert traded.has("ann") == {"base": (5, 0), "quote": (-(2 * 103 + 3 * 104), 0)}


def test_a_stop_buy_buys_as_much_as_its_money_pays_for(traded: BookScript):
    traded.run("""
        ann buy 9803 stop 102
        bob sell 9000 @ 102
        cat sell 9000 @ 103
    """)
    assert traded.has("ann")["quote"] == (0, 9_803 * 102)  # of 1,000,000
    traded.run("dan buy 1 @ 102")
    bought = 8_999 + (FUNDS - 8_999 * 102) // 103
    assert traded.closed()[-1] == f"ann unfunded {bought}/9803"
    assert traded.has("ann") == {"base": (bought, 0), "quote": (-(8_999 * 102) - (bought - 8_999) * 103, 0)}


def test_a_moving_price_triggers_what_it_meets_first_and_then_who_is_older(traded: BookScript):
    traded.run("""
        ann sell 1 @ 90 stop 95
        bob sell 1 @ 90 stop 97
        cat sell 1 @ 90 stop 97
        dan sell 1 @ 90 stop 98
    """)
    traded.trade_at(94)
    assert [told.partition(" ")[0] for told in traded.triggered()] == ["dan", "bob", "cat", "ann"]


def test_one_triggered_order_triggers_the_next(traded: BookScript):
    traded.run("""
        ann sell 1 stop 99
        bob sell 1 stop 98
        cat buy 1 @ 99
        dan buy 1 @ 98
        eve buy 1 @ 97
        fay sell 1 @ 99
    """)
    assert traded.trades()[1:] == [
        "fay takes 1 from cat @ 99",
        "ann takes 1 from dan @ 98",
        "bob takes 1 from eve @ 97",
    ]


def test_one_command_runs_64_triggered_orders_and_the_next_order_the_others(traded: BookScript):
    for _ in range(CROWD):
        traded.run("ann sell 1 @ 50 stop 98 ioc")
    traded.trade_at(98)
    assert traded.last is not None and not traded.last.more
    assert len(traded.triggered()) == 64
    traded.run("bob buy 3 @ 50")
    assert len(traded.triggered()) == CROWD
    assert traded.trades()[-2:] == ["ann takes 1 from bob @ 50"] * 2
    result, _ = traded.venue.send(commands.Continue())
    assert (result.value, result.more) == (0, False)


def test_continue_runs_what_one_command_has_left(traded: BookScript):
    for _ in range(CROWD):
        traded.run("ann sell 1 @ 50 stop 98 ioc")
    traded.trade_at(98)
    result, events = traded.venue.send(commands.Continue())
    assert (result.status, result.value, result.more) == (Status.OK, 0, False)
    assert sum(isinstance(event, OrderTriggered) for event in events) == CROWD - 64


def test_an_order_whose_turn_has_come_can_still_be_cancelled(traded: BookScript):
    for nth in range(CROWD):
        traded.run(f"ann sell 1 @ 50 stop 98 ioc as a{nth}")
    traded.trade_at(98)
    traded.run(f"ann cancel a{CROWD - 1}")
    traded.venue.send(commands.Continue())
    assert traded.waiting() == []
    assert traded.has("ann")["base"] == (0, 0)


def test_cancel_all_takes_stops_as_well(traded: BookScript):
    traded.run("""
        ann sell 1 stop 98
        ann sell 1 @ 101
        ann sell 1 stop trailing 100
        ann cancel all
    """)
    assert traded.closed()[-3:] == ["ann cancelled 0/1"] * 3
    traded.trade_at(90)
    assert traded.triggered() == []


def test_what_is_triggered_in_a_market_that_stops_trading_works_when_it_trades_again(traded: BookScript):
    for _ in range(CROWD):
        traded.run("ann sell 1 @ 50 stop 98 ioc")
    traded.trade_at(98)
    traded.state(MarketStatus.HALTED)
    assert traded.send(commands.Continue()) == Status.OK
    assert len(traded.triggered()) == 64
    assert len(traded.waiting()) == CROWD - 64
    traded.state(MarketStatus.TRADING)
    assert traded.send(commands.Continue()) == Status.OK
    assert len(traded.triggered()) == CROWD
    assert traded.waiting() == []


def test_a_market_with_waiting_stops_is_not_delisted(traded: BookScript):
    traded.run("ann sell 1 stop 98 as a")
    delist = commands.MarketState(market=MARKET, state=MarketStatus.DELISTED)
    assert traded.send(delist) == Status.BAD_STATE
    traded.run("ann cancel a")
    assert traded.send(delist) == Status.OK


def test_a_waiting_order_is_amended_and_replaced_like_any_other(traded: BookScript):
    traded.run("""
        ann sell 5 stop 98 as a
        ann amend a to 3
    """)
    assert traded.has("ann")["base"] == (0, 3)
    traded.run("ann replace a: sell 4 stop 97 as b")
    assert traded.has("ann")["base"] == (0, 4)
    assert traded.levels() == ["sell 100: 1", "sell 100: 0"]
    traded.trade_at(97)
    assert traded.triggered() == ["ann stop_loss at 97"]


def test_acceptance_and_trigger_tell_everything_about_the_order(traded: BookScript):
    traded.run("ann buy 5 stop 102 trailing 300 as a")
    accepted = next(each for each in reversed(traded.events) if isinstance(each, OrderAccepted))
    assert accepted.stop_price_ticks == accepted.hold_price_ticks == 102
    assert (accepted.trailing_delta, accepted.state.name, accepted.side) == (300, "WAITING", Side.BUY)
    (order,) = traded.venue.picture().orders
    assert (order.stop_price_ticks, order.trailing_delta, order.working_ns, order.trailing_ns) == (
        102,
        300,
        0,
        0,
    )
    traded.venue.time_ns += 7
    traded.trade_at(102)
    (order,) = traded.venue.picture().orders
    assert order.trailing_ns == traded.venue.time_ns
    traded.trade_at(106)
    triggered = next(each for each in traded.events if isinstance(each, OrderTriggered))
    assert (triggered.order_id, triggered.becomes.name, triggered.state.name) == (
        order.order_id,
        "MARKET",
        "RESTING",
    )
    assert not triggered.is_pending


def test_nothing_but_the_hold_moves_when_a_stop_is_placed(traded: BookScript):
    _, events = traded.venue.send(
        commands.Place(
            account=traded.account("ann"),
            market=MARKET,
            side=Side.SELL,
            order_type=commands.OrderType.STOP_LOSS,
            time_in_force=commands.TimeInForce.IOC,
            quantity_lots=2,
            stop_price_ticks=90,
        )
    )
    assert [type(event) for event in events] == [OrderAccepted, Balance]


def test_version_1_of_the_rules_has_none_of_this(venue: Venue):
    book = BookScript(venue, rules=1)
    book.trade_at(100)
    book.run("""
        ann sell 5 stop 98 -> MALFORMED
        ann sell 5 @ 101 showing 2 -> MALFORMED
        ann oco: sell 5 stop 98, sell 5 @ 105 post-only -> UNKNOWN_KIND
        ann cancel list l -> UNKNOWN_KIND
    """)
