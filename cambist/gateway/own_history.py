"""What became of an account's orders: the closed ones, all of them, and its trades."""

from functools import partial

from cambist.engine.commands import Side
from cambist.engine.views import AccountTradeView, ClosedOrderView, OrderView
from cambist.gateway import errors, history_queries
from cambist.gateway.calls import NS_PER_S, Call
from cambist.gateway.errors import ApiError
from cambist.gateway.markets import Market
from cambist.gateway.order_answers import show_order
from cambist.gateway.order_params import named_order
from cambist.gateway.params import Params
from cambist.gateway.schemas import AccountTrade, encode
from cambist.match.queries import OpenOrder

LIMIT_DEFAULT, LIMIT_MAX = 500, 1_000
DAY_NS = 86_400 * NS_PER_S
# Which of these may be sent together with the symbol.
_TRADE_SELECTIONS: tuple[set[str], ...] = (
    set(),
    {"orderId"},
    {"startTime"},
    {"endTime"},
    {"fromId"},
    {"startTime", "endTime"},
    {"orderId", "fromId"},
)


async def order(call: Call) -> bytes:
    market = await call.services.markets.of(call.params)
    order_id, client_id = named_order(call.params)
    found = await find(call, market.id, order_id, client_id)
    if found is None:
        raise ApiError(errors.NO_SUCH_ORDER)
    return encode(show_order(call, market, found))


async def find(call: Call, market: int, order_id: int, client_id: str) -> OrderView | ClosedOrderView | None:
    """An order of the caller, both names fitting if both are given: open, as the engine has it, or closed.

    An order that the engine has no more may have been closed by somebody else's command, of which the caller
    knows nothing. So before anything but a closed order is believed, the views must be where the engine was.
    Raises OutcomeUnknown if they are not in time.
    """
    core, history, account = call.services.core, call.services.history, call.account
    looked = await core.query(OpenOrder(account, order_id, client_id.encode()))
    row = looked.order
    if row is not None and row.market == market:  # else one elsewhere may have the client id by now
        return row if row.account == account and client_id.encode() in (b"", row.client_id) else None
    query = partial(
        history_queries.order, account=account, market=market, order_id=order_id, client_id=client_id
    )
    found = await history.read(query, after=core.answered(account))
    if isinstance(found, ClosedOrderView):
        return found
    return await history.read(query, after=looked.sequence)


async def all_orders(call: Call) -> bytes:
    """Open and closed ones."""
    market, params = await call.services.markets.of(call.params), call.params
    limit = params.limit(default=LIMIT_DEFAULT, most=LIMIT_MAX)
    start_ns, end_ns = _times(call)
    query = partial(
        history_queries.account_orders,
        account=call.account,
        market=market.id,
        limit=limit,
        from_id=params.integer("orderId"),
        start_ns=start_ns,
        end_ns=end_ns,
    )
    found = await call.services.history.read(query, after=call.services.core.answered(call.account))
    return encode([show_order(call, market, each) for each in found])


def trades_weight(params: Params) -> int:
    return 5 if "orderId" in params else 20


async def trades(call: Call) -> bytes:
    market, params = await call.services.markets.of(call.params), call.params
    selection = {name for name in ("orderId", "startTime", "endTime", "fromId") if name in params}
    if selection not in _TRADE_SELECTIONS:
        raise ApiError(errors.BAD_COMBINATION)
    limit = params.limit(default=LIMIT_DEFAULT, most=LIMIT_MAX)
    start_ns, end_ns = _times(call)
    query = partial(
        history_queries.account_trades,
        account=call.account,
        market=market.id,
        limit=limit,
        from_id=params.integer("fromId"),
        order_id=params.integer("orderId"),
        start_ns=start_ns,
        end_ns=end_ns,
    )
    found = await call.services.history.read(query, after=call.services.core.answered(call.account))
    return encode([_trade(call, market, trade) for trade in found])


def _times(call: Call) -> tuple[int | None, int | None]:
    """Both bounds, inclusive. Raises ApiError if they are more than a day apart."""
    start_ns, end_ns = call.params.time_ns("startTime"), call.params.time_ns("endTime")
    if start_ns is not None and end_ns is not None and end_ns - start_ns > DAY_NS:
        raise ApiError(errors.OVER_24_HOURS)
    if end_ns is not None:
        end_ns += call.unit_ns - 1  # a whole millisecond is meant
    return start_ns, end_ns


def _trade(call: Call, market: Market, trade: AccountTradeView) -> AccountTrade:
    return AccountTrade(
        symbol=market.symbol,
        id=trade.trade_id,
        order_id=trade.order_id,
        price=market.price(trade.price_ticks),
        qty=market.quantity(trade.quantity_lots),
        quote_qty=market.value(trade.quote_atoms),
        commission=market.fee(trade.fee_atoms, trade.side),
        commission_asset=market.fee_asset(trade.side).name,
        time=call.time(trade.time_ns),
        is_buyer=trade.side == Side.BUY,
        is_maker=trade.is_maker,
    )
