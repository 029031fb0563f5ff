"""What a book costs to ask for, and which limits clients are told."""

import pytest

from cambist.gateway.market_data import depth_weight, rate_limits
from cambist.gateway.params import Params
from cambist.settings import Limits


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
