"""What everybody may see: time, markets, books, trades and prices."""

from typing import Any

from cambist.engine import commands as engine_commands
from cambist.engine import names
from cambist.engine.views import MarketView
from cambist.gateway import errors, filters
from cambist.gateway.calls import Call
from cambist.gateway.errors import ApiError
from cambist.gateway.markets import Market
from cambist.gateway.params import Params
from cambist.gateway.schemas import (
    AccountFilters,
    BookTicker,
    Depth,
    ExchangeInfo,
    ExecutionRules,
    PriceTicker,
    RateLimit,
    ReferencePrice,
    ServerTime,
    Symbol,
    SymbolRules,
    encode,
)
from cambist.match import queries
from cambist.settings import Limits

DEPTH_DEFAULT, DEPTH_MAX = 100, 5_000
_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1_000, 50), (DEPTH_MAX, 250))
RULES_WITH_STOPS = 2
PERMISSION = "SPOT"  # the only one there is
_NAMES_SYMBOLS = frozenset({"symbol", "symbols"})
_CHOOSES_SYMBOLS = frozenset({"permissions", "symbolStatus"})


async def ping(call: Call) -> bytes:
    return b"{}"


async def server_time(call: Call) -> bytes:
    return encode(ServerTime(call.time(call.now_ns)))


async def exchange_info(call: Call) -> bytes:
    params = call.params
    if params.any_of(_CHOOSES_SYMBOLS) and params.any_of(_NAMES_SYMBOLS):
        raise ApiError(errors.BAD_COMBINATION)
    permissions = params.names("permissions")
    wanted = await call.services.markets.wanted(params)
    if permissions is not None and PERMISSION not in permissions:
        wanted = []
    views, limits = await _views(call), await _limits(call, wanted)
    rules = await call.services.core.query(queries.Rules())
    symbols = [_symbol(market, views[market.id], limits[market.id], rules) for market in wanted]
    if params.get("showPermissionSets") is not None and not params.flag("showPermissionSets"):
        for symbol in symbols:
            symbol.permission_sets = ()
    return encode(_exchange_info(call, symbols))


async def no_markets(call: Call) -> bytes:
    """Futures, which some clients ask for before they trade spot: there are none."""
    return encode(_exchange_info(call, []))


def depth_weight(params: Params) -> int:
    limit = params.limit(default=DEPTH_DEFAULT, most=DEPTH_MAX)
    return next(weight for most, weight in _DEPTH_WEIGHTS if limit <= most)


async def depth(call: Call) -> bytes:
    market = await call.services.markets.of_status(call.params)
    limit = call.params.limit(default=DEPTH_DEFAULT, most=DEPTH_MAX)
    book = await call.services.core.query(queries.Depth(market.id, limit))
    return encode(Depth(book.update_id, _levels(market, book.bids), _levels(market, book.asks)))


def ticker_weight(params: Params) -> int:
    return 2 if "symbol" in params else 4


async def price_ticker(call: Call) -> bytes:
    wanted = await call.services.markets.wanted(call.params)
    views = await _views(call)
    return _one_or_all(
        call, [PriceTicker(each.symbol, each.price(views[each.id].last_price_ticks)) for each in wanted]
    )


async def book_ticker(call: Call) -> bytes:
    wanted = await call.services.markets.wanted(call.params)
    books = await call.services.core.query(queries.BestLevels([market.id for market in wanted]))
    return _one_or_all(
        call,
        [_book_ticker(market, book.bids, book.asks) for market, book in zip(wanted, books, strict=True)],
    )


async def own_filters(call: Call) -> bytes:
    """The filters that an account meets on a market: the market's own, which are the same for everybody."""
    market = await call.services.markets.of(call.params)
    views, limits = await _views(call), await _limits(call, [market])
    return encode(AccountFilters([], filters.shown(market, views[market.id], limits[market.id]), []))


def execution_rules_weight(params: Params) -> int:
    if "symbol" in params:
        return 2
    return min(40, 2 * len(params.symbols() or [None] * 20))


async def execution_rules(call: Call) -> bytes:
    """Between which multiples of the reference price takers may trade."""
    wanted = await call.services.markets.wanted(call.params)
    limits = await _limits(call, wanted)
    rules = [(market.symbol, filters.price_range(limits[market.id])) for market in wanted]
    return encode(ExecutionRules([SymbolRules(symbol, [rule] if rule else []) for symbol, rule in rules]))


async def reference_price(call: Call) -> bytes:
    """What price limits are measured by; null before the first trade."""
    market = await call.services.markets.of(call.params)
    ticks = await call.services.core.query(queries.ReferencePrice(market.id))
    price = market.price(ticks) if ticks else None
    return encode(ReferencePrice(market.symbol, price, call.time(call.now_ns)))


def rate_limits(limits: Limits) -> list[RateLimit]:
    all_limits = [
        RateLimit("REQUEST_WEIGHT", "MINUTE", 1, limits.request_weight_1m),
        RateLimit("ORDERS", "SECOND", 10, limits.orders_10s),
        RateLimit("ORDERS", "DAY", 1, limits.orders_1d),
        RateLimit("RAW_REQUESTS", "MINUTE", 5, limits.raw_requests_5m),
    ]
    return [each for each in all_limits if each.limit]


async def _views(call: Call) -> dict[int, MarketView]:
    return {view.market: view for view in await call.services.core.query(queries.Markets())}


async def _limits(call: Call, markets: list[Market]) -> dict[int, engine_commands.Limits]:
    numbers = [market.id for market in markets]
    limits = await call.services.core.query(queries.MarketLimits(numbers))
    return dict(zip(numbers, limits, strict=True))


def _exchange_info(call: Call, symbols: list[Symbol]) -> ExchangeInfo:
    return ExchangeInfo(
        timezone="UTC",
        server_time=call.time(call.now_ns),
        rate_limits=rate_limits(call.services.settings.limits),
        exchange_filters=[],
        symbols=symbols,
    )


def _symbol(market: Market, view: MarketView, limits: engine_commands.Limits, rules: int) -> Symbol:
    has_stops = rules >= RULES_WITH_STOPS
    return Symbol(
        symbol=market.symbol,
        status=names.MARKET_STATUS_NAMES[view.state],
        base_asset=market.base.name,
        base_asset_precision=market.base.scale,
        quote_asset=market.quote.name,
        quote_precision=market.quote.scale,
        quote_asset_precision=market.quote.scale,
        base_commission_precision=market.base.scale,
        quote_commission_precision=market.quote.scale,
        order_types=tuple(names.ORDER_TYPES) if has_stops else ("LIMIT", "MARKET", "LIMIT_MAKER"),
        iceberg_allowed=has_stops,
        oco_allowed=has_stops,
        oto_allowed=has_stops,
        allow_trailing_stop=has_stops,
        filters=filters.shown(market, view, limits),
        default_self_trade_prevention_mode=names.STP_DEFAULT.name,
        allowed_self_trade_prevention_modes=tuple(names.STP_MODES),
    )


def _levels(market: Market, levels: list[tuple[int, int]]) -> list[tuple[str, str]]:
    return [(market.price(ticks), market.quantity(lots)) for ticks, lots in levels]


def _book_ticker(market: Market, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> BookTicker:
    bid, ask = bids[0] if bids else (0, 0), asks[0] if asks else (0, 0)
    return BookTicker(
        market.symbol,
        market.price(bid[0]),
        market.quantity(bid[1]),
        market.price(ask[0]),
        market.quantity(ask[1]),
    )


def _one_or_all(call: Call, found: list[Any]) -> bytes:
    return encode(found[0] if "symbol" in call.params else found)
