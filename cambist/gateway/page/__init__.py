"""The first page: markets, candles, depth, book and tape of one of them, in English or Chinese.

Everything on it comes from the public API and streams. The candles are drawn by lightweight-charts, which
set-up installs with npm; without it the page says so and shows the rest.

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
_MODULES = Path(__file__).parents[3] / "web" / "node_modules"


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


def _file(path: Path, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    content = path.read_bytes() if path.exists() else None

    async def send(_: Request) -> Response:
        if content is None:
            return Response("not installed", status_code=404, headers=_HEADERS)
        return Response(content, media_type=media_type, headers=_HEADERS)

    return send


_CHARTS = Path("lightweight-charts/dist/lightweight-charts.standalone.production.mjs")
_SCRIPTS = ("page.js", "exchange.js", "rows.js", "charts.js", "numbers.js")

ROUTES: dict[str, Callable[[Request], Awaitable[Response]]] = {
    "/": first_page,
    "/page.css": _file(_FOLDER / "page.css", "text/css"),
    **{f"/{name}": _file(_FOLDER / name, "text/javascript") for name in _SCRIPTS},
    "/lightweight-charts.js": _file(_MODULES / _CHARTS, "text/javascript"),
}
