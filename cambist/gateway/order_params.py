"""What an order request asks for: parameters to the engine's numbers, checked where no book is needed."""

import itertools
import secrets
from typing import NoReturn

import msgspec

from cambist.engine import names
from cambist.engine.commands import (
    CancelReplace,
    OrderType,
    Place,
    ReplaceMode,
    Side,
    StpMode,
    TimeInForce,
)
from cambist.gateway import errors
from cambist.gateway.errors import ApiError
from cambist.gateway.markets import Market
from cambist.gateway.params import Params

CLIENT_ID_RANGE = "^[a-zA-Z0-9-_]{1,36}$"
ACK, RESULT, FULL = range(3)

_RESPONSE_TYPES = {"ACK": ACK, "RESULT": RESULT, "FULL": FULL}
_LATER = frozenset(
    {"stopPrice", "trailingDelta", "icebergQty", "pegPriceType", "pegOffsetType", "pegOffsetValue"}
)
_CLIENT_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_PROCESS = secrets.token_urlsafe(9)  # 12 of the characters above: another process makes up other ids
_numbers = itertools.count(1)


class NewOrder(msgspec.Struct, frozen=True, gc=False):
    """A checked request to place an order, and how its answer is to be shown."""

    market: Market
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    stp_mode: StpMode
    price_ticks: int
    quantity_lots: int
    quote_budget_atoms: int
    client_id: str
    response: int

    def command(self, account: int) -> bytearray:
        return Place(
            account=account,
            market=self.market.id,
            side=self.side,
            order_type=self.order_type,
            time_in_force=self.time_in_force,
            stp_mode=self.stp_mode,
            price_ticks=self.price_ticks,
            quantity_lots=self.quantity_lots,
            quote_budget_atoms=self.quote_budget_atoms,
            client_id=self.client_id.encode(),
        ).encode()

    def replacing(
        self, account: int, order_id: int, client_id: str, request_id: str, mode: ReplaceMode
    ) -> bytearray:
        """The command that cancels one order and places this one; ids as `named_order` gives them."""
        return CancelReplace(
            account=account,
            market=self.market.id,
            side=self.side,
            order_type=self.order_type,
            time_in_force=self.time_in_force,
            stp_mode=self.stp_mode,
            mode=mode,
            price_ticks=self.price_ticks,
            quantity_lots=self.quantity_lots,
            quote_budget_atoms=self.quote_budget_atoms,
            client_id=self.client_id.encode(),
            target_order_id=order_id,
            target_client_id=client_id.encode(),
            request_id=request_id.encode(),
        ).encode()


def read_order(params: Params, market: Market) -> NewOrder:
    """Raises ApiError for anything that could not be an order; the market's rules are for the engine."""
    side = names.SIDES.get(params.require("side"))
    if side is None:
        raise ApiError(errors.BAD_SIDE)
    order_type = _order_type(params)
    if params.any_of(_LATER):
        _refuse_what_comes_later(params)
    if order_type == OrderType.MARKET:
        price_ticks = 0
        quantity_lots, budget_atoms = _market_order_size(params, market)
    else:
        _refuse(params, "quoteOrderQty")
        price_ticks = market.ticks(params.require("price"), "price")
        quantity_lots, budget_atoms = market.lots(params.require("quantity"), "quantity"), 0
    return NewOrder(
        market=market,
        side=side,
        order_type=order_type,
        time_in_force=_time_in_force(params, order_type),
        stp_mode=params.choice("selfTradePreventionMode", names.STP_MODES, names.STP_DEFAULT),
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        quote_budget_atoms=budget_atoms,
        client_id=client_id_in(params, "newClientOrderId"),
        response=params.choice(
            "newOrderRespType", _RESPONSE_TYPES, ACK if order_type == OrderType.LIMIT_MAKER else FULL
        ),
    )


def _market_order_size(params: Params, market: Market) -> tuple[int, int]:
    """Lots and quote atoms, of which one is 0."""
    _refuse(params, "price")
    quantity, budget = params.get("quantity"), params.get("quoteOrderQty")
    if quantity is not None and budget is not None:
        raise ApiError(errors.BAD_COMBINATION)
    if quantity is not None:
        return market.lots(quantity, "quantity"), 0
    if budget is not None:
        return 0, market.quote_atoms(budget, "quoteOrderQty")
    raise ApiError(errors.NO_QUANTITY)


def _order_type(params: Params) -> OrderType:
    text = params.require("type")
    order_type = names.ORDER_TYPES.get(text)
    if order_type is None:
        raise ApiError(errors.NOT_SUPPORTED_YET.get(text, errors.BAD_ORDER_TYPE))
    return order_type


def _time_in_force(params: Params, order_type: OrderType) -> TimeInForce:
    if order_type != OrderType.LIMIT:
        _refuse(params, "timeInForce")
        return TimeInForce.IOC if order_type == OrderType.MARKET else TimeInForce.GTC
    time_in_force = names.TIMES_IN_FORCE.get(params.require("timeInForce"))
    if time_in_force is None:
        raise ApiError(errors.BAD_TIME_IN_FORCE)
    return time_in_force


def _refuse(params: Params, *unwanted: str) -> None:
    for name in unwanted:
        if name in params:
            raise ApiError(errors.not_required(name))


def _refuse_what_comes_later(params: Params) -> NoReturn:
    """Ignoring these would place another order than the one that was meant."""
    _refuse(params, "stopPrice", "trailingDelta")
    raise ApiError(errors.ICEBERG if "icebergQty" in params else errors.PEGGED)


def refuse_cancel_restrictions(params: Params) -> None:
    restrictions = params.get("cancelRestrictions")
    if restrictions in ("ONLY_NEW", "ONLY_PARTIALLY_FILLED"):
        raise ApiError(errors.UNSUPPORTED)
    if restrictions is not None:
        raise ApiError(errors.BAD_CANCEL_RESTRICTIONS)


def client_id_in(params: Params, name: str) -> str:
    text = params.get(name)
    return new_client_id() if text is None else _checked_client_id(text, name)


def _checked_client_id(text: str, name: str) -> str:
    if len(text) > 36 or not _CLIENT_ID_CHARACTERS.issuperset(text):
        raise ApiError(errors.illegal(name, CLIENT_ID_RANGE))
    return text


def new_client_id() -> str:
    return f"{_PROCESS}{next(_numbers):010x}"


def named_order(
    params: Params,
    by_id: str = "orderId",
    by_client_id: str = "origClientOrderId",
    unnamed: errors.Refusal = errors.NO_ORDER_NAMED,
) -> tuple[int, str]:
    """Order id and client id, of which one may be 0 or ""."""
    order_id, client_id = params.integer(by_id), params.get(by_client_id)
    if order_id is None and client_id is None:
        raise ApiError(unnamed)
    if order_id == 0:  # no order has it, and to the engine it would mean that none was sent
        raise ApiError(errors.invalid(by_id))
    return order_id or 0, "" if client_id is None else _checked_client_id(client_id, by_client_id)
