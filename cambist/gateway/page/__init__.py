"""The first page: markets, one live book and its tape, from the public API, in English or Chinese.

The language is what `?lang=` says, else the cookie that this left behind, else what the browser prefers.
"""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response

LANGUAGES = ("en", "zh")
COOKIE = "lang"
_YEAR_S = 365 * 86_400

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
}
_FOLDER = Path(__file__).parent


def _render(language: str) -> str:
    words = msgspec.json.decode((_FOLDER / "words.json").read_bytes(), type=dict[str, dict[str, str]])
    template = (_FOLDER / "index.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda place: words[place[1]][language], template)


_PAGES = {language: _render(language) for language in LANGUAGES}


async def first_page(request: Request) -> Response:
    chosen = request.query_params.get(COOKIE)
    language = next(
        (each for each in (chosen, request.cookies.get(COOKIE)) if each in LANGUAGES),
        preferred(request.headers.get("accept-language", "")),
    )
    response = Response(
        _PAGES[language],
        media_type="text/html",
        headers={**_HEADERS, "content-language": language, "vary": "accept-language, cookie"},
    )
    if chosen in LANGUAGES:
        response.set_cookie(COOKIE, chosen, max_age=_YEAR_S, samesite="lax", httponly=True)
    return response


def preferred(accepted: str) -> str:
    """The first of our languages in an Accept-Language header, by weight; English if there is none."""
    weighed: list[tuple[float, str]] = []
    for item in accepted[:1_000].split(","):
        tag, _, weight = item.partition(";q=")
        language = tag.strip().lower().partition("-")[0]
        if language in LANGUAGES and re.fullmatch(r"[01](\.[0-9]{0,3})?|", weight.strip()):
            weighed.append((-float(weight.strip() or 1), language))
    return min(weighed, key=lambda entry: entry[0])[1] if weighed else LANGUAGES[0]


def _file(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    content = (_FOLDER / name).read_bytes()

    async def send(_: Request) -> Response:
        return Response(content, media_type=media_type, headers=_HEADERS)

    return send


ROUTES: dict[str, Callable[[Request], Awaitable[Response]]] = {
    "/": first_page,
    "/page.css": _file("page.css", "text/css"),
    "/page.js": _file("page.js", "text/javascript"),
}
