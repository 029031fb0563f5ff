"""What a market takes: its filters and limits, in the public API's words.

Only what is checked is listed. Clients refuse whole documents for a filter type that they do not know, so
nothing is made up here.
"""

from typing import Any

from cambist import money
from cambist.engine.commands import Limits
from cambist.engine.views import MarketView
from cambist.gateway.markets import Market

_MIN_TO_MARKET, _MAX_TO_MARKET = 1, 2  # bits of notional_flags
_MULTIPLIER_SCALE = 4

Filter = dict[str, Any]


def shown(market: Market, view: MarketView, limits: Limits) -> list[Filter]:
    return [*_filters(market, view), *_limits(market, limits)]


def price_range(limits: Limits) -> dict[str, str] | None:
    """The execution rule that bounds at which prices takers may trade; None if there is none."""
    bounds = (
        limits.range_bid_up_e4,
        limits.range_bid_down_e4,
        limits.range_ask_up_e4,
        limits.range_ask_down_e4,
    )
    if not any(bounds):
        return None
    names = ("bidLimitMultUp", "bidLimitMultDown", "askLimitMultUp", "askLimitMultDown")
    return {"ruleType": "PRICE_RANGE"} | dict(zip(names, map(_multiplier, bounds), strict=True))


def _filters(market: Market, view: MarketView) -> list[Filter]:
    filters = view.filters
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": market.price(filters.price_min),
            "maxPrice": market.price(filters.price_max),
            "tickSize": market.price(1),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": market.quantity(filters.lot_min),
            "maxQty": market.quantity(filters.lot_max),
            "stepSize": market.quantity(1),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": market.quantity(filters.market_lot_min),
            "maxQty": market.quantity(filters.market_lot_max),
            "stepSize": market.quantity(1),
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": market.value(filters.notional_min_atoms),
            "applyMinToMarket": bool(filters.notional_flags & _MIN_TO_MARKET),
            "maxNotional": market.value(filters.notional_max_atoms),
            "applyMaxToMarket": bool(filters.notional_flags & _MAX_TO_MARKET),
            "avgPriceMins": 0,  # the last price counts
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": filters.max_orders},
    ]


def _limits(market: Market, limits: Limits) -> list[Filter]:
    """A limit of 0 is none."""
    found = []
    bounds = (limits.bid_up_e4, limits.bid_down_e4, limits.ask_up_e4, limits.ask_down_e4)
    if any(bounds):
        names = ("bidMultiplierUp", "bidMultiplierDown", "askMultiplierUp", "askMultiplierDown")
        found.append(
            {"filterType": "PERCENT_PRICE_BY_SIDE"}
            | dict(zip(names, map(_multiplier, bounds), strict=True))
            | {"avgPriceMins": limits.average_minutes}
        )
    trailing = (
        limits.trailing_above_min,
        limits.trailing_above_max,
        limits.trailing_below_min,
        limits.trailing_below_max,
    )
    if any(trailing):
        names = (
            "minTrailingAboveDelta",
            "maxTrailingAboveDelta",
            "minTrailingBelowDelta",
            "maxTrailingBelowDelta",
        )
        found.append({"filterType": "TRAILING_DELTA"} | dict(zip(names, trailing, strict=True)))
    for kind, name, most in (
        ("ICEBERG_PARTS", "limit", limits.iceberg_parts),
        ("MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders", limits.max_algo_orders),
        ("MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders", limits.max_iceberg_orders),
        ("MAX_NUM_ORDER_LISTS", "maxNumOrderLists", limits.max_order_lists),
        ("MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends", limits.max_amends),
    ):
        if most:
            found.append({"filterType": kind, name: most})
    if limits.max_position_atoms:
        most_held = money.format_atoms(limits.max_position_atoms, market.base.scale)
        found.append({"filterType": "MAX_POSITION", "maxPosition": most_held})
    return found


def _multiplier(parts_e4: int) -> str:
    return money.format_atoms(parts_e4, _MULTIPLIER_SCALE)
