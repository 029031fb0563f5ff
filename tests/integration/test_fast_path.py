"""The trading endpoints below ASGI against the ASGI application: each request through both, byte for byte."""

import hashlib
import hmac
import re
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any
from uuid import UUID

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from cambist import ids
from cambist.gateway import order_params, orders
from cambist.gateway.api import Answer, Question
from cambist.gateway.app import Gateway
from cambist.gateway.fast import trading_protocol
from cambist.gateway.http import server_config
from tests.integration.rest_market import NO_LIMITS, RestMarket, Trader, rest_market
from tests.integration.test_rest_server import Server, wait_until

NOW_NS = 1_700_000_040_000_000_000
ORDER = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=100"


class Way:
    """An exchange behind one of the protocols, with two traders.

    `asgi` counts requests that took ASGI, `general` those that were not plain orders.
    """

    def __init__(self, market: RestMarket, *, is_fast: bool) -> None:
        self.market = market
        self.asgi = self.general = 0
        self.server = Server(market)
        app, settings = market.client.app, market.settings
        assert isinstance(app, Gateway)
        protocol: dict[str, Any] = {"http": trading_protocol(app, settings)} if is_fast else {}
        app.api.answer = self._counted_general(app.api.answer)  # type: ignore[assignment, method-assign]
        config = server_config(self._counted(app), settings, **protocol)
        self.server.serve_with(uvicorn.Server(config))
        self.ann, self.bob = market.trader(USDT="10000", BTC="10"), market.trader(USDT="10000", BTC="10")

    def _counted(self, app: ASGIApp) -> ASGIApp:
        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            self.asgi += 1
            await app(scope, receive, send)

        return counted

    def _counted_general(
        self, answer: Callable[[Question], Coroutine[Any, Any, Answer]]
    ) -> Callable[[Question], Coroutine[Any, Any, Answer]]:
        def counted(request: Question) -> Coroutine[Any, Any, Answer]:
            self.general += 1
            return answer(request)

        return counted

    def ask(self, request: Callable[["Way"], list[bytes]], *, answers: int = 1) -> list[bytes]:
        """Sends the parts one after the other on one connection; the answers but for what always differs."""
        with self.server.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for part in request(self):
                connection.sendall(part)
            reader = connection.makefile("rb")
            return [_without_what_differs(_read_answer(reader)) for _ in range(answers)]


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Way, Way]]:
    """Below ASGI, and through it: exchanges with the same keys, clock, history and names for orders."""
    with ExitStack() as stack:
        names = stack.enter_context(pytest.MonkeyPatch.context())
        for module in (order_params, orders):
            names.setattr(module, "new_client_id", lambda: "made-up")
        made = []
        for is_fast in (True, False):
            numbers = count()
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setattr(ids, "new_api_key", lambda numbers=numbers: f"{next(numbers):064d}")
            patch.setattr(ids, "new_reference", lambda numbers=numbers: UUID(int=next(numbers)))
            market = stack.enter_context(
                rest_market(tmp_path_factory.mktemp("exchange"), limits=NO_LIMITS, clock=lambda: NOW_NS)
            )
            way = Way(market, is_fast=is_fast)
            stack.enter_context(way.server)
            way.ann.get("/api/v3/openOrders", symbol="BTCUSDT")  # the gateway knows the market from now on
            made.append(way)
        yield made[0], made[1]


def signed(trader: Trader, payload: str) -> str:
    text = f"{payload}&recvWindow=5000&timestamp={NOW_NS // 1_000_000}"
    signature = hmac.new(trader.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"{text}&signature={signature}"


def head(method: str, target: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def order(
    payload: str, *lines: str, by: str = "ann", method: str = "POST", path: str = "/api/v3/order"
) -> Callable[[Way], list[bytes]]:
    """A signed request with its parameters in the body."""

    def made(way: Way) -> list[bytes]:
        trader: Trader = getattr(way, by)
        body = signed(trader, payload).encode()
        length = f"Content-Length: {len(body)}"
        return [head(method, path, f"X-MBX-APIKEY: {trader.api_key}", length, *lines) + body]

    return made


def in_query(payload: str, method: str = "POST", path: str = "/api/v3/order") -> Callable[[Way], list[bytes]]:
    def made(way: Way) -> list[bytes]:
        target = f"{path}?{signed(way.ann, payload)}"
        return [head(method, target, f"x-mbx-apikey: {way.ann.api_key}", "Content-Length: 0")]

    return made


def in_pieces(request: Callable[[Way], list[bytes]]) -> Callable[[Way], list[bytes]]:
    def made(way: Way) -> list[bytes]:
        whole = b"".join(request(way))
        return [whole[at : at + 7] for at in range(0, len(whole), 7)]

    return made


def chunked(payload: str) -> Callable[[Way], list[bytes]]:
    def made(way: Way) -> list[bytes]:
        body = signed(way.ann, payload).encode()
        lines = (f"X-MBX-APIKEY: {way.ann.api_key}", "Transfer-Encoding: chunked")
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:50], body[50:]))
        return [head("POST", "/api/v3/order", *lines) + chunks + b"0\r\nTrailer: x\r\n\r\n"]

    return made


FAST = {
    "a resting order": order(f"{ORDER}&newClientOrderId=first"),
    "the same name again": order(f"{ORDER}&newClientOrderId=first"),
    "an order that trades": order(
        "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=0.4&price=99", by="bob"
    ),
    "a market order": order("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.1", by="bob"),
    "only an acknowledgement": order(f"{ORDER}&newOrderRespType=ACK"),
    "in the query": in_query(ORDER),
    "in pieces": in_pieces(order(ORDER)),
    "in chunks": chunked(ORDER),
    "in microseconds": order(ORDER, "X-MBX-TIME-UNIT: MICROSECOND"),
    "in days": order(ORDER, "X-MBX-TIME-UNIT: DAY"),
    "wanting HTTP/2": order(
        ORDER, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA"
    ),
    "another content type": order(ORDER, "Content-Type: application/json"),
    "too expensive": order(ORDER.replace("price=100", "price=90000")),
    "an unknown market": order(ORDER.replace("BTCUSDT", "NONE")),
    "without a price": order(ORDER.replace("&price=100", "")),
    "not UTF-8": lambda way: [head("POST", "/api/v3/order?a=%FF", f"X-MBX-APIKEY: {way.ann.api_key}")],
    "without a key": lambda way: [head("POST", "/api/v3/order", "Content-Length: 3") + b"a=1"],
    "without a signature": lambda way: [
        head("POST", "/api/v3/order?timestamp=1", f"X-MBX-APIKEY: {way.ann.api_key}")
    ],
    "a wrong signature": lambda way: [
        head("POST", "/api/v3/order?timestamp=1&signature=0", f"X-MBX-APIKEY: {way.ann.api_key}")
    ],
    "a test": order(ORDER, path="/api/v3/order/test"),
    "a replacement": order(
        f"{ORDER}&cancelReplaceMode=STOP_ON_FAILURE&cancelOrigClientOrderId=first&newClientOrderId=second",
        path="/api/v3/order/cancelReplace",
    ),
    "a replacement of nothing": order(
        f"{ORDER}&cancelReplaceMode=STOP_ON_FAILURE&cancelOrderId=404", path="/api/v3/order/cancelReplace"
    ),
    "a cancel": order("symbol=BTCUSDT&origClientOrderId=second", method="DELETE"),
    "a cancel in the query": in_query("symbol=BTCUSDT&origClientOrderId=gone", method="DELETE"),
    "another method there": order(ORDER, path="/api/v3/order/test", method="DELETE"),
    "an order that expires": order(ORDER.replace("GTC", "IOC").replace("price=100", "price=1")),
    "an order that meets its own": order(ORDER.replace("BUY", "SELL")),
    "an iceberg": order(f"{ORDER}&icebergQty=0.5"),
}
PLAIN = {
    "a resting order",
    "the same name again",
    "an order that trades",
    "a market order",
    "only an acknowledgement",
    "in the query",
    "wanting HTTP/2",
    "another content type",
    "too expensive",
    "a cancel",
    "a cancel in the query",
    "an order that expires",
    "an order that meets its own",
}
TURNED_AWAY = {
    "a body that is too large": lambda way: [
        head("POST", "/api/v3/order", "Content-Length: 99999"),
        b"a" * 70_000,
    ],
    "a head that is too large": lambda way: [
        head("POST", "/api/v3/order", *[f"X-{n}: {'x' * 1_000}" for n in range(20)])
    ],
}
LONG_WAY = {
    "to be closed": order(ORDER, "Connection: close"),
    "expecting to continue": order(ORDER, "Expect: 100-continue"),
    "another path": order(ORDER, path="/api/v3/orders"),
    "a question": in_query("symbol=BTCUSDT", method="GET", path="/api/v3/openOrders"),
    "an encoded path": order(ORDER, path="/api/v3/%6frder"),
}


@pytest.mark.parametrize(("name", "request_"), FAST.items(), ids=FAST)
def test_a_trading_request_below_asgi_is_answered_as_through_it(ways, name, request_):
    fast, slow = ways
    asgi, general = fast.asgi, fast.general
    assert fast.ask(request_) == slow.ask(request_)
    assert fast.asgi == asgi
    assert (fast.general == general) == (name in PLAIN)
    assert fast.market.business_hash() == slow.market.business_hash()


@pytest.mark.parametrize("request_", TURNED_AWAY.values(), ids=TURNED_AWAY)
def test_what_is_too_large_is_turned_away_alike(ways, request_):
    fast, slow = ways
    assert fast.ask(request_) == slow.ask(request_)


@pytest.mark.parametrize("request_", LONG_WAY.values(), ids=LONG_WAY)
def test_what_is_unusual_goes_through_asgi(ways, request_):
    fast, slow = ways
    before = fast.asgi
    assert fast.ask(request_) == slow.ask(request_)
    assert fast.asgi == before + 1


@pytest.mark.parametrize(
    "together",
    [
        [order(ORDER), order(ORDER, by="bob")],
        [order(ORDER), in_query("symbol=BTCUSDT", method="GET", path="/api/v3/openOrders"), order(ORDER)],
        [in_query("symbol=BTCUSDT", method="GET", path="/api/v3/openOrders"), order(ORDER)],
    ],
)
def test_requests_in_one_piece_are_answered_in_order(ways, together):
    fast, slow = ways

    def pipelined(way: Way) -> list[bytes]:
        return [b"".join(part for each in together for part in each(way))]

    count_ = len(together)
    assert fast.ask(pipelined, answers=count_) == slow.ask(pipelined, answers=count_)
    assert fast.market.business_hash() == slow.market.business_hash()


def test_a_connection_serves_both_ways_in_turn(ways):
    fast, slow = ways

    def talk(way: Way) -> list[bytes]:
        answers = []
        with way.server.connect() as connection:
            reader = connection.makefile("rb")
            for each in (
                order(ORDER),
                in_query("symbol=BTCUSDT", method="GET", path="/api/v3/openOrders"),
                order(ORDER),
                order("symbol=BTCUSDT", method="DELETE", path="/api/v3/openOrders"),
                order(ORDER),
            ):
                connection.sendall(b"".join(each(way)))
                answers.append(_without_what_differs(_read_answer(reader)))
        return answers

    assert talk(fast) == talk(slow)


def test_a_client_that_hangs_up_has_placed_its_order_all_the_same(ways):
    fast, _ = ways
    before = len(fast.ann.get("/api/v3/openOrders", symbol="BTCUSDT"))
    with fast.server.connect() as connection:
        connection.sendall(b"".join(order(f"{ORDER}&newClientOrderId=left")(fast)))
        connection.shutdown(socket.SHUT_WR)
    wait_until(lambda: len(fast.ann.get("/api/v3/openOrders", symbol="BTCUSDT")) == before + 1)


def _read_answer(reader: Any) -> bytes:
    """One answer as it came."""
    answer, length = b"", 0
    while not answer.endswith(b"\r\n\r\n"):
        line = reader.readline()
        assert line, answer
        answer += line
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
        if answer == b"HTTP/1.1 100 Continue\r\n\r\n":
            answer = b""
    return answer + bytes(reader.read(length))


def _without_what_differs(answer: bytes) -> bytes:
    return re.sub(rb"(?m)^(date|x-request-id): [^\r]*", rb"\1: ...", answer)


def test_a_connection_that_becomes_a_websocket_is_not_ended_as_one_that_rests(ways):
    """As clients do that keep one pool of connections for both."""
    fast, _ = ways
    with fast.server.connect() as connection:
        connection.sendall(b"".join(order(ORDER)(fast)))
        reader = connection.makefile("rb")
        _read_answer(reader)
        (protocol,) = (each for each in fast.server.protocols if each.cycle is not None)
        assert protocol._idle is not None
        upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        connection.sendall(head("GET", "/ws/btcusdt@trade", *upgrade, key))
        assert reader.readline().startswith(b"HTTP/1.1 101")
        assert protocol._idle is None
