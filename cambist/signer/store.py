"""The signer's own database: for whom it signs, whose approval counts, how much at most, and what it signed.

It is written by the signer and by `cambist signer` at its console, and by nobody else. Amounts are decimal
text in the smallest unit of the chain. Rows of `signed` and `history` are never changed or deleted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    UniqueConstraint,
    insert,
    select,
    update,
)

from cambist.errors import Refused
from cambist.signer.calls import Terms
from cambist.store.sqlite import open_database, writing

STORE_FILE = "signer.db"
_UNITS = String(78)

metadata = MetaData()

meta = Table("meta", metadata, Column("name", String(32), primary_key=True), Column("value", String(255)))

networks = Table(
    "networks",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    # Of one transaction, and of all in 24 hours: what may go to whoever makes the blocks.
    Column("fee_max", _UNITS, nullable=False),
    Column("fee_day_max", _UNITS, nullable=False),
    Column("gas_max", _UNITS, nullable=False),
)

limits = Table(
    "limits",
    metadata,
    Column("network", String(16), primary_key=True),
    Column("contract", String(128), primary_key=True),
    Column("per_payment", _UNITS, nullable=False),
    Column("per_hour", _UNITS, nullable=False),
    Column("per_day", _UNITS, nullable=False),
    Column("two_above", _UNITS, nullable=False),
)

approvers = Table(
    "approvers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("public_key", LargeBinary(1_024), nullable=False),
    Column("credential_id", LargeBinary(1_024), nullable=False),
    Column("added_at_ns", BigInteger, nullable=False),
    Column("removed_at_ns", BigInteger),
)

signed = Table(
    "signed",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("network", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("subject", BigInteger, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("sender", String(128), nullable=False),
    Column("contract", String(128), nullable=False),
    Column("amount", _UNITS, nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("gas", BigInteger, nullable=False),
    Column("max_fee", BigInteger, nullable=False),
    Column("priority_fee", BigInteger, nullable=False),
    Column("raw", LargeBinary(8_192), nullable=False),
    Column("txid", String(80), nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    UniqueConstraint("network", "txid"),
    Index("ix_signed_nonce", "network", "sender", "nonce"),
    Index("ix_signed_subject", "kind", "subject"),
    Index("ix_signed_time", "time_ns"),
)

history = Table(
    "history",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("action", String(32), nullable=False),
    Column("details", JSON, nullable=False),
    Column("time_ns", BigInteger, nullable=False),
)


class NotSetUp(Refused):
    """Something that `cambist signer` has to be told first; the text says what."""

    code = "signer_not_set_up"


class Network(NamedTuple):
    name: str
    chain_id: int
    fee_max: int
    fee_day_max: int
    gas_max: int


class Limits(NamedTuple):
    """Of a coin or token on a network. More than `two_above` in one payment takes two approvers."""

    network: str
    contract: str
    per_payment: int
    per_hour: int
    per_day: int
    two_above: int


class Approver(NamedTuple):
    name: str
    kind: str
    public_key: bytes
    credential_id: bytes


class Store:
    def __init__(self, directory: Path) -> None:
        """Made if there is none."""
        self._engine = open_database(directory / STORE_FILE)
        self._to_write = writing(self._engine)
        with self.write() as db:
            metadata.create_all(db)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._engine.begin() as db:
            yield db

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Durable when the block has ended, undone if it raises."""
        with self._to_write.begin() as db:
            yield db

    def close(self) -> None:
        self._engine.dispose()


def value(db: Connection, name: str) -> str | None:
    return db.scalar(select(meta.c.value).where(meta.c.name == name))


def set_value(db: Connection, name: str, text: str) -> None:
    if value(db, name) is None:
        db.execute(insert(meta).values(name=name, value=text))
    else:
        db.execute(update(meta).where(meta.c.name == name).values(value=text))


def all_networks(db: Connection) -> list[Network]:
    return [_network(row) for row in db.execute(select(networks).order_by(networks.c.name))]


def network(db: Connection, name: str) -> Network:
    """Raises NotSetUp."""
    row = db.execute(select(networks).where(networks.c.name == name)).one_or_none()
    if row is None:
        raise NotSetUp(f"the signer knows no network {name[:16]!r}: see `cambist signer network`")
    return _network(row)


def limits_of(db: Connection, network_name: str, contract: str) -> Limits:
    """Raises NotSetUp: what has no limits is not signed."""
    wanted = (limits.c.network == network_name, limits.c.contract == contract)
    row = db.execute(select(limits).where(*wanted)).one_or_none()
    if row is None:
        what = contract or "the coin itself"
        raise NotSetUp(f"the signer has no limits for {what} on {network_name}: see `cambist signer limits`")
    return _limits(row)


def all_limits(db: Connection) -> list[Limits]:
    rows = db.execute(select(limits).order_by(limits.c.network, limits.c.contract))
    return [_limits(row) for row in rows]


def all_approvers(db: Connection) -> list[Approver]:
    """Those whose approval counts."""
    rows = db.execute(select(approvers).where(approvers.c.removed_at_ns.is_(None)).order_by(approvers.c.id))
    return [Approver(row.name, row.kind, row.public_key, row.credential_id) for row in rows]


def terms_of(row: Row[Any]) -> Terms:
    return Terms(nonce=row.nonce, gas=row.gas, max_fee=row.max_fee, priority_fee=row.priority_fee)


def note(db: Connection, action: str, details: dict[str, Any], now_ns: int) -> None:
    """What was changed at the console, or refused with an alarm."""
    db.execute(insert(history).values(action=action, details=details, time_ns=now_ns))


def _network(row: Row[Any]) -> Network:
    return Network(row.name, row.chain_id, int(row.fee_max), int(row.fee_day_max), int(row.gas_max))


def _limits(row: Row[Any]) -> Limits:
    numbers = map(int, (row.per_payment, row.per_hour, row.per_day, row.two_above))
    return Limits(row.network, row.contract, *numbers)
