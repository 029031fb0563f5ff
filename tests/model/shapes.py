"""Which commands are MALFORMED: bytes other than the format says, or values that mean nothing."""

from cambist.engine import commands
from cambist.engine.codes import AccountClass, FeeComponent, Kind, OrderType, Status, StpMode, TimeInForce
from cambist.engine.commands import Command

from .state import AMOUNT_LIMIT, Refused, require

CLIENT_ID = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/")
NAME = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
PRINTABLE = frozenset(range(0x21, 0x7F))


VERSION_2 = frozenset({Kind.COUNTDOWN, Kind.MARKET_LIMITS})


def parse(raw: bytes, rules: int) -> Command:
    """The command that `raw` holds, or Refused."""
    known = set(Kind) if rules >= 2 else set(Kind) - VERSION_2
    require(raw[2] in known, Status.UNKNOWN_KIND)
    try:
        command = commands.decode(raw)
    except ValueError as problem:
        raise Refused(Status.MALFORMED) from problem
    require(_plain(raw) in (command.encode(), _with_empty_extension(command)), Status.MALFORMED)
    require(is_well_formed(command), Status.MALFORMED)
    require(rules >= 2 or not _is_of_version_2(command), Status.MALFORMED)
    return command


def _is_of_version_2(command: Command) -> bool:
    return (
        isinstance(command, commands.Place | commands.CancelReplace) and command.stp_mode == StpMode.DECREMENT
    )


def _plain(raw: bytes) -> bytes:
    """Without session and number, which say nothing about the command."""
    return raw[:4] + bytes(12) + raw[16:]


def _with_empty_extension(command: Command) -> bytes:
    """An order may carry an extension block that says nothing."""
    if not isinstance(command, commands.Place | commands.CancelReplace) or command.quote_budget_atoms:
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


def _is_order(order: commands.Place | commands.CancelReplace) -> bool:
    """The combinations of type, time in force, price, quantity and budget that mean something.

    Quantity and budget both 0 means what remains of a replaced order; the caller knows whether there is one.
    """
    priced, by_budget = order.price_ticks > 0, order.quote_budget_atoms > 0
    if not _is_client_id(order.client_id) or order.quote_budget_atoms >= AMOUNT_LIMIT:
        return False
    match order.order_type:
        case OrderType.LIMIT:
            return priced and not by_budget
        case OrderType.LIMIT_MAKER:
            return priced and not by_budget and order.time_in_force == TimeInForce.GTC
        case OrderType.MARKET:
            one = not (by_budget and order.quantity_lots > 0)
            return not priced and one and order.time_in_force == TimeInForce.IOC


def _is_money(money: commands.Money) -> bool:
    ends_something = money.kind in (Kind.REVERSE, Kind.SETTLE, Kind.RELEASE)
    return (
        _is_text(money.reference, PRINTABLE, 1, 120)
        and _is_text(money.origin, PRINTABLE, 0, 120)
        and ends_something == (money.origin != b"")
        and (money.kind == Kind.SETTLE or money.fee_account == 0)
    )
