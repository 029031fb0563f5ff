"""Users and their API keys, as an operator sees them."""

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import Connection

from cambist._matching import Engine
from cambist.accounts import api_keys, credentials, people, users, web_sessions
from cambist.accounts.api_keys import Scope
from cambist.accounts.second_factor import SecondFactors
from cambist.accounts.signatures import Kind
from cambist.accounts.users import User
from cambist.control.exchange import Caller, Exchange, Request, iso_time
from cambist.engine.commands import AccountFreeze
from cambist.errors import Refused
from cambist.match.courier import Post
from cambist.store.listen_keys import ListenKeys

_SCOPES = {"read": Scope.READ, "trade": Scope.TRADE, "withdraw": Scope.WITHDRAW}
SCOPE_NAMES = tuple(_SCOPES)
KINDS = tuple(kind.value for kind in Kind)


class AccountIncomplete(Refused):
    code = "account_incomplete"

    def __init__(self, email: str) -> None:
        super().__init__(f"the account of {email} was not completed; `cambist user create {email}` does it")


class CreateUser(Request, tag="user.create"):
    """A user with an account that may trade, deposit and withdraw."""

    email: str

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        act = caller.act(self)

        def prepare(db: Connection) -> Post:
            user = users.begin(db, self.email, now_ns=act.time_ns, acting_user=caller.name)
            return Post(users.account_create(user), users.CREATED, str(user.id))

        exchange.change(act, prepare)
        return _shown(users.get(exchange.records, self.email), is_frozen=False)


class ListUsers(Request, tag="user.list"):
    def perform(self, exchange: Exchange, caller: Caller) -> list[dict[str, Any]]:
        found = users.list_all(exchange.records)

        def frozen(engine: Engine) -> list[bool | None]:
            return [None if user.account is None else _is_frozen(engine, user.account) for user in found]

        states = exchange.query(frozen)
        return [_shown(user, is_frozen) for user, is_frozen in zip(found, states, strict=True)]


class FreezeUser(Request, tag="user.freeze"):
    """A frozen account may cancel and be credited, nothing else; `frozen` false lifts it."""

    email: str
    frozen: bool

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        user = users.get(exchange.records, self.email)
        freeze = AccountFreeze(account=account_of(user), frozen=self.frozen)

        def prepare(db: Connection) -> Post:
            if not self.frozen:
                people.change(db, user.id, self_frozen_at_ns=None)
            return Post(freeze)

        exchange.change(caller.act(self), prepare)
        return _shown(user, is_frozen=self.frozen)


class ResetSecondFactor(Request, tag="user.reset-second-factor"):
    """For an owner who has lost authenticator and recovery codes, and has shown to be the owner.

    All sessions end, and withdrawals wait as after any recovery.
    """

    email: str
    reason: str

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        settings, records = exchange.settings.accounts, exchange.records
        act = caller.act(self)
        with records.write() as db:
            person = people.find(db, self.email)
            if person is None:
                raise users.UserUnknown(self.email)
            SecondFactors(records.vault, settings).remove(db, person)
            credentials.second_factor_changed(
                db, person, now_ns=act.time_ns, wait_hours=settings.recovery_wait_hours
            )
            ended = web_sessions.revoke_all(db, person.user.id, act.time_ns)
            records.audit.append(db, act)
        return {"email": person.user.email, "had_second_factor": person.has_second_factor, "ended": ended}


class SignOutUser(Request, tag="user.sign-out"):
    """Ends all sessions, API keys and private streams of an account that may be in the wrong hands."""

    email: str

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        act = caller.act(self)
        user = users.get(exchange.records, self.email)
        with exchange.records.write() as db:
            ended = web_sessions.revoke_all(db, user.id, act.time_ns)
            web_sessions.forget_devices(db, user.id, act.time_ns)
            keys = api_keys.revoke_all(db, user.id, now_ns=act.time_ns, acting_user=caller.name)
            exchange.records.audit.append(db, act)
        if user.account is not None:
            _end_streams(exchange, user.account)
        return {"email": user.email, "ended": ended, "keys_ended": keys}


def _end_streams(exchange: Exchange, account: int) -> None:
    """The gateways look in a moment. Raises Unavailable."""
    listen_keys = ListenKeys(exchange.settings.listen_keys_file, on_end=lambda _: None)
    with closing(listen_keys):
        listen_keys.end_all(account)


class CreateApiKey(Request, tag="api-key.create"):
    """The answer is the only place where the secret of an HMAC key is ever shown.

    `public_key` is PEM, and there for the other kinds only.
    """

    email: str
    label: str
    scopes: Sequence[str]
    kind: Kind = Kind.HMAC
    public_key: str | None = None
    ip_allow: Sequence[str] = ()
    expires_at_ns: int | None = None

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        user = users.get(exchange.records, self.email)
        api_key, secret = api_keys.create(
            exchange.records,
            user,
            label=self.label,
            scopes=_scopes(self.scopes),
            kind=self.kind,
            public_key=self.public_key,
            ip_allow=self.ip_allow,
            expires_at_ns=self.expires_at_ns,
            now_ns=time.time_ns(),
            acting_user=caller.name,
        )
        shown = {"email": user.email, "label": self.label, "kind": self.kind.value, "api_key": api_key}
        return shown if secret is None else shown | {"secret_key": secret}


class ListApiKeys(Request, tag="api-key.list"):
    """All keys, or those of one user; revoked ones too."""

    email: str | None = None

    def perform(self, exchange: Exchange, caller: Caller) -> list[dict[str, Any]]:
        owner = None if self.email is None else users.get(exchange.records, self.email)
        emails = {user.id: user.email for user in users.list_all(exchange.records)}
        return [
            {
                "api_key": key.id,
                "email": emails[key.user_id],
                "label": key.label,
                "kind": key.kind.value,
                "scopes": [name for name, scope in _SCOPES.items() if scope in key.scopes],
                "ip_allow": list(key.ip_allow),
                "created_at": iso_time(key.created_at_ns),
                "expires_at": _time_or_none(key.expires_at_ns),
                "revoked_at": _time_or_none(key.revoked_at_ns),
            }
            for key in api_keys.list_all(exchange.records, owner)
        ]


class DeleteApiKey(Request, tag="api-key.delete"):
    api_key: str

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        api_keys.delete(exchange.records, self.api_key, now_ns=time.time_ns(), acting_user=caller.name)
        return {"api_key": self.api_key, "revoked": True}


def account_of(user: User) -> int:
    """Raises AccountIncomplete."""
    if user.account is None:
        raise AccountIncomplete(user.email)
    return user.account


def _scopes(names: Sequence[str]) -> Scope:
    scopes = Scope(0)
    for name in names:
        if name not in _SCOPES:
            raise api_keys.ApiKeyInvalid(f"there is no scope {name!r}, only {', '.join(SCOPE_NAMES)}")
        scopes |= _SCOPES[name]
    return scopes


def _is_frozen(engine: Engine, account: int) -> bool | None:
    """None for an account that the engine does not know: records and log belong to different times."""
    row = engine.account(account)
    return None if row is None else row[3]


def _shown(user: User, is_frozen: bool | None) -> dict[str, Any]:
    return {
        "email": user.email,
        "account": user.account,
        "frozen": is_frozen,
        "created_at": iso_time(user.created_at_ns),
    }


def _time_or_none(time_ns: int | None) -> str | None:
    return None if time_ns is None else iso_time(time_ns)
