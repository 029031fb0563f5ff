"""Who may have an account: users by e-mail, each with one account in the engine.

Creating a user spans two stores: a row with a fresh reference and the engine's ACCOUNT_CREATE with that
reference are written down together (cambist/match/courier.py sends it; however often, the engine answers the
same account), then the account's number comes into the row. Whether an account is frozen is for the engine to
say.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update

from cambist import ids
from cambist.accounts import emails
from cambist.engine.commands import AccountClass, AccountCreate, Permission
from cambist.engine.events import Status
from cambist.errors import Refused
from cambist.store.outbox import Answer
from cambist.store.records import Records
from cambist.store.tables import users

CREATED = "user.created"  # the purpose of ACCOUNT_CREATE in the outbox; stored: never rename


class EmailTaken(Refused):
    code = "email_taken"

    def __init__(self, email: str) -> None:
        super().__init__(f"a user with the e-mail address {email} exists already")


class UserUnknown(Refused):
    code = "user_unknown"

    def __init__(self, email: str) -> None:
        super().__init__(f"there is no user with the e-mail address {email}")


@dataclass(frozen=True, slots=True)
class User:
    id: int
    email: str
    reference: UUID
    account: int | None
    """The engine's account; None while the creation has not been completed."""
    created_at_ns: int

    @property
    def account_reference(self) -> bytes:
        """The reference of this user's ACCOUNT_CREATE command."""
        return f"user:{self.reference}".encode()


def begin(db: Connection, email: str, *, now_ns: int, acting_user: str) -> User:
    """A row without an account, new or left over from an earlier attempt. Raises EmailInvalid, EmailTaken."""
    user = _find(db, email)
    if user is None:
        row = {
            "email": emails.typed(email),
            "email_canonical": emails.canonical(email),
            "reference": str(ids.new_reference()),
            "created_at_ns": now_ns,
            "created_by": acting_user,
        }
        db.execute(insert(users).values(row))
        user = _get(db, email)
    if user.account is not None:
        raise EmailTaken(user.email)
    return user


def account_create(user: User) -> AccountCreate:
    """For an account that may trade, deposit and withdraw; the same for ever, so the engine makes it once."""
    return AccountCreate(
        account_class=AccountClass.USER,
        permissions=Permission.TRADE | Permission.DEPOSIT | Permission.WITHDRAW,
        owner=user.id,
        reference=user.account_reference,
    )


def created(db: Connection, user_id: str, answer: Answer) -> None:
    """What follows from the engine's answer to that."""
    if answer.status == Status.OK:
        complete(db, int(user_id), answer.value)


def complete(db: Connection, user_id: int, account: int) -> None:
    """`account` is what the engine answered to the user's reference. One that is there stays."""
    db.execute(update(users).where(users.c.id == user_id, users.c.account.is_(None)).values(account=account))


def find(records: Records, email: str) -> User | None:
    """The user whose address is `email`, however it is capitalised. Raises EmailInvalid."""
    with records.read() as db:
        return _find(db, email)


def get(records: Records, email: str) -> User:
    """Like `find`, but raises UserUnknown."""
    with records.read() as db:
        return _get(db, email)


def list_all(records: Records) -> list[User]:
    """All users, oldest first."""
    with records.read() as db:
        return [of_row(row) for row in db.execute(select(users).order_by(users.c.id))]


def _find(db: Connection, email: str) -> User | None:
    wanted = users.c.email_canonical == emails.canonical(email)
    row = db.execute(select(users).where(wanted)).one_or_none()
    return None if row is None else of_row(row)


def _get(db: Connection, email: str) -> User:
    user = _find(db, email)
    if user is None:
        raise UserUnknown(email)
    return user


def of_row(row: Row[tuple[object, ...]]) -> User:
    return User(
        id=row.id,
        email=row.email,
        reference=UUID(row.reference),
        account=row.account,
        created_at_ns=row.created_at_ns,
    )
