"""Who is signed in where: sessions that live in the records and die with a row, and the devices they are on.

The cookie holds a token of 256 bits, the row its hash. A session ends at a fixed time, after an idle one,
when it is revoked, and with every change of the password. Known limit: use is written down once a minute.
"""

import hmac
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from cambist.accounts.tokens import hashed, new_token
from cambist.settings import Accounts
from cambist.store.account_tables import devices, web_sessions
from cambist.store.tables import users

COOKIE = "cambist_session"
DEVICE_COOKIE = "cambist_device"
CSRF_HEADER = "x-csrf-token"
_SEEN_EVERY_NS = 60 * 1_000_000_000
NS_PER_MINUTE = 60 * 1_000_000_000
_AGENT_LONGEST, _ADDRESS_LONGEST = 200, 45


@dataclass(frozen=True, slots=True)
class WebSession:
    """`account` is the engine's. `proven_at_ns`: when the owner last gave password and second factor."""

    id: str
    user_id: int
    account: int | None
    device_id: int
    address: str
    agent: str
    created_at_ns: int
    seen_at_ns: int
    proven_at_ns: int
    expires_at_ns: int

    def is_over(self, now_ns: int, settings: Accounts) -> bool:
        idle_ns = settings.session_idle_minutes * NS_PER_MINUTE
        return now_ns >= min(self.expires_at_ns, self.seen_at_ns + idle_ns)


@dataclass(frozen=True, slots=True)
class Device:
    id: int
    user_id: int


def start(
    db: Connection, device: Device, *, address: str, agent: str, now_ns: int, settings: Accounts
) -> str:
    """The new session's token: always a new one, whatever the browser sent."""
    token = new_token()
    row = {
        "id": hashed(token),
        "user_id": device.user_id,
        "device_id": device.id,
        "address": address[:_ADDRESS_LONGEST],
        "agent": agent[:_AGENT_LONGEST],
        "created_at_ns": now_ns,
        "seen_at_ns": now_ns,
        "proven_at_ns": now_ns,
        "expires_at_ns": now_ns + settings.session_hours * 60 * NS_PER_MINUTE,
    }
    db.execute(insert(web_sessions).values(row))
    return token


def find(db: Connection, token: str, now_ns: int, settings: Accounts) -> WebSession | None:
    """None for one that is unknown, revoked or over."""
    wanted = (web_sessions.c.id == hashed(token)) & web_sessions.c.revoked_at_ns.is_(None)
    row = db.execute(_SESSION.where(wanted)).one_or_none()
    if row is None:
        return None
    session = _session(row)
    return None if session.is_over(now_ns, settings) else session


def csrf_token(token: str) -> str:
    """What a page must send with a request, and no other site can know. It says nothing of the token."""
    return hmac.new(token.encode(), b"csrf", "sha256").hexdigest()


def is_from_page(token: str, sent: str) -> bool:
    return hmac.compare_digest(csrf_token(token).encode(), sent.encode())


def touch(db: Connection, session: WebSession, now_ns: int) -> None:
    db.execute(update(web_sessions).where(web_sessions.c.id == session.id).values(seen_at_ns=now_ns))


def needs_touch(session: WebSession, now_ns: int) -> bool:
    return now_ns - session.seen_at_ns >= _SEEN_EVERY_NS


def prove(db: Connection, session: WebSession, now_ns: int) -> None:
    db.execute(update(web_sessions).where(web_sessions.c.id == session.id).values(proven_at_ns=now_ns))


def list_active(db: Connection, user_id: int, now_ns: int, settings: Accounts) -> list[WebSession]:
    """The newest first."""
    wanted = (web_sessions.c.user_id == user_id) & web_sessions.c.revoked_at_ns.is_(None)
    rows = db.execute(_SESSION.where(wanted).order_by(web_sessions.c.created_at_ns.desc()))
    return [each for each in map(_session, rows) if not each.is_over(now_ns, settings)]


def revoke(db: Connection, user_id: int, session_id: str, now_ns: int) -> bool:
    """False if the user has no such session."""
    wanted = (web_sessions.c.user_id == user_id) & (web_sessions.c.id == session_id)
    return _revoke(db, wanted, now_ns) > 0


def revoke_all(db: Connection, user_id: int, now_ns: int, *, but: str = "") -> int:
    """How many there were."""
    return _revoke(db, (web_sessions.c.user_id == user_id) & (web_sessions.c.id != but), now_ns)


def known_device(db: Connection, user_id: int, token: str) -> Device | None:
    """One that the user has signed in from, and has not removed since."""
    wanted = (devices.c.user_id == user_id) & (devices.c.token == hashed(token)) & _is_kept
    found = db.scalar(select(devices.c.id).where(wanted))
    return None if found is None else Device(found, user_id)


def has_devices(db: Connection, user_id: int) -> bool:
    return db.scalar(select(devices.c.id).where(devices.c.user_id == user_id).limit(1)) is not None


def add_device(db: Connection, user_id: int, *, agent: str, now_ns: int) -> tuple[Device, str]:
    """The device, and the token that it keeps."""
    token = new_token()
    row = {
        "user_id": user_id,
        "token": hashed(token),
        "agent": agent[:_AGENT_LONGEST],
        "created_at_ns": now_ns,
        "seen_at_ns": now_ns,
    }
    number = db.execute(insert(devices).values(row).returning(devices.c.id)).scalar_one()
    return Device(number, user_id), token


def saw_device(db: Connection, device: Device, now_ns: int) -> None:
    db.execute(update(devices).where(devices.c.id == device.id).values(seen_at_ns=now_ns))


def forget_devices(db: Connection, user_id: int, now_ns: int) -> None:
    """Each of them counts as a new one when it comes again."""
    db.execute(update(devices).where(devices.c.user_id == user_id, _is_kept).values(removed_at_ns=now_ns))


_is_kept = devices.c.removed_at_ns.is_(None)
_SESSION = select(web_sessions, users.c.account).join(users, users.c.id == web_sessions.c.user_id)


def _revoke(db: Connection, wanted: Any, now_ns: int) -> int:
    changed = db.execute(
        update(web_sessions)
        .where(wanted, web_sessions.c.revoked_at_ns.is_(None))
        .values(revoked_at_ns=now_ns)
    )
    return int(changed.rowcount)


def _session(row: Row[Any]) -> WebSession:
    return WebSession(
        id=row.id,
        user_id=row.user_id,
        account=row.account,
        device_id=row.device_id,
        address=row.address,
        agent=row.agent,
        created_at_ns=row.created_at_ns,
        seen_at_ns=row.seen_at_ns,
        proven_at_ns=row.proven_at_ns,
        expires_at_ns=row.expires_at_ns,
    )
