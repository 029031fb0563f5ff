"""Where the documents are served."""

from collections.abc import Awaitable, Callable
from functools import cache

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cambist.gateway.documents import openapi

_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-cache"}


@cache
def _openapi() -> bytes:
    return msgspec.json.encode(openapi.document())


def _sends(make: Callable[[], bytes]) -> Callable[[Request], Awaitable[Response]]:
    async def send(_: Request) -> Response:
        return Response(make(), media_type="application/json", headers=_HEADERS)

    return send


ROUTES: dict[str, Callable[[Request], Awaitable[Response]]] = {"/openapi.json": _sends(_openapi)}
