"""What a market limits beyond its filters, as an operator names and sees it; decimals are strings."""

from typing import Annotated, Any, TypeAlias

import msgspec

from cambist.control.exchange import Caller, Exchange, Request
from cambist.engine.commands import Limits, MarketLimits
from cambist.money import format_atoms, parse_atoms

MULTIPLIER_SCALE = 4  # decimals of a multiplier

Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]

_MULTIPLIERS = {name.removesuffix("_e4"): name for name in Limits._fields if name.endswith("_e4")}
_NUMBERS = [name for name in Limits._fields if not name.endswith(("_e4", "_atoms"))]


class LimitChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """None leaves a limit as it is, 0 takes it away.

    `bid` and `ask` multipliers of the reference price bound the prices of orders, `range` ones those of
    trades; `max_position` is in base, trailing deltas are in basis points.
    """

    bid_up: str | None = None
    bid_down: str | None = None
    ask_up: str | None = None
    ask_down: str | None = None
    range_bid_up: str | None = None
    range_bid_down: str | None = None
    range_ask_up: str | None = None
    range_ask_down: str | None = None
    average_minutes: Number | None = None
    pause_seconds: Number | None = None
    max_algo_orders: Number | None = None
    max_iceberg_orders: Number | None = None
    iceberg_parts: Number | None = None
    max_order_lists: Number | None = None
    max_amends: Number | None = None
    trailing_above_min: Number | None = None
    trailing_above_max: Number | None = None
    trailing_below_min: Number | None = None
    trailing_below_max: Number | None = None
    max_position: str | None = None


class SetMarketLimits(Request, tag="market.limits"):
    """A change begins the average of the reference price anew."""

    symbol: str
    limits: LimitChanges

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        market = exchange.market(self.symbol)
        base_scale = exchange.assets()[market.base].scale
        present = exchange.query(lambda engine: Limits.unpack(engine.limits(market.market)))
        limits = changed_limits(present, self.limits, base_scale)
        exchange.execute(caller.act(self), MarketLimits(market=market.market, limits=limits))
        return {"symbol": self.symbol, "limits": shown_limits(limits, base_scale)}


def default_limits() -> Limits:
    """What the public API is known for, and no price that depends on how a market moves."""
    return Limits(
        max_algo_orders=5,
        iceberg_parts=10,
        max_order_lists=20,
        max_amends=10,
        trailing_above_min=10,
        trailing_above_max=2_000,
        trailing_below_min=10,
        trailing_below_max=2_000,
    )


def changed_limits(limits: Limits, changes: LimitChanges, base_scale: int) -> Limits:
    """`limits` with what `changes` names. Raises AmountInvalid."""
    named = {name: getattr(changes, name) for name in _NUMBERS if getattr(changes, name) is not None}
    for name, field in _MULTIPLIERS.items():
        if (text := getattr(changes, name)) is not None:
            named[field] = parse_atoms(text, MULTIPLIER_SCALE)
    if changes.max_position is not None:
        named["max_position_atoms"] = parse_atoms(changes.max_position, base_scale)
    return limits._replace(**named)


def shown_limits(limits: Limits, base_scale: int) -> dict[str, Any]:
    """Those that limit something."""
    shown: dict[str, Any] = {}
    for field, value in limits._asdict().items():
        if value == 0:
            continue
        if field.endswith("_e4"):
            shown[field.removesuffix("_e4")] = format_atoms(value, MULTIPLIER_SCALE)
        elif field == "max_position_atoms":
            shown["max_position"] = format_atoms(value, base_scale)
        else:
            shown[field] = value
    return shown
