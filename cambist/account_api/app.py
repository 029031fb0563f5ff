"""The account API as an ASGI application: a request is read, its session looked up, and handled in a thread.

It stands on a socket that only our own processes can open. What a gateway hands on carries the client's
address in a header that the gateway sets itself.
"""

import asyncio
import logging
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.cookies import CookieError, SimpleCookie
from typing import Any, NamedTuple

import msgspec
from starlette.types import Receive, Scope, Send

from cambist.account_api import errors, routes
from cambist.account_api.bodies import BODY_MAX_BYTES, Malformed, read
from cambist.account_api.call import Call, Office
from cambist.account_api.routes import Access, Route
from cambist.accounts import web_sessions
from cambist.accounts.sign_in import From
from cambist.accounts.throttle import TooManyAttempts
from cambist.accounts.web_sessions import COOKIE, CSRF_HEADER, DEVICE_COOKIE
from cambist.errors import ExchangeError

ADDRESS_HEADER = "x-cambist-address"
THREADS = 8
_DEVICE_S = 365 * 86_400
_HEADERS = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
_SAME_ORIGIN = ("same-origin", "none", "")  # "": not a browser, or one that is too old to say so

log = logging.getLogger(__name__)


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]


class AccountApi:
    def __init__(self, office: Office) -> None:
        self._office = office
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="account-api")
        # Behind a name of its own the exchange is reached over TLS; on this machine it need not be.
        self._is_secure = office.settings.server.public_hostname not in ("localhost", "127.0.0.1")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the account API answers no {scope['type']}")
        body = await _body(receive)
        loop = asyncio.get_running_loop()
        status, content, headers = await loop.run_in_executor(self._threads, self._answer, scope, body)
        headers = [*_HEADERS, (b"content-length", b"%d" % len(content)), *headers]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def close(self) -> None:
        self._threads.shutdown()

    def _answer(self, scope: Scope, body: bytes | None) -> Answer:
        """Never raises: whatever goes wrong is an answer."""
        headers: list[tuple[bytes, bytes]] = []
        try:
            call, answer = self._handle(scope, body)
            headers += ((b"set-cookie", each.encode()) for each in self._cookies(call.given))
            return Answer(200, msgspec.json.encode(answer), headers)
        except ExchangeError as problem:
            if isinstance(problem, TooManyAttempts):
                headers.append((b"retry-after", b"%d" % problem.wait_s))
            if problem.code in errors.REFUSALS:
                status, said = errors.answer_to(problem)
                return Answer(status, msgspec.json.encode(said), headers)
            return _bug(scope, problem)
        except Exception as problem:  # noqa: BLE001  a fault in one request is one answer, and told in full
            return _bug(scope, problem)

    def _handle(self, scope: Scope, body: bytes | None) -> tuple[Call, Any]:
        method, path = scope["method"], scope["path"]
        found = routes.find(method, path)
        if found is None:
            raise errors.WrongMethod if routes.exists(path) else errors.NoSuchRoute
        route, subject = found
        sent = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        call = self._call(sent, subject)
        if route.access is Access.OWNER:
            self._require_owner(call, method, sent)
        elif method != "GET" and route.access is Access.ANYBODY:
            _require_own_page(sent)
        arguments = _arguments(route, body, sent)
        return call, route.handle(call, *arguments)

    def _call(self, sent: Mapping[str, str], subject: str) -> Call:
        cookies = _cookies_of(sent.get("cookie", ""))
        origin = From(
            sent.get(ADDRESS_HEADER, ""), sent.get("user-agent", ""), cookies.get(DEVICE_COOKIE, "")
        )
        return Call(self._office, origin, self._office.clock(), cookies.get(COOKIE, ""), subject=subject)

    def _require_owner(self, call: Call, method: str, sent: Mapping[str, str]) -> None:
        records, settings = self._office.records, self._office.settings.accounts
        with records.read() as db:
            session = web_sessions.find(db, call.token, call.now_ns, settings) if call.token else None
        if session is None:
            raise errors.NotSignedIn
        if method != "GET":
            _require_own_page(sent)
            if not web_sessions.is_from_page(call.token, sent.get(CSRF_HEADER, "")):
                raise errors.FromElsewhere
        if web_sessions.needs_touch(session, call.now_ns):
            with records.write() as db:
                web_sessions.touch(db, session, call.now_ns)
        call.session = session

    def _cookies(self, given: Mapping[str, str | None]) -> Iterator[str]:
        for name, value in given.items():
            age_s = 0 if value is None else _DEVICE_S if name == DEVICE_COOKIE else None
            yield (
                f"{name}={value or ''}; Path=/; HttpOnly; SameSite=Strict"
                + ("" if age_s is None else f"; Max-Age={age_s}")
                + ("; Secure" if self._is_secure else "")
            )


async def _body(receive: Receive) -> bytes | None:
    """None for one that is too large."""
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > BODY_MAX_BYTES:
            return None
        if not message.get("more_body"):
            return body


def _arguments(route: Route, body: bytes | None, sent: Mapping[str, str]) -> list[Any]:
    """The body, where one is taken."""
    if body is None:
        raise errors.BodyTooLarge
    if route.takes is None:
        if body:
            raise Malformed("there is a body, and none is taken here")
        return []
    if sent.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise errors.WrongContentType
    return [read(body, route.takes)]


def _require_own_page(sent: Mapping[str, str]) -> None:
    """A browser says whose page has sent a request. Raises FromElsewhere."""
    if sent.get("sec-fetch-site", "") not in _SAME_ORIGIN:
        raise errors.FromElsewhere


def _cookies_of(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def _bug(scope: Scope, problem: Exception) -> Answer:
    """Neither path nor text are told: they may name somebody."""
    number = secrets.token_hex(4)
    log.error("account API %s, %s: %s", number, scope["method"], type(problem).__name__, exc_info=problem)
    status, said = errors.internal_error()
    return Answer(status, msgspec.json.encode(said), [(b"x-request-id", number.encode())])
