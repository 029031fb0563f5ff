"""Signing up, in and out, and the way back in for who has forgotten the password."""

from sqlalchemy import Connection

from cambist.account_api.bodies import Body, Shown
from cambist.account_api.call import Call, Office
from cambist.account_api.creation import create_account
from cambist.account_api.errors import NotSignedIn
from cambist.account_api.shown import milliseconds, or_raise
from cambist.accounts import credentials, people, sign_in, sign_up, web_sessions
from cambist.accounts.mail_codes import Asked, CodeWrong, Purpose
from cambist.accounts.passwords import PasswordWeak, require_strong
from cambist.accounts.people import Language, Person
from cambist.accounts.policy import PROVEN_FOR_NS
from cambist.accounts.users import EmailTaken
from cambist.accounts.web_sessions import COOKIE, DEVICE_COOKIE, csrf_token
from cambist.errors import Refused


class SignUp(Body):
    email: str
    password: str
    language: Language = "en"


class CodeSent(Shown):
    """`handle` has to come back with the code from the mail. It is answered whoever the address is."""

    handle: str


class Code(Body):
    handle: str
    code: str


class SignIn(Body):
    email: str
    password: str
    second_factor: str | None = None


class Session(Shown):
    """`csrfToken` goes into the header X-CSRF-Token of every request that changes something."""

    csrf_token: str
    email: str
    account: int | None
    has_second_factor: bool
    language: str
    phrase: str
    proven_until: int
    expires_at: int
    withdrawals_held_until: int
    is_frozen: bool


class Proof(Body):
    password: str
    second_factor: str | None = None


class Email(Body):
    email: str


class Reset(Body):
    handle: str
    code: str
    new_password: str
    second_factor: str | None = None


class Done(Shown):
    """It is done."""


def start_sign_up(call: Call, wanted: SignUp) -> CodeSent:
    require_strong(wanted.password, wanted.email)
    with call.office.records.write() as db:
        too_many = sign_up.admit(db, wanted.email, address=call.origin.address, now_ns=call.now_ns)
    or_raise(too_many)
    password_hash = call.office.passwords.hash(wanted.password)
    with call.office.records.write() as db:
        handle = sign_up.begin(
            db,
            call.office.codes,
            email=wanted.email,
            password_hash=password_hash,
            language=wanted.language,
            now_ns=call.now_ns,
        )
    return CodeSent(handle)


def verify_sign_up(call: Call, sent: Code) -> Done:
    with call.office.records.write() as db:
        asked = call.office.codes.guess(db, Purpose.SIGN_UP, sent.handle, sent.code, call.now_ns)
    found = or_raise(asked)
    try:
        create_account(call.office, lambda db: sign_up.complete(db, found, call.now_ns), call.now_ns)
    except EmailTaken:  # by a sign-up beside this one
        raise CodeWrong from None
    return Done()


def start_session(call: Call, wanted: SignIn) -> Session:
    office, origin = call.office, call.origin
    with office.records.write() as db:
        attempt = sign_in.attempt(db, wanted.email, origin, call.now_ns)
    tried = or_raise(attempt)
    is_right = office.passwords.matches(tried.password_hash, wanted.password)
    with office.records.write() as db:
        found = sign_in.finish(
            db,
            tried,
            office.factors,
            origin,
            is_right=is_right,
            second_factor=wanted.second_factor,
            now_ns=call.now_ns,
            settings=office.settings.accounts,
        )
    signed_in = or_raise(found)
    _complete(call, signed_in.person, wanted.password)
    call.given[COOKIE] = signed_in.session
    if signed_in.device is not None:
        call.given[DEVICE_COOKIE] = signed_in.device
    with office.records.read() as db:
        return show(db, office, signed_in.session, call.now_ns)


def show_session(call: Call) -> Session:
    with call.read() as (db, _):
        return show(db, call.office, call.token, call.now_ns)


def end_session(call: Call) -> Done:
    session = call.owner()
    with call.write("session.end") as (db, person):
        web_sessions.revoke(db, person.user.id, session.id, call.now_ns)
    call.given[COOKIE] = None
    return Done()


def prove(call: Call, given: Proof) -> Session:
    """Password and second factor again, for what is sensitive; counted like a sign-in on this device."""
    office, session = call.office, call.owner()
    with office.records.write() as db:
        email = people.get(db, session.user_id).user.email
        attempt = sign_in.attempt(db, email, call.origin, call.now_ns)
    tried = or_raise(attempt)
    is_right = office.passwords.matches(tried.password_hash, given.password)
    with office.records.write() as db:
        person = people.get(db, session.user_id)
        problem = (
            office.factors.check(
                db, person, given.second_factor, device_id=session.device_id, now_ns=call.now_ns
            )
            if is_right and person.password_hash == tried.password_hash
            else sign_in.SignInRefused()
        )
        if problem is None:
            web_sessions.prove(db, session, call.now_ns)
            sign_in.succeeded(db, tried)
            call.audit(db, person, "session.prove", {})
    if problem is not None:
        raise problem
    return show_session(call)


def start_reset(call: Call, wanted: Email) -> CodeSent:
    with call.office.records.write() as db:
        handle = credentials.begin_reset(
            db, call.office.codes, wanted.email, address=call.origin.address, now_ns=call.now_ns
        )
    return CodeSent(or_raise(handle))


def complete_reset(call: Call, sent: Reset) -> Done:
    office = call.office
    with office.records.write() as db:
        too_many = credentials.admit_reset(db, address=call.origin.address, now_ns=call.now_ns)
    or_raise(too_many)
    password_hash = office.passwords.hash(sent.new_password)
    with office.records.write() as db:
        # A refusal is raised behind the transaction: what it has counted stays.
        asked = _asked_for_reset(db, call, sent)
        if not isinstance(asked, Refused):
            person = people.get(db, asked.user_id or 0)
            credentials.complete_reset(
                db, asked, person, password_hash, now_ns=call.now_ns, settings=office.settings.accounts
            )
            call.audit(db, person, "password.reset", {})
    or_raise(asked)
    end_streams(office, person)
    return Done()


def _asked_for_reset(db: Connection, call: Call, sent: Reset) -> Asked | Refused:
    asked = call.office.codes.guess(db, Purpose.RESET, sent.handle, sent.code, call.now_ns)
    if isinstance(asked, Refused):
        return asked
    if asked.user_id is None:
        return CodeWrong()
    person = people.get(db, asked.user_id)
    try:
        require_strong(sent.new_password, person.user.email)
    except PasswordWeak as weak:
        return weak
    factors = call.office.factors
    return factors.check(db, person, sent.second_factor, device_id=None, now_ns=call.now_ns) or asked


def end_streams(office: Office, person: Person) -> None:
    """Of sockets that were opened with what is no longer good."""
    if person.user.account is not None:
        office.end_streams(person.user.account)


def _complete(call: Call, person: Person, password: str) -> None:
    """What an earlier step has left open: an account that was not made, a hash with older parameters."""
    office = call.office
    if person.user.account is None:
        create_account(office, lambda _: person.user, call.now_ns)
    stored = person.password_hash
    if stored is not None and office.passwords.is_outdated(stored):
        newer = office.passwords.hash(password)
        with office.records.write() as db:
            if people.get(db, person.user.id).password_hash == stored:
                people.change(db, person.user.id, password_hash=newer)


def show(db: Connection, office: Office, token: str, now_ns: int) -> Session:
    """Raises NotSignedIn."""
    session = web_sessions.find(db, token, now_ns, office.settings.accounts)
    if session is None:
        raise NotSignedIn
    person = people.get(db, session.user_id)
    return Session(
        csrf_token=csrf_token(token),
        email=person.user.email,
        account=person.user.account,
        has_second_factor=person.has_second_factor,
        language=person.language,
        phrase=person.phrase,
        proven_until=milliseconds(session.proven_at_ns + PROVEN_FOR_NS),
        expires_at=milliseconds(session.expires_at_ns),
        withdrawals_held_until=milliseconds(person.withdrawals_held_until_ns),
        is_frozen=person.self_frozen_at_ns is not None,
    )
