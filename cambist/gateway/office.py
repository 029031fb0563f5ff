"""Hands requests for the account API on to the office, and its answers back, as they are.

What the office learns of a client it learns from here: the address in a header of our own, and of the
client's headers only those that mean something to it. A path is handed on only if it can be read in one way.
"""

import re
from pathlib import Path

import httpx
import msgspec
from starlette.types import Receive, Scope, Send

from cambist.gateway import errors
from cambist.gateway.api import Answer, Api, Headers
from cambist.gateway.bodies import ClientGone, read_body
from cambist.gateway.calls import NS_PER_S
from cambist.gateway.errors import ApiError, Refusal
from cambist.gateway.limits import client_of

PATHS = "/api/account/"
WEIGHT = 1
ANSWERED_WITHIN_S = 20.0
CONNECTIONS_MAX = 32
_ADDRESS = b"x-cambist-address"
_PATH = re.compile(rb"/api/account/v1(?:/[A-Za-z0-9_-]+)+")
_ASKED = (b"content-type", b"cookie", b"x-csrf-token", b"user-agent", b"sec-fetch-site")
_ANSWERED = (b"content-type", b"cache-control", b"set-cookie", b"retry-after", b"x-request-id")


class Away(msgspec.Struct):
    """A refusal in the shape of the account API, which has a reason as well."""

    code: int
    msg: str
    reason: str


class OfficeDoor:
    """An ASGI application. `close` it at the end."""

    def __init__(self, api: Api, socket: Path, body_max_bytes: int) -> None:
        self._api = api
        self._body_max_bytes = body_max_bytes
        # Not a client of httpx: that would keep the cookies of one answer for the next one's request.
        self._office = httpx.AsyncHTTPTransport(
            uds=str(socket), limits=httpx.Limits(max_connections=CONNECTIONS_MAX)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except ClientGone:
            return
        headers = [*answer.headers, (b"x-content-type-options", b"nosniff")]
        headers.append((b"content-length", b"%d" % len(answer.body)))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def close(self) -> None:
        await self._office.aclose()

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        client_ip = scope["client"][0] if scope["client"] else ""
        now_ns = self._api.clock()
        try:
            self._admit(client_of(client_ip), now_ns // NS_PER_S)
            path: bytes = scope["raw_path"]
            if not _PATH.fullmatch(path):
                return _refusal(errors.NO_SUCH_ROUTE, "no_such_route")
            if scope["query_string"]:
                return _refusal(errors.NO_PARAMETERS, "malformed")
            body = await read_body(receive, self._body_max_bytes)
            if body is None:
                return _refusal(errors.BODY_TOO_LARGE, "body_too_large")
            answer = await self._ask(scope, path.decode(), body, client_ip)
        except ApiError as refused:
            answer = _refusal(refused.refusal, "too_many_requests", refused.retry_after_s)
        self._api.counts.count(scope["method"], "account", answer.status, self._api.clock() - now_ns)
        return answer

    def _admit(self, client: str, now_s: int) -> None:
        """Counts with everything else that the address asks for. Raises ApiError."""
        self._api.limits.admit(client, now_s)
        self._api.limits.charge(client, WEIGHT, now_s)

    async def _ask(self, scope: Scope, path: str, body: bytes, client_ip: str) -> Answer:
        headers = [(name, value) for name, value in scope["headers"] if name in _ASKED]
        headers.append((_ADDRESS, client_ip.encode()))
        asked = httpx.Request(
            scope["method"],
            f"http://office{path}",
            headers=headers,
            content=body,
            extensions={"timeout": httpx.Timeout(ANSWERED_WITHIN_S).as_dict()},
        )
        try:
            found = await self._office.handle_async_request(asked)
            content = await found.aread()
        except httpx.HTTPError:  # starting, stopping or overloaded: which one is in its own log
            return _refusal(errors.TRY_AGAIN, "unavailable")
        kept = [(name.lower(), value) for name, value in found.headers.raw if name.lower() in _ANSWERED]
        return Answer(found.status_code, kept, content)


def _refusal(refusal: Refusal, reason: str, retry_after_s: int | None = None) -> Answer:
    headers: Headers = [(b"content-type", b"application/json")]
    if retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % retry_after_s))
    return Answer(refusal.http, headers, msgspec.json.encode(Away(refusal.code, refusal.msg, reason)))
