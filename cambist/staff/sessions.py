"""Which member of the staff asks: short sessions, looked up at every request.

So somebody who was disabled, or whose key was removed, is out at the next request. The cookie holds a token
of 256 bits, the row its hash.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from cambist.accounts.tokens import hashed, new_token
from cambist.staff import people
from cambist.staff.people import Member
from cambist.store.console_tables import staff_keys, staff_sessions

IDLE_FOR_NS = 30 * 60 * 1_000_000_000
GOOD_FOR_NS = 12 * 3_600 * 1_000_000_000
_SEEN_EVERY_NS = 60 * 1_000_000_000
_AGENT_LONGEST, _ADDRESS_LONGEST = 200, 45


@dataclass(frozen=True, slots=True)
class StaffSession:
    id: str
    member: Member
    key_id: int
    seen_at_ns: int


def start(db: Connection, member: Member, key_id: int, *, address: str, agent: str, now_ns: int) -> str:
    """The new session's token. It takes the place of one that the same key had: a person sits at one desk."""
    wanted = (staff_sessions.c.key_id == key_id) & staff_sessions.c.revoked_at_ns.is_(None)
    db.execute(update(staff_sessions).where(wanted).values(revoked_at_ns=now_ns))
    token = new_token()
    row = {
        "id": hashed(token),
        "staff_id": member.id,
        "key_id": key_id,
        "address": address[:_ADDRESS_LONGEST],
        "agent": agent[:_AGENT_LONGEST],
        "created_at_ns": now_ns,
        "seen_at_ns": now_ns,
        "expires_at_ns": now_ns + GOOD_FOR_NS,
    }
    db.execute(insert(staff_sessions).values(row))
    return token


def find(db: Connection, token: str, now_ns: int) -> StaffSession | None:
    """None for one that is unknown, revoked or over, or whose owner or key is gone."""
    wanted = (
        (staff_sessions.c.id == hashed(token))
        & staff_sessions.c.revoked_at_ns.is_(None)
        & staff_keys.c.removed_at_ns.is_(None)
    )
    joined = select(staff_sessions).join(staff_keys, staff_keys.c.id == staff_sessions.c.key_id)
    row = db.execute(joined.where(wanted)).one_or_none()
    if row is None or now_ns >= min(row.expires_at_ns, row.seen_at_ns + IDLE_FOR_NS):
        return None
    member = people.get(db, row.staff_id)
    return None if member.is_disabled else StaffSession(row.id, member, row.key_id, row.seen_at_ns)


def needs_touch(session: StaffSession, now_ns: int) -> bool:
    return now_ns - session.seen_at_ns >= _SEEN_EVERY_NS


def touch(db: Connection, session: StaffSession, now_ns: int) -> None:
    db.execute(update(staff_sessions).where(staff_sessions.c.id == session.id).values(seen_at_ns=now_ns))


def end(db: Connection, session: StaffSession, now_ns: int) -> None:
    db.execute(update(staff_sessions).where(staff_sessions.c.id == session.id).values(revoked_at_ns=now_ns))
