"""Trades as everybody may see them, one by one and as aggregates. As new as the views are."""

from functools import partial

from cambist.engine.commands import Side
from cambist.engine.views import AggregateView, TradeView
from cambist.gateway import history_queries
from cambist.gateway.calls import Call
from cambist.gateway.markets import Market
from cambist.gateway.schemas import AggregateTrade, PublicTrade, encode

LIMIT_DEFAULT, LIMIT_MAX = 500, 1_000


async def recent(call: Call) -> bytes:
    return await _trades(call, from_id=None)


async def historical(call: Call) -> bytes:
    return await _trades(call, from_id=call.params.integer("fromId"))


async def aggregates(call: Call) -> bytes:
    """What each taker order traded at one price in one command."""
    market, params = await call.services.markets.of(call.params), call.params
    end_ns = params.time_ns("endTime")
    query = partial(
        history_queries.aggregates,
        market=market.id,
        limit=params.limit(default=LIMIT_DEFAULT, most=LIMIT_MAX),
        from_id=params.integer("fromId"),
        start_ns=params.time_ns("startTime"),
        end_ns=None if end_ns is None else end_ns + call.unit_ns - 1,  # a whole millisecond is meant
    )
    found = await call.services.history.read(query, after=0)
    return encode([_aggregate(call, market, aggregate) for aggregate in found])


async def _trades(call: Call, from_id: int | None) -> bytes:
    market = await call.services.markets.of(call.params)
    limit = call.params.limit(default=LIMIT_DEFAULT, most=LIMIT_MAX)
    query = partial(history_queries.market_trades, market=market.id, limit=limit, from_id=from_id)
    found = await call.services.history.read(query, after=0)
    return encode([_trade(call, market, trade) for trade in found])


def _trade(call: Call, market: Market, trade: TradeView) -> PublicTrade:
    return PublicTrade(
        id=trade.trade_id,
        price=market.price(trade.price_ticks),
        qty=market.quantity(trade.quantity_lots),
        quote_qty=market.value(trade.quote_atoms),
        time=call.time(trade.time_ns),
        is_buyer_maker=trade.taker_side == Side.SELL,
    )


def _aggregate(call: Call, market: Market, aggregate: AggregateView) -> AggregateTrade:
    return AggregateTrade(
        a=aggregate.aggregate_id,
        p=market.price(aggregate.price_ticks),
        q=market.quantity(aggregate.quantity_lots),
        f=aggregate.first_trade_id,
        l=aggregate.last_trade_id,
        T=call.time(aggregate.time_ns),
        m=aggregate.taker_side == Side.SELL,
    )
