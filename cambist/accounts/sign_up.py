"""A new user: an e-mail address, proved by a code, and a password.

Nothing is kept of an address until its code has come back, and whoever asks learns nothing of it before: the
same work is done and the same answered for an address that has a user already, whose mailbox is told instead.
"""

from sqlalchemy import Connection

from cambist.accounts import emails, mail, mail_codes, people, throttle, users
from cambist.accounts.mail_codes import Asked, MailCodes, Purpose
from cambist.accounts.throttle import Rate, TooManyAttempts
from cambist.accounts.users import User

# Mails to one mailbox, and sign-ups from one place.
PER_MAILBOX = Rate(5, 3_600)
PER_ADDRESS = Rate(30, 3_600)


def admit(db: Connection, email: str, *, address: str, now_ns: int) -> TooManyAttempts | None:
    """Counts one, before anything that costs much is done for it. Raises EmailInvalid."""
    mailbox = emails.canonical(email)
    return throttle.count(db, f"sign-ups from {address}", PER_ADDRESS, now_ns) or throttle.count(
        db, f"mails to {mailbox}", PER_MAILBOX, now_ns
    )


def begin(
    db: Connection, codes: MailCodes, *, email: str, password_hash: str, language: str, now_ns: int
) -> str:
    """The handle that the code has to come back with."""
    to = emails.typed(email)
    handle, code = codes.put(
        db, Purpose.SIGN_UP, to, now_ns=now_ns, password_hash=password_hash, language=language
    )
    person = people.find(db, email)
    if person is None or person.user.account is None:
        mail.put_to(db, to, mail.Kind.SIGN_UP_CODE, {"code": code}, language=language, now_ns=now_ns)
    else:
        mail.put(db, person.user.id, mail.Kind.SIGN_UP_AGAIN, {}, now_ns)
    return handle


def complete(db: Connection, asked: Asked, now_ns: int) -> User:
    """The user, without an account yet. Raises CodeWrong for a code that was used by now, or EmailTaken."""
    mail_codes.use(db, asked, now_ns)
    user = users.begin(db, asked.email, now_ns=now_ns, acting_user="sign-up")
    people.change(
        db,
        user.id,
        password_hash=asked.password_hash,
        email_verified_at_ns=now_ns,
        language=asked.language,
    )
    return user
