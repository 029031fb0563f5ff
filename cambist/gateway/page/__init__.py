"""The plain page, which needs no build: markets, depth, book and tape of one of them, without trading.

It is served where npm was missing at set-up, and says so. Everything on it comes from the public API
and streams.
"""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cambist.site import HEADERS

_FOLDER = Path(__file__).parent
_FILES = {
    "page.css": "text/css",
    **dict.fromkeys(("page.js", "exchange.js", "rows.js", "depth.js", "numbers.js"), "text/javascript"),
}


def _render(language: str) -> str:
    words = msgspec.json.decode((_FOLDER / "words.json").read_bytes(), type=dict[str, dict[str, str]])
    template = (_FOLDER / "index.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda place: words[place[1]][language], template)


def _file(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    content = (_FOLDER / name).read_bytes()

    async def send(_: Request) -> Response:
        return Response(content, media_type=media_type, headers={**HEADERS, "cache-control": "no-cache"})

    return send


PAGES = {language: _render(language) for language in ("en", "zh")}
FILES = {f"/{name}": _file(name, media_type) for name, media_type in _FILES.items()}
