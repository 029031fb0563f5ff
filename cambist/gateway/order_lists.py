"""Order lists: pairs of which one cancels the other, and orders that wait until another is filled."""

from collections.abc import Iterator
from typing import cast

from cambist.engine import events, names
from cambist.engine.codes import OrderState
from cambist.engine.commands import Contingency, ListCancel, ListPlace, OrderType, Side
from cambist.engine.events import (
    Event,
    OrderAccepted,
    OrderClosed,
    OrderTriggered,
    Trade,
)
from cambist.gateway import errors
from cambist.gateway.calls import Call
from cambist.gateway.errors import ApiError
from cambist.gateway.list_answers import CONTINGENCY_NAMES, ListedOrder, OrderListShown, cancelled_list
from cambist.gateway.markets import Market
from cambist.gateway.order_answers import NOT_YET, require_ok, show_new
from cambist.gateway.order_limits import OrderLimits, Tally
from cambist.gateway.order_params import (
    ACK,
    RESPONSE_TYPES,
    RESULT,
    Names,
    NewOrder,
    client_id_in,
    read_order,
)
from cambist.gateway.orders import take_place
from cambist.gateway.params import Params
from cambist.gateway.schemas import (
    OrderAck,
    OrderResult,
    encode,
)
from cambist.match.queries import OpenOrders

STOP_LOSSES = frozenset({OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})
TAKE_PROFITS = frozenset({OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT})
_IN_PAIRS = STOP_LOSSES | TAKE_PROFITS | {OrderType.LIMIT_MAKER}
_WORKING = frozenset({OrderType.LIMIT, OrderType.LIMIT_MAKER})


class OrderListPlaced(OrderListShown, kw_only=True):
    """Only the first five fields of each report if an acknowledgement was wanted."""

    order_reports: list[OrderResult]


async def place_oco(call: Call) -> bytes:
    market = await call.services.markets.of(call.params)
    legs = _pair(call.params, market, _named("above", shared=True), _named("below", shared=True))
    return await _place(call, market, Contingency.OCO, legs)


async def place_old_oco(call: Call) -> bytes:
    """The parameters of older clients: a LIMIT_MAKER at `price`, and a stop with or without a limit price."""
    params, market = call.params, await call.services.markets.of(call.params)
    params.require("stopPrice")
    is_limit = "stopLimitPrice" in params
    stop = read_order(
        params,
        market,
        Names(
            time_in_force="stopLimitTimeInForce",
            price="stopLimitPrice",
            iceberg="stopIcebergQty",
            client_id="stopClientOrderId",
            strategy_id="stopStrategyId",
            strategy_type="stopStrategyType",
        ),
        OrderType.STOP_LOSS_LIMIT if is_limit else OrderType.STOP_LOSS,
    )
    limit = read_order(
        params,
        market,
        Names(
            time_in_force="limitTimeInForce",
            stop_price="limitStopPrice",
            trailing_delta="limitTrailingDelta",
            iceberg="limitIcebergQty",
            client_id="limitClientOrderId",
            strategy_id="limitStrategyId",
            strategy_type="limitStrategyType",
        ),
        OrderType.LIMIT_MAKER,
    )
    return await _place(call, market, Contingency.OCO, [stop, limit])


async def place_oto(call: Call) -> bytes:
    market = await call.services.markets.of(call.params)
    legs = [_working(call.params, market), read_order(call.params, market, _named("pending"))]
    return await _place(call, market, Contingency.OTO, legs)


async def place_otoco(call: Call) -> bytes:
    market = await call.services.markets.of(call.params)
    above, below = (
        _named(f"pending{place}")._replace(side="pendingSide", quantity="pendingQuantity")
        for place in ("Above", "Below")
    )
    legs = [_working(call.params, market), *_pair(call.params, market, above, below)]
    return await _place(call, market, Contingency.OTOCO, legs)


async def cancel(call: Call) -> bytes:
    params, market = call.params, await call.services.markets.of(call.params)
    list_id, client_id = named_list(params, "listClientOrderId")
    request_id = client_id_in(params, "newClientOrderId")
    before = await call.services.core.query(OpenOrders(call.account, market.id))
    command = ListCancel(
        account=call.account,
        market=market.id,
        list_id=list_id,
        client_id=client_id.encode(),
        request_id=request_id.encode(),
    )
    record = await call.services.core.execute(command.encode())
    result = require_ok(record)
    return encode(cancelled_list(call, market, events.decode(record), before, result.time_ns))


def named_list(params: Params, by_client_id: str) -> tuple[int, str]:
    """List id and client id, of which one may be 0 or ""."""
    list_id, client_id = params.integer("orderListId"), params.get(by_client_id)
    if list_id is None and client_id is None:
        raise ApiError(errors.both_missing("orderListId", by_client_id))
    if list_id == 0:
        raise ApiError(errors.invalid("orderListId"))
    return list_id or 0, client_id_in(params, by_client_id) if client_id else ""


# What is asked for


def _named(prefix: str, *, shared: bool = False) -> Names:
    """The parameters of one order of a list; `shared` means that side and quantity are the list's."""
    return Names(
        side="side" if shared else f"{prefix}Side",
        type=f"{prefix}Type",
        time_in_force=f"{prefix}TimeInForce",
        quantity="quantity" if shared else f"{prefix}Quantity",
        price=f"{prefix}Price",
        stop_price=f"{prefix}StopPrice",
        trailing_delta=f"{prefix}TrailingDelta",
        iceberg=f"{prefix}IcebergQty",
        client_id=f"{prefix}ClientOrderId",
        strategy_id=f"{prefix}StrategyId",
        strategy_type=f"{prefix}StrategyType",
    )


def _working(params: Params, market: Market) -> NewOrder:
    order = read_order(params, market, _named("working"))
    if order.order_type not in _WORKING:
        raise ApiError(errors.invalid("workingType"))
    return order


def _pair(params: Params, market: Market, above: Names, below: Names) -> list[NewOrder]:
    """The stop-loss order first, as the engine wants them. Raises ApiError for what is no pair."""
    upper, lower = read_order(params, market, above), read_order(params, market, below)
    for order in (upper, lower):
        if order.order_type not in _IN_PAIRS:
            raise ApiError(errors.NOT_IN_OCO)
    if upper.order_type == lower.order_type == OrderType.LIMIT_MAKER:
        raise ApiError(errors.BOTH_ARE_LIMITS)
    stop, other = (upper, lower) if upper.side == Side.BUY else (lower, upper)
    for order, is_above in ((upper, True), (lower, False)):
        must_be_above = (order.order_type in STOP_LOSSES) == (order.side == Side.BUY)
        if is_above != must_be_above:
            raise ApiError(_misplaced(order))
    return [stop, other]


def _misplaced(order: NewOrder) -> errors.Refusal:
    if order.order_type == OrderType.LIMIT_MAKER:
        kind = "limit"
    else:
        kind = "stop loss" if order.order_type in STOP_LOSSES else "take profit"
    return errors.MISPLACED_IN_OCO[kind, names.SIDE_NAMES[order.side]]


# What becomes of it


async def _place(call: Call, market: Market, contingency: Contingency, legs: list[NewOrder]) -> bytes:
    client_id = client_id_in(call.params, "listClientOrderId")
    response = call.params.choice("newOrderRespType", RESPONSE_TYPES, RESULT)
    limits = call.services.orders
    command = ListPlace(
        account=call.account,
        market=market.id,
        contingency=contingency,
        legs=tuple(leg.leg() for leg in legs),
        client_id=client_id.encode(),
    )
    tally = await take_place(call, len(legs))
    try:
        record = await call.services.core.execute(command.encode())
    finally:
        limits.end(tally, len(legs))
    result = require_ok(record)
    happened = events.decode(record)
    accepted = [each for each in happened if isinstance(each, OrderAccepted) and each.list_id == result.value]
    _count(limits, tally, accepted, happened)
    call.headers += limits.headers(tally)
    time = call.time(result.time_ns)
    return encode(
        OrderListPlaced(
            order_list_id=result.value,
            contingency_type=CONTINGENCY_NAMES[contingency],
            list_client_order_id=client_id,
            transaction_time=time,
            symbol=market.symbol,
            orders=[
                ListedOrder(market.symbol, each.order_id, leg.client_id)
                for leg, each in zip(legs, accepted, strict=True)
            ],
            order_reports=cast(
                list[OrderResult], list(_reports(market, legs, accepted, happened, response, time))
            ),
        )
    )


def _count(limits: OrderLimits, tally: Tally, accepted: list[OrderAccepted], happened: list[Event]) -> None:
    for order in accepted:
        limits.placed(tally, order.order_id, is_open=True)
    for event in happened:
        if isinstance(event, Trade):
            limits.filled(event.maker_account, event.maker_order)
            limits.filled(event.taker_account, event.taker_order)
        elif isinstance(event, OrderClosed):
            limits.closed(event.account, event.order_id)


def _reports(
    market: Market,
    legs: list[NewOrder],
    accepted: list[OrderAccepted],
    happened: list[Event],
    response: int,
    time: int,
) -> Iterator[OrderResult | OrderAck]:
    for leg, order in zip(legs, accepted, strict=True):
        if response == ACK:
            yield OrderAck(
                symbol=market.symbol,
                order_id=order.order_id,
                order_list_id=order.list_id,
                client_order_id=leg.client_id,
                transact_time=time,
            )
            continue
        report = show_new(leg, order.order_id, time)
        report.order_list_id = order.list_id
        if order.state == OrderState.PENDING:
            report.status, report.working_time = "PENDING_NEW", NOT_YET
        _tell_what_happened(market, report, happened, time)
        yield report


def _tell_what_happened(market: Market, report: OrderResult, happened: list[Event], time: int) -> None:
    """To one order, in the command that placed it."""
    order_id, lots, atoms = report.order_id, 0, 0
    for event in happened:
        if isinstance(event, Trade) and order_id in (event.taker_order, event.maker_order):
            lots, atoms = lots + event.quantity_lots, atoms + event.quote_atoms
            report.status = names.open_name(lots)
        elif isinstance(event, OrderTriggered) and event.order_id == order_id:
            report.status = "NEW"
            report.working_time = time if event.state == OrderState.RESTING else NOT_YET
        elif isinstance(event, OrderClosed) and event.order_id == order_id:
            report.status = names.CLOSED_NAMES[event.reason]
    report.executed_qty, report.cummulative_quote_qty = market.quantity(lots), market.value(atoms)
