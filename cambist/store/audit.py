"""Who did what and when: one row for every change, written in the transaction that makes the change.

Each row holds a keyed hash (HMAC-SHA256, the key derived from the master key) of itself and of the row
before, so a row that was changed, removed, inserted or moved shows, whoever has written to the database file.
The newest rows, cut off together with everything that was written with them, leave a chain that is whole, and
whoever has the key can write another one: both show in what was anchored (cambist/store/anchors.py).
"""

import hmac
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, insert, select

from cambist.errors import Refused
from cambist.store.secrets import Vault
from cambist.store.tables import audit

CHAIN_START = bytes(32)
ACTOR_LONGEST = 64
_KEY_PURPOSE = "audit chain"


class AuditBroken(Refused):
    """The trail is not the one that was written; the text names the first row that does not fit."""

    code = "audit_broken"


class Act(NamedTuple):
    """What somebody does. `details` are JSON values, and never secrets."""

    actor: str
    action: str
    details: Mapping[str, Any]
    time_ns: int


class Entry(NamedTuple):
    id: int
    act: Act


class Trail:
    """The audit trail of one records database."""

    def __init__(self, vault: Vault) -> None:
        self._key = vault.derive(_KEY_PURPOSE)

    def append(self, db: Connection, act: Act) -> int:
        """The row's id. `db` is a transaction that writes, so there is no other at the same time."""
        newest = db.execute(select(audit).order_by(audit.c.id.desc()).limit(1)).one_or_none()
        number, previous = (1, CHAIN_START) if newest is None else (newest.id + 1, newest.hash)
        row = {
            "id": number,
            "time_ns": act.time_ns,
            "actor": act.actor[:ACTOR_LONGEST],
            "action": act.action,
            "details": msgspec.json.encode(act.details, order="sorted").decode(),
        }
        db.execute(insert(audit).values(row | {"hash": self._hash(previous, list(row.values()))}))
        return number

    def read(self, db: Connection, after: int = 0) -> Iterator[Entry]:
        """Oldest first, those behind the row `after`. Raises AuditBroken where the chain does not hold."""
        previous = CHAIN_START
        if after:
            found = db.scalar(select(audit.c.hash).where(audit.c.id == after))
            if found is None:
                raise AuditBroken(f"the audit trail is broken: row {after} is missing")
            previous = found
        expected = after + 1
        for row in db.execute(select(audit).where(audit.c.id > after).order_by(audit.c.id)):
            fields = [row.id, row.time_ns, row.actor, row.action, row.details]
            if row.id != expected or not hmac.compare_digest(row.hash, self._hash(previous, fields)):
                raise AuditBroken(f"the audit trail is broken at row {expected}: something else wrote to it")
            yield _entry(row)
            previous, expected = row.hash, row.id + 1

    def _hash(self, previous: bytes, fields: list[Any]) -> bytes:
        return hmac.digest(self._key, previous + msgspec.json.encode(fields), "sha256")


def _entry(row: Row[Any]) -> Entry:
    return Entry(row.id, Act(row.actor, row.action, msgspec.json.decode(row.details), row.time_ns))
