"""The trading endpoints below ASGI: the same requests, handlers and answers, at a fraction of the cost.

Most are plain orders, whole in one read: those meet no parser in Python (cambist/gateway/plain.py). Any other
plain request for one of ENDPOINTS is read here and answered by `Api.answer`, as the ASGI application would
have done; whatever is unusual (an upgrade, `Expect`, pipelining behind an unanswered request, a client that
does not read) takes uvicorn's way. All ways give the same bytes: a test sends each request through them.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from cambist.gateway import errors
from cambist.gateway.api import Answer, Api, Request
from cambist.gateway.app import HEAD_MAX_BYTES, HEADERS, Gateway
from cambist.gateway.errors import Refusal
from cambist.gateway.http import IDLE_S, Addresses, BoundedProtocol
from cambist.gateway.plain import PlainOrders, Sent
from cambist.settings import Settings

_ORDERS = {
    b"/api/v3/order": "/api/v3/order",
    b"/api/v3/order/test": "/api/v3/order/test",
    b"/api/v3/order/cancelReplace": "/api/v3/order/cancelReplace",
}
ENDPOINTS: dict[bytes, dict[bytes, str]] = {b"POST": _ORDERS, b"DELETE": _ORDERS}

_STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus
}
_NO_PATHS: dict[bytes, str] = {}

T = TypeVar("T")


class FirstLines:
    """The headers that all answers of one second have: uvicorn's are the date, in a new list each second."""

    def __init__(self) -> None:
        self._of: list[tuple[bytes, bytes]] | None = None
        self._lines = b""

    def now(self, default_headers: list[tuple[bytes, bytes]]) -> bytes:
        if default_headers is not self._of:
            self._of = default_headers
            self._lines = b"".join([b"%b: %b\r\n" % header for header in (*default_headers, *HEADERS)])
        return self._lines


class _Event:
    """Nobody waits for the body of a request that is handed over whole."""

    def set(self) -> None: ...


class _Cycle:
    """A request in flight, with what uvicorn's protocol asks of one."""

    message_event = _Event()
    response_complete = disconnected = False
    keep_alive = True


class TradingProtocol(BoundedProtocol):
    _path: str | None = None  # of the request that is being read, if it goes this way
    _in_flight: _Cycle
    _head_bytes = 0
    _query = b""
    _api_key = _time_unit = _body = b""
    _is_of_page = False  # a browser's, whose credential is a session
    _is_reading = False  # a request whose end has not come yet
    _answered_at = 0.0  # the loop's time
    _idle: asyncio.TimerHandle | None = None

    def __init__(
        self,
        *args: Any,
        api: Api,
        plain: PlainOrders,
        first_lines: FirstLines,
        body_max_bytes: int,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._first_lines = first_lines
        self._api = api
        self._plain = plain
        self._body_max_bytes = body_max_bytes
        self._plain_max_bytes = min(body_max_bytes, HEAD_MAX_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest_no_longer()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._rest_no_longer()  # or it would end as one that rests, whatever its WebSocket does
        super().handle_websocket_upgrade()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._client_ip = self.client[0] if self.client else ""

    def data_received(self, data: bytes) -> None:
        last: Any = self.cycle
        if (
            (last is not None and not last.response_complete)
            or self._is_reading
            or self.flow.write_paused
            or len(data) > self._plain_max_bytes
        ):
            super().data_received(data)
            return
        sent = self._plain.send(data, self, self._client or "", self._client_ip)
        if sent is None:
            super().data_received(data)
            return
        self.cycle = sent  # type: ignore[assignment]
        if self._in_request:  # the first one of its connection
            self._in_request = False
            self._watch()
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()

    # Parser callbacks: what uvicorn does for every request is done only for those that go its way.

    def on_message_begin(self) -> None:
        self._is_reading = True
        self.begin_request()
        self.url = b""
        self.headers = []
        self._head_bytes = 0
        self._api_key = self._time_unit = b""
        self.expect_100_continue = self._is_of_page = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            name = name.lower()
            self.headers.append((name, value))
            self._head_bytes += len(name) + len(value)
            if name == b"x-mbx-apikey":
                self._api_key = value
            elif name == b"x-mbx-time-unit":
                self._time_unit = value
            elif name == b"x-csrf-token":
                self._is_of_page = True
            elif name == b"expect":
                self.expect_100_continue = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        path, _, query = self.url.partition(b"?")
        self._path = ENDPOINTS.get(self.parser.get_method(), _NO_PATHS).get(path)
        if self._path is None or self._is_of_page or not self._is_plain():
            self._path = None
            self._go_the_long_way()
            return
        self._in_head = False
        self.cycle = self._in_flight = _Cycle()  # type: ignore[assignment]
        self._query, self._body = query, b""
        if self._head_bytes + len(query) > HEAD_MAX_BYTES:
            self._refuse(errors.HEAD_TOO_LARGE)

    def on_body(self, body: bytes) -> None:
        if self._path is None:
            super().on_body(body)
            return
        self._beside_body -= len(body)
        self._body += body
        if len(self._body) > self._body_max_bytes:
            self._refuse(errors.BODY_TOO_LARGE)

    def on_message_complete(self) -> None:
        self._is_reading = False
        if self._path is None:
            super().on_message_complete()
            return
        self._in_request = False
        path, self._path = self._path, None
        request = Request(
            self.parser.get_method().decode(),
            path,
            self._query,
            self._body,
            self._api_key.decode("latin-1"),
            self._time_unit.decode("latin-1"),
            self.client[0] if self.client else "",
        )
        drive(self._api.answer(request), partial(self.tell, self._in_flight))

    def _is_plain(self) -> bool:
        parser, last = self.parser, cast("RequestResponseCycle | None", self.cycle)
        return (
            (last is None or last.response_complete)
            and parser.should_keep_alive()
            and parser.get_http_version() == "1.1"
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and not self.flow.write_paused
        )

    def _go_the_long_way(self) -> None:
        """Makes up for what `on_message_begin` has left out."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        HttpToolsProtocol.on_message_begin(self)
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()

    # Answers

    def _refuse(self, refusal: Refusal) -> None:
        """Before the request was whole: what is left of it is not read."""
        self._path = None
        self.cycle.response_complete = True
        self.transport.write(self._spelt(self._api.refuse(refusal)))
        self.transport.close()

    def tell_plainly(
        self, sent: Sent, request_id: bytes, order_counts: tuple[int, int] | None, used_weight: int
    ) -> None:
        if not self.transport.is_closing():
            is_last = not sent.keep_alive
            self._finish_with(
                sent.order.response(
                    self._first_lines.now(self.server_state.default_headers),
                    request_id,
                    order_counts,
                    used_weight,
                    is_last=is_last,
                ),
                is_last=is_last,
            )

    def tell(self, sent: Sent | _Cycle, answer: Answer) -> None:
        sent.response_complete = True
        if not self.transport.is_closing():
            is_last = not sent.keep_alive
            self._finish_with(self._spelt(answer, is_last=is_last), is_last=is_last)

    def _finish_with(self, response: bytes, *, is_last: bool) -> None:
        self.transport.write(response)
        if is_last:  # the server is shutting down
            self.transport.close()
            return
        self.server_state.total_requests += 1
        if self.pipeline:
            self.on_response_complete()  # starts what waits behind this answer
            return
        self._answered_at = self.loop.time()
        if self._idle is None:
            self._idle = self.loop.call_later(IDLE_S, self._close_if_idle)

    def _spelt(self, answer: Answer, *, is_last: bool = False) -> bytes:
        status, headers, body = answer
        lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        if is_last:
            lines += b"connection: close\r\n"
        return b"%b%bcontent-length: %d\r\n%b\r\n%b" % (
            _STATUS_LINES[status],
            self._first_lines.now(self.server_state.default_headers),
            len(body),
            lines,
            body,
        )

    def _rest_no_longer(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _close_if_idle(self) -> None:
        """One timer for many answers: uvicorn's own is set and unset with each."""
        self._idle = None
        is_in_flight = self._in_request or not self.cycle.response_complete
        if is_in_flight or self.timeout_keep_alive_task is not None:
            return  # the next answer sets a timer, or uvicorn has set one
        left_s = self._answered_at + IDLE_S - self.loop.time()
        if left_s > 0:
            self._idle = self.loop.call_later(left_s, self._close_if_idle)
        else:
            self.transport.close()


def trading_protocol(app: Gateway, settings: Settings) -> Callable[..., TradingProtocol]:
    """What the server makes for each connection."""
    return partial(
        TradingProtocol,
        api=app.api,
        plain=PlainOrders(app.api),
        first_lines=FirstLines(),
        body_max_bytes=settings.api.body_max_bytes,
        door=app.sockets.door,
        addresses=Addresses(settings.limits.connections),
    )


def drive(work: Coroutine[Any, Any, T], done: Callable[[T], None]) -> None:
    """Runs a coroutine that waits for nothing but futures, and gives `done` what it returns.

    Like a task, but begun at once, and without what nobody needs here: it cannot be cancelled or named. What
    the coroutine raises rises from whoever resumed it.
    """

    def resume(_: object = None) -> None:
        try:
            future = work.send(None)
        except StopIteration as end:
            done(end.value)
        else:
            future._asyncio_future_blocking = False  # tells the future that it was awaited rightly
            future.add_done_callback(resume)

    resume()
