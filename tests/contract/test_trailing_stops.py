"""Trailing stops: the scenarios of the public API's FAQ about them, and what lies beside those."""

from typing import NamedTuple

import pytest

from .script import BookScript

TICK = 2.5  # the FAQ's prices are whole multiples


def ticks(price: float) -> int:
    assert price % TICK == 0
    return int(price / TICK)


class Scenario(NamedTuple):
    """Placed at a last price of 40,000; the price goes along the path, and then to the trigger."""

    order: str
    prices: list[float]
    path: list[float]
    trigger: float


SCENARIOS = {
    "A, stop loss buy": Scenario(
        "buy 1 @ {} stop {} trailing 500",
        [45_000, 44_000],
        [37_000, 44_000, 45_000, 46_000, 42_000],
        44_100,
    ),
    "B, stop loss sell": Scenario(
        "sell 1 @ {} stop {} trailing 1000",
        [38_000, 39_000],
        [41_500, 39_000, 37_000, 41_000],
        36_900,
    ),
    "C, take profit buy": Scenario(
        "buy 1 @ {} profit {} trailing 850",
        [38_500, 38_000],
        [42_000, 38_000, 37_000, 39_000, 38_000],
        40_145,
    ),
    "D, take profit sell": Scenario(
        "sell 1 @ {} profit {} trailing 750",
        [41_000, 42_000],
        [41_500, 39_000, 42_000, 45_000, 44_000, 46_500],
        43_012.5,
    ),
    "E, no stop price": Scenario(
        "sell 1 @ {} stop trailing 700",
        [39_000],
        [42_000, 39_500, 45_500],
        42_315,
    ),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_scenarios_of_the_faq(book_v2: BookScript, scenario: str):
    order, prices, path, trigger = SCENARIOS[scenario]
    book_v2.filters(price_max_ticks=20_000)
    book_v2.trade_at(ticks(40_000))
    book_v2.run("ann " + order.format(*map(ticks, prices)))
    rises = order.startswith("buy")
    one_short = trigger - TICK if rises else trigger + TICK
    for price in [*path, one_short]:
        book_v2.trade_at(ticks(price))
        assert book_v2.triggered() == [], price
    book_v2.trade_at(ticks(trigger))
    assert len(book_v2.triggered()) == 1


def test_the_price_of_the_trigger_is_exact_and_not_rounded_towards_it(book_v2: BookScript):
    book_v2.trade_at(101)
    book_v2.run("ann sell 1 stop trailing 100")
    book_v2.trade_at(100)  # 1 % of 101 is 1.01
    assert book_v2.triggered() == []
    book_v2.trade_at(99)
    assert book_v2.triggered() == ["ann stop_loss at 99"]


def test_orders_that_began_at_other_prices_melt_into_one_when_the_price_passes_both(book_v2: BookScript):
    book_v2.trade_at(1_000)
    book_v2.run("ann sell 1 stop trailing 1000")
    book_v2.trade_at(950)
    book_v2.run("bob sell 1 stop trailing 1000")
    book_v2.run("cat sell 1 stop trailing 900")
    book_v2.trade_at(900)
    assert book_v2.triggered() == ["ann stop_loss at 900"]
    book_v2.trade_at(1_100, 1_002)
    assert book_v2.triggered()[1:] == []
    book_v2.trade_at(1_001)
    assert book_v2.triggered()[1:] == ["cat stop_loss at 1001"]
    book_v2.trade_at(990)
    assert book_v2.triggered()[2:] == ["bob stop_loss at 990"]


def test_a_cancelled_order_follows_no_more(book_v2: BookScript):
    book_v2.trade_at(1_000)
    book_v2.run("""
        ann sell 1 stop trailing 100 as a
        bob sell 1 stop trailing 200
        ann cancel a
    """)
    book_v2.trade_at(1_100, 1_089, 1_078)
    assert book_v2.triggered() == ["bob stop_loss at 1078"]
