"""A market's amounts: what a command can carry, and what is refused before."""

import pytest

from cambist.engine.views import AssetView
from cambist.gateway.errors import ApiError
from cambist.gateway.markets import Market
from cambist.money import format_atoms

BTC, WEI = AssetView(1, "BTC", 8, 1), AssetView(2, "WEI", 18, 1)
MARKET = Market(1, "BTCWEI", BTC, WEI, tick_atoms=10**12, lot_atoms=10**5)


def test_the_largest_budget_is_one_below_what_the_engine_refuses_to_read():
    largest = (1 << 100) - 1
    assert MARKET.quote_atoms(format_atoms(largest, 18), "quoteOrderQty") == largest
    with pytest.raises(ApiError, match="Filter failure: NOTIONAL"):
        MARKET.quote_atoms(format_atoms(largest + 1, 18), "quoteOrderQty")
