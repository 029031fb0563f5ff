"""Dangerous changes: one person proposes, another one decides, and what was decided is what was proposed.

States: waiting -> done | failed (the exchange said no) | rejected | withdrawn, or it has expired. A decision
is a signature over the digest of everything that is proposed. Known limit: what ends the process while a
change is carried out leaves it `deciding`, and a person looks what has become of it.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from cambist.errors import Conflict, Refused
from cambist.staff.people import Member
from cambist.store.console_tables import proposals

GOOD_FOR_NS = 72 * 3_600 * 1_000_000_000
OUTCOME_LONGEST = 1_000
WAITING, DECIDING, DONE, FAILED = "waiting", "deciding", "done", "failed"
REJECTED, WITHDRAWN, EXPIRED = "rejected", "withdrawn", "expired"


class SecondPersonNeeded(Refused):
    code = "second_person_needed"

    def __init__(self) -> None:
        super().__init__("somebody else has to decide this: you have proposed it")


class NotWaiting(Conflict):
    code = "not_waiting"

    def __init__(self) -> None:
        super().__init__("this waits for nobody any more")


class Change(NamedTuple):
    """`content` is JSON text: what `kind` is to be done with."""

    kind: str
    content: str
    reason: str


@dataclass(frozen=True, slots=True)
class Proposal:
    id: int
    change: Change
    proposed_by: int
    proposed_at_ns: int
    expires_at_ns: int
    state: str
    decided_by: int | None
    decided_at_ns: int | None
    outcome: str

    def digest(self) -> bytes:
        """What a decision signs: nothing of this can be changed afterwards without another digest."""
        said = {"version": 1, "proposal": self.id, "by": self.proposed_by, **self.change._asdict()}
        return hashlib.sha256(msgspec.json.encode(said, order="sorted")).digest()


def put(db: Connection, member: Member, change: Change, now_ns: int) -> Proposal:
    row = change._asdict() | {
        "proposed_by": member.id,
        "proposed_at_ns": now_ns,
        "expires_at_ns": now_ns + GOOD_FOR_NS,
        "state": WAITING,
        "outcome": "",
    }
    number = db.execute(insert(proposals).values(row).returning(proposals.c.id)).scalar_one()
    found = find(db, number, now_ns)
    assert found is not None
    return found


def find(db: Connection, number: int, now_ns: int) -> Proposal | None:
    row = db.execute(select(proposals).where(proposals.c.id == number)).one_or_none()
    return None if row is None else _proposal(row, now_ns)


def newest(db: Connection, most: int, now_ns: int) -> list[Proposal]:
    rows = db.execute(select(proposals).order_by(proposals.c.id.desc()).limit(most))
    return [_proposal(row, now_ns) for row in rows]


def require_other(proposal: Proposal, member: Member) -> None:
    """Raises SecondPersonNeeded or NotWaiting."""
    if proposal.proposed_by == member.id:
        raise SecondPersonNeeded
    if proposal.state != WAITING:
        raise NotWaiting


def decide(db: Connection, proposal: Proposal, member: Member, state: str, now_ns: int) -> None:
    """From waiting to `state`, once whoever else decides meanwhile. Raises NotWaiting."""
    wanted = (proposals.c.id == proposal.id) & (proposals.c.state == WAITING)
    values = {"state": state, "decided_by": member.id, "decided_at_ns": now_ns}
    if proposal.state != WAITING or db.execute(update(proposals).where(wanted).values(values)).rowcount != 1:
        raise NotWaiting


def carried_out(db: Connection, proposal: Proposal, state: str, outcome: str) -> None:
    wanted = (proposals.c.id == proposal.id) & (proposals.c.state == DECIDING)
    db.execute(update(proposals).where(wanted).values(state=state, outcome=outcome[:OUTCOME_LONGEST]))


def _proposal(row: Row[Any], now_ns: int) -> Proposal:
    is_over = row.state == WAITING and now_ns >= row.expires_at_ns
    return Proposal(
        id=row.id,
        change=Change(row.kind, row.content, row.reason),
        proposed_by=row.proposed_by,
        proposed_at_ns=row.proposed_at_ns,
        expires_at_ns=row.expires_at_ns,
        state=EXPIRED if is_over else row.state,
        decided_by=row.decided_by,
        decided_at_ns=row.decided_at_ns,
        outcome=row.outcome,
    )
