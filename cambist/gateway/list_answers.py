"""An order list that has ended, as told by its own endpoint and when one of its orders is cancelled."""

from collections.abc import Iterable, Sequence

from cambist.engine import names
from cambist.engine.commands import Contingency
from cambist.engine.events import Event, OrderClosed, OrderList
from cambist.engine.views import OrderView
from cambist.gateway.calls import Call
from cambist.gateway.markets import Market
from cambist.gateway.order_answers import show_cancelled
from cambist.gateway.schemas import Answer, CancelledOrder

CONTINGENCY_NAMES = {Contingency.OCO: "OCO", Contingency.OTO: "OTO", Contingency.OTOCO: "OTO"}


class ListedOrder(Answer):
    symbol: str
    order_id: int
    client_order_id: str


class OrderListShown(Answer, kw_only=True):
    order_list_id: int
    contingency_type: str
    list_status_type: str = "EXEC_STARTED"
    list_order_status: str = "EXECUTING"
    list_client_order_id: str
    transaction_time: int
    symbol: str
    orders: list[ListedOrder]


class OrderListCancelled(OrderListShown, kw_only=True):
    order_reports: list[CancelledOrder]


def cancelled_list(
    call: Call, market: Market, happened: Sequence[Event], before: Iterable[OrderView], time_ns: int
) -> OrderListCancelled:
    """`before` are the orders as they were: an end does not tell what they waited for."""
    done = next(each for each in happened if isinstance(each, OrderList))
    closed = [each for each in happened if isinstance(each, OrderClosed)]
    views = {view.order_id: view for view in before}
    for each in closed:
        call.services.orders.closed(call.account, each.order_id)
    return OrderListCancelled(
        order_list_id=done.list_id,
        contingency_type=CONTINGENCY_NAMES[done.contingency],
        list_status_type="ALL_DONE",
        list_order_status="ALL_DONE",
        list_client_order_id=done.client_id.decode(),
        transaction_time=call.time(time_ns),
        symbol=market.symbol,
        orders=[ListedOrder(market.symbol, each.order_id, each.client_id.decode()) for each in closed],
        order_reports=[
            _cancelled(call, market, each, done.list_id, views.get(each.order_id), time_ns) for each in closed
        ],
    )


def _cancelled(
    call: Call, market: Market, closed: OrderClosed, list_id: int, before: OrderView | None, time_ns: int
) -> CancelledOrder:
    shown = show_cancelled(call, market, closed, closed.request_id.decode(), time_ns)
    shown.order_list_id = list_id
    shown.status = names.CLOSED_NAMES[closed.reason]
    if before is not None and before.stop_price_ticks:
        shown.stop_price = market.price(before.stop_price_ticks)
    if before is not None and before.iceberg_lots:
        shown.iceberg_qty = market.quantity(before.iceberg_lots)
    if before is not None and before.trailing_delta:
        shown.trailing_delta = before.trailing_delta
    return shown
