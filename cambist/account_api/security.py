"""What an owner changes about how the account is protected."""

from typing import Annotated

from msgspec import Meta
from sqlalchemy import Connection

from cambist.account_api.bodies import Body, Malformed, Shown
from cambist.account_api.call import Call
from cambist.account_api.entry import Done, Session, end_streams, show
from cambist.account_api.errors import Unknown
from cambist.account_api.shown import milliseconds, or_raise
from cambist.accounts import credentials, mail, people, sign_in, web_sessions
from cambist.accounts.mail_codes import Asked, Purpose
from cambist.accounts.passwords import require_strong
from cambist.accounts.people import Language
from cambist.accounts.policy import SensitiveAct, may
from cambist.accounts.web_sessions import COOKIE, Device
from cambist.engine.commands import AccountFreeze
from cambist.errors import Refused
from cambist.match.courier import Post
from cambist.store.audit import Act

HISTORY_MAX = 50
PHRASE_LONGEST = 32


class NewPassword(Body):
    new_password: str


class Authenticator(Shown):
    """Shown once. `uri` is what a QR code of it says."""

    secret: str
    uri: str


class FactorCode(Body):
    code: str


class RecoveryCodes(Shown):
    """Shown once; each is good once, in place of the authenticator's code."""

    recovery_codes: list[str]


class NewEmail(Body):
    new_email: str


class EmailCodesSent(Shown):
    """Both addresses got a code."""

    old_handle: str
    new_handle: str


class EmailCodes(Body):
    old_handle: str
    old_code: str
    new_handle: str
    new_code: str


class Profile(Body):
    """`phrase` stands in every mail that is ours."""

    language: Language
    phrase: Annotated[str, Meta(max_length=PHRASE_LONGEST)] = ""


class OpenSession(Shown):
    id: str
    address: str
    agent: str
    created_at: int
    seen_at: int
    is_this: bool


class SignInShown(Shown):
    time: int
    outcome: str
    address: str
    agent: str
    is_known_device: bool


def change_password(call: Call, wanted: NewPassword) -> Session:
    """Ends all sessions and API keys; this browser goes on in a new session."""
    office, settings = call.office, call.office.settings.accounts
    session = call.owner()
    with call.read() as (_, person):
        may(person, SensitiveAct.CHANGE_PASSWORD, session, call.now_ns)  # before the slow hash as well
        require_strong(wanted.new_password, person.user.email)
    password_hash = office.passwords.hash(wanted.new_password)
    with call.sensitive(SensitiveAct.CHANGE_PASSWORD, "password.change") as (db, person):
        credentials.set_password(db, person, password_hash, now_ns=call.now_ns, settings=settings)
        token = web_sessions.start(
            db,
            Device(session.device_id, session.user_id),
            address=call.origin.address,
            agent=call.origin.agent,
            now_ns=call.now_ns,
            settings=settings,
        )
    call.given[COOKIE] = token
    end_streams(office, person)
    with office.records.read() as db:
        return show(db, office, token, call.now_ns)


def begin_second_factor(call: Call) -> Authenticator:
    with call.sensitive(SensitiveAct.CHANGE_SECOND_FACTOR, "second-factor.begin") as (db, person):
        return Authenticator(*call.office.factors.begin(db, person))


def confirm_second_factor(call: Call, sent: FactorCode) -> RecoveryCodes:
    """From here on it is asked for. Other sessions end: they were opened without it."""
    settings = call.office.settings.accounts
    session = call.owner()
    with call.sensitive(SensitiveAct.CHANGE_SECOND_FACTOR, "second-factor.confirm") as (db, person):
        codes = call.office.factors.confirm(db, person, sent.code, call.now_ns)
        if not isinstance(codes, Refused):
            credentials.second_factor_changed(
                db, person, now_ns=call.now_ns, wait_hours=settings.change_wait_hours
            )
            web_sessions.revoke_all(db, person.user.id, call.now_ns, but=session.id)
    return RecoveryCodes(or_raise(codes))


def remove_second_factor(call: Call) -> Done:
    settings = call.office.settings.accounts
    with call.sensitive(SensitiveAct.CHANGE_SECOND_FACTOR, "second-factor.remove") as (db, person):
        call.office.factors.remove(db, person)
        credentials.second_factor_changed(
            db, person, now_ns=call.now_ns, wait_hours=settings.change_wait_hours
        )
    return Done()


def new_recovery_codes(call: Call) -> RecoveryCodes:
    with call.sensitive(SensitiveAct.CHANGE_SECOND_FACTOR, "recovery-codes.new") as (db, person):
        if not person.has_second_factor:
            raise Unknown("authenticator")
        return RecoveryCodes(call.office.factors.new_recovery_codes(db, person, call.now_ns))


def begin_email_change(call: Call, wanted: NewEmail) -> EmailCodesSent:
    with call.sensitive(SensitiveAct.CHANGE_EMAIL, "email.begin") as (db, person):
        handles = credentials.begin_email_change(db, call.office.codes, person, wanted.new_email, call.now_ns)
    return EmailCodesSent(*or_raise(handles))


def complete_email_change(call: Call, sent: EmailCodes) -> Done:
    codes, settings = call.office.codes, call.office.settings.accounts
    with call.office.records.write() as db:  # a transaction of its own: wrong guesses stay counted
        old = codes.guess(db, Purpose.OLD_EMAIL, sent.old_handle, sent.old_code, call.now_ns)
        new = codes.guess(db, Purpose.NEW_EMAIL, sent.new_handle, sent.new_code, call.now_ns)
    asked: tuple[Asked, Asked] = or_raise(old), or_raise(new)
    with call.sensitive(SensitiveAct.CHANGE_EMAIL, "email.change") as (db, person):
        credentials.complete_email_change(db, *asked, person, now_ns=call.now_ns, settings=settings)
    return Done()


def set_profile(call: Call, wanted: Profile) -> Session:
    if not wanted.phrase.isprintable():
        raise Malformed("a phrase has printable characters only")
    with call.write("profile.set", language=wanted.language) as (db, person):
        people.change(db, person.user.id, language=wanted.language, phrase=wanted.phrase.strip())
    with call.office.records.read() as db:
        return show(db, call.office, call.token, call.now_ns)


def freeze(call: Call) -> Done:
    """By the owner, at once and without a proof: an operator lifts it. Orders stay, and may be cancelled."""
    with call.read() as (_, owner):
        account, user_id = owner.user.account, owner.user.id
    if account is None:
        raise Unknown("account")

    def prepare(db: Connection) -> Post:
        people.change(db, user_id, self_frozen_at_ns=call.now_ns)
        mail.put(db, user_id, mail.Kind.FROZEN, {}, call.now_ns)
        return Post(AccountFreeze(account=account, frozen=True))

    call.office.courier.send(Act(people.actor(user_id), "user.freeze", {}, call.now_ns), prepare)
    return Done()


def list_sessions(call: Call) -> list[OpenSession]:
    this = call.owner()
    with call.read() as (db, person):
        found = web_sessions.list_active(db, person.user.id, call.now_ns, call.office.settings.accounts)
    return [
        OpenSession(
            each.id,
            each.address,
            each.agent,
            milliseconds(each.created_at_ns),
            milliseconds(each.seen_at_ns),
            each.id == this.id,
        )
        for each in found
    ]


def end_one_session(call: Call) -> Done:
    with call.write("session.revoke") as (db, person):
        if not web_sessions.revoke(db, person.user.id, call.subject, call.now_ns):
            raise Unknown("session")
    end_streams(call.office, person)  # one that the other session has opened must not outlive it
    return Done()


def end_other_sessions(call: Call) -> Done:
    """Also the devices are strangers again, but for this one's session, which goes on."""
    with call.write("session.revoke-others") as (db, person):
        web_sessions.revoke_all(db, person.user.id, call.now_ns, but=call.owner().id)
        web_sessions.forget_devices(db, person.user.id, call.now_ns)
    end_streams(call.office, person)
    return Done()


def list_sign_ins(call: Call) -> list[SignInShown]:
    with call.read() as (db, person):
        found = sign_in.history(db, person.user.id, HISTORY_MAX)
    return [
        SignInShown(milliseconds(each.time_ns), each.outcome, each.address, each.agent, each.is_known_device)
        for each in found
    ]
