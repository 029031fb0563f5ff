"""What is known of a user beside the account: how the user proves who it is, and what holds it up."""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Row, select, update

from cambist.accounts import emails
from cambist.accounts.users import User, of_row
from cambist.store.tables import users

Language: TypeAlias = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Person:
    """`withdrawals_held_until_ns`: no withdrawal before."""

    user: User
    password_hash: str | None = field(repr=False)
    sealed_totp: bytes | None = field(repr=False)
    sealed_totp_new: bytes | None = field(repr=False)
    totp_step: int
    withdrawals_held_until_ns: int
    self_frozen_at_ns: int | None
    language: str
    phrase: str

    @property
    def has_second_factor(self) -> bool:
        return self.sealed_totp is not None

    @property
    def actor(self) -> str:
        """How the audit trail names the user."""
        return actor(self.user.id)


def actor(user_id: int) -> str:
    return f"user:{user_id}"


def find(db: Connection, email: str) -> Person | None:
    """However the address is capitalised. Raises EmailInvalid."""
    row = db.execute(select(users).where(users.c.email_canonical == emails.canonical(email))).one_or_none()
    return None if row is None else _person(row)


def get(db: Connection, user_id: int) -> Person:
    """Of a user that exists: rows of users are never deleted."""
    return _person(db.execute(select(users).where(users.c.id == user_id)).one())


def change(db: Connection, user_id: int, **values: Any) -> None:
    db.execute(update(users).where(users.c.id == user_id).values(**values))


def hold_withdrawals(db: Connection, user_id: int, until_ns: int) -> None:
    """An earlier and longer hold stays."""
    wanted = (users.c.id == user_id) & (users.c.withdrawals_held_until_ns < until_ns)
    db.execute(update(users).where(wanted).values(withdrawals_held_until_ns=until_ns))


def _person(row: Row[Any]) -> Person:
    return Person(
        user=of_row(row),
        password_hash=row.password_hash,
        sealed_totp=row.sealed_totp,
        sealed_totp_new=row.sealed_totp_new,
        totp_step=row.totp_step,
        withdrawals_held_until_ns=row.withdrawals_held_until_ns,
        self_frozen_at_ns=row.self_frozen_at_ns,
        language=row.language,
        phrase=row.phrase,
    )
