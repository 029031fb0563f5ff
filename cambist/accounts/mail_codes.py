"""Codes that go out by mail: good for ten minutes, once, for few guesses, and only for who asked for them.

Who asks gets a handle, the mailbox gets the code, and both together are needed: a code that somebody else has
caused to be sent opens nothing of theirs, and there is no link that could leak or lead elsewhere. For an
address that is nobody's the same is written and a code that nobody gets, so the asker cannot tell.
"""

import hmac
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, delete, insert, select, update

from cambist.accounts.tokens import hashed, keyed, new_code, new_token
from cambist.errors import Refused
from cambist.store.account_tables import mail_codes
from cambist.store.secrets import Vault

VALID_S = 600
GUESSES_MAX = 5
_KEPT_NS = 30 * 86_400 * 1_000_000_000
_KEY_PURPOSE = "mail codes"


class Purpose(StrEnum):
    """Stored: never rename."""

    SIGN_UP = "sign_up"
    RESET = "reset"
    OLD_EMAIL = "old_email"
    NEW_EMAIL = "new_email"


class CodeWrong(Refused):
    """Also for one that is too old, was used, or guessed at too often."""

    code = "code_wrong"

    def __init__(self) -> None:
        super().__init__("the code is wrong or too old; ask for a new one")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for when the code was sent."""

    id: str
    email: str
    user_id: int | None
    password_hash: str | None
    language: str


class MailCodes:
    def __init__(self, vault: Vault) -> None:
        self._key = vault.derive(_KEY_PURPOSE)

    def put(
        self,
        db: Connection,
        purpose: Purpose,
        email: str,
        *,
        now_ns: int,
        user_id: int | None = None,
        password_hash: str | None = None,
        language: str = "en",
    ) -> tuple[str, str]:
        """(handle, code)."""
        handle, code = new_token(), new_code()
        row = {
            "id": hashed(handle),
            "purpose": purpose.value,
            "email": email,
            "user_id": user_id,
            "code": keyed(self._key, handle, code),
            "password_hash": password_hash,
            "language": language,
            "guesses": 0,
            "created_at_ns": now_ns,
            "expires_at_ns": now_ns + VALID_S * 1_000_000_000,
        }
        db.execute(delete(mail_codes).where(mail_codes.c.expires_at_ns < now_ns - _KEPT_NS))
        db.execute(insert(mail_codes).values(row))
        return handle, code

    def guess(
        self, db: Connection, purpose: Purpose, handle: str, code: str, now_ns: int
    ) -> Asked | CodeWrong:
        """Counts the guess. A refusal is returned, because the count has to stay in the transaction."""
        counted = db.execute(
            update(mail_codes)
            .where(
                mail_codes.c.id == hashed(handle),
                mail_codes.c.purpose == purpose.value,
                mail_codes.c.expires_at_ns > now_ns,
                mail_codes.c.used_at_ns.is_(None),
                mail_codes.c.guesses < GUESSES_MAX,
            )
            .values(guesses=mail_codes.c.guesses + 1)
        )
        if counted.rowcount == 0:
            return CodeWrong()
        row = db.execute(select(mail_codes).where(mail_codes.c.id == hashed(handle))).one()
        if not hmac.compare_digest(row.code, keyed(self._key, handle, code)):
            return CodeWrong()
        return Asked(row.id, row.email, row.user_id, row.password_hash, row.language)


def use(db: Connection, asked: Asked, now_ns: int) -> None:
    """Once: raises CodeWrong the second time."""
    used = db.execute(
        update(mail_codes)
        .where(mail_codes.c.id == asked.id, mail_codes.c.used_at_ns.is_(None))
        .values(used_at_ns=now_ns)
    )
    if used.rowcount == 0:
        raise CodeWrong
