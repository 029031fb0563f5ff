"""Who is asking: API key, signature and timestamp of a request.

The signature covers the bytes that came over the wire, query and body one after the other without the
signature pair, and so is independent of how anybody decodes them. Signatures are not remembered:
clients send two requests with one timestamp, and an order's client id is what keeps a repeat harmless.
"""

import re
from functools import lru_cache

from cambist.accounts import api_keys
from cambist.accounts.api_keys import ApiKey, Scope
from cambist.gateway import errors
from cambist.gateway.errors import ApiError
from cambist.gateway.params import Params
from cambist.ids import is_api_key
from cambist.settings import Api
from cambist.store.records import Records

AHEAD_MAX_NS = 1_000_000_000
RECV_WINDOW_RANGE = r"^[0-9]{1,20}(\.[0-9]{1,3})?$"

_recv_window = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,3}))?").fullmatch
_PAIR = b"signature="


def authenticate(
    records: Records,
    *,
    api_key: str,
    scope: Scope,
    params: Params,
    signed: bytes,
    client_ip: str,
    now_ns: int,
    limits: Api,
) -> ApiKey:
    """The key that signed these bytes and may be used for `scope`. Raises ApiError."""
    key = identify(records, api_key=api_key, scope=scope, client_ip=client_ip, now_ns=now_ns)
    sent_ns = params.require_time_ns("timestamp")
    if not key.is_signed(params.require("signature"), signed):
        raise ApiError(errors.BAD_SIGNATURE)
    _require_timely(sent_ns, params, now_ns, limits)
    return key


def identify(records: Records, *, api_key: str, scope: Scope, client_ip: str, now_ns: int) -> ApiKey:
    """The key of that name, if it may be used for `scope` from there. It says nothing of who sends it.

    Raises ApiError.
    """
    key = api_keys.find(records, api_key)
    if key is None or not key.permits(scope, client_ip=client_ip, now_ns=now_ns):
        raise ApiError(errors.KEY_REJECTED if is_api_key(api_key) else errors.BAD_KEY_FORMAT)
    return key


def require_timely(params: Params, now_ns: int, limits: Api) -> None:
    """Raises ApiError for a request that comes from the future, or too late."""
    _require_timely(params.require_time_ns("timestamp"), params, now_ns, limits)


def _require_timely(sent_ns: int, params: Params, now_ns: int, limits: Api) -> None:
    if sent_ns >= now_ns + AHEAD_MAX_NS:
        raise ApiError(errors.TIMESTAMP_AHEAD)
    if now_ns - sent_ns > recv_window_ns(params, limits):
        raise ApiError(errors.TIMESTAMP_TOO_OLD)


def unsigned(part: bytes) -> bytes:
    """Query or body without its signature pair, all other bytes as they came."""
    rest, found, signature = part.rpartition(b"&" + _PAIR)
    if found and b"&" not in signature:  # at the end, where nearly everybody puts it
        return rest
    if _PAIR not in part:
        return part
    return b"&".join(pair for pair in part.split(b"&") if not pair.startswith(_PAIR))


def recv_window_ns(params: Params, limits: Api) -> int:
    text = params.get("recvWindow")
    if text is None:
        return limits.recv_window_default_ms * 1_000_000
    return _window_ns(text, limits.recv_window_max_ms)


@lru_cache(1_024)
def _window_ns(text: str, most_ms: int) -> int:
    """A client sends the same with every request."""
    found = _recv_window(text)
    if found is None:
        raise ApiError(errors.illegal("recvWindow", RECV_WINDOW_RANGE))
    milliseconds, decimals = found.groups(default="")
    window_ns = int(milliseconds) * 1_000_000 + int(decimals.ljust(3, "0")) * 1_000
    if window_ns > most_ms * 1_000_000:
        raise ApiError(errors.too_large("recvWindow", most_ms))
    return window_ns
