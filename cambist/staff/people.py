"""Members of the staff: invited with a link that is good once, disabled for good.

There is no password and no registration: a link, printed for an administrator, lets its owner enrol the first
key. A new link for somebody who is there (a lost key) ends the keys and sessions that there were.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from cambist.accounts import emails
from cambist.accounts.tokens import hashed, new_token
from cambist.errors import Refused
from cambist.staff.roles import Action, Role, actions_of
from cambist.store.console_tables import staff, staff_keys, staff_sessions

INVITE_FOR_NS = 24 * 3_600 * 1_000_000_000
_name_is_fine = re.compile(r"[a-z][a-z0-9.-]{1,31}").fullmatch


class StaffInvalid(Refused):
    code = "staff_invalid"


class StaffUnknown(Refused):
    code = "staff_unknown"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is nobody of the staff called {name}")


class InviteInvalid(Refused):
    """One answer for every reason, so that nobody learns which."""

    code = "invite_invalid"

    def __init__(self) -> None:
        super().__init__("this link was used, is too old, or was never good; ask for a new one")


@dataclass(frozen=True, slots=True)
class Member:
    id: int
    name: str
    email: str
    roles: tuple[Role, ...]
    is_invited: bool
    is_disabled: bool
    created_at_ns: int

    @property
    def actor(self) -> str:
        """How the audit trail names this person."""
        return f"staff:{self.name}"

    @property
    def actions(self) -> frozenset[Action]:
        return actions_of(self.roles)


def invite(
    db: Connection, name: str, email: str, roles: Iterable[Role], *, now_ns: int, acting_user: str
) -> str:
    """The code of the link: shown once, good once, for 24 hours. Raises StaffInvalid or EmailInvalid.

    One address is one person, so nobody is two of the two who are needed.
    """
    if not _name_is_fine(name):
        raise StaffInvalid("a name has 2 to 32 small letters, digits, points and dashes, a letter first")
    roles = sorted(set(roles))
    if not roles:
        raise StaffInvalid("somebody without a role could do nothing: name one at least")
    found = _by_name(db, name)
    mine = emails.canonical(email)
    others = select(staff.c.id).where(staff.c.email_canonical == mine, staff.c.name != name)
    if db.scalar(others) is not None:
        raise StaffInvalid("somebody else of the staff has this address")
    code = new_token()
    values = {
        "email": emails.typed(email),
        "email_canonical": mine,
        "roles": [role.value for role in roles],
        "invite": hashed(code),
        "invite_expires_at_ns": now_ns + INVITE_FOR_NS,
    }
    if found is None:
        values |= {"name": name, "created_at_ns": now_ns, "created_by": acting_user}
        db.execute(insert(staff).values(values))
        return code
    if found.is_disabled:
        raise StaffInvalid(f"{name} has left; a name is not given twice")
    _end_access(db, found, now_ns)
    db.execute(update(staff).where(staff.c.id == found.id).values(values))
    return code


def of_invite(db: Connection, code: str, now_ns: int) -> Member:
    """Whom the link is for. Raises InviteInvalid."""
    wanted = (staff.c.invite == hashed(code)) & (staff.c.invite_expires_at_ns > now_ns)
    row = db.execute(select(staff).where(wanted, staff.c.disabled_at_ns.is_(None))).one_or_none()
    if row is None:
        raise InviteInvalid
    return _member(row)


def invite_is_used(db: Connection, member: Member) -> None:
    db.execute(update(staff).where(staff.c.id == member.id).values(invite=None, invite_expires_at_ns=None))


def disable(db: Connection, name: str, now_ns: int) -> Member:
    """For good, with all sessions and keys, as of the next request. Raises StaffUnknown."""
    member = named(db, name)
    db.execute(
        update(staff)
        .where(staff.c.id == member.id)
        .values(disabled_at_ns=now_ns, invite=None, invite_expires_at_ns=None)
    )
    _end_access(db, member, now_ns)
    return get(db, member.id)


def get(db: Connection, staff_id: int) -> Member:
    """Of somebody that exists: rows of the staff are never deleted."""
    return _member(db.execute(select(staff).where(staff.c.id == staff_id)).one())


def named(db: Connection, name: str) -> Member:
    """Raises StaffUnknown."""
    member = _by_name(db, name)
    if member is None:
        raise StaffUnknown(name)
    return member


def list_all(db: Connection) -> list[Member]:
    return [_member(row) for row in db.execute(select(staff).order_by(staff.c.name))]


def _by_name(db: Connection, name: str) -> Member | None:
    row = db.execute(select(staff).where(staff.c.name == name)).one_or_none()
    return None if row is None else _member(row)


def _end_access(db: Connection, member: Member, now_ns: int) -> None:
    for table, column in ((staff_keys, "removed_at_ns"), (staff_sessions, "revoked_at_ns")):
        wanted = (table.c.staff_id == member.id) & table.c[column].is_(None)
        db.execute(update(table).where(wanted).values({column: now_ns}))


def _member(row: Row[Any]) -> Member:
    return Member(
        id=row.id,
        name=row.name,
        email=row.email,
        roles=tuple(Role(role) for role in row.roles),
        is_invited=row.invite is not None,
        is_disabled=row.disabled_at_ns is not None,
        created_at_ns=row.created_at_ns,
    )
