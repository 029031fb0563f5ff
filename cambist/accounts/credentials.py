"""What follows from a change of what proves who the owner is: everything that was open closes.

Sessions and API keys made under the old password are revoked, devices are strangers again where somebody may
have taken over, and withdrawals wait, so that an owner who hears of it has time to act.
"""

from sqlalchemy import Connection

from cambist.accounts import api_keys, emails, mail, mail_codes, people, sign_in, throttle, web_sessions
from cambist.accounts.mail_codes import Asked, CodeWrong, MailCodes, Purpose
from cambist.accounts.people import Person
from cambist.accounts.second_factor import NS_PER_HOUR
from cambist.accounts.sign_up import PER_ADDRESS, PER_MAILBOX
from cambist.accounts.throttle import TooManyAttempts
from cambist.settings import Accounts


def set_password(
    db: Connection, person: Person, password_hash: str, *, now_ns: int, settings: Accounts
) -> None:
    """By the owner, who is signed in. The caller starts a new session."""
    _replace_password(db, person, password_hash, now_ns, settings.change_wait_hours)


def begin_reset(
    db: Connection, codes: MailCodes, email: str, *, address: str, now_ns: int
) -> str | TooManyAttempts:
    """The handle that the code has to come back with; one for an address that is nobody's, too."""
    mailbox = emails.canonical(email)
    too_many = throttle.count(db, f"resets from {address}", PER_ADDRESS, now_ns) or throttle.count(
        db, f"mails to {mailbox}", PER_MAILBOX, now_ns
    )
    if too_many is not None:
        return too_many
    person = people.find(db, email)
    user_id = None if person is None else person.user.id
    handle, code = codes.put(db, Purpose.RESET, emails.typed(email), now_ns=now_ns, user_id=user_id)
    if person is None:
        to = emails.typed(email)
        mail.put_to(db, to, mail.Kind.RESET_UNKNOWN, {}, language="en", now_ns=now_ns)
    else:
        mail.put(db, person.user.id, mail.Kind.RESET_CODE, {"code": code}, now_ns)
    return handle


def admit_reset(db: Connection, *, address: str, now_ns: int) -> TooManyAttempts | None:
    """Counts a try to complete one, before the slow hash that it takes."""
    return throttle.count(db, f"reset codes from {address}", PER_ADDRESS, now_ns)


def complete_reset(
    db: Connection, asked: Asked, person: Person, password_hash: str, *, now_ns: int, settings: Accounts
) -> None:
    """The second factor stays, and was asked for before this. Raises CodeWrong if the code was used."""
    mail_codes.use(db, asked, now_ns)
    people.change(db, person.user.id, email_verified_at_ns=now_ns)
    _replace_password(db, person, password_hash, now_ns, settings.recovery_wait_hours)
    web_sessions.forget_devices(db, person.user.id, now_ns)
    sign_in.forget_failures(db, person.user.email)


def begin_email_change(
    db: Connection, codes: MailCodes, person: Person, email: str, now_ns: int
) -> tuple[str, str] | TooManyAttempts:
    """Handles of the old and of the new address: both have to confirm. Raises EmailInvalid."""
    to = emails.typed(email)
    for mailbox in (emails.canonical(email), emails.canonical(person.user.email)):
        too_many = throttle.count(db, f"mails to {mailbox}", PER_MAILBOX, now_ns)
        if too_many is not None:
            return too_many
    user_id, kind = person.user.id, mail.Kind.EMAIL_CHANGE_CODE
    old, old_code = codes.put(db, Purpose.OLD_EMAIL, person.user.email, now_ns=now_ns, user_id=user_id)
    mail.put(db, user_id, kind, {"code": old_code, "newEmail": to}, now_ns)
    new, new_code = codes.put(db, Purpose.NEW_EMAIL, to, now_ns=now_ns, user_id=user_id)
    other = people.find(db, email)
    if other is None:
        said = {"code": new_code, "newEmail": to}
        mail.put_to(db, to, kind, said, language=person.language, now_ns=now_ns, user_id=user_id)
    else:  # the asker is told nothing; who has the address is
        mail.put(db, other.user.id, mail.Kind.SIGN_UP_AGAIN, {}, now_ns)
    return old, new


def complete_email_change(
    db: Connection, old: Asked, new: Asked, person: Person, *, now_ns: int, settings: Accounts
) -> None:
    """Raises CodeWrong if a code was used, is another user's, or the address was taken meanwhile."""
    if {old.user_id, new.user_id} != {person.user.id} or people.find(db, new.email) is not None:
        raise CodeWrong
    mail_codes.use(db, old, now_ns)
    mail_codes.use(db, new, now_ns)
    mail.put(db, person.user.id, mail.Kind.EMAIL_CHANGED, {"newEmail": new.email}, now_ns)  # to the old one
    people.change(db, person.user.id, email=new.email, email_canonical=emails.canonical(new.email))
    people.hold_withdrawals(db, person.user.id, now_ns + settings.recovery_wait_hours * NS_PER_HOUR)


def second_factor_changed(db: Connection, person: Person, *, now_ns: int, wait_hours: int) -> None:
    people.hold_withdrawals(db, person.user.id, now_ns + wait_hours * NS_PER_HOUR)
    mail.put(db, person.user.id, mail.Kind.SECOND_FACTOR_CHANGED, {}, now_ns)


def _replace_password(
    db: Connection, person: Person, password_hash: str, now_ns: int, wait_hours: int
) -> None:
    people.change(db, person.user.id, password_hash=password_hash)
    people.hold_withdrawals(db, person.user.id, now_ns + wait_hours * NS_PER_HOUR)
    web_sessions.revoke_all(db, person.user.id, now_ns)
    api_keys.revoke_all(db, person.user.id, now_ns=now_ns, acting_user=person.actor)
    mail.put(db, person.user.id, mail.Kind.PASSWORD_CHANGED, {}, now_ns)
