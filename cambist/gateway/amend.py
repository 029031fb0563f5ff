"""Lessening an order that rests: it keeps its place in the queue."""

from cambist.engine import events, names
from cambist.engine.commands import Amend
from cambist.engine.events import OrderAmended, Status
from cambist.engine.views import OrderView
from cambist.gateway import errors
from cambist.gateway.calls import Call
from cambist.gateway.errors import ApiError
from cambist.gateway.markets import Market
from cambist.gateway.order_answers import refusal_of
from cambist.gateway.order_params import client_id_in, named_order
from cambist.gateway.schemas import NO_LIST, Answer, encode
from cambist.match.queries import OpenOrder


class AmendedOrder(Answer, kw_only=True):
    symbol: str
    order_id: int
    order_list_id: int = NO_LIST
    orig_client_order_id: str
    client_order_id: str
    price: str
    qty: str
    executed_qty: str
    prevented_qty: str
    quote_order_qty: str
    cumulative_quote_qty: str
    status: str
    time_in_force: str
    type: str
    side: str
    working_time: int
    self_trade_prevention_mode: str


class Amended(Answer):
    transact_time: int
    execution_id: int
    amended_order: AmendedOrder


async def keep_priority(call: Call) -> bytes:
    """A client id is made up unless one is sent; the present one may be sent again."""
    market = await call.services.markets.of(call.params)
    order_id, client_id = named_order(call.params)
    quantity_lots = market.lots(call.params.require("newQty"), "newQty")
    new_client_id = client_id_in(call.params, "newClientOrderId")
    before = await _own_order(call, OpenOrder(call.account, order_id, client_id.encode()))
    if before is not None and quantity_lots == before.quantity_lots:
        raise ApiError(errors.AMEND_CHANGES_NOTHING)
    command = Amend(
        account=call.account,
        market=market.id,
        quantity_lots=quantity_lots,
        order_id=order_id,
        target_client_id=client_id.encode(),
        client_id=new_client_id.encode(),
    )
    record = await call.services.core.execute(command.encode())
    result = events.result(record)
    if result.status != Status.OK:
        raise ApiError(_as_amend(refusal_of(result.status)))
    if before is None:
        raise RuntimeError(f"order {order_id} was amended and not there before")
    amended = next(event for event in events.decode(record) if isinstance(event, OrderAmended))
    time = call.time(result.time_ns)
    return encode(Amended(time, result.sequence, _show(call, market, before, amended)))


def _as_amend(refusal: errors.Refusal) -> errors.Refusal:
    """What the matching engine declines has an own code when it was about an amendment."""
    if refusal.code in (errors.UNKNOWN_ORDER_SENT.code, -2010):
        return refusal._replace(code=-2038)
    return refusal


async def _own_order(call: Call, wanted: OpenOrder) -> OrderView | None:
    order = (await call.services.core.query(wanted)).order
    return None if order is None or order.account != call.account else order


def _show(call: Call, market: Market, before: OrderView, amended: OrderAmended) -> AmendedOrder:
    # Between the look and the command it may have traded: at its own price, because it rests.
    traded_lots = amended.executed_lots - before.executed_lots
    traded_atoms = market.notional_atoms(amended.price_ticks, traded_lots)
    return AmendedOrder(
        symbol=market.symbol,
        order_id=amended.order_id,
        orig_client_order_id=amended.old_client_id.decode(),
        client_order_id=amended.client_id.decode(),
        price=market.price(amended.price_ticks),
        qty=market.quantity(amended.quantity_lots),
        executed_qty=market.quantity(amended.executed_lots),
        prevented_qty=market.quantity(0),
        quote_order_qty=market.value(0),
        cumulative_quote_qty=market.value(before.executed_quote_atoms + traded_atoms),
        status=names.open_name(amended.executed_lots),
        time_in_force=names.time_in_force_name(before.order_type, before.time_in_force),
        type=names.ORDER_TYPE_NAMES[before.order_type],
        side=names.SIDE_NAMES[before.side],
        working_time=call.time(before.accepted_ns),
        self_trade_prevention_mode=names.STP_NAMES[before.stp_mode],
    )
