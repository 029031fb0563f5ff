"""Trades of one order at one price belong together, and only where their beginning is known."""

import pytest

from cambist.engine.views import TradeView
from cambist.gateway.market_data import aggregated, depth_weight, rate_limits
from cambist.gateway.params import Params
from cambist.settings import Limits


def trades(text: str) -> list[TradeView]:
    """`id order price` separated by commas."""
    found = []
    for each in text.split(","):
        trade_id, order, price = map(int, each.split())
        found.append(
            TradeView(
                trade_id=trade_id,
                market=1,
                price_ticks=price,
                quantity_lots=1,
                quote_atoms=1,
                time_ns=0,
                taker_side=0,
                maker_order=0,
                taker_order=order,
            )
        )
    return found


@pytest.mark.parametrize(
    ("fills", "groups"),
    [
        ("1 7 100, 2 7 100, 3 7 100", [[1, 2, 3]]),
        ("1 7 100, 2 7 101, 3 7 101", [[1], [2, 3]]),
        ("1 7 100, 2 8 100, 3 8 100", [[1], [2, 3]]),
        ("1 7 100, 2 8 100, 3 7 100", [[1], [2], [3]]),
        ("5 7 100, 6 7 100, 7 8 100", [[7]]),
        ("5 7 100, 6 7 100", []),
    ],
)
def test_consecutive_fills_of_one_order_at_one_price_are_together(fills, groups):
    assert [[fill.trade_id for fill in group] for group in aggregated(trades(fills))] == groups


def test_no_trades_are_no_aggregates():
    assert list(aggregated([])) == []


@pytest.mark.parametrize(
    ("limit", "weight"),
    [(None, 5), (1, 5), (100, 5), (101, 25), (500, 25), (501, 50), (1000, 50), (1001, 250), (9999, 250)],
)
def test_a_deeper_book_weighs_more(limit, weight):
    query = b"" if limit is None else b"limit=%d" % limit
    assert depth_weight(Params(query, b"")) == weight


def test_clients_are_told_the_limits_that_are_on():
    listed = rate_limits(Limits(request_weight_1m=6000, raw_requests_5m=0, orders_10s=100, orders_1d=0))
    assert [(each.rate_limit_type, each.interval, each.interval_num, each.limit) for each in listed] == [
        ("REQUEST_WEIGHT", "MINUTE", 1, 6000),
        ("ORDERS", "SECOND", 10, 100),
    ]
