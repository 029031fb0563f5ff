"""An owner's own API keys."""

from cambist.account_api.bodies import Body, Shown
from cambist.account_api.call import Call
from cambist.account_api.entry import Done
from cambist.account_api.errors import Unknown
from cambist.account_api.shown import milliseconds
from cambist.accounts import api_keys, mail, people
from cambist.accounts.api_keys import ApiKeyInvalid, Scope
from cambist.accounts.policy import SensitiveAct, may
from cambist.accounts.signatures import Kind

_SCOPES = {"read": Scope.READ, "trade": Scope.TRADE, "withdraw": Scope.WITHDRAW}


class NewKey(Body):
    """`publicKey` (PEM) and no secret for the kinds ed25519 and rsa. `expiresAt` in milliseconds."""

    label: str
    scopes: list[str]
    kind: str = "hmac"
    public_key: str | None = None
    ip_allow: tuple[str, ...] = ()
    expires_at: int | None = None


class KeyMade(Shown):
    """The secret is shown here and never again."""

    api_key: str
    secret_key: str | None


class KeyShown(Shown):
    api_key: str
    label: str
    kind: str
    scopes: list[str]
    ip_allow: list[str]
    created_at: int
    expires_at: int | None


def list_keys(call: Call) -> list[KeyShown]:
    with call.read() as (_, person):
        found = api_keys.list_all(call.office.records, person.user)
    return [
        KeyShown(
            each.id,
            each.label,
            each.kind.value,
            [name for name, scope in _SCOPES.items() if scope in each.scopes],
            list(each.ip_allow),
            milliseconds(each.created_at_ns),
            None if each.expires_at_ns is None else milliseconds(each.expires_at_ns),
        )
        for each in found
        if each.revoked_at_ns is None
    ]


def create_key(call: Call, wanted: NewKey) -> KeyMade:
    scopes = _scopes(wanted.scopes)
    if wanted.kind not in {kind.value for kind in Kind}:
        raise ApiKeyInvalid(f"a key is one of {', '.join(Kind)}")
    act = SensitiveAct.NEW_WITHDRAWAL_KEY if Scope.WITHDRAW in scopes else SensitiveAct.NEW_API_KEY
    with call.office.records.write() as db:
        person = people.get(db, call.owner().user_id)
        may(person, act, call.owner(), call.now_ns)
        api_key, secret = api_keys.create_in(
            call.office.records,
            db,
            person.user,
            label=wanted.label,
            scopes=scopes,
            kind=Kind(wanted.kind),
            public_key=wanted.public_key,
            ip_allow=wanted.ip_allow,
            expires_at_ns=None if wanted.expires_at is None else wanted.expires_at * 1_000_000,
            now_ns=call.now_ns,
            acting_user=person.actor,
        )
        said = {"label": wanted.label, "scopes": sorted(set(wanted.scopes))}
        mail.put(db, person.user.id, mail.Kind.NEW_API_KEY, said, call.now_ns)
    return KeyMade(api_key, secret)


def delete_key(call: Call) -> Done:
    """Nothing is proven for this: who ends a key makes the account safer."""
    with call.read() as (_, person):
        own = {each.id for each in api_keys.list_all(call.office.records, person.user)}
    if call.subject not in own:
        raise Unknown("API key")
    try:
        api_keys.delete(call.office.records, call.subject, now_ns=call.now_ns, acting_user=person.actor)
    except api_keys.ApiKeyUnknown:
        raise Unknown("API key") from None
    return Done()


def _scopes(names: list[str]) -> Scope:
    if not set(names) <= _SCOPES.keys():
        raise ApiKeyInvalid(f"scopes are {', '.join(_SCOPES)}")
    scopes = Scope(0)
    for name in names:
        scopes |= _SCOPES[name]
    return scopes
