"""A signed-in browser as a credential of the trading API, in place of a key and its signature.

The cookie alone is none: a browser sends it whoever wrote the page. The token in the header X-CSRF-Token is
what only a page of ours knows. A session reads and trades; withdrawals go through the account API, which asks
for the second factor again.
"""

from typing import NamedTuple, Self

from cambist.accounts import web_sessions
from cambist.accounts.api_keys import ApiKey, Scope
from cambist.accounts.signatures import Kind
from cambist.accounts.tokens import hashed
from cambist.accounts.web_sessions import COOKIE, WebSession
from cambist.settings import Accounts
from cambist.store.records import Records

_SCOPES = Scope.READ | Scope.TRADE
_TOKEN_LONGEST = 64
_COOKIE = COOKIE.encode() + b"="


class Session(NamedTuple):
    """What a browser has sent: both are needed."""

    token: str
    csrf: str

    @classmethod
    def of(cls, cookies: bytes, csrf: bytes) -> Self | None:
        """None if one of the two is missing. A cookie that is there twice is none: which one would count?"""
        if not csrf or _COOKIE not in cookies:
            return None
        found = [each.strip() for each in cookies.split(b";")]
        tokens = [each.removeprefix(_COOKIE) for each in found if each.startswith(_COOKIE)]
        if len(tokens) != 1 or not 0 < len(tokens[0]) <= _TOKEN_LONGEST:
            return None
        return cls(tokens[0].decode("latin-1"), csrf.decode("latin-1"))


def key_of(records: Records, sent: Session, now_ns: int, settings: Accounts) -> ApiKey | None:
    """What the session may do, in the shape of a key; None if it is unknown, over, or not sent by a page."""
    if not web_sessions.is_from_page(sent.token, sent.csrf):
        return None
    found: WebSession | None = records.remembered(
        ("web session", hashed(sent.token)),
        lambda db: web_sessions.find(db, sent.token, now_ns, settings),
    )
    if found is None or found.account is None or found.is_over(now_ns, settings):
        return None
    return ApiKey(
        id="",
        kind=Kind.HMAC,
        account=found.account,
        scopes=_SCOPES,
        ip_allow=(),
        created_at_ns=found.created_at_ns,
        expires_at_ns=found.expires_at_ns,
        is_signed=lambda signature, payload: False,
    )
