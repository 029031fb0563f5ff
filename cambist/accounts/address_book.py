"""Where a user's withdrawals may go: addresses that were entered, announced by mail, and waited for.

Whether an address is one at all is the network's question and asked before; here it is text.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from cambist.accounts import mail
from cambist.accounts.people import Person
from cambist.accounts.second_factor import NS_PER_HOUR
from cambist.errors import Refused
from cambist.settings import Accounts
from cambist.store.account_tables import addresses

ADDRESSES_MAX = 100
_TEXT_LONGEST, _LABEL_LONGEST, _NETWORK_LONGEST = 128, 64, 32


class AddressInvalid(Refused):
    code = "address_invalid"


class AddressUnknown(Refused):
    code = "address_unknown"

    def __init__(self) -> None:
        super().__init__("this address is not in the address book")


class AddressWaits(Refused):
    code = "address_waits"

    def __init__(self, usable_from_ns: int) -> None:
        super().__init__("a new address has to wait before a withdrawal may go there")
        self.usable_from_ns = usable_from_ns


@dataclass(frozen=True, slots=True)
class Entry:
    id: int
    network: str
    address: str
    tag: str
    label: str
    created_at_ns: int
    usable_from_ns: int


def add(
    db: Connection,
    person: Person,
    *,
    network: str,
    address: str,
    tag: str,
    label: str,
    now_ns: int,
    settings: Accounts,
) -> Entry:
    """One that is there already keeps its time. Raises AddressInvalid."""
    _require_sensible(network, address, tag, label)
    known = _find(db, person.user.id, network, address, tag)
    if known is not None:
        return known
    count = select(func.count()).where(addresses.c.user_id == person.user.id, _is_kept)
    if db.execute(count).scalar_one() >= ADDRESSES_MAX:
        raise AddressInvalid(f"an address book has at most {ADDRESSES_MAX} entries")
    row = {
        "user_id": person.user.id,
        "network": network,
        "address": address,
        "tag": tag,
        "label": label,
        "created_at_ns": now_ns,
        "usable_from_ns": now_ns + settings.address_wait_hours * NS_PER_HOUR,
    }
    made = db.execute(insert(addresses).values(row).returning(*addresses.c)).one()
    said = {"network": network, "address": address, "tag": tag, "usableFrom": row["usable_from_ns"]}
    mail.put(db, person.user.id, mail.Kind.NEW_ADDRESS, said, now_ns)
    return _entry(made)


def remove(db: Connection, user_id: int, entry_id: int, now_ns: int) -> None:
    """Entered again later, it waits again. Raises AddressUnknown."""
    removed = db.execute(
        update(addresses)
        .where(addresses.c.id == entry_id, addresses.c.user_id == user_id, _is_kept)
        .values(removed_at_ns=now_ns)
    )
    if removed.rowcount == 0:
        raise AddressUnknown


def list_all(db: Connection, user_id: int) -> list[Entry]:
    wanted = (addresses.c.user_id == user_id) & _is_kept
    return [_entry(row) for row in db.execute(select(addresses).where(wanted).order_by(addresses.c.id))]


def require_usable(db: Connection, user_id: int, network: str, address: str, tag: str, now_ns: int) -> Entry:
    """The entry that a withdrawal goes to. Raises AddressUnknown or AddressWaits."""
    entry = _find(db, user_id, network, address, tag)
    if entry is None:
        raise AddressUnknown
    if now_ns < entry.usable_from_ns:
        raise AddressWaits(entry.usable_from_ns)
    return entry


_is_kept = addresses.c.removed_at_ns.is_(None)


def _find(db: Connection, user_id: int, network: str, address: str, tag: str) -> Entry | None:
    row = db.execute(
        select(addresses).where(
            addresses.c.user_id == user_id,
            addresses.c.network == network,
            addresses.c.address == address,
            addresses.c.tag == tag,
            _is_kept,
        )
    ).one_or_none()
    return None if row is None else _entry(row)


def _require_sensible(network: str, address: str, tag: str, label: str) -> None:
    texts = ((network, 1, _NETWORK_LONGEST), (address, 1, _TEXT_LONGEST), (tag, 0, _TEXT_LONGEST))
    for text, shortest, longest in texts:
        if not shortest <= len(text) <= longest or not text.isascii() or not text.isprintable():
            raise AddressInvalid(f"{text[:_TEXT_LONGEST]!r} is not a network, address or tag")
    if len(label) > _LABEL_LONGEST or not label.isprintable():
        raise AddressInvalid(f"a label has at most {_LABEL_LONGEST} printable characters")


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        id=row.id,
        network=row.network,
        address=row.address,
        tag=row.tag,
        label=row.label,
        created_at_ns=row.created_at_ns,
        usable_from_ns=row.usable_from_ns,
    )
