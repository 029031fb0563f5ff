"""The gateway as one ASGI application: the first page, and the API for everything else."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from cambist.gateway import errors, office, web
from cambist.gateway.api import Answer, Api, Request
from cambist.gateway.bodies import ClientGone, read_body
from cambist.gateway.calls import Services
from cambist.gateway.core import Core, Port
from cambist.gateway.documents import pages
from cambist.gateway.history import History
from cambist.gateway.markets import Markets
from cambist.gateway.neighbours import Neighbours
from cambist.gateway.office import OfficeDoor
from cambist.gateway.office_calls import OfficeCalls
from cambist.gateway.order_limits import OrderLimits
from cambist.gateway.session import Session
from cambist.gateway.sockets import Sockets
from cambist.gateway.streams.streaming import Streaming
from cambist.match.queries import LastSequence, Listing
from cambist.settings import Settings
from cambist.site import Site
from cambist.store.records import Records

HEAD_MAX_BYTES = 16_384  # of all headers; the protocol class stops earlier whoever does not come to their end

_API_PATHS = ("/api/", "/sapi/")
HEADERS = [
    (b"content-type", b"application/json;charset=UTF-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]


def create_app(
    settings: Settings,
    records: Records,
    port: Port,
    listing: Listing,
    history: History,
    neighbours: Neighbours,
    *,
    documents: Mapping[str, pages.Handler] = MappingProxyType({}),
    site: Site | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> "Gateway":
    """`port` must have the role trade: nothing that comes in here may do more. `listing` is what it says now.

    `documents` are pages about the exchange that others than the gateway know, by path; `site`
    is the one in the checkout if nobody says otherwise.
    """
    core = Core(port, listing.sequence, neighbours)
    markets = Markets(core, listing)
    streaming = Streaming(
        settings.feed_file,
        settings.listen_keys_file,
        listing.sequence,
        lambda: core.query(LastSequence()),
    )
    services = Services(
        settings,
        core,
        markets,
        streaming.feed,
        streaming.listen_keys,
        OrderLimits(settings.limits, neighbours, clock),
        history,
        OfficeCalls(settings.office_file),
    )
    served = {**web.routes(site or Site()), **pages.ROUTES, **documents}
    routes = [Route(path, endpoint, methods=["GET"]) for path, endpoint in served.items()]
    api = Api(services, records, neighbours, clock)
    sockets = Sockets(api, services, streaming, neighbours)
    return Gateway(api, settings.api.body_max_bytes, routes, sockets, settings.office_file)


class Gateway(Starlette):
    """The API has its own table of routes and answers its errors itself, so it stands before the rest.

    WebSockets are not its business but the HTTP server's, which opens the door of `sockets`.
    """

    def __init__(
        self, api: Api, body_max_bytes: int, pages: list[Route], sockets: Sockets, office: Path
    ) -> None:
        self._answers = ApiApplication(api, body_max_bytes)
        self.office = OfficeDoor(api, office, body_max_bytes)
        super().__init__(routes=[*pages, Mount("/", self._answers)])
        self.api = api
        self.sockets = sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(office.PATHS):
            await self.office(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(_API_PATHS):
            await self._answers(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class ApiApplication:
    def __init__(self, api: Api, body_max_bytes: int) -> None:
        self._api = api
        self._body_max_bytes = body_max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except ClientGone:
            return
        except asyncio.CancelledError:  # the server stops, and waits for nobody any longer
            answer = self._api.refuse(errors.OUTCOME_UNKNOWN)
        headers = [*HEADERS, (b"content-length", b"%d" % len(answer.body)), *answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        api_key = time_unit = cookies = csrf = b""
        head_bytes = len(scope["query_string"])
        for name, value in scope["headers"]:
            head_bytes += len(name) + len(value)
            if name == b"x-mbx-apikey":
                api_key = value
            elif name == b"x-mbx-time-unit":
                time_unit = value
            elif name == b"cookie":
                cookies = value
            elif name == b"x-csrf-token":
                csrf = value
        if head_bytes > HEAD_MAX_BYTES:
            return self._api.refuse(errors.HEAD_TOO_LARGE)
        body = await read_body(receive, self._body_max_bytes)
        if body is None:
            return self._api.refuse(errors.BODY_TOO_LARGE)
        client = scope["client"]
        request = Request(
            scope["method"],
            scope["path"],
            scope["query_string"],
            body,
            api_key.decode("latin-1"),
            time_unit.decode("latin-1"),
            client[0] if client else "",
            session=Session.of(cookies, csrf),
        )
        return await self._api.answer(request)
