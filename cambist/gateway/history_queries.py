"""What the views say about closed orders and trades.

Trade and aggregate ids have no gaps and grow with time, so a place in time is found by halving, without an
index. Times are inclusive.
"""

from collections.abc import Iterator
from itertools import groupby, islice
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from cambist.engine.commands import Side
from cambist.engine.views import AccountTradeView, AggregateView, ClosedOrderView, OrderView, TradeView
from cambist.store.views import orders, trades

OPEN = 0  # an order's reason while it has none
_CHUNK = 1_000

# What open and closed orders have in common.
_SHARED: tuple[str, ...] = (
    *OrderView._fields[: OrderView._fields.index("client_id") + 1],
    "prevented_lots",
    "stop_price_ticks",
    "trailing_delta",
    "iceberg_lots",
    "list_id",
    "working_ns",
)
_PUBLIC = (
    trades.c.trade_id,
    trades.c.market,
    trades.c.price_ticks,
    trades.c.quantity_lots,
    trades.c.quote_atoms,
    trades.c.time_ns,
    trades.c.taker_side,
    trades.c.maker_order,
    trades.c.taker_order,
)


def order(
    db: Connection, account: int, market: int, order_id: int, client_id: str
) -> OrderView | ClosedOrderView | None:
    """By id, or the newest with that client id; both must fit if both are given."""
    query = select(orders).where(orders.c.account == account, orders.c.market == market)
    if order_id:
        query = query.where(orders.c.order_id == order_id)
    if client_id:
        query = query.where(orders.c.client_id == client_id)
    row = db.execute(query.order_by(orders.c.order_id.desc()).limit(1)).first()
    return None if row is None else _order(row)


def account_orders(
    db: Connection,
    account: int,
    market: int,
    limit: int,
    *,
    from_id: int | None,
    start_ns: int | None,
    end_ns: int | None,
) -> list[OrderView | ClosedOrderView]:
    """Oldest first: the first `limit` from an id or a time on, else the newest."""
    query = select(orders).where(orders.c.account == account, orders.c.market == market)
    if from_id is not None:
        query = query.where(orders.c.order_id >= from_id)
    if start_ns is not None:
        query = query.where(orders.c.order_id >= _first_order_at(db, start_ns))
    if end_ns is not None:
        query = query.where(orders.c.order_id < _first_order_at(db, end_ns + 1))
    is_forward = from_id is not None or start_ns is not None
    return [_order(row) for row in _page(db, query, orders.c.order_id, limit, is_forward=is_forward)]


def account_trades(
    db: Connection,
    account: int,
    market: int,
    limit: int,
    *,
    from_id: int | None,
    order_id: int | None,
    start_ns: int | None,
    end_ns: int | None,
) -> list[AccountTradeView]:
    """Oldest first: the first `limit` from an id or a time on, else the newest."""
    is_forward = from_id is not None or start_ns is not None
    found: list[AccountTradeView] = []
    for is_maker in (True, False):
        query = select(trades).where(_own(is_maker, "account") == account, trades.c.market == market)
        if order_id is not None:
            query = query.where(_own(is_maker, "order") == order_id)
        query = _between(db, query, market, from_id, start_ns, end_ns)
        rows = _page(db, query, trades.c.trade_id, limit, is_forward=is_forward)
        found += [_account_trade(row, is_maker=is_maker) for row in rows]
    found.sort(key=lambda trade: (trade.trade_id, not trade.is_maker))
    return found[:limit] if is_forward else found[-limit:]


def market_trades(db: Connection, market: int, limit: int, from_id: int | None = None) -> list[TradeView]:
    """Oldest first: the first `limit` from an id on, else the newest."""
    query: Select[Any] = select(*_PUBLIC).where(trades.c.market == market)
    if from_id is not None:
        query = query.where(trades.c.trade_id >= from_id)
    rows = _page(db, query, trades.c.trade_id, limit, is_forward=from_id is not None)
    return [TradeView._make(row) for row in rows]


def aggregates(
    db: Connection,
    market: int,
    limit: int,
    *,
    from_id: int | None,
    start_ns: int | None,
    end_ns: int | None,
) -> list[AggregateView]:
    """Oldest first: the first `limit` from an id or a time on, else the newest."""
    query: Select[Any] = select(
        trades.c.aggregate_id,
        trades.c.trade_id,
        trades.c.price_ticks,
        trades.c.quantity_lots,
        trades.c.time_ns,
        trades.c.taker_side,
    ).where(trades.c.market == market)
    first_trade = None if from_id is None else _first_trade(db, market, "aggregate_id", from_id)
    query = _between(db, query, market, first_trade, start_ns, end_ns)
    is_forward = from_id is not None or start_ns is not None
    query = query.order_by(trades.c.trade_id if is_forward else trades.c.trade_id.desc())
    rows = db.execute(query.execution_options(yield_per=_CHUNK))
    found = [_aggregate(list(fills)) for _, fills in islice(groupby(rows, lambda row: row[0]), limit)]
    rows.close()
    return found if is_forward else found[::-1]


def _page(
    db: Connection, query: Select[Any], key: Any, limit: int, *, is_forward: bool
) -> Iterator[Row[Any]]:
    rows = db.execute(query.order_by(key if is_forward else key.desc()).limit(limit)).all()
    return iter(rows) if is_forward else reversed(rows)


def _own(is_maker: bool, what: str) -> Any:
    return trades.c[f"{'maker' if is_maker else 'taker'}_{what}"]


def _between(
    db: Connection,
    query: Select[Any],
    market: int,
    from_id: int | None,
    start_ns: int | None,
    end_ns: int | None,
) -> Select[Any]:
    if from_id is not None:
        query = query.where(trades.c.trade_id >= from_id)
    if start_ns is not None:
        query = query.where(trades.c.trade_id >= _first_trade(db, market, "time_ns", start_ns))
    if end_ns is not None:
        query = query.where(trades.c.trade_id < _first_trade(db, market, "time_ns", end_ns + 1))
    return query


def _first_trade(db: Connection, market: int, column: str, value: int) -> int:
    """Id of the market's first trade whose `column`, which grows with the id, is at least `value`."""

    def at(trade_id: int) -> int:
        query = select(trades.c[column]).where(trades.c.market == market, trades.c.trade_id == trade_id)
        return int(db.execute(query).scalar_one())

    low = 1
    high = (db.scalar(select(func.max(trades.c.trade_id)).where(trades.c.market == market)) or 0) + 1
    while low < high:
        middle = (low + high) // 2
        if at(middle) >= value:
            high = middle
        else:
            low = middle + 1
    return low


def _first_order_at(db: Connection, time_ns: int) -> int:
    """Id of the first order that anybody placed at that time or later; one more than the last if none was."""
    low, high = 1, (db.scalar(select(func.max(orders.c.order_id))) or 0) + 1
    while low < high:
        middle = (low + high) // 2
        query = select(orders.c.order_id, orders.c.accepted_ns).where(orders.c.order_id >= middle)
        order_id, accepted_ns = db.execute(query.order_by(orders.c.order_id).limit(1)).one()
        if accepted_ns >= time_ns:
            high = middle
        else:
            low = order_id + 1
    return low


def _order(row: Row[Any]) -> OrderView | ClosedOrderView:
    shared: dict[str, Any] = {name: getattr(row, name) for name in _SHARED}
    shared["client_id"] = row.client_id.encode()
    if row.reason == OPEN:
        return OrderView(**shared, state=row.state)
    return ClosedOrderView(**shared, reason=row.reason, by_quote=row.by_quote)


def _account_trade(row: Row[Any], *, is_maker: bool) -> AccountTradeView:
    side = Side(row.taker_side ^ is_maker)
    return AccountTradeView(
        trade_id=row.trade_id,
        market=row.market,
        order_id=row.maker_order if is_maker else row.taker_order,
        price_ticks=row.price_ticks,
        quantity_lots=row.quantity_lots,
        quote_atoms=row.quote_atoms,
        fee_atoms=row.maker_fee_atoms if is_maker else row.taker_fee_atoms,
        time_ns=row.time_ns,
        side=side,
        is_maker=is_maker,
    )


def _aggregate(fills: list[Row[Any]]) -> AggregateView:
    ids = [fill.trade_id for fill in fills]
    fill = fills[0]
    return AggregateView(
        aggregate_id=fill.aggregate_id,
        price_ticks=fill.price_ticks,
        quantity_lots=sum(fill.quantity_lots for fill in fills),
        first_trade_id=min(ids),
        last_trade_id=max(ids),
        time_ns=fill.time_ns,
        taker_side=fill.taker_side,
    )
