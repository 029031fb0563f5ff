"""The built pages of web/, kept in memory and sent in the encoding that a browser accepts.

Who serves them says which page stands at which path. A file with a hash in its name never changes, so a
browser may keep it; everything else it asks for again. Nothing comes from elsewhere, nothing inline is run.
"""

import mimetypes
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

BUILT = Path(__file__).parents[1] / "web" / "dist"
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
_HASHED = "assets"
_FOREVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
# Of what the build compressed, the smallest first.
_ENCODINGS = {"br": ".br", "gzip": ".gz"}


class File(NamedTuple):
    """`encoded` has its content by content encoding, "" for the plain one."""

    media_type: str
    cache: str
    encoded: Mapping[str, bytes]


class Site:
    """What the build has left in `folder`; nothing if there was no build."""

    def __init__(self, folder: Path = BUILT) -> None:
        self._files = dict(_files(folder))

    def page(self, name: str) -> str | None:
        """The text of a page, such as index.html; None if it was not built."""
        file = self._files.get(f"/{name}")
        return None if file is None else file.encoded[""].decode()

    async def send(self, request: Request) -> Response:
        """The file at the request's path, or 404."""
        file = self._files.get(request.url.path)
        if file is None:
            return Response("there is nothing here", 404, HEADERS, "text/plain")
        accepted = _accepted(request.headers.get("accept-encoding", ""))
        encoding = next((each for each in _ENCODINGS if each in accepted and each in file.encoded), "")
        headers = {**HEADERS, "cache-control": file.cache, "vary": "accept-encoding"}
        if encoding:
            headers["content-encoding"] = encoding
        return Response(file.encoded[encoding], 200, headers, file.media_type)


def _files(folder: Path) -> Iterator[tuple[str, File]]:
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.suffix in _ENCODINGS.values():
            continue
        compressed = {name: Path(f"{path}{suffix}") for name, suffix in _ENCODINGS.items()}
        encoded = {name: file.read_bytes() for name, file in compressed.items() if file.exists()}
        inside = path.relative_to(folder)
        cache = _FOREVER if inside.parts[0] == _HASHED else _ASK_AGAIN
        yield f"/{inside.as_posix()}", File(_media_type(path), cache, {"": path.read_bytes(), **encoded})


def _media_type(path: Path) -> str:
    """Whatever the machine's own table says, a script is sent as one."""
    known = {".js": "text/javascript", ".css": "text/css", ".webmanifest": "application/manifest+json"}
    return known.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def _accepted(header: str) -> set[str]:
    """The names in an Accept-Encoding header, but for those with a weight of nothing."""
    found = (each.partition(";q=") for each in header.lower().replace(" ", "")[:1_000].split(","))
    return {name for name, _, weight in found if not re.fullmatch(r"0(\.0*)?", weight)}
