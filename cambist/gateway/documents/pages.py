"""Where the documents are served."""

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cambist.gateway.documents import openapi

_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-cache"}


Handler = Callable[[Request], Awaitable[Response]]


def page_of(document: Callable[[], dict[str, Any]]) -> Handler:
    """Sends a document that is made when it is first asked for."""
    encoded = cache(lambda: msgspec.json.encode(document()))

    async def send(_: Request) -> Response:
        return Response(encoded(), media_type="application/json", headers=_HEADERS)

    return send


ROUTES: dict[str, Handler] = {"/openapi.json": page_of(openapi.document)}
