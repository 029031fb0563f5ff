"""Cancelling an order and placing another in one step, and what is said when only one half succeeds.

Both halves are one command: nobody trades between them. The order count is looked at before anything is done.
"""

import msgspec

from cambist.engine import events
from cambist.engine.commands import Cancel, ReplaceMode
from cambist.engine.events import CloseReason, OrderClosed, Status
from cambist.gateway import errors
from cambist.gateway.calls import Call
from cambist.gateway.errors import ApiError, Problem, Refusal
from cambist.gateway.markets import Market
from cambist.gateway.order_answers import (
    closed_orders,
    placed_by,
    refusal_of,
    show_cancelled,
    show_placed,
)
from cambist.gateway.order_limits import Tally
from cambist.gateway.order_params import (
    NewOrder,
    client_id_in,
    named_order,
    read_order,
    refuse_cancel_restrictions,
)
from cambist.gateway.orders import count, take_place
from cambist.gateway.schemas import Answer, CancelledOrder, encode

_MODES = {mode.name: mode for mode in ReplaceMode}
_RATE_LIMIT_MODES = {"DO_NOTHING": False, "CANCEL_ONLY": True}


class Replaced(Answer):
    """What became of each half: SUCCESS, FAILURE or NOT_ATTEMPTED, and its answer."""

    cancel_result: str
    new_order_result: str
    cancel_response: CancelledOrder | Problem
    new_order_response: msgspec.Raw | Problem | None


class Target(msgspec.Struct, frozen=True):
    """The order to cancel; ids as `named_order` gives them. `request_id` is the cancel's own name."""

    market: Market
    order_id: int
    client_id: str
    request_id: str


async def cancel_replace(call: Call) -> bytes:
    params, market = call.params, await call.services.markets.of(call.params)
    order = read_order(params, market)
    mode = params.require_choice("cancelReplaceMode", _MODES)
    named = named_order(params, "cancelOrderId", "cancelOrigClientOrderId", errors.NO_ORDER_TO_CANCEL_NAMED)
    refuse_cancel_restrictions(params)
    target = Target(market, *named, client_id_in(params, "cancelNewClientOrderId"))
    cancel_only = params.choice("orderRateLimitExceededMode", _RATE_LIMIT_MODES, False)
    try:
        tally = await take_place(call)
    except ApiError as too_many:
        if cancel_only:
            await _cancel_only(call, target, mode, too_many)
        raise
    return await _replace(call, target, order, mode, tally)


async def _replace(call: Call, target: Target, order: NewOrder, mode: ReplaceMode, tally: Tally) -> bytes:
    limits = call.services.orders
    command = order.replacing(call.account, target.order_id, target.client_id, target.request_id, mode)
    try:
        record = await call.services.core.execute(command)
    finally:
        limits.end(tally)
    result = events.result(record)
    cancelled = _cancelled(call, target, record, result.time_ns)
    placed = None
    if result.status in (Status.OK, Status.REPLACED_WITHOUT_CANCEL):
        placed = placed_by(result, record)
        count(limits, tally, placed)
    elif cancelled is None and mode is ReplaceMode.STOP_ON_FAILURE:
        limits.placed(tally, 0, is_open=False)  # the documentation: an order not attempted is counted
    call.headers += limits.headers(tally)
    if placed is None:
        raise _failed(result, cancelled, mode)
    shown = msgspec.Raw(show_placed(call, order, placed))
    if cancelled is None:
        unknown = _problem(errors.UNKNOWN_ORDER_SENT)
        in_part = Replaced("FAILURE", "SUCCESS", unknown, shown)
        raise ApiError(errors.REPLACED_IN_PART, data=in_part)
    return encode(Replaced("SUCCESS", "SUCCESS", cancelled, shown))


def _failed(result: events.Result, cancelled: CancelledOrder | None, mode: ReplaceMode) -> ApiError:
    """The answer when there is no new order."""
    if cancelled is not None:
        refused = _problem(refusal_of(Status(result.value)))
        return ApiError(errors.REPLACED_IN_PART, data=Replaced("SUCCESS", "FAILURE", cancelled, refused))
    refused = _problem(refusal_of(result.status))
    if mode is ReplaceMode.STOP_ON_FAILURE:
        return ApiError(errors.NOT_REPLACED, data=Replaced("FAILURE", "NOT_ATTEMPTED", refused, None))
    # A frozen account's order is there and is not cancelled; whatever else is said is about the new order.
    of_cancel = refused if result.status == Status.ACCOUNT_FROZEN else _problem(errors.UNKNOWN_ORDER_SENT)
    return ApiError(errors.NOT_REPLACED, data=Replaced("FAILURE", "FAILURE", of_cancel, refused))


async def _cancel_only(call: Call, target: Target, mode: ReplaceMode, too_many: ApiError) -> None:
    """Over the order limit only the cancel is tried. Always raises ApiError, with the limit's status."""
    command = Cancel(
        account=call.account,
        market=target.market.id,
        order_id=target.order_id,
        client_id=target.client_id.encode(),
        request_id=target.request_id.encode(),
    )
    record = await call.services.core.execute(command.encode())
    result = events.result(record)
    cancelled = _cancelled(call, target, record, result.time_ns)
    limit = _problem(too_many.refusal)
    if cancelled is not None:
        refusal, data = errors.REPLACED_IN_PART, Replaced("SUCCESS", "FAILURE", cancelled, limit)
    elif mode is ReplaceMode.STOP_ON_FAILURE:
        refused = _problem(refusal_of(result.status))
        refusal, data = errors.NOT_REPLACED, Replaced("FAILURE", "NOT_ATTEMPTED", refused, None)
    else:
        refused = _problem(refusal_of(result.status))
        refusal, data = errors.NOT_REPLACED, Replaced("FAILURE", "FAILURE", refused, limit)
    raise ApiError(refusal._replace(http=too_many.refusal.http), too_many.retry_after_s, data)


def _cancelled(call: Call, target: Target, record: bytes, time_ns: int) -> CancelledOrder | None:
    """The half of the answer that is about the cancel; None if nothing was cancelled."""
    closed = next(filter(_was_asked_for, closed_orders(record)), None)
    if closed is None:
        return None
    call.services.orders.closed(call.account, closed.order_id)
    return show_cancelled(call, target.market, closed, target.request_id, time_ns)


def _was_asked_for(closed: OrderClosed) -> bool:
    return closed.reason in (CloseReason.REPLACED, CloseReason.CANCELLED)


def _problem(refusal: Refusal) -> Problem:
    return Problem(refusal.code, refusal.msg)
