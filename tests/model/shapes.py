"""Which commands are MALFORMED: bytes other than the format says, or values that mean nothing."""

from typing import TypeAlias

from cambist.engine import commands
from cambist.engine.codes import (
    AccountClass,
    Contingency,
    FeeComponent,
    Kind,
    OrderType,
    Status,
    StpMode,
    TimeInForce,
)
from cambist.engine.commands import Command

from .state import AMOUNT_LIMIT, Refused, has_limit, is_stop, require

CLIENT_ID = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/")
OF_VERSION_2 = (Kind.LIST_PLACE, Kind.LIST_CANCEL, Kind.COUNTDOWN, Kind.MARKET_LIMITS)

Order: TypeAlias = commands.Place | commands.CancelReplace | commands.Leg

NAME = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
PRINTABLE = frozenset(range(0x21, 0x7F))


def parse(raw: bytes, rules: int) -> Command:
    """The command that `raw` holds, or Refused."""
    is_known = raw[2] in set(Kind) and (rules >= 2 or raw[2] not in OF_VERSION_2)
    require(is_known, Status.UNKNOWN_KIND)
    try:
        command = commands.decode(raw)
    except ValueError as problem:
        raise Refused(Status.MALFORMED) from problem
    require(_plain(raw) in (command.encode(), _with_empty_extension(command)), Status.MALFORMED)
    require(is_well_formed(command), Status.MALFORMED)
    require(rules >= 2 or _is_of_version_1(command), Status.MALFORMED)
    return command


def _is_of_version_1(command: Command) -> bool:
    if not isinstance(command, commands.Place | commands.CancelReplace):
        return True
    is_special = command.stop_price_ticks or command.iceberg_lots or command.trailing_delta
    return not is_special and command.stp_mode != StpMode.DECREMENT


def _plain(raw: bytes) -> bytes:
    """Without session and number, which say nothing about the command."""
    return raw[:4] + bytes(12) + raw[16:]


def _with_empty_extension(command: Command) -> bytes:
    """An order may carry an extension block that says nothing."""
    if not isinstance(command, commands.Place | commands.CancelReplace) or command.encode()[3]:
        return b""
    full, fixed = command.encode(), 48 if isinstance(command, commands.Place) else 56
    length = (len(full) + 48).to_bytes(2, "little")
    return bytes(length + full[2:3] + b"\x01" + full[4:fixed] + bytes(48) + full[fixed:])


def is_well_formed(command: Command) -> bool:
    match command:
        case commands.Place():
            return _is_order(command) and (command.quantity_lots > 0 or command.quote_budget_atoms > 0)
        case commands.CancelReplace():
            names = _is_client_id(command.target_client_id) and _is_client_id(command.request_id)
            return _is_order(command) and names and _names(command.target_order_id, command.target_client_id)
        case commands.Cancel():
            names = _is_client_id(command.client_id) and _is_client_id(command.request_id)
            return names and _names(command.order_id, command.client_id)
        case commands.Amend():
            names = _is_client_id(command.client_id) and _is_client_id(command.target_client_id)
            named = _names(command.order_id, command.target_client_id)
            return names and named and command.quantity_lots > 0
        case commands.ListPlace():
            return _is_client_id(command.client_id) and _is_list(command)
        case commands.ListCancel():
            names = _is_client_id(command.client_id) and _is_client_id(command.request_id)
            return names and _names(command.list_id, command.client_id)
        case commands.Money():
            return _is_money(command)
        case commands.AccountCreate():
            kinds = command.account_class in (AccountClass.USER, AccountClass.MIRROR)
            known = command.tier < 16 and command.permissions < 8
            return kinds and known and _is_text(command.reference, PRINTABLE, 1, 120)
        case commands.AccountSet():
            return command.tier < 16 and command.permissions < 8
        case commands.Countdown():
            return command.deadline_ns >= 0
        case commands.AssetList():
            return command.scale <= 18 and _is_text(command.name, NAME, 1, 16)
        case commands.MarketList():
            return _is_text(command.symbol, NAME, 1, 32)
        case commands.MarketFees():
            return command.tier < (16 if command.component == FeeComponent.STANDARD else 1)
        case commands.SessionOpen():
            return _is_text(command.name, PRINTABLE, 0, 22)
    return True


def _is_text(text: bytes, letters: frozenset[int], shortest: int, longest: int) -> bool:
    return shortest <= len(text) <= longest and letters.issuperset(text)


def _is_client_id(text: bytes) -> bool:
    return _is_text(text, CLIENT_ID, 0, 36)


def _names(order_id: int, client_id: bytes) -> bool:
    return order_id != 0 or client_id != b""


def _is_order(order: Order) -> bool:
    """The combinations of type, time in force, prices, quantity and budget that mean something.

    Quantity and budget both 0 means what remains of a replaced order; the caller knows whether there is one.
    """
    budget = 0 if isinstance(order, commands.Leg) else order.quote_budget_atoms
    if not _is_client_id(order.client_id) or budget >= AMOUNT_LIMIT:
        return False
    if budget and not (order.order_type == OrderType.MARKET and order.quantity_lots == 0):
        return False
    has_trigger = order.stop_price_ticks > 0 or order.trailing_delta > 0
    if is_stop(order.order_type) != has_trigger or order.trailing_delta >= 10_000:
        return False
    is_gtc = order.time_in_force == TimeInForce.GTC
    if order.iceberg_lots and not (has_limit(order.order_type) and is_gtc):
        return False
    if has_limit(order.order_type):
        return order.price_ticks > 0 and (order.order_type != OrderType.LIMIT_MAKER or is_gtc)
    return order.price_ticks == 0 and order.time_in_force == TimeInForce.IOC


def _is_list(command: commands.ListPlace) -> bool:
    legs = command.legs
    if not all(_is_order(leg) and leg.quantity_lots > 0 for leg in legs):
        return False
    match command.contingency:
        case Contingency.OCO:
            return len(legs) == 2 and _is_pair(*legs)
        case Contingency.OTO:
            return len(legs) == 2 and _is_working(legs[0])
        case Contingency.OTOCO:
            return len(legs) == 3 and _is_working(legs[0]) and _is_pair(*legs[1:])


def _is_working(leg: commands.Leg) -> bool:
    return leg.order_type in (OrderType.LIMIT, OrderType.LIMIT_MAKER)


def _is_pair(stop: commands.Leg, gains: commands.Leg) -> bool:
    return (
        stop.order_type in (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT)
        and gains.order_type in (OrderType.LIMIT_MAKER, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
        and (stop.side, stop.quantity_lots) == (gains.side, gains.quantity_lots)
    )


def _is_money(money: commands.Money) -> bool:
    ends_something = money.kind in (Kind.REVERSE, Kind.SETTLE, Kind.RELEASE)
    return (
        _is_text(money.reference, PRINTABLE, 1, 120)
        and _is_text(money.origin, PRINTABLE, 0, 120)
        and ends_something == (money.origin != b"")
        and (money.kind == Kind.SETTLE or money.fee_account == 0)
    )
