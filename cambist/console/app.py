"""The console as an ASGI application: whose page asks, who that is, whether a role allows it, and the answer.

Only requests to the console's own host are answered, and only its own pages may change anything. A path is
what the table of routes says, letter by letter; whatever else there is needs no permission because nothing is
there.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as HttpRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from cambist.account_api import errors as account_errors
from cambist.account_api.bodies import BODY_MAX_BYTES, Malformed, read
from cambist.accounts import throttle, web_sessions
from cambist.accounts.throttle import Rate, TooManyAttempts
from cambist.accounts.web_sessions import CSRF_HEADER
from cambist.console import errors, routes
from cambist.console.call import Call, Console
from cambist.console.errors import NotPermitted
from cambist.console.routes import Route
from cambist.control.client import RequestFailed
from cambist.errors import ExchangeError
from cambist.site import HEADERS, Site
from cambist.staff import sessions
from cambist.staff.keys import ProofWrong
from cambist.staff.proposals import SecondPersonNeeded
from cambist.store.audit import Act
from cambist.wallets.review import PaymentChanged, SaidAlready

COOKIE = "cambist_console"
# Whoever is nobody yet: a person signs in a few times a day.
_STRANGERS = Rate(30, 60)
# Refusals that the audit trail has: somebody of the staff wanted what the rules are there to stop.
_NOTED = (NotPermitted, SecondPersonNeeded, SaidAlready, ProofWrong, PaymentChanged)

log = logging.getLogger(__name__)


def create_console(console: Console, pages: Site) -> ASGIApp:
    async def page(_: Request) -> Response:
        text = pages.page("console.html")
        if text is None:
            return PlainTextResponse("the console's pages are not built: `make setup` builds them", 503)
        return Response(text, 200, {**HEADERS, "cache-control": "no-cache"}, "text/html")

    by_path: dict[str, dict[str, Route]] = {}
    for (method, path), route in routes.ROUTES.items():
        by_path.setdefault(path, {})[method] = route
    app = Starlette(
        routes=[
            *(
                HttpRoute(path, _endpoint(console, found), methods=list(found))
                for path, found in by_path.items()
            ),
            HttpRoute("/", page),
            HttpRoute("/{file:path}", pages.send),
        ],
        exception_handlers={HTTPException: _not_served},
    )
    app.router.redirect_slashes = False
    return _OwnHost(app, console.site.host)


def _endpoint(console: Console, by_method: dict[str, Route]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        # Starlette answers HEAD wherever there is a GET.
        route = by_method["GET" if request.method == "HEAD" else request.method]
        body = await _body(request)
        return await run_in_threadpool(_answer, console, route, request, body)

    return answer


async def _body(request: Request) -> bytes | None:
    """None for one that is too large."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_MAX_BYTES:
            return None
    return body


def _answer(console: Console, route: Route, request: Request, body: bytes | None) -> Response:
    """Never raises: whatever goes wrong is an answer."""
    address = request.client.host if request.client else ""
    token = request.cookies.get(COOKIE, "")
    subject = request.path_params.get("id", "")
    call = Call(
        console,
        address,
        request.headers.get("user-agent", ""),
        console.clock(),
        token=token,
        subject=subject,
    )
    try:
        _require_permitted(call, route, request)
        arguments = [] if route.takes is None else [_read(route, request, body)]
        response = _json(200, route.handle(call, *arguments))
    except (ExchangeError, RequestFailed) as problem:
        if isinstance(problem, _NOTED) and call.session is not None:
            _note(call, request.url.path, problem)
        found = errors.answer_to(problem)
        if found is None:
            return _bug(problem)
        response = _json(*found)
        if isinstance(problem, TooManyAttempts):
            response.headers["retry-after"] = str(problem.wait_s)
    except Exception as problem:  # noqa: BLE001  a fault in one request is one answer, and told in full
        return _bug(problem)
    if call.given is not None:
        response.set_cookie(
            COOKIE,
            call.given,
            max_age=None if call.given else 0,
            httponly=True,
            samesite="strict",
            secure=console.site.is_secure,
        )
    return response


def _note(call: Call, path: str, problem: ExchangeError) -> None:
    """What somebody of the staff was not allowed to do."""
    details = {"reason": problem.code, "path": path[:200], "text": str(problem)}
    with call.console.records.write() as db:
        call.console.records.audit.append(db, Act(call.me().actor, "refused", details, call.now_ns))


def _require_permitted(call: Call, route: Route, request: Request) -> None:
    """Raises FromElsewhere, TooManyAttempts, NotSignedIn or NotPermitted."""
    console, is_change = call.console, request.method not in ("GET", "HEAD")
    if is_change and not _is_own_page(request, console.site.origin):
        raise account_errors.FromElsewhere
    if route.action is None:
        with console.records.write() as db:
            refused = throttle.count(db, f"console:{call.address}", _STRANGERS, call.now_ns)
        if refused is not None:
            raise refused
        return
    with console.records.read() as db:
        call.session = sessions.find(db, call.token, call.now_ns) if call.token else None
    if call.session is None:
        raise account_errors.NotSignedIn
    if is_change and not web_sessions.is_from_page(call.token, request.headers.get(CSRF_HEADER, "")):
        raise account_errors.FromElsewhere
    if route.action not in call.me().actions:
        raise NotPermitted(route.action.value)
    if sessions.needs_touch(call.session, call.now_ns):
        with console.records.write() as db:
            sessions.touch(db, call.session, call.now_ns)


def _is_own_page(request: Request, origin: str) -> bool:
    """A browser says whose page has sent a request; a program of the staff's own has to say it as well."""
    return request.headers.get("origin") == origin


def _read(route: Route, request: Request, body: bytes | None) -> Any:
    assert route.takes is not None
    if request.method in ("GET", "HEAD"):
        pairs = request.query_params.multi_items()
        if len(dict(pairs)) < len(pairs):
            raise Malformed("a parameter is given twice")
        try:
            return msgspec.convert(dict(pairs), route.takes, strict=False)
        except msgspec.ValidationError as problem:
            raise Malformed(f"a parameter cannot be read: {problem}") from None
    if body is None:
        raise account_errors.BodyTooLarge
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise account_errors.WrongContentType
    return read(body, route.takes)


def _json(status: int, answer: Any) -> Response:
    headers = {**HEADERS, "cache-control": "no-store"}
    return Response(msgspec.json.encode(answer), status, headers, "application/json")


async def _not_served(_: Request, problem: Exception) -> Response:
    """What no route takes: an unknown method; unknown paths end at the pages."""
    assert isinstance(problem, HTTPException)
    known = account_errors.WrongMethod() if problem.status_code == 405 else account_errors.NoSuchRoute()
    found = errors.answer_to(known)
    assert found is not None
    return _json(*found)


def _bug(problem: BaseException) -> Response:
    """Neither path nor text are told: they may name somebody."""
    number = secrets.token_hex(4)
    log.error("console %s: %s", number, type(problem).__name__, exc_info=problem)
    status, said = account_errors.internal_error()
    response = _json(status, said)
    response.headers["x-request-id"] = number
    return response


class _OwnHost:
    """A name that somebody else has made point here is not ours: its pages could ask as if they were."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._host = host.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosts = [value for name, value in scope.get("headers", ()) if name == b"host"]
        if scope["type"] == "http" and hosts != [self._host]:
            text = f"the console is at {self._host.decode()} and answers to no other name"
            await PlainTextResponse(text, 421)(scope, receive, send)
            return
        await self._app(scope, receive, send)
