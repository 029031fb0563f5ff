"""What a user asks to be paid out, and whether that can be: address, amount, limits, and who is asking.

Whatever way a request comes, it passes here, in one transaction with its row. Whether there is enough, the
engine says when it holds the amount.
"""

from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, insert, select, update

from cambist.accounts import address_book, mail, policy
from cambist.accounts.address_book import AddressInvalid, AddressUnknown, Entry
from cambist.accounts.api_keys import Scope
from cambist.accounts.people import Person
from cambist.accounts.policy import SensitiveAct
from cambist.accounts.web_sessions import WebSession
from cambist.errors import Conflict, Refused
from cambist.money import format_atoms
from cambist.signer import families
from cambist.signer.family import AddressRefused
from cambist.store.wallet_tables import asset_networks, withdrawals
from cambist.wallets import networks, review
from cambist.wallets.networks import AssetNetwork, NotWhole
from cambist.wallets.withdrawals import GIVEN_BACK, State, change

DAY_NS = 24 * 3_600 * 1_000_000_000
_NEW_FOR_NS = 7 * DAY_NS


class WithdrawalsClosed(Refused):
    code = "withdrawals_closed"


class AmountOutOfRange(Refused):
    code = "amount_out_of_range"


class OverDailyLimit(Refused):
    code = "over_daily_limit"

    def __init__(self, left_atoms: int) -> None:
        super().__init__("this would be more than one may withdraw within 24 hours")
        self.left_atoms = left_atoms


class NameTaken(Conflict):
    """The caller has used this name for another withdrawal."""

    code = "withdrawal_name_taken"


class TooLate(Conflict):
    """It is decided, or has not been looked at yet."""

    code = "too_late"


class Wanted(NamedTuple):
    """`debit_atoms` is what leaves the account: what arrives, and the fee. `name` is the caller's own."""

    asset: str
    network: str
    address: str
    tag: str
    debit_atoms: int
    name: str | None = None
    via: str = "web"


def normal_address(network: str, text: str) -> str:
    """In the one spelling that is stored. Raises AddressInvalid, also for one that nobody has a key to."""
    try:
        return families.of(network).normal_address(text)
    except AddressRefused as problem:
        raise AddressInvalid(str(problem)) from None


def request(db: Connection, person: Person, wanted: Wanted, by: WebSession | Scope, now_ns: int) -> int:
    """The new withdrawal's id; the same again for a name that was used for the same.

    Raises NotAllowed, AddressInvalid, AddressUnknown, AddressWaits, WithdrawalsClosed, AmountOutOfRange,
    NotWhole, OverDailyLimit, NameTaken.
    """
    policy.may(person, SensitiveAct.WITHDRAW, by, now_ns)
    asset = asset_on(db, wanted.asset, wanted.network)
    address = normal_address(asset.network, wanted.address)
    known = _named(db, person, wanted.name)
    if known is not None:
        return _same(known, asset, address, wanted)
    if not asset.is_withdrawal_open or asset.halted or person.user.account is None:
        raise WithdrawalsClosed(f"withdrawals of {asset.asset_name} on {asset.network} are closed")
    entry = _entry(db, person, asset.network, address, wanted.tag, now_ns)
    _require_payable(db, asset, address)
    amount_atoms = wanted.debit_atoms - asset.withdrawal_fee_atoms
    if wanted.debit_atoms < asset.withdrawal_min_atoms or amount_atoms <= 0:
        raise AmountOutOfRange(f"the least that can be withdrawn is {least(asset)} {asset.asset_name}")
    units = asset.chain_units(amount_atoms)
    _require_within_day(db, person, asset, wanted.debit_atoms, now_ns)
    row = {
        "user_id": person.user.id,
        "account": person.user.account,
        "asset_network_id": asset.id,
        "address": address,
        "tag": wanted.tag,
        "amount_atoms": str(amount_atoms),
        "fee_atoms": str(asset.withdrawal_fee_atoms),
        "amount_units": str(units),
        "digest": b"",
        "state": State.REQUESTED,
        "reason": "",
        "client_id": wanted.name,
        "via": wanted.via,
        "risk": _findings(db, person, asset, entry, amount_atoms, wanted.via, now_ns),
        "requested_at_ns": now_ns,
    }
    number = int(db.execute(insert(withdrawals).values(row).returning(withdrawals.c.id)).scalar_one())
    change(db, number, digest=review.payment_of(db, number).digest())
    said = {
        "asset": asset.asset_name,
        "network": asset.network,
        "amount": format_atoms(amount_atoms, asset.scale),
        "address": address,
    }
    mail.put(db, person.user.id, mail.Kind.WITHDRAWAL_REQUESTED, said, now_ns)
    return number


def cancel(db: Connection, user_id: int, withdrawal_id: int, now_ns: int) -> None:
    """By its owner, while it waits for approval. Raises WithdrawalUnknown or TooLate."""
    wanted = (withdrawals.c.id == withdrawal_id) & (withdrawals.c.user_id == user_id)
    cancelled = db.execute(
        update(withdrawals)
        .where(wanted, withdrawals.c.state == State.HELD)
        .values(state=State.CANCELLED, decided_at_ns=now_ns)
    )
    if cancelled.rowcount:
        return
    state = db.scalar(select(withdrawals.c.state).where(wanted))
    if state is None:
        raise review.WithdrawalUnknown
    raise TooLate(f"it is {state} and cannot be cancelled")


def asset_on(db: Connection, asset: str, network: str) -> AssetNetwork:
    """Raises WithdrawalsClosed for what is not listed there."""
    number = db.scalar(
        select(asset_networks.c.id).where(
            asset_networks.c.asset_name == asset, asset_networks.c.network == network
        )
    )
    if number is None:
        raise WithdrawalsClosed(f"there is no {asset[:16]} on {network[:16]} here")
    return networks.by_id(db, number)


def least(asset: AssetNetwork) -> str:
    """The least that a request may name, as text."""
    return format_atoms(max(asset.withdrawal_min_atoms, asset.withdrawal_fee_atoms + 1), asset.scale)


def _named(db: Connection, person: Person, name: str | None) -> Row[Any] | None:
    if name is None:
        return None
    mine = (withdrawals.c.user_id == person.user.id) & (withdrawals.c.client_id == name)
    return db.execute(select(withdrawals).where(mine)).one_or_none()


def _same(known: Row[Any], asset: AssetNetwork, address: str, wanted: Wanted) -> int:
    debit_atoms = int(known.amount_atoms) + int(known.fee_atoms)
    if (known.asset_network_id, known.address, known.tag, debit_atoms) != (
        asset.id,
        address,
        wanted.tag,
        wanted.debit_atoms,
    ):
        raise NameTaken(f"{wanted.name!r} is the name of another withdrawal")
    return int(known.id)


def _entry(db: Connection, person: Person, network: str, address: str, tag: str, now_ns: int) -> Entry:
    """Of the address book, whichever way it was typed there. Raises AddressUnknown, AddressWaits."""
    for entry in address_book.list_all(db, person.user.id):
        if (entry.network, entry.address.lower(), entry.tag) == (network, address, tag):
            return address_book.require_usable(db, person.user.id, network, entry.address, tag, now_ns)
    raise AddressUnknown


def _require_payable(db: Connection, asset: AssetNetwork, address: str) -> None:
    network = networks.network(db, asset.network)
    if network is None:
        raise WithdrawalsClosed(f"{asset.network} is not in operation")
    contracts = {each.contract for each in networks.all_of(db, asset.network)}
    if address == network.hot_address or address in contracts:
        raise AddressInvalid("nothing sent to this address would reach anybody")


def _require_within_day(
    db: Connection, person: Person, asset: AssetNetwork, debit_atoms: int, now_ns: int
) -> None:
    most = asset.withdrawal_daily_max_atoms
    if not most:
        return
    rows = db.execute(
        select(withdrawals.c.amount_atoms, withdrawals.c.fee_atoms).where(
            withdrawals.c.user_id == person.user.id,
            withdrawals.c.asset_network_id == asset.id,
            withdrawals.c.requested_at_ns > now_ns - DAY_NS,
            withdrawals.c.state.not_in(GIVEN_BACK),
        )
    )
    left = most - sum(int(amount) + int(fee) for amount, fee in rows)
    if debit_atoms > left:
        raise OverDailyLimit(max(left, 0))


def _findings(
    db: Connection,
    person: Person,
    asset: AssetNetwork,
    entry: Entry,
    amount_atoms: int,
    via: str,
    now_ns: int,
) -> list[str]:
    """What those who review it should look at, in words that the console knows."""
    earlier = db.scalar(
        select(func.count()).where(
            withdrawals.c.user_id == person.user.id, withdrawals.c.state == State.SETTLED
        )
    )
    checks = {
        "first_withdrawal": not earlier,
        "new_address": now_ns - entry.created_at_ns < _NEW_FOR_NS,
        "large": review.needed(asset, amount_atoms) > 1,
        "by_api_key": via == "api",
        "recent_change": now_ns - person.withdrawals_held_until_ns < _NEW_FOR_NS,
    }
    return [name for name, is_found in checks.items() if is_found]


__all__ = [
    "AmountOutOfRange",
    "NameTaken",
    "NotWhole",
    "OverDailyLimit",
    "TooLate",
    "Wanted",
    "WithdrawalsClosed",
    "asset_on",
    "cancel",
    "least",
    "normal_address",
    "request",
]
