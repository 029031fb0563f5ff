"""Coming in: a first key by a link, signing in with a key, and the own keys."""

from typing import Any

from webauthn.helpers import bytes_to_base64url

from cambist.account_api.bodies import Body, Shown
from cambist.account_api.shown import milliseconds
from cambist.accounts import web_sessions
from cambist.console.call import Call
from cambist.console.proofs import ProofBody, bytes_of, creation_options, proof_of
from cambist.staff import keys, people, sessions
from cambist.staff.keys import ED25519, ProofWrong, Purpose, StaffKey
from cambist.staff.people import Member
from cambist.staff.sessions import StaffSession
from cambist.store.audit import Act

_FIRST, _SIGN_IN, _NEW_KEY = "first", "sign-in", "new-key"


class Done(Shown):
    pass


class Link(Body):
    code: str


class KeyWanted(Shown):
    """What a new key has to sign. `options` are a browser's for a passkey."""

    name: str
    challenge: str
    options: dict[str, Any]


class FirstKey(Body):
    code: str
    challenge: str
    label: str
    proof: ProofBody


class SignInWanted(Shown):
    challenge: str
    rp_id: str


class SignIn(Body):
    challenge: str
    proof: ProofBody


class NewKey(Body):
    """`proof` is the new key's, `by` that of one that is enrolled; both sign the same challenge."""

    challenge: str
    label: str
    proof: ProofBody
    by: ProofBody


class KeyShown(Shown):
    """`credential` and `public_key` are what `cambist signer approver add` takes."""

    id: int
    kind: str
    label: str
    credential: str
    public_key: str
    created_at: int
    used_at: int | None
    is_this: bool


class Me(Shown):
    """`actions` are what the routes and the pages go by. `sandbox`: the money is play money."""

    name: str
    roles: list[str]
    actions: list[str]
    keys: list[KeyShown]
    csrf_token: str
    rp_id: str
    sandbox: bool


def begin_first(call: Call, sent: Link) -> KeyWanted:
    with call.console.records.read() as db:
        member = people.of_invite(db, sent.code, call.now_ns)
    challenge = call.console.challenges.new(f"{_FIRST}:{member.id}", call.now_ns)
    return _wanted(call, member, challenge, [])


def complete_first(call: Call, sent: FirstKey) -> Me:
    """The link is used up by this, and its owner is signed in."""
    console, challenge = call.console, bytes_of(sent.challenge)
    with console.records.write() as db:
        member = people.of_invite(db, sent.code, call.now_ns)
        console.challenges.take(challenge, f"{_FIRST}:{member.id}", call.now_ns)
        key = keys.enrol(
            db,
            member,
            proof_of(sent.proof),
            challenge,
            label=sent.label,
            site=console.site,
            now_ns=call.now_ns,
        )
        people.invite_is_used(db, member)
        console.records.audit.append(db, Act(member.actor, "staff.first-key", _audited(key), call.now_ns))
        token = _start(call, db, member, key)
    return _me(call, token)


def begin_sign_in(call: Call) -> SignInWanted:
    challenge = call.console.challenges.new(_SIGN_IN, call.now_ns)
    return SignInWanted(bytes_to_base64url(challenge), call.console.site.rp_id)


def complete_sign_in(call: Call, sent: SignIn) -> Me:
    console, challenge = call.console, bytes_of(sent.challenge)
    console.challenges.take(challenge, _SIGN_IN, call.now_ns)
    with console.records.write() as db:
        key = keys.verify(
            db, proof_of(sent.proof), Purpose.SIGN_IN, challenge, site=console.site, now_ns=call.now_ns
        )
        member = people.get(db, key.staff_id)
        details = {"address": call.address, **_audited(key)}
        console.records.audit.append(db, Act(member.actor, "staff.sign-in", details, call.now_ns))
        token = _start(call, db, member, key)
    return _me(call, token)


def show_me(call: Call) -> Me:
    return _me(call, call.token)


def sign_out(call: Call) -> Done:
    assert call.session is not None
    with call.write("staff.sign-out") as db:
        sessions.end(db, call.session, call.now_ns)
    call.given = ""
    return Done()


def begin_key(call: Call) -> KeyWanted:
    me = call.me()
    challenge = call.console.challenges.new(f"{_NEW_KEY}:{me.id}", call.now_ns)
    with call.console.records.read() as db:
        return _wanted(call, me, challenge, keys.list_of(db, me))


def add_key(call: Call, sent: NewKey) -> Me:
    """Whoever has only taken over a session cannot add a key of his own."""
    me, site, challenge = call.me(), call.console.site, bytes_of(sent.challenge)
    call.console.challenges.take(challenge, f"{_NEW_KEY}:{me.id}", call.now_ns)
    with call.write("staff.key-add", label=sent.label) as db:
        by = keys.verify(db, proof_of(sent.by), Purpose.ENROL, challenge, site=site, now_ns=call.now_ns)
        if by.staff_id != me.id:
            raise ProofWrong
        keys.enrol(db, me, proof_of(sent.proof), challenge, label=sent.label, site=site, now_ns=call.now_ns)
    return _me(call, call.token)


def remove_key(call: Call) -> Me:
    """The key's session ends with it."""
    number = int(call.subject) if call.subject.isdigit() else 0
    with call.write("staff.key-remove", key=number) as db:
        keys.remove(db, call.me(), number, call.now_ns)
    return _me(call, call.token)


def _start(call: Call, db: Any, member: Member, key: StaffKey) -> str:
    token = sessions.start(db, member, key.id, address=call.address, agent=call.agent, now_ns=call.now_ns)
    call.given = token
    call.session = StaffSession("", member, key.id, call.now_ns)
    return token


def _wanted(call: Call, member: Member, challenge: bytes, enrolled: list[StaffKey]) -> KeyWanted:
    options = creation_options(member, challenge, call.console.site, enrolled)
    return KeyWanted(member.name, bytes_to_base64url(challenge), options)


def _me(call: Call, token: str) -> Me:
    me, settings = call.me(), call.console.settings
    with call.console.records.read() as db:
        mine = keys.list_of(db, me)
    assert call.session is not None
    this = call.session.key_id
    return Me(
        name=me.name,
        roles=[role.value for role in me.roles],
        actions=sorted(action.value for action in me.actions),
        keys=[_key(key, is_this=key.id == this) for key in mine],
        csrf_token=web_sessions.csrf_token(token),
        rp_id=call.console.site.rp_id,
        sandbox=settings.mode.sandbox,
    )


def _key(key: StaffKey, *, is_this: bool) -> KeyShown:
    return KeyShown(
        id=key.id,
        kind=key.kind,
        label=key.label,
        credential=key.credential,
        public_key=key.public_key.hex() if key.kind == ED25519 else bytes_to_base64url(key.public_key),
        created_at=milliseconds(key.created_at_ns),
        used_at=None if key.used_at_ns is None else milliseconds(key.used_at_ns),
        is_this=is_this,
    )


def _audited(key: StaffKey) -> dict[str, Any]:
    return {"key": key.id, "kind": key.kind, "label": key.label}
