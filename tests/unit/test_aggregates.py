"""Aggregate ids: one for what a taker order trades at one price in a command, counted without gaps."""

import pytest

from cambist.engine.aggregates import AggregateIds
from cambist.engine.codes import Side
from cambist.engine.events import Trade


def trade(order: int, price: int, market: int = 1) -> Trade:
    return Trade(market, Side.BUY, 0, price, 1, 0, order, 0, 0, 1, 0, 0)


@pytest.mark.parametrize(
    ("fills", "ids"),
    [
        ("1:7@100 1:7@100 1:7@100", [1, 1, 1]),
        ("1:7@100 1:7@101 1:7@101", [1, 2, 2]),
        ("1:7@100 1:8@100 1:8@100", [1, 2, 2]),
        ("1:7@100 1:8@100 1:7@100", [1, 2, 3]),
        ("1:7@100 2:7@100", [1, 2]),  # an order that took twice has done so in two commands
    ],
)
def test_consecutive_fills_of_one_order_at_one_price_in_a_command_are_together(fills, ids):
    numbers = AggregateIds()
    found = []
    for each in fills.split():
        sequence, order, price = map(int, each.replace(":", " ").replace("@", " ").split())
        found.append(numbers.of(sequence, trade(order, price)))
    assert found == ids


def test_each_market_counts_by_itself_and_goes_on_where_it_was():
    numbers = AggregateIds({1: 10, 2: 20}.__getitem__)
    assert [numbers.of(1, trade(7, 100, market)) for market in (1, 2, 1, 2)] == [11, 21, 11, 21]
