"""The gateway on a real socket: unmodified ccxt, clients that go away or never finish; limits and outages."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import ccxt
import httpx
import pytest
import uvicorn

from cambist.gateway import core, http
from cambist.gateway.http import server_config
from cambist.settings import Limits
from tests.integration.rest_market import NO_LIMITS, RestMarket, Trader, limit_order, rest_market

ORDER = "/api/v3/order"
WAIT_S = 60  # for what comes at once on a machine with nothing else to do


class Server:
    """The market's application behind uvicorn on a free port."""

    def __init__(self, market: RestMarket) -> None:
        self.market = market
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.serve_with(uvicorn.Server(server_config(market.client.app, market.settings)))

    def serve_with(self, server: uvicorn.Server) -> None:
        self._uvicorn = server
        self._thread = threading.Thread(target=server.run, kwargs={"sockets": [self._socket]})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_S)
        connection.settimeout(WAIT_S)
        return connection

    def __enter__(self) -> "Server":
        self._thread.start()
        wait_until(lambda: self._uvicorn.started)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def protocols(self) -> set[Any]:
        """Of the open connections."""
        return self._uvicorn.server_state.connections

    @property
    def requests_in_flight(self) -> int:
        return len(self._uvicorn.server_state.tasks)

    def stop(self) -> None:
        self._uvicorn.should_exit = True
        self._thread.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with rest_market(tmp_path_factory.mktemp("exchange")) as market, Server(market) as server:
        yield server


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def bot(server: Server, trader: Trader | None = None) -> Any:
    """ccxt as users configure it: other URLs, and nothing else."""
    doors = dict.fromkeys(("public", "private"), f"{server.url}/api/v3")
    doors |= {"sapi": f"{server.url}/sapi/v1"} | {
        f"sapiV{version}": f"{server.url}/sapi/v{version}" for version in (2, 3, 4)
    }
    doors |= {"fapiPublic": f"{server.url}/fapi/v1", "dapiPublic": f"{server.url}/dapi/v1"}
    keys = {"apiKey": trader.api_key, "secret": trader.secret} if trader else {}
    return ccxt.binance({"urls": {"api": doors}, "enableRateLimit": False, **keys})


def test_ccxt_without_a_key_loads_markets_and_reads_the_book(server):
    client = bot(server)
    markets = client.load_markets()
    assert set(markets) == {"BTC/USDT", "ETP/BTC"}
    assert markets["BTC/USDT"]["precision"] == {"amount": 0.001, "price": 0.01, "base": 1e-08, "quote": 1e-08}
    assert client.fetch_order_book("BTC/USDT")["bids"] == []
    assert client.fetch_trades("BTC/USDT") == []
    assert client.fetch_time() > 0


def test_ccxt_plays_the_articles_example(server):
    ann, bob = server.market.trader(BTC="1"), server.market.trader(ETP="1000")
    buyer, seller = bot(server, ann), bot(server, bob)
    bid = buyer.create_order("ETP/BTC", "limit", "buy", 10, 0.001)
    assert buyer.fetch_balance()["BTC"] == {"free": 0.99, "used": 0.01, "total": 1.0}
    assert [order["id"] for order in buyer.fetch_open_orders("ETP/BTC")] == [bid["id"]]
    sold = seller.create_order("ETP/BTC", "limit", "sell", 10, 0.001)
    assert (sold["status"], sold["filled"], sold["average"]) == ("closed", 10.0, 0.001)
    assert buyer.fetch_order(bid["id"], "ETP/BTC")["status"] == "closed"
    assert buyer.fetch_balance()["total"] == {"BTC": 0.99, "USDT": 0.0, "ETP": 10.0}
    assert seller.fetch_balance()["total"] == {"BTC": 0.01, "USDT": 0.0, "ETP": 990.0}
    bought, given = buyer.fetch_my_trades("ETP/BTC")[0], seller.fetch_my_trades("ETP/BTC")[0]
    assert (bought["id"], bought["side"], bought["takerOrMaker"]) == (given["id"], "buy", "maker")
    assert seller.fetch_trades("ETP/BTC")[-1]["price"] == 0.001


def test_ccxt_gets_the_errors_that_its_users_catch(server):
    ann = server.market.trader(USDT="100", BTC="1")
    client = bot(server, ann)
    client.create_order("BTC/USDT", "limit", "sell", 0.5, 100)
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order("BTC/USDT", "limit", "buy", 100, 99)
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        client.create_order("BTC/USDT", "limit", "buy", 0.1, 100, {"postOnly": True})
    with pytest.raises(ccxt.InvalidOrder):
        client.create_order("BTC/USDT", "limit", "buy", 0.001, 10000)
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order("999999999", "BTC/USDT")
    with pytest.raises(ccxt.OrderNotFound):
        client.fetch_order("999999999", "BTC/USDT")
    with pytest.raises(ccxt.BadSymbol):
        client.fetch_order_book("NO/SUCH")
    client.secret = "x" * 64
    with pytest.raises(ccxt.AuthenticationError):
        client.fetch_balance()
    client.secret = ann.secret
    assert len(client.cancel_all_orders("BTC/USDT")) == 1


def order_bytes(trader: Trader, market: RestMarket, client_id: str) -> bytes:
    wanted = limit_order("BUY", "0.1", "100", "BTCUSDT") | {"newClientOrderId": client_id}
    text = "&".join(f"{name}={value}" for name, value in wanted.items())
    body = trader.signed(f"{text}&timestamp={market.clock() // 1_000_000}")
    head = [
        f"POST {ORDER} HTTP/1.1",
        "host: test",
        f"x-mbx-apikey: {trader.api_key}",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join([*head, "", body]).encode()


def is_open(trader: Trader, client_id: str) -> bool:
    return trader.request("GET", ORDER, symbol="BTCUSDT", origClientOrderId=client_id).status_code == 200


def test_an_order_whose_sender_hangs_up_is_placed_all_the_same(server):
    ann = server.market.trader(USDT="1000")
    for nth in range(5):
        with server.connect() as connection:
            connection.sendall(order_bytes(ann, server.market, f"gone-{nth}"))
    wait_until(lambda: all(is_open(ann, f"gone-{nth}") for nth in range(5)))


def test_half_an_order_is_no_order(server):
    ann = server.market.trader(USDT="1000")
    whole = order_bytes(ann, server.market, "half")
    with server.connect() as connection:
        connection.sendall(whole[:-1])
    with server.connect() as connection:
        connection.sendall(order_bytes(ann, server.market, "whole"))
        assert connection.recv(1_000).startswith(b"HTTP/1.1 200")
    assert not is_open(ann, "half")


def test_requests_in_one_packet_are_answered_in_order(server):
    ann = server.market.trader(USDT="1000")
    orders = [order_bytes(ann, server.market, f"line-{nth}") for nth in range(3)]
    with server.connect() as connection:
        connection.sendall(b"".join(orders))
        answers = b""
        while answers.count(b'"clientOrderId"') < 3:
            answers += connection.recv(10_000)
    places = [answers.index(b"line-%d" % nth) for nth in range(3)]
    assert places == sorted(places)


def test_a_head_that_does_not_end_is_cut_off(server):
    with server.connect() as connection:
        connection.sendall(b"GET /api/v3/ping HTTP/1.1\r\nx-filler: ")
        answer = b""
        for _ in range(100):
            try:
                connection.sendall(b"x" * 10_000)
            except OSError:
                break
            time.sleep(0.01)
        try:
            answer = connection.recv(1_000)
        except ConnectionResetError:
            return
    assert answer.startswith(b"HTTP/1.1 431") or answer == b""


def test_a_body_that_does_not_end_is_cut_off(server):
    with server.connect() as connection:
        connection.sendall(b"POST /api/v3/order HTTP/1.1\r\nhost: a\r\ncontent-length: 10000000\r\n\r\n")
        connection.sendall(b"x" * 200_000)
        assert connection.recv(1_000).startswith(b"HTTP/1.1 413")


CHUNKED = b"POST /api/v3/order HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("endless", [b"a:b\r\n" * 2_000, b"x" * 10_000], ids=["many", "one that is long"])
def test_trailers_that_do_not_end_are_cut_off(server, endless):
    with server.connect() as connection:
        connection.sendall(CHUNKED + b"1\r\na\r\n0\r\nx-filler:")
        with pytest.raises(ConnectionError):
            for _ in range(100):
                connection.sendall(endless)
                time.sleep(0.01)


def test_a_trailer_is_no_header(server):
    ann = server.market.trader()
    with server.connect() as connection:
        connection.sendall(CHUNKED + b"0\r\nx-mbx-apikey: %b\r\n\r\n" % ann.api_key.encode())
        assert b"API-key format invalid." in connection.recv(1_000)


def test_a_body_may_come_in_many_chunks(server):
    ann = server.market.trader(USDT="1000")
    head, _, body = order_bytes(ann, server.market, "cut").partition(b"\r\n\r\n")
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    head = head.partition(b"content-length")[0] + b"transfer-encoding: chunked\r\n\r\n"
    with server.connect() as connection:
        for part in (head, chunks, b"0\r\n\r\n"):
            connection.sendall(part)
            time.sleep(0.01)
        assert connection.recv(1_000).startswith(b"HTTP/1.1 200")


HALF_HEAD = b"GET /api/v3/ping HTTP/1.1\r\nhost: a\r\n"
HALF_BODY = b"POST /api/v3/order HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc"


@pytest.mark.parametrize("sent", [b"", HALF_HEAD, HALF_BODY], ids=["nothing", "half a head", "half a body"])
def test_a_request_that_does_not_end_in_time_loses_its_connection(server, monkeypatch, sent):
    monkeypatch.setattr(http, "REQUEST_WITHIN_S", 0.2)
    with server.connect() as connection:
        connection.sendall(sent)
        assert connection.recv(1_000) == b""


def test_connections_leave_half_of_the_open_files_to_the_log(server, monkeypatch):
    monkeypatch.setattr(http, "open_files_max", lambda: 6)
    ping = HALF_HEAD + b"\r\n"
    with server.connect() as first, server.connect() as second, server.connect() as third:
        for connection in (first, second, third):
            connection.sendall(ping)
            assert connection.recv(1_000).startswith(b"HTTP/1.1 200")
        with server.connect() as one_too_many:
            assert one_too_many.recv(1_000) == b""
        first.sendall(ping)
        assert first.recv(1_000).startswith(b"HTTP/1.1 200")
    wait_until(lambda: answers(server, ping))


def answers(server: Server, request: bytes) -> bool:
    with server.connect() as connection:
        try:
            connection.sendall(request)
            return connection.recv(1_000).startswith(b"HTTP/1.1 200")
        except ConnectionError:
            return False


def test_a_connection_may_rest_between_two_requests(server, monkeypatch):
    monkeypatch.setattr(http, "REQUEST_WITHIN_S", 2)
    with server.connect() as connection:
        for rest_s in (2.2, 0):
            connection.sendall(HALF_HEAD + b"\r\n")
            assert connection.recv(1_000).startswith(b"HTTP/1.1 200")
            time.sleep(rest_s)


@pytest.mark.parametrize("line", [b"\x16\x03\x01\x02\x00", b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_what_is_no_http_gets_no_more_than_a_refusal(server, line, caplog):
    with server.connect() as connection:
        connection.sendall(line)
        assert connection.recv(1_000)[:12] in (b"HTTP/1.1 400", b"")
    assert caplog.records == []  # or anybody could fill the disk


@pytest.mark.parametrize("pieces", [1, 3])
def test_a_wish_for_another_protocol_costs_no_body(server, pieces):
    """As Java's own client asks for HTTP/2."""
    ann = server.market.trader(USDT="1000")
    fields = limit_order("BUY", "1", "10", "BTCUSDT") | {"timestamp": time.time_ns() // 1_000_000}
    body = ann.signed(urlencode(fields)).encode()
    lines = [
        f"POST {ORDER} HTTP/1.1",
        "Host: localhost",
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
        f"X-MBX-APIKEY: {ann.api_key}",
        f"Content-Length: {len(body)}",
    ]
    whole = "\r\n".join([*lines, "", ""]).encode() + body
    with server.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in range(pieces):
            connection.sendall(whole[part * len(whole) // pieces : (part + 1) * len(whole) // pieces])
            time.sleep(0.02)
        assert connection.recv(10_000).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /api/v3/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(10_000).startswith(b"HTTP/1.1 200")


def test_one_address_has_only_so_many_connections(tmp_path):
    with limited(tmp_path, connections=2) as (market, _), Server(market) as server:
        first, second = server.connect(), server.connect()
        with server.connect() as third:
            assert third.recv(1) == b""
        first.close()
        ping = b"GET /api/v3/ping HTTP/1.1\r\nHost: localhost\r\n\r\n"

        def is_served() -> bool:
            with server.connect() as again:
                again.sendall(ping)
                try:
                    return again.recv(12) == b"HTTP/1.1 200"
                except ConnectionResetError:
                    return False

        wait_until(is_served)
        second.close()


def test_a_websocket_is_refused(server, caplog):
    upgrade = {
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    assert httpx.get(f"{server.url}/ws/btcusdt@trade", headers=upgrade).status_code == 404
    assert caplog.records == []


# Limits and outages, on the application itself


@contextmanager
def limited(tmp_path: Path, **limits: int) -> Iterator[tuple[RestMarket, list[int]]]:
    """A market whose clock stands still until the test moves it."""
    now = [1_700_000_040_000_000_000]
    wanted = {name: limits.get(name, 0) for name in NO_LIMITS.__struct_fields__}
    with rest_market(tmp_path, limits=Limits(**wanted), clock=lambda: now[0]) as market:
        yield market, now


def test_weight_is_counted_shown_and_limited_per_address(tmp_path):
    with limited(tmp_path, request_weight_1m=30) as (market, now):
        book = market.client.get("/api/v3/depth?symbol=BTCUSDT")
        assert book.headers["x-mbx-used-weight-1m"] == book.headers["x-mbx-used-weight"] == "5"
        market.get("/api/v3/depth", symbol="BTCUSDT", limit=500)
        refused = market.client.get("/api/v3/ping")
        assert refused.status_code == 429
        assert refused.json()["code"] == -1003
        assert refused.headers["retry-after"] == "60"
        market.client.address = "192.0.2.2"
        market.get("/api/v3/ping")
        market.client.address = "192.0.2.1"
        now[0] += 60_000_000_000
        market.get("/api/v3/ping")


def test_orders_that_succeed_weigh_nothing_and_refused_ones_do(tmp_path):
    with limited(tmp_path, request_weight_1m=100) as (market, _):
        ann = market.trader(USDT="100")
        answers = [
            ann.request("POST", ORDER, **limit_order("BUY", quantity, "10", "BTCUSDT"))
            for quantity in ("1", "1", "100", "1")
        ]
        assert [each.headers["x-mbx-used-weight"] for each in answers] == ["0", "0", "1", "1"]


def test_unfilled_orders_are_counted_shown_and_limited_per_account(tmp_path):
    with limited(tmp_path, orders_10s=2, orders_1d=10) as (market, now):
        ann, bob = market.trader(USDT="1000"), market.trader(USDT="1000")
        for count in ("1", "2"):
            answer = ann.request("POST", ORDER, **limit_order("BUY", "1", "10", "BTCUSDT"))
            assert answer.headers["x-mbx-order-count-10s"] == answer.headers["x-mbx-order-count-1d"] == count
        refused = ann.request("POST", ORDER, **limit_order("BUY", "1", "10", "BTCUSDT"))
        assert refused.status_code == 429
        assert refused.json() == {
            "code": -1015,
            "msg": "Too many new orders; current limit is 2 orders per 10 SECOND.",
        }
        assert refused.headers["retry-after"] == "10"
        assert bob.order("BUY", "1", "10")["status"] == "NEW"
        now[0] += 10_000_000_000
        assert ann.order("BUY", "1", "10")["status"] == "NEW"


def test_orders_that_trade_do_not_count_at_once_or_later(tmp_path):
    with limited(tmp_path, orders_10s=2) as (market, _):
        ann, bob = market.trader(USDT="10000"), market.trader(BTC="100")
        ann.order("BUY", "1", "100")
        ann.order("BUY", "1", "100")
        for _ in range(3):
            bob.order("SELL", "0.2", "100")  # takers fill at once
        for _ in range(2):
            ann.order("BUY", "1", "90")  # the first bid has traded by now, so there is room again
        assert ann.refused("POST", ORDER, **limit_order("BUY", "1", "90", "BTCUSDT"))[:2] == (429, -1015)


@contextmanager
def held(market: RestMarket) -> Iterator[None]:
    """The engine does nothing during the block."""
    is_held, gate = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        is_held.set()
        gate.wait(WAIT_S)

    holder = threading.Thread(target=market.server.query_blocking, args=(hold,))
    holder.start()
    try:
        assert is_held.wait(WAIT_S)
        yield
    finally:
        gate.set()
        holder.join()


def test_an_engine_that_does_not_answer_leaves_the_outcome_unknown(tmp_path, monkeypatch):
    with rest_market(tmp_path) as market:
        ann = market.trader(USDT="1000")
        ann.get("/api/v3/openOrders", symbol="BTCUSDT")
        monkeypatch.setattr(core, "ANSWER_WITHIN_S", 0.05)
        with held(market):
            wanted = limit_order("BUY", "1", "10", "BTCUSDT") | {"newClientOrderId": "late"}
            assert ann.refused("POST", ORDER, **wanted)[:2] == (504, -1007)
            monkeypatch.undo()
        wait_until(lambda: is_open(ann, "late"))


def test_a_gateway_that_stops_before_the_engine_answers_leaves_the_outcome_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(http, "SHUTDOWN_S", 0.1)
    with rest_market(tmp_path) as market:
        ann = market.trader(USDT="1000")
        ann.order("BUY", "1", "10")
        query = ann.signed(f"symbol=BTCUSDT&timestamp={market.clock() // 1_000_000}")
        head = f"DELETE /api/v3/openOrders?{query} HTTP/1.1\r\nhost: a\r\nx-mbx-apikey: {ann.api_key}\r\n\r\n"
        with Server(market) as server, server.connect() as connection, held(market):
            connection.sendall(head.encode())
            wait_until(lambda: server.requests_in_flight)
            server.stop()
            answer = b"".join(iter(lambda: connection.recv(10_000), b""))
        assert answer.startswith(b"HTTP/1.1 504") and b'"code":-1007' in answer


def test_an_exchange_that_has_stopped_says_so(tmp_path):
    with rest_market(tmp_path) as market:
        ann = market.trader(USDT="1000")
        ann.get("/api/v3/openOrders", symbol="BTCUSDT")
        market.server.stop()
        assert ann.refused("POST", ORDER, **limit_order("BUY", "1", "10", "BTCUSDT"))[:2] == (503, -1001)
        market.get("/api/v3/ping")


def test_a_bug_is_logged_with_the_request_id_and_shown_without_details(tmp_path, monkeypatch, caplog):
    with rest_market(tmp_path) as market:

        def broken(*_: object) -> None:
            raise ZeroDivisionError("a secret")

        monkeypatch.setattr("cambist.gateway.market_data.rate_limits", broken)
        response = market.client.get("/api/v3/exchangeInfo")
        assert response.status_code == 500
        assert response.json() == {
            "code": -1000,
            "msg": "An unknown error occurred while processing the request.",
        }
        assert response.headers["x-request-id"] in caplog.text
        assert "a secret" in caplog.text
