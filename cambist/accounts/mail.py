"""Mails: put into the records with what they tell of, and sent from there.

A mail has a kind, a language and what it is about; its text is made when it is shown or sent
(cambist/accounts/sending.py).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, insert, select, update

from cambist.accounts import people
from cambist.store.account_tables import messages


class Kind(StrEnum):
    """Stored: never rename. Each has its words in cambist/accounts/mail_words.py."""

    SIGN_UP_CODE = "sign_up_code"
    SIGN_UP_AGAIN = "sign_up_again"
    RESET_CODE = "reset_code"
    RESET_UNKNOWN = "reset_unknown"
    NEW_DEVICE = "new_device"
    GUESSED_SECOND_FACTOR = "guessed_second_factor"
    PASSWORD_CHANGED = "password_changed"
    SECOND_FACTOR_CHANGED = "second_factor_changed"
    EMAIL_CHANGE_CODE = "email_change_code"
    EMAIL_CHANGED = "email_changed"
    RECOVERY_CODE_USED = "recovery_code_used"
    FROZEN = "frozen"
    NEW_API_KEY = "new_api_key"
    NEW_ADDRESS = "new_address"
    WITHDRAWAL_REQUESTED = "withdrawal_requested"
    WITHDRAWAL_SENT = "withdrawal_sent"
    DEPOSIT_CREDITED = "deposit_credited"


class Mail(NamedTuple):
    id: int
    to: str
    kind: Kind
    language: str
    content: Mapping[str, Any]
    created_at_ns: int


def put(db: Connection, user_id: int, kind: Kind, content: Mapping[str, Any], now_ns: int) -> None:
    """To a user, with the phrase by which the user knows that a mail is ours."""
    person = people.get(db, user_id)
    content = {**content, "phrase": person.phrase} if person.phrase else content
    put_to(db, person.user.email, kind, content, language=person.language, now_ns=now_ns, user_id=user_id)


def put_to(
    db: Connection,
    to: str,
    kind: Kind,
    content: Mapping[str, Any],
    *,
    language: str,
    now_ns: int,
    user_id: int | None = None,
) -> None:
    """To an address, of a user or not."""
    row = {"user_id": user_id, "to": to, "kind": kind.value, "language": language, "content": dict(content)}
    db.execute(insert(messages).values(row | {"created_at_ns": now_ns}))


def unsent(db: Connection) -> list[Mail]:
    """The oldest first."""
    return [_mail(row) for row in db.execute(_ALL.where(messages.c.sent_at_ns.is_(None)))]


def mark_sent(db: Connection, each: Mail, now_ns: int) -> None:
    """What was a secret in it is no longer needed."""
    content = {name: value for name, value in each.content.items() if name != "code"}
    db.execute(update(messages).where(messages.c.id == each.id).values(sent_at_ns=now_ns, content=content))


def newest(db: Connection, most: int) -> list[Mail]:
    """Of everybody, the newest first."""
    rows = db.execute(select(messages).order_by(messages.c.id.desc()).limit(most))
    return [_mail(row) for row in rows]


_ALL = select(messages).order_by(messages.c.id)


def _mail(row: Row[Any]) -> Mail:
    return Mail(row.id, row.to, Kind(row.kind), row.language, row.content, row.created_at_ns)
