"""Symbols, and how a market's prices and quantities are read and written.

A market's assets, tick and lot never change, so what is cached here is never outdated; an unknown symbol is
looked up each time, so a new market is there at once. State and filters do change and are asked for when
they are shown.
"""

import msgspec

from cambist import money
from cambist._matching import PlainTerms
from cambist.candles import mean_atoms
from cambist.engine.names import MARKET_STATUS_NAMES
from cambist.engine.views import AssetView, MarketView
from cambist.gateway import errors
from cambist.gateway.core import Core
from cambist.gateway.errors import ApiError, Refusal
from cambist.gateway.params import Params
from cambist.match import queries
from cambist.match.queries import Listing

SYMBOL_RANGE = "^[A-Z0-9-_.]{1,32}$"
_PRICE_FILTER = errors.filter_failure("PRICE_FILTER")
_LOT_SIZE = errors.filter_failure("LOT_SIZE")
_NOTIONAL = errors.filter_failure("NOTIONAL")
_SYMBOL_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
STEPS_MAX = (1 << 64) - 1  # what a command can carry
BUDGET_ATOMS_MAX = (1 << 100) - 1  # what the engine reads as an amount


class Market(msgspec.Struct, frozen=True, gc=False):
    """Prices are in ticks and quantities in lots inside, decimal strings outside."""

    id: int
    symbol: str
    base: AssetView
    quote: AssetView
    tick_atoms: int
    lot_atoms: int

    def ticks(self, text: str, name: str) -> int:
        """Raises ApiError that names the parameter or the filter."""
        return _steps(text, name, self.quote.scale, self.tick_atoms, _PRICE_FILTER)

    def lots(self, text: str, name: str) -> int:
        return _steps(text, name, self.base.scale, self.lot_atoms, _LOT_SIZE)

    def quote_atoms(self, text: str, name: str) -> int:
        return _steps(text, name, self.quote.scale, 1, _NOTIONAL, most=BUDGET_ATOMS_MAX)

    def price(self, ticks: int) -> str:
        return money.format_atoms(ticks * self.tick_atoms, self.quote.scale)

    def quantity(self, lots: int) -> str:
        return money.format_atoms(lots * self.lot_atoms, self.base.scale)

    def value(self, quote_atoms: int) -> str:
        return money.format_atoms(quote_atoms, self.quote.scale)

    def notional_atoms(self, ticks: int, lots: int) -> int:
        """The value of lots at a price. Exact: one tick times one lot is a whole number of quote atoms."""
        one_base: int = 10**self.base.scale
        return ticks * lots * (self.tick_atoms * self.lot_atoms // one_base)

    def mean(self, quote_atoms: int, lots: int) -> str:
        """The average price of trades that come to this."""
        return self.value(mean_atoms(quote_atoms, lots * self.lot_atoms, self.base.scale))

    def fee_asset(self, side: int) -> AssetView:
        """What is received pays the fee: a buyer (0) pays in base, a seller (1) in quote."""
        return self.quote if side else self.base

    def fee(self, atoms: int, side: int) -> str:
        return money.format_atoms(atoms, self.fee_asset(side).scale)


class Markets:
    """The markets that are known so far: those at the start, and those that were asked for since.

    A cancel must not depend on a question that a full queue may turn away, so the start knows them all.
    """

    def __init__(self, core: Core, listing: Listing) -> None:
        self._core = core
        self._keep(_markets(listing))

    async def named(self, symbol: str) -> Market:
        """Raises ApiError (-1121)."""
        market = self._by_symbol.get(symbol)
        if market is None:
            if not (len(symbol) <= 32 and _SYMBOL_CHARACTERS.issuperset(symbol)):
                raise ApiError(errors.illegal("symbol", SYMBOL_RANGE))
            # Reading all markets for a name that nobody has is what a flood would ask for.
            if await self._core.query(queries.MarketCount()) != len(self._by_symbol):
                await self.refresh()
            market = self._by_symbol.get(symbol)
        if market is None:
            raise ApiError(errors.BAD_SYMBOL)
        return market

    async def of(self, params: Params) -> Market:
        return await self.named(params.require("symbol"))

    async def of_status(self, params: Params) -> Market:
        """Like `of`, but a `symbolStatus` must be the market's. Raises ApiError (-1220)."""
        market = await self.of(params)
        await self._with_status(params, [market])
        return market

    async def wanted(self, params: Params) -> list[Market]:
        """Those that `symbol` or `symbols` names, all markets if neither was sent; of `symbolStatus`."""
        symbol, symbols = params.get("symbol"), params.symbols()
        if symbol is not None and symbols is not None:
            raise ApiError(errors.BAD_COMBINATION)
        if symbol is not None:
            found = [await self.named(symbol)]
        elif symbols is not None:
            found = [await self.named(each) for each in symbols]
        else:
            found = await self.refresh()
        return await self._with_status(params, found)

    async def _with_status(self, params: Params, markets: list[Market]) -> list[Market]:
        """Those that have the status which was asked for, if one was. Raises ApiError (-1122, -1220)."""
        wanted = params.get("symbolStatus")
        if wanted is None:
            return markets
        if wanted not in MARKET_STATUS_NAMES.values():
            raise ApiError(errors.BAD_SYMBOL_STATUS)
        states = {view.market: view.state for view in await self._core.query(queries.Markets())}
        found = [market for market in markets if MARKET_STATUS_NAMES[states[market.id]] == wanted]
        if "symbol" in params and not found:
            raise ApiError(errors.OTHER_SYMBOL_STATUS)
        return found

    async def by_id(self) -> dict[int, Market]:
        return {market.id: market for market in await self.refresh()}

    async def refresh(self) -> list[Market]:
        """All markets, oldest first."""
        found = _markets(await self._core.query(queries.Listed()))
        self._keep(found)
        return found

    def known(self, symbol: str) -> Market:
        """One that has terms."""
        return self._by_symbol[symbol]

    def terms(self, symbol: str) -> PlainTerms | None:
        """What plain orders need of a market; None if it takes asking the engine."""
        return self._terms.get(symbol)

    def _keep(self, markets: list[Market]) -> None:
        self._by_symbol = {market.symbol: market for market in markets}
        self._terms = {market.symbol: _terms(market) for market in markets}


def _markets(listing: Listing) -> list[Market]:
    assets = {asset.asset: asset for asset in listing.assets}
    return [_market(view, assets) for view in listing.markets]


def _market(view: MarketView, assets: dict[int, AssetView]) -> Market:
    return Market(
        view.market, view.symbol, assets[view.base], assets[view.quote], view.tick_atoms, view.lot_atoms
    )


def _terms(market: Market) -> PlainTerms:
    base, quote = market.base, market.quote
    return PlainTerms(
        market.id, base.name, quote.name, base.scale, quote.scale, market.tick_atoms, market.lot_atoms
    )


def _steps(
    text: str, name: str, scale: int, step_atoms: int, filter_failure: Refusal, most: int = STEPS_MAX
) -> int:
    try:
        steps = money.parse_steps(text, scale, step_atoms)
    except money.TooPrecise:
        raise ApiError(errors.too_precise(name)) from None
    except money.BetweenSteps:
        raise ApiError(filter_failure) from None
    except money.AmountInvalid:
        raise ApiError(errors.illegal(name, money.DECIMAL_RANGE)) from None
    if not 0 < steps <= most:
        raise ApiError(filter_failure)
    return steps
