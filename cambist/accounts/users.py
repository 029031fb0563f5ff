"""Who may have an account: users by e-mail, each with one account in the engine.

Creating a user spans two stores, so it is done in steps that a repeat completes: a row with a fresh
reference, then the engine's ACCOUNT_CREATE with that reference (however often it is sent, it answers the same
account), then the account's number into the row. Whether an account is frozen is for the engine to say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from cambist import ids
from cambist.accounts import emails
from cambist.errors import Refused
from cambist.store.records import Records
from cambist.store.tables import users


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


def create(
    records: Records, email: str, create_account: Callable[[bytes], int], *, now_ns: int, acting_user: str
) -> User:
    """A user with an account, or the completion of one whose creation was interrupted.

    `create_account(reference)` sends ACCOUNT_CREATE and returns the account. Raises EmailInvalid,
    EmailTaken, and whatever `create_account` raises; the row then stays for the next attempt.
    """
    user = begin(records, email, now_ns=now_ns, acting_user=acting_user)
    return complete(records, user, create_account(user.account_reference))


def begin(records: Records, email: str, *, now_ns: int, acting_user: str) -> User:
    """The first step: a row without an account, new or left over from an earlier attempt."""
    row = {
        "email": emails.typed(email),
        "email_canonical": emails.canonical(email),
        "reference": str(ids.new_reference()),
        "created_at_ns": now_ns,
        "created_by": acting_user,
    }
    try:
        with records.write() as db:
            db.execute(insert(users).values(row))
    except IntegrityError:  # the address is there; what for is decided below
        pass
    user = get(records, email)
    if user.account is not None:
        raise EmailTaken(user.email)
    return user


def complete(records: Records, user: User, account: int) -> User:
    """The last step: `account` is what the engine answered to the user's reference."""
    with records.write() as db:
        db.execute(
            update(users).where(users.c.id == user.id, users.c.account.is_(None)).values(account=account)
        )
    return get(records, user.email)


def find(records: Records, email: str) -> User | None:
    """The user whose address is `email`, however it is capitalised. Raises EmailInvalid."""
    wanted = users.c.email_canonical == emails.canonical(email)
    with records.read() as db:
        row = db.execute(select(users).where(wanted)).one_or_none()
    return None if row is None else _user(row)


def get(records: Records, email: str) -> User:
    """Like `find`, but raises UserUnknown."""
    user = find(records, email)
    if user is None:
        raise UserUnknown(email)
    return user


def list_all(records: Records) -> list[User]:
    """All users, oldest first."""
    with records.read() as db:
        return [_user(row) for row in db.execute(select(users).order_by(users.c.id))]


def _user(row: Row[tuple[object, ...]]) -> User:
    return User(
        id=row.id,
        email=row.email,
        reference=UUID(row.reference),
        account=row.account,
        created_at_ns=row.created_at_ns,
    )
