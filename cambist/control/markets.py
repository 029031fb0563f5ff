"""Assets and markets, as an operator lists, shows and changes them: amounts are decimal strings here.

Whatever is not given when a market is listed has a default that suits a liquid market; whatever is not given
in a change stays as it is.
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from cambist._matching import Engine
from cambist.control.exchange import Assets, Caller, CommandRefused, Exchange, Report, Request
from cambist.control.limits import LimitChanges, changed_limits, default_limits, shown_limits
from cambist.engine.commands import (
    AssetList,
    AssetStatus,
    CancelAll,
    FeeComponent,
    Filters,
    Limits,
    MarketFees,
    MarketFilters,
    MarketLimits,
    MarketList,
    MarketState,
    MarketStatus,
)
from cambist.engine.events import Status
from cambist.engine.views import FeesView, FiltersView, MarketView
from cambist.money import RATE_SCALE, format_atoms, parse_atoms, parse_steps
from cambist.store.audit import Act

STANDARD_FEE = "0.001"
RATE_MAX = 10**RATE_SCALE // 2  # of one side in all
TIERS = 16

StateName: TypeAlias = Literal["trading", "cancel-only", "halted", "pre-open", "post-only", "delisted"]
ComponentName: TypeAlias = Literal["standard", "special", "tax"]

_STATES: dict[str, MarketStatus] = {
    "trading": MarketStatus.TRADING,
    "cancel-only": MarketStatus.CANCEL_ONLY,
    "halted": MarketStatus.HALTED,
    "pre-open": MarketStatus.PRE_OPEN,
    "post-only": MarketStatus.POST_ONLY,
    "delisted": MarketStatus.DELISTED,
}
_STATE_NAMES = {state: name for name, state in _STATES.items()} | {MarketStatus.PAUSED: "paused"}
_COMPONENTS: dict[str, FeeComponent] = {
    "standard": FeeComponent.STANDARD,
    "special": FeeComponent.SPECIAL,
    "tax": FeeComponent.TAX,
}
_MIN_TO_MARKET, _MAX_TO_MARKET = 1, 2  # bits of notional_flags


class AddAsset(Request, tag="asset.add"):
    """`scale` is the number of decimals in the ledger; it never changes."""

    name: str
    scale: Annotated[int, msgspec.Meta(ge=0, le=18)] = 8

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        asset = exchange.execute(caller.act(self), AssetList(name=self.name.encode(), scale=self.scale))
        return {"asset": asset, "name": self.name, "scale": self.scale}


class ListAssets(Request, tag="asset.list"):
    def perform(self, exchange: Exchange, caller: Caller) -> list[dict[str, Any]]:
        return [
            {
                "asset": each.asset,
                "name": each.name,
                "scale": each.scale,
                "state": AssetStatus(each.state).name.lower(),
            }
            for each in exchange.assets().all
        ]


class FilterChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices and notionals in quote, quantities in base; None leaves a filter as it is."""

    price_min: str | None = None
    price_max: str | None = None
    quantity_min: str | None = None
    quantity_max: str | None = None
    market_quantity_min: str | None = None
    market_quantity_max: str | None = None
    notional_min: str | None = None
    notional_max: str | None = None
    notional_min_to_market: bool | None = None
    notional_max_to_market: bool | None = None
    max_orders: Annotated[int, msgspec.Meta(ge=1, lt=1 << 32)] | None = None


class AddMarket(Request, tag="market.add"):
    """`tick` is the price step in quote, `lot` the quantity step in base; neither ever changes."""

    base: str
    quote: str
    tick: str
    lot: str
    state: StateName = "trading"
    filters: FilterChanges = FilterChanges()
    limits: LimitChanges = LimitChanges()
    maker_fee: str = STANDARD_FEE
    taker_fee: str = STANDARD_FEE

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        self._standard_rates()  # a fee that is refused must not leave a market behind, which is final
        assets = exchange.assets()
        base, quote = assets.named(self.base), assets.named(self.quote)
        steps = Steps(
            parse_atoms(self.tick, quote.scale), parse_atoms(self.lot, base.scale), base.scale, quote.scale
        )
        symbol, act = base.name + quote.name, caller.act(self)
        # Fees are set before anybody can trade: until then the market takes cancels only.
        market = exchange.execute(
            act,
            MarketList(
                base=base.asset,
                quote=quote.asset,
                tick_atoms=steps.tick_atoms,
                lot_atoms=steps.lot_atoms,
                filters=changed(default_filters(), self.filters, steps),
                state=MarketStatus.CANCEL_ONLY,
                symbol=symbol.encode(),
            ),
        )
        self.open(exchange, act, market)
        return _show(exchange, symbol)

    def open(self, exchange: Exchange, act: Act, market: int) -> None:
        """The second half, which may be repeated: limits, standard fees for every tier alike, the state."""
        if exchange.query(lambda engine: engine.rules) >= 2:
            base_scale = exchange.assets().named(self.base).scale
            limits = changed_limits(default_limits(), self.limits, base_scale)
            exchange.execute(act, MarketLimits(market=market, limits=limits))
        maker, taker = self._standard_rates()
        standard = FeeComponent.STANDARD
        for tier in range(TIERS):
            fees = MarketFees(market=market, component=standard, tier=tier, maker=maker, taker=taker)
            exchange.execute(act, fees)
        exchange.execute(act, MarketState(market=market, state=_STATES[self.state]))

    def _standard_rates(self) -> tuple[int, int]:
        """Maker and taker. Raises AmountInvalid or CommandRefused."""
        maker, taker = parse_atoms(self.maker_fee, RATE_SCALE), parse_atoms(self.taker_fee, RATE_SCALE)
        if max(maker, taker) > RATE_MAX:
            raise CommandRefused(Status.BAD_FEES)
        return maker, taker


class ListMarkets(Request, tag="market.list"):
    def perform(self, exchange: Exchange, caller: Caller) -> list[dict[str, Any]]:
        return exchange.query(lambda engine: shown_markets(engine))


class SetMarketState(Request, tag="market.state"):
    """`cancel_orders` empties the book first, which delisting needs."""

    symbol: str
    state: StateName
    cancel_orders: bool = False

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        market, act = exchange.market(self.symbol).market, caller.act(self)
        if self.cancel_orders:
            # Or users would place new orders behind the ones being cancelled.
            exchange.execute(act, MarketState(market=market, state=MarketStatus.CANCEL_ONLY))
            _cancel_orders(exchange, act, market, caller.report)
        exchange.execute(act, MarketState(market=market, state=_STATES[self.state]))
        return _show(exchange, self.symbol)


class SetMarketFilters(Request, tag="market.filters"):
    symbol: str
    filters: FilterChanges

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        market, assets = exchange.market(self.symbol), exchange.assets()
        filters = changed(Filters(*market.filters), self.filters, Steps.of(market, assets))
        exchange.execute(caller.act(self), MarketFilters(market=market.market, filters=filters))
        return _show(exchange, self.symbol)


class SetMarketFees(Request, tag="market.fees"):
    """Rates are parts of the amount received: "0.001" is 0.1 %. Special and tax have no tiers."""

    symbol: str
    component: ComponentName = "standard"
    tier: Annotated[int, msgspec.Meta(ge=0, lt=TIERS)] = 0
    maker: str | None = None
    taker: str | None = None
    buyer: str | None = None
    seller: str | None = None

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        market, component = exchange.market(self.symbol).market, _COMPONENTS[self.component]
        present = exchange.query(lambda engine: engine.fees(market, self.tier))[component]
        rates = [
            old if new is None else parse_atoms(new, RATE_SCALE)
            for old, new in zip(present, (self.maker, self.taker, self.buyer, self.seller), strict=True)
        ]
        maker, taker, buyer, seller = rates
        exchange.execute(
            caller.act(self),
            MarketFees(
                market=market,
                component=component,
                tier=self.tier,
                maker=maker,
                taker=taker,
                buyer=buyer,
                seller=seller,
            ),
        )
        return {
            "symbol": self.symbol,
            "component": self.component,
            "tier": self.tier,
            **_rates(FeesView(*rates)),
        }


class Steps:
    """What one tick and one lot of a market are, and so how its prices and quantities are written."""

    def __init__(self, tick_atoms: int, lot_atoms: int, base_scale: int, quote_scale: int) -> None:
        self.tick_atoms, self.lot_atoms = tick_atoms, lot_atoms
        self._base_scale, self._quote_scale = base_scale, quote_scale

    @classmethod
    def of(cls, market: MarketView, assets: Assets) -> "Steps":
        return cls(market.tick_atoms, market.lot_atoms, assets[market.base].scale, assets[market.quote].scale)

    def ticks(self, price: str) -> int:
        return parse_steps(price, self._quote_scale, self.tick_atoms)

    def lots(self, quantity: str) -> int:
        return parse_steps(quantity, self._base_scale, self.lot_atoms)

    def notional_atoms(self, amount: str) -> int:
        return parse_atoms(amount, self._quote_scale)

    def price(self, ticks: int) -> str:
        return format_atoms(ticks * self.tick_atoms, self._quote_scale)

    def quantity(self, lots: int) -> str:
        return format_atoms(lots * self.lot_atoms, self._base_scale)

    def notional(self, atoms: int) -> str:
        return format_atoms(atoms, self._quote_scale)


def default_filters() -> Filters:
    """Wide bounds: they stop slips of the finger and overflow, and leave the market's own to the operator."""
    return Filters(
        price_min_ticks=1,
        price_max_ticks=10**9,
        lot_min=1,
        lot_max=10**9,
        market_lot_min=1,
        market_lot_max=10**8,
        notional_min_atoms=1,
        notional_max_atoms=10**20,
        max_orders=200,
        notional_flags=_MIN_TO_MARKET,
    )


def changed(filters: Filters, changes: FilterChanges, steps: Steps) -> Filters:
    """`filters` with what `changes` names. Raises AmountInvalid, BetweenSteps among them."""
    named: dict[str, int] = {}
    for field, text, read in (
        ("price_min_ticks", changes.price_min, steps.ticks),
        ("price_max_ticks", changes.price_max, steps.ticks),
        ("lot_min", changes.quantity_min, steps.lots),
        ("lot_max", changes.quantity_max, steps.lots),
        ("market_lot_min", changes.market_quantity_min, steps.lots),
        ("market_lot_max", changes.market_quantity_max, steps.lots),
        ("notional_min_atoms", changes.notional_min, steps.notional_atoms),
        ("notional_max_atoms", changes.notional_max, steps.notional_atoms),
    ):
        if text is not None:
            named[field] = read(text)
    if changes.max_orders is not None:
        named["max_orders"] = changes.max_orders
    flags = filters.notional_flags
    for bit, is_set in (
        (_MIN_TO_MARKET, changes.notional_min_to_market),
        (_MAX_TO_MARKET, changes.notional_max_to_market),
    ):
        if is_set is not None:
            flags = flags | bit if is_set else flags & ~bit
    return filters._replace(notional_flags=flags, **named)


def shown_markets(engine: Engine) -> list[dict[str, Any]]:
    assets = Assets.of(engine)
    return [_shown(engine, MarketView.of(row), assets) for row in engine.markets()]


def _show(exchange: Exchange, symbol: str) -> dict[str, Any]:
    found = exchange.query(lambda engine: shown_markets(engine))
    return next(market for market in found if market["symbol"] == symbol)


def _shown(engine: Engine, market: MarketView, assets: Assets) -> dict[str, Any]:
    steps = Steps.of(market, assets)
    standard, special, tax = (FeesView(*row) for row in engine.fees(market.market, 0))
    return {
        "symbol": market.symbol,
        "base": assets[market.base].name,
        "quote": assets[market.quote].name,
        "state": _STATE_NAMES[MarketStatus(market.state)],
        "tick": steps.price(1),
        "lot": steps.quantity(1),
        "filters": _shown_filters(market.filters, steps),
        "limits": shown_limits(Limits.unpack(engine.limits(market.market)), assets[market.base].scale),
        "fees": {"standard": _rates(standard), "special": _rates(special), "tax": _rates(tax)},
        "last_price": steps.price(market.last_price_ticks) if market.last_trade_id else None,
    }


def _shown_filters(filters: FiltersView, steps: Steps) -> dict[str, Any]:
    return {
        "price_min": steps.price(filters.price_min),
        "price_max": steps.price(filters.price_max),
        "quantity_min": steps.quantity(filters.lot_min),
        "quantity_max": steps.quantity(filters.lot_max),
        "market_quantity_min": steps.quantity(filters.market_lot_min),
        "market_quantity_max": steps.quantity(filters.market_lot_max),
        "notional_min": steps.notional(filters.notional_min_atoms),
        "notional_max": steps.notional(filters.notional_max_atoms),
        "notional_min_to_market": bool(filters.notional_flags & _MIN_TO_MARKET),
        "notional_max_to_market": bool(filters.notional_flags & _MAX_TO_MARKET),
        "max_orders": filters.max_orders,
    }


def _rates(fees: FeesView) -> dict[str, str]:
    return {name: format_atoms(rate, RATE_SCALE) for name, rate in fees._asdict().items()}


def _cancel_orders(exchange: Exchange, act: Act, market: int, report: Report) -> None:
    """Every account's orders in the market, account by account."""

    def owners(engine: Engine) -> list[int]:
        return [account for account in engine.account_ids() if engine.open_orders(account, market)]

    accounts = exchange.query(owners)
    for done, account in enumerate(accounts, start=1):
        exchange.execute(act, CancelAll(account=account, market=market))
        report(done, len(accounts))
