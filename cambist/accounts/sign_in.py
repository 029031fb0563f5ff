"""A sign-in, in two steps around the slow hash: what may be tried, and what has come of it.

Every guess is counted before it is checked: per account and place, per account from everywhere, per place. On
a device of the owner's only that device's own counter counts, so that nobody can lock the owner out. Where
there is no such user the same is counted and the same work done.
"""

from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from cambist.accounts import emails, mail, people, throttle, web_sessions
from cambist.accounts.people import Person
from cambist.accounts.second_factor import SecondFactors
from cambist.accounts.throttle import Rate, TooManyAttempts
from cambist.accounts.web_sessions import Device
from cambist.errors import Refused
from cambist.settings import Accounts
from cambist.store.account_tables import sign_ins

ON_OWN_DEVICE = Rate(10, 900)
FROM_ONE_PLACE = Rate(5, 900)
FROM_EVERYWHERE = Rate(50, 3_600)
OF_ALL_FROM_ONE_PLACE = Rate(50, 900)
# Without a right one in between (NIST SP 800-63B); then only an own device or a reset by mail lets in.
IN_A_ROW = Rate(100, 100 * 365 * 86_400)
_AGENT_LONGEST, _ADDRESS_LONGEST = 200, 45


class SignInRefused(Refused):
    """One text for a wrong password, an unknown address, and a user without a password."""

    code = "sign_in_refused"

    def __init__(self) -> None:
        super().__init__("the e-mail address or the password is wrong")


class From(NamedTuple):
    """Where a request comes from; `device` is what the browser's cookie says."""

    address: str
    agent: str
    device: str


class Attempt(NamedTuple):
    """`person` is None for an address that is nobody's. `forgets`: the counters that a success clears."""

    person: Person | None
    device: Device | None
    forgets: tuple[str, ...]

    @property
    def password_hash(self) -> str | None:
        return None if self.person is None else self.person.password_hash


class SignedIn(NamedTuple):
    """`session` and `device` are tokens for the browser; `device` is None for one that has its own."""

    person: Person
    session: str
    device: str | None


class SignIn(NamedTuple):
    id: int
    time_ns: int
    outcome: str
    address: str
    agent: str
    is_known_device: bool


def attempt(db: Connection, email: str, origin: From, now_ns: int) -> Attempt | TooManyAttempts:
    """Counts one. Raises EmailInvalid."""
    person = people.find(db, email)
    device = None if person is None else web_sessions.known_device(db, person.user.id, origin.device)
    counters = _counters(email, origin, device)
    for name, rate in counters:
        too_many = throttle.count(db, name, rate, now_ns)
        if too_many is not None:
            return too_many
    return Attempt(
        person, device, tuple(name for name, rate in counters if rate is not OF_ALL_FROM_ONE_PLACE)
    )


def finish(
    db: Connection,
    tried: Attempt,
    factors: SecondFactors,
    origin: From,
    *,
    is_right: bool,
    second_factor: str | None,
    now_ns: int,
    settings: Accounts,
) -> SignedIn | Refused:
    """A new session; or why not, written down either way. `is_right`: what the hash has said."""
    person = None if tried.person is None else people.get(db, tried.person.user.id)
    problem: Refused | None = None
    # A password that was changed while the hash was computed is wrong by now.
    if person is None or not is_right or person.password_hash != tried.password_hash:
        problem = SignInRefused()
    else:
        device_id = None if tried.device is None else tried.device.id
        problem = factors.check(db, person, second_factor, device_id=device_id, now_ns=now_ns)
    _write_down(db, person, problem, origin, tried.device is not None, now_ns)
    if problem is not None or person is None:
        return problem or SignInRefused()
    succeeded(db, tried)
    device, device_token = tried.device, None
    if device is None:
        if web_sessions.has_devices(db, person.user.id):
            said = {"address": origin.address, "agent": origin.agent[:_AGENT_LONGEST]}
            mail.put(db, person.user.id, mail.Kind.NEW_DEVICE, said, now_ns)
        device, device_token = web_sessions.add_device(db, person.user.id, agent=origin.agent, now_ns=now_ns)
    else:
        web_sessions.saw_device(db, device, now_ns)
    session = web_sessions.start(
        db, device, address=origin.address, agent=origin.agent, now_ns=now_ns, settings=settings
    )
    return SignedIn(person, session, device_token)


def succeeded(db: Connection, tried: Attempt) -> None:
    """What was counted against the owner is forgotten; what one place has tried is not."""
    for name in tried.forgets:
        throttle.forget(db, name)


def history(db: Connection, user_id: int, most: int) -> list[SignIn]:
    """The newest first."""
    rows = db.execute(
        select(sign_ins).where(sign_ins.c.user_id == user_id).order_by(sign_ins.c.id.desc()).limit(most)
    )
    return [
        SignIn(row.id, row.time_ns, row.outcome, row.address, row.agent, row.is_known_device) for row in rows
    ]


def forget_failures(db: Connection, email: str) -> None:
    """After the owner has shown to have the mailbox: guesses of others no longer stand in the way."""
    mailbox = emails.canonical(email)
    for name in (f"password:{mailbox}", f"password in a row:{mailbox}"):
        throttle.forget(db, name)


def _counters(email: str, origin: From, device: Device | None) -> list[tuple[str, Rate]]:
    if device is not None:
        return [(f"password on device {device.id}", ON_OWN_DEVICE)]
    mailbox = emails.canonical(email)
    return [
        (f"password:{mailbox}:{origin.address}", FROM_ONE_PLACE),
        (f"password:{mailbox}", FROM_EVERYWHERE),
        (f"password in a row:{mailbox}", IN_A_ROW),
        (f"passwords from {origin.address}", OF_ALL_FROM_ONE_PLACE),
    ]


def _write_down(
    db: Connection,
    person: Person | None,
    problem: Refused | None,
    origin: From,
    is_known_device: bool,
    now_ns: int,
) -> None:
    row = {
        "user_id": None if person is None else person.user.id,
        "time_ns": now_ns,
        "outcome": "signed_in" if problem is None else problem.code,
        "address": origin.address[:_ADDRESS_LONGEST],
        "agent": origin.agent[:_AGENT_LONGEST],
        "is_known_device": is_known_device,
    }
    db.execute(insert(sign_ins).values(row))
