"""What an order request asks for: parameters to the engine's numbers, checked where no book is needed."""

import itertools
import secrets
from typing import NamedTuple

import msgspec

from cambist.engine import names
from cambist.engine.commands import (
    CancelReplace,
    Leg,
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

RESPONSE_TYPES = {"ACK": ACK, "RESULT": RESULT, "FULL": FULL}
_FULL_BY_DEFAULT = frozenset({OrderType.LIMIT, OrderType.MARKET})
_PEGGED = frozenset({"pegPriceType", "pegOffsetType", "pegOffsetValue"})
_STRATEGY = frozenset({"strategyId", "strategyType"})
STOPS = frozenset(
    {
        OrderType.STOP_LOSS,
        OrderType.STOP_LOSS_LIMIT,
        OrderType.TAKE_PROFIT,
        OrderType.TAKE_PROFIT_LIMIT,
    }
)
TRAILING_DELTA_MAX = 9_999  # basis points
STRATEGY_TYPE_MIN = 1_000_000
_CLIENT_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_PROCESS = secrets.token_urlsafe(9)  # 12 of the characters above: another process makes up other ids
_numbers = itertools.count(1)


class Names(NamedTuple):
    """What the parameters of one order are called; lists have several in one request."""

    side: str = "side"
    type: str = "type"
    time_in_force: str = "timeInForce"
    quantity: str = "quantity"
    price: str = "price"
    stop_price: str = "stopPrice"
    trailing_delta: str = "trailingDelta"
    iceberg: str = "icebergQty"
    client_id: str = "newClientOrderId"
    strategy_id: str = "strategyId"
    strategy_type: str = "strategyType"


PLAIN = Names()


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
    stop_price_ticks: int = 0
    trailing_delta: int = 0
    iceberg_lots: int = 0
    strategy_id: int | None = None
    strategy_type: int | None = None

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
            stop_price_ticks=self.stop_price_ticks,
            trailing_delta=self.trailing_delta,
            iceberg_lots=self.iceberg_lots,
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
            stop_price_ticks=self.stop_price_ticks,
            trailing_delta=self.trailing_delta,
            iceberg_lots=self.iceberg_lots,
            target_order_id=order_id,
            target_client_id=client_id.encode(),
            request_id=request_id.encode(),
        ).encode()

    def leg(self) -> Leg:
        """As one order of a list."""
        return Leg(
            side=self.side,
            order_type=self.order_type,
            time_in_force=self.time_in_force,
            stp_mode=self.stp_mode,
            price_ticks=self.price_ticks,
            quantity_lots=self.quantity_lots,
            stop_price_ticks=self.stop_price_ticks,
            trailing_delta=self.trailing_delta,
            iceberg_lots=self.iceberg_lots,
            client_id=self.client_id.encode(),
        )


def read_order(
    params: Params, market: Market, named: Names = PLAIN, order_type: OrderType | None = None
) -> NewOrder:
    """Raises ApiError for anything that could not be an order; the market's rules are for the engine.

    `order_type` is for where it goes without saying.
    """
    side = names.SIDES.get(params.require(named.side))
    if side is None:
        raise ApiError(errors.BAD_SIDE)
    order_type = order_type or _order_type(params, named)
    if params.any_of(_PEGGED):
        raise ApiError(errors.PEGGED)
    price_ticks = budget_atoms = 0
    if order_type == OrderType.MARKET:
        quantity_lots, budget_atoms = _market_order_size(params, market, named)
    else:
        _refuse(params, "quoteOrderQty")
        if order_type in names.WITH_LIMIT_PRICE:
            price_ticks = market.ticks(params.require(named.price), named.price)
        else:
            _refuse(params, named.price)
        quantity_lots = market.lots(params.require(named.quantity), named.quantity)
    time_in_force = _time_in_force(params, order_type, named)
    stop_price_ticks, trailing_delta = _trigger(params, market, order_type, named)
    strategy_id, strategy_type = _strategy(params, named)
    return NewOrder(
        market=market,
        side=side,
        order_type=order_type,
        time_in_force=time_in_force,
        stp_mode=params.choice("selfTradePreventionMode", names.STP_MODES, names.STP_DEFAULT),
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        quote_budget_atoms=budget_atoms,
        client_id=client_id_in(params, named.client_id),
        response=params.choice(
            "newOrderRespType", RESPONSE_TYPES, FULL if order_type in _FULL_BY_DEFAULT else ACK
        ),
        stop_price_ticks=stop_price_ticks,
        trailing_delta=trailing_delta,
        iceberg_lots=_iceberg(params, market, order_type, time_in_force, quantity_lots, named),
        strategy_id=strategy_id,
        strategy_type=strategy_type,
    )


def _market_order_size(params: Params, market: Market, named: Names) -> tuple[int, int]:
    """Lots and quote atoms, of which one is 0."""
    _refuse(params, named.price)
    quantity, budget = params.get(named.quantity), params.get("quoteOrderQty")
    if quantity is not None and budget is not None:
        raise ApiError(errors.BAD_COMBINATION)
    if quantity is not None:
        return market.lots(quantity, named.quantity), 0
    if budget is not None and named is PLAIN:  # not in a list
        return 0, market.quote_atoms(budget, "quoteOrderQty")
    raise ApiError(errors.NO_QUANTITY if named is PLAIN else errors.missing(named.quantity))


def _order_type(params: Params, named: Names) -> OrderType:
    order_type = names.ORDER_TYPES.get(params.require(named.type))
    if order_type is None:
        raise ApiError(errors.BAD_ORDER_TYPE)
    return order_type


def _time_in_force(params: Params, order_type: OrderType, named: Names) -> TimeInForce:
    if order_type not in names.WITH_LIMIT_PRICE:
        _refuse(params, named.time_in_force)
        return TimeInForce.IOC
    if order_type == OrderType.LIMIT_MAKER:
        _refuse(params, named.time_in_force)
        return TimeInForce.GTC
    time_in_force = names.TIMES_IN_FORCE.get(params.require(named.time_in_force))
    if time_in_force is None:
        raise ApiError(errors.BAD_TIME_IN_FORCE)
    return time_in_force


def _trigger(params: Params, market: Market, order_type: OrderType, named: Names) -> tuple[int, int]:
    """Stop price in ticks and trailing delta in basis points; 0 for what was not sent."""
    if order_type not in STOPS:
        _refuse(params, named.stop_price, named.trailing_delta)
        return 0, 0
    stop_price, delta = params.get(named.stop_price), params.integer(named.trailing_delta)
    if stop_price is None and delta is None:
        raise ApiError(errors.both_missing(named.stop_price, named.trailing_delta))
    if delta is not None and not 1 <= delta <= TRAILING_DELTA_MAX:
        raise ApiError(errors.invalid(named.trailing_delta))
    return market.ticks(stop_price, named.stop_price) if stop_price else 0, delta or 0


def _iceberg(
    params: Params,
    market: Market,
    order_type: OrderType,
    time_in_force: TimeInForce,
    quantity_lots: int,
    named: Names,
) -> int:
    """How many lots are shown at a time; 0 for all of them."""
    shown = params.get(named.iceberg)
    if shown is None:
        return 0
    if order_type not in names.WITH_LIMIT_PRICE:
        raise ApiError(errors.not_required(named.iceberg))
    if time_in_force != TimeInForce.GTC:
        raise ApiError(errors.UNSUPPORTED_COMBINATION)
    lots = market.lots(shown, named.iceberg)
    if lots > quantity_lots:
        raise ApiError(errors.ICEBERG_TOO_LARGE)
    return lots


def _strategy(params: Params, named: Names) -> tuple[int | None, int | None]:
    if named is PLAIN and not params.any_of(_STRATEGY):
        return None, None
    strategy_type = params.integer(named.strategy_type)
    if strategy_type is not None and strategy_type < STRATEGY_TYPE_MIN:
        raise ApiError(errors.BAD_STRATEGY_TYPE)
    return params.integer(named.strategy_id), strategy_type


def _refuse(params: Params, *unwanted: str) -> None:
    for name in unwanted:
        if name in params:
            raise ApiError(errors.not_required(name))


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
