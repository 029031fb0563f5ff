"""The exchange's pages: the built ones of web/, or without a build the plain one, in English or Chinese.

The language is what `?lang=` says, else the cookie that the page keeps, else what the browser prefers.
"""

import re
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from cambist.gateway import page
from cambist.site import HEADERS, Site

LANGUAGES = {"en": "en", "zh": "zh-CN"}
COOKIE = "lang"
_YEAR_S = 365 * 86_400
# One page stands at all of these: it draws what the path says.
_PATHS = (
    "/",
    "/trade/{symbol}",
    "/wallet",
    "/wallet/{part}",
    "/orders",
    "/account",
    "/account/{part}",
    "/sign-in",
    "/sign-up",
    "/reset",
    "/inbox",
)
_FILES = ("/assets/{file}", "/icon.svg", "/icon-192.png", "/icon-512.png", "/manifest.webmanifest")

Handler = Callable[[Request], Awaitable[Response]]


def routes(site: Site) -> dict[str, Handler]:
    built = site.page("index.html")
    if built is None:
        return {"/": _in_languages(page.PAGES), **page.FILES}
    texts = {
        language: built.replace('<html lang="en">', f'<html lang="{tag}">')
        for language, tag in LANGUAGES.items()
    }
    return {**dict.fromkeys(_PATHS, _in_languages(texts)), **dict.fromkeys(_FILES, site.send)}


def _in_languages(texts: dict[str, str]) -> Handler:
    async def send(request: Request) -> Response:
        chosen = request.query_params.get(COOKIE)
        language = next(
            (each for each in (chosen, request.cookies.get(COOKIE)) if each in LANGUAGES),
            preferred(request.headers.get("accept-language", "")),
        )
        said = {"cache-control": "no-cache", "content-language": language, "vary": "accept-language, cookie"}
        response = Response(texts[language], media_type="text/html", headers={**HEADERS, **said})
        if chosen in LANGUAGES:
            response.set_cookie(COOKIE, chosen, max_age=_YEAR_S, samesite="lax")
        return response

    return send


def preferred(accepted: str) -> str:
    """The first of our languages in an Accept-Language header, by weight; English if there is none."""
    weighed: list[tuple[float, str]] = []
    for item in accepted[:1_000].split(","):
        tag, _, weight = item.partition(";q=")
        language = tag.strip().lower().partition("-")[0]
        if language in LANGUAGES and re.fullmatch(r"[01](\.[0-9]{0,3})?|", weight.strip()):
            weighed.append((-float(weight.strip() or 1), language))
    return min(weighed, key=lambda entry: entry[0])[1] if weighed else next(iter(LANGUAGES))
