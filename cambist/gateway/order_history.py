"""What became of order lists, which amendments an order had, and which matches were prevented."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from cambist.engine import names
from cambist.engine.codes import Contingency, ListStatus, StpMode
from cambist.gateway import errors
from cambist.gateway.calls import NS_PER_S, Call
from cambist.gateway.errors import ApiError
from cambist.gateway.list_answers import CONTINGENCY_NAMES, ListedOrder, OrderListShown
from cambist.gateway.markets import Market
from cambist.gateway.order_lists import named_list
from cambist.gateway.params import Params
from cambist.gateway.schemas import Answer, encode
from cambist.store.views import amendments, order_lists, orders, prevented_matches

LIMIT_DEFAULT, LIMIT_MAX = 500, 1_000
DAY_NS = 86_400 * NS_PER_S
NO_GROUP = -1
_PREVENTED_SELECTIONS: tuple[set[str], ...] = (
    {"preventedMatchId"},
    {"orderId"},
    {"orderId", "fromPreventedMatchId"},
    {"orderId", "limit"},
    {"orderId", "fromPreventedMatchId", "limit"},
)


class Amendment(Answer):
    symbol: str
    order_id: int
    execution_id: int
    orig_client_order_id: str
    new_client_order_id: str
    orig_qty: str
    new_qty: str
    time: int


class OwnPreventedMatch(Answer):
    symbol: str
    prevented_match_id: int
    taker_order_id: int
    maker_symbol: str
    maker_order_id: int
    trade_group_id: int
    self_trade_prevention_mode: str
    price: str
    taker_prevented_quantity: str
    maker_prevented_quantity: str
    transact_time: int


async def order_list(call: Call) -> bytes:
    list_id, client_id = named_list(call.params, "origClientOrderId")
    wanted = [order_lists.c.account == call.account]
    if list_id:
        wanted.append(order_lists.c.list_id == list_id)
    if client_id:
        wanted.append(order_lists.c.client_id == client_id)
    found = await _lists(call, wanted, 1, newest_first=True)
    if not found:
        raise ApiError(errors.NO_SUCH_LIST)
    return encode(found[0])


async def all_lists(call: Call) -> bytes:
    """The newest `limit`, or the first ones from an id or a time on; oldest first."""
    params, lists = call.params, order_lists.c
    from_id, start_ns, end_ns = (
        params.integer("fromId"),
        params.time_ns("startTime"),
        params.time_ns("endTime"),
    )
    if from_id is not None and (start_ns is not None or end_ns is not None):
        raise ApiError(errors.BAD_COMBINATION)
    if start_ns is not None and end_ns is not None and end_ns - start_ns > DAY_NS:
        raise ApiError(errors.OVER_24_HOURS)
    wanted = [lists.account == call.account]
    if from_id is not None:
        wanted.append(lists.list_id >= from_id)
    if start_ns is not None:
        wanted.append(lists.placed_ns >= start_ns)
    if end_ns is not None:
        wanted.append(lists.placed_ns <= end_ns + call.unit_ns - 1)
    limit = params.limit(default=LIMIT_DEFAULT, most=LIMIT_MAX)
    newest_first = from_id is None and start_ns is None
    found = await _lists(call, wanted, limit, newest_first=newest_first)
    return encode(found[::-1] if newest_first else found)


async def open_lists(call: Call) -> bytes:
    wanted = [order_lists.c.account == call.account, order_lists.c.status != ListStatus.ALL_DONE]
    return encode(await _lists(call, wanted, LIMIT_MAX, newest_first=False))


async def order_amendments(call: Call) -> bytes:
    params, market = call.params, await call.services.markets.of(call.params)
    params.require("orderId")
    wanted = [
        amendments.c.order_id == params.integer("orderId"),
        amendments.c.account == call.account,
        amendments.c.market == market.id,
        amendments.c.sequence >= (params.integer("fromExecutionId") or 0),
    ]
    limit = params.limit(default=LIMIT_DEFAULT, most=LIMIT_MAX)
    query = select(amendments).where(*wanted).order_by(amendments.c.sequence).limit(limit)
    rows = await _read(call, lambda db: db.execute(query).all())
    return encode([_amendment(call, market, row) for row in rows])


def prevented_weight(params: Params) -> int:
    return 20 if "orderId" in params else 2


async def own_prevented_matches(call: Call) -> bytes:
    params, market, matches = call.params, await call.services.markets.of(call.params), prevented_matches.c
    sent = {
        name for name in ("preventedMatchId", "orderId", "fromPreventedMatchId", "limit") if name in params
    }
    if sent not in _PREVENTED_SELECTIONS:
        raise ApiError(errors.BAD_COMBINATION)
    wanted = [
        matches.market == market.id,
        (matches.taker_account == call.account) | (matches.maker_account == call.account),
        matches.prevented_match_id >= (params.integer("fromPreventedMatchId") or 0),
    ]
    if (match_id := params.integer("preventedMatchId")) is not None:
        wanted.append(matches.prevented_match_id == match_id)
    if (order_id := params.integer("orderId")) is not None:
        wanted.append((matches.taker_order == order_id) | (matches.maker_order == order_id))
    limit = params.limit(default=LIMIT_DEFAULT, most=LIMIT_MAX)
    query = select(prevented_matches).where(*wanted).order_by(matches.prevented_match_id).limit(limit)
    rows = await _read(call, lambda db: db.execute(query).all())
    return encode([_prevented(call, market, row) for row in rows])


async def _read(call: Call, query: Any) -> Any:
    """From the views, once they hold what this account's owner may know of."""
    return await call.services.history.read(query, after=call.services.core.answered(call.account))


async def _lists(
    call: Call, wanted: Sequence[ColumnElement[bool]], limit: int, *, newest_first: bool
) -> list[OrderListShown]:
    by = order_lists.c.list_id.desc() if newest_first else order_lists.c.list_id
    query = select(order_lists).where(*wanted).order_by(by).limit(limit)
    rows, client_ids = await _read(call, partial(_lists_with_names, query=query))
    known = await call.services.markets.by_id() if rows else {}
    return [_list(call, known[row.market], row, client_ids) for row in rows]


def _lists_with_names(db: Connection, query: Any) -> tuple[Sequence[Row[Any]], dict[int, str]]:
    """Rows of lists, and the client ids of their orders."""
    rows = db.execute(query).all()
    order_ids = {order_id for row in rows for order_id in _orders_of(row)}
    named = select(orders.c.order_id, orders.c.client_id).where(orders.c.order_id.in_(order_ids))
    return rows, {row.order_id: row.client_id for row in db.execute(named)}


def _orders_of(row: Row[Any]) -> list[int]:
    return [int(order_id) for order_id in row.order_ids.split()]


def _list(call: Call, market: Market, row: Row[Any], client_ids: dict[int, str]) -> OrderListShown:
    is_done = row.status == ListStatus.ALL_DONE
    return OrderListShown(
        order_list_id=row.list_id,
        contingency_type=CONTINGENCY_NAMES[Contingency(row.contingency)],
        list_status_type="ALL_DONE" if is_done else "EXEC_STARTED",
        list_order_status="ALL_DONE" if is_done else "EXECUTING",
        list_client_order_id=row.client_id,
        transaction_time=call.time(row.updated_ns),
        symbol=market.symbol,
        orders=[ListedOrder(market.symbol, each, client_ids.get(each, "")) for each in _orders_of(row)],
    )


def _amendment(call: Call, market: Market, row: Row[Any]) -> Amendment:
    return Amendment(
        market.symbol,
        row.order_id,
        row.sequence,
        row.old_client_id,
        row.client_id,
        market.quantity(row.old_quantity_lots),
        market.quantity(row.quantity_lots),
        call.time(row.time_ns),
    )


def _prevented(call: Call, market: Market, row: Row[Any]) -> OwnPreventedMatch:
    return OwnPreventedMatch(
        market.symbol,
        row.prevented_match_id,
        row.taker_order,
        market.symbol,
        row.maker_order,
        NO_GROUP if row.stp_group == call.account else row.stp_group,
        names.STP_NAMES[StpMode(row.stp_mode)],
        market.price(row.price_ticks),
        market.quantity(row.taker_prevented_lots),
        market.quantity(row.maker_prevented_lots),
        call.time(row.time_ns),
    )
