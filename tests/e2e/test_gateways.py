"""Two gateways before one match server: an account trades through both, and what one says the other knows.

`first` is the exchange's own gateway, `second` one in a process of its own on another port.
"""

import asyncio
import hashlib
import hmac
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
import pytest

from cambist.control.markets import AddAsset, AddMarket
from cambist.control.users import CreateApiKey, DeleteApiKey, FreezeUser
from cambist.flow.rest import ApiError, Client, Credentials
from tests.e2e.control import ask
from tests.e2e.harness import (
    CAMBIST,
    HOST,
    OUTCOME_UNKNOWN,
    WAIT_SECONDS,
    Exchange,
    Patient,
    environment,
    running,
)
from tests.e2e.market import SYMBOL, Owner, create_exchange, settings_of
from tests.e2e.websocket import Account, Socket
from tests.ports import free_port

ORDER = "/api/v3/order"
SETTINGS = {
    "CAMBIST_LIMITS_REQUEST_WEIGHT_1M": "1000000",
    "CAMBIST_LIMITS_ORDERS_10S": "100000",
    "CAMBIST_LIMITS_ORDERS_1D": "100000",
}
KEY_REJECTED = -2015


class Gateway:
    """`cambist serve gateway` on a port of its own."""

    def __init__(self, home: Path) -> None:
        self.port = free_port()
        self.output = home.parent / f"{home.name}.gateway"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [CAMBIST, "serve", "gateway"],
                env={**environment(home, self.port), **SETTINGS},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._answers():
            assert self.process.poll() is None and time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.05)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_SECONDS)

    def _answers(self) -> bool:
        connection = HTTPConnection(HOST, self.port, timeout=WAIT_SECONDS)
        try:
            connection.request("GET", "/api/v3/ping")
            return connection.getresponse().status == 200
        except ConnectionRefusedError:
            return False
        finally:
            connection.close()


class Pair:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.ann, self.bob = create_exchange(home)
        self.exchange = Exchange(home, settings=SETTINGS)
        self.gateway = Gateway(home)
        self.first = Patient(self.exchange.port)
        self.second = Patient(self.gateway.port)

    def stop(self) -> None:
        assert self.gateway.stop() == 0, self.gateway.output.read_text()
        assert self.exchange.stop() == 0, self.exchange.output.read_text()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    pair = Pair(tmp_path_factory.mktemp("gateways") / "home")
    yield pair
    pair.stop()


def order(side: str, price: int, **more: object) -> dict[str, object]:
    return {
        "symbol": SYMBOL,
        "side": side,
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "1",
        "price": str(price),
        "selfTradePreventionMode": "NONE",
        **more,
    }


def place(client: Client, owner: Owner, side: str, price: int, **more: object) -> Any:
    return client.signed(owner.credentials, "POST", ORDER, **order(side, price, **more))


def look(client: Client, owner: Owner, order_id: int) -> Any:
    return client.signed(owner.credentials, "GET", ORDER, symbol=SYMBOL, orderId=order_id)


def open_orders(client: Client, owner: Owner) -> Any:
    return client.signed(owner.credentials, "GET", "/api/v3/openOrders", symbol=SYMBOL)


def cancel_all(client: Client, owner: Owner) -> None:
    client.signed(owner.credentials, "DELETE", "/api/v3/openOrders", symbol=SYMBOL)


def refusal(client: Client, credentials: Credentials, method: str, path: str, **parameters: object) -> int:
    with pytest.raises(ApiError) as refused:
        client.signed(credentials, method, path, **parameters)
    code, _ = refused.value.reason
    return code


def headers(port: int, owner: Owner, method: str, path: str, **parameters: object) -> dict[str, str]:
    """Of an answer that must be a success."""
    query = urlencode({**parameters, "timestamp": time.time_ns() // 1_000_000, "recvWindow": 60_000})
    key = owner.credentials.secret_key.encode()
    signature = hmac.new(key, query.encode(), hashlib.sha256).hexdigest()
    connection = HTTPConnection(HOST, port, timeout=WAIT_SECONDS)
    try:
        target = f"{path}?{query}&signature={signature}"
        connection.request(method, target, headers={"X-MBX-APIKEY": owner.credentials.api_key})
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, body
        return {name.lower(): value for name, value in response.getheaders()}
    finally:
        connection.close()


def test_what_one_gateway_acknowledged_the_other_shows_at_once(pair):
    for nth in range(15):
        here, there = (pair.first, pair.second) if nth % 2 else (pair.second, pair.first)
        resting = place(here, pair.ann, "BUY", 100)["orderId"]
        assert look(there, pair.ann, resting)["status"] == "NEW"
        filled = place(there, pair.bob, "SELL", 100)["orderId"]
        assert look(here, pair.bob, filled)["status"] == "FILLED"
        assert look(here, pair.ann, resting)["status"] == "FILLED"
        trades = here.signed(pair.bob.credentials, "GET", "/api/v3/myTrades", symbol=SYMBOL, limit=1)
        assert trades[0]["orderId"] == filled
        cancelled = place(here, pair.ann, "BUY", 50)["orderId"]
        there.signed(pair.ann.credentials, "DELETE", ORDER, symbol=SYMBOL, orderId=cancelled)
        closed = here.signed(pair.ann.credentials, "GET", "/api/v3/allOrders", symbol=SYMBOL, limit=1)
        assert (closed[0]["orderId"], closed[0]["status"]) == (cancelled, "CANCELED")


def test_keys_are_made_and_deleted_for_both_at_once(pair):
    made = ask(pair.home, CreateApiKey(email="bob@example.com", label="two", scopes=("read",)))
    credentials = Credentials(made["api_key"], made["secret_key"])
    for client in (pair.second, pair.first, pair.second):
        assert client.signed(credentials, "GET", "/api/v3/account")["uid"] == pair.bob.account
    ask(pair.home, DeleteApiKey(api_key=credentials.api_key))
    for client in (pair.second, pair.first):
        assert refusal(client, credentials, "GET", "/api/v3/account") == KEY_REJECTED


def test_an_account_is_frozen_for_both_at_once(pair):
    ask(pair.home, FreezeUser(email="ann@example.com", frozen=True))
    for client in (pair.second, pair.first):
        assert client.signed(pair.ann.credentials, "GET", "/api/v3/account")["canTrade"] is False
        refusal(client, pair.ann.credentials, "POST", ORDER, **order("BUY", 100))
    ask(pair.home, FreezeUser(email="ann@example.com", frozen=False))
    for client in (pair.second, pair.first):
        assert client.signed(pair.ann.credentials, "GET", "/api/v3/account")["canTrade"] is True


def test_a_new_market_is_there_for_both_at_once(pair):
    ask(pair.home, AddAsset(name="GOLD"))
    ask(pair.home, AddMarket(base="GOLD", quote="QUOTE", tick="1", lot="1"))
    for client in (pair.second, pair.first):
        assert client.signed(pair.ann.credentials, "GET", "/api/v3/openOrders", symbol="GOLDQUOTE") == []


def test_order_counts_and_weight_are_those_of_both(pair):
    ports = [pair.exchange.port, pair.gateway.port] * 3

    def count(port: int) -> int:
        return int(headers(port, pair.bob, "POST", ORDER, **order("BUY", 1))["x-mbx-order-count-1d"])

    counts = [count(port) for port in ports]
    assert counts == list(range(counts[0], counts[0] + len(ports)))

    def weight(port: int) -> int:
        return int(headers(port, pair.bob, "GET", "/api/v3/account")["x-mbx-used-weight-1m"])

    steps = [later - earlier for earlier, later in pairwise(weight(port) for port in ports)]
    assert sorted(steps)[1:] == [20] * 4, "one step may lead into the next minute"
    cancel_all(pair.first, pair.bob)


def test_a_countdown_set_at_one_gateway_cancels_what_came_in_at_the_other(pair):
    resting = place(pair.first, pair.ann, "BUY", 7)["orderId"]
    pair.second.signed(pair.ann.credentials, "POST", "/api/v3/countdownCancelAll", countdownTime=300)
    deadline = time.monotonic() + WAIT_SECONDS
    while (status := look(pair.second, pair.ann, resting)["status"]) == "NEW":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert status == "CANCELED"


def test_orders_of_either_gateway_end_with_a_connection_to_the_one_apart(pair):
    async def scene() -> None:
        ann, url = Account(pair.ann.credentials), f"http://{HOST}:{pair.gateway.port}/ws-api/v3"
        async with aiohttp.ClientSession() as http, http.ws_connect(url) as connection:
            await Socket(connection).result("session.logon", ann.signed(cancelOnDisconnect=True))
            await asyncio.to_thread(place, pair.first, pair.ann, "BUY", 7)
            await asyncio.to_thread(place, pair.second, pair.ann, "BUY", 8)
            assert len(await asyncio.to_thread(open_orders, pair.first, pair.ann)) == 2

    asyncio.run(scene())
    deadline = time.monotonic() + WAIT_SECONDS
    while open_orders(pair.first, pair.ann):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_listen_key_of_one_gateway_is_one_of_the_other(pair):
    key = {"X-MBX-APIKEY": pair.ann.credentials.api_key}

    async def event(stream: aiohttp.ClientWebSocketResponse, kind: str) -> None:
        while True:
            message = await stream.receive(WAIT_SECONDS)
            assert message.type == aiohttp.WSMsgType.TEXT, message
            if msgspec.json.decode(message.data).get("e") == kind:
                return

    async def scene() -> None:
        url = f"http://{HOST}:{pair.exchange.port}/api/v3/userDataStream"
        async with aiohttp.ClientSession(headers=key) as http:
            made = await http.post(url)
            listen_key = (await made.json())["listenKey"]
            async with http.ws_connect(f"http://{HOST}:{pair.gateway.port}/ws/{listen_key}") as stream:
                await stream.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
                told = msgspec.json.decode((await stream.receive(WAIT_SECONDS)).data)
                assert told["result"] == [listen_key]
                await asyncio.to_thread(place, pair.first, pair.ann, "BUY", 3)
                await event(stream, "executionReport")
                assert (await http.delete(url, params={"listenKey": listen_key})).status == 200
                await event(stream, "listenKeyExpired")

    asyncio.run(scene())
    cancel_all(pair.first, pair.ann)


class Flow(threading.Thread):
    """Places orders through the second gateway, one after the other, and remembers what it was told."""

    def __init__(self, pair: Pair) -> None:
        super().__init__()
        self.pair = pair
        self.acknowledged: dict[str, int] = {}
        self.unknown: set[str] = set()
        self.refused: set[str] = set()
        self.is_over = False

    def run(self) -> None:
        client = Patient(self.pair.gateway.port)
        nth = 0
        while not self.is_over:
            nth += 1
            name = f"flow-{nth}"
            try:
                answer = place(client, self.pair.bob, "BUY", 2, newClientOrderId=name)
            except ApiError as problem:
                (self.unknown if problem.reason[0] == OUTCOME_UNKNOWN else self.refused).add(name)
            else:
                self.acknowledged[name] = answer["orderId"]

    def wait_for_more(self, count: int) -> None:
        target, deadline = len(self.acknowledged) + count, time.monotonic() + WAIT_SECONDS
        while len(self.acknowledged) < target:
            assert self.is_alive() and time.monotonic() < deadline
            time.sleep(0.02)


def test_a_gateway_outlives_the_match_server_and_no_order_is_lost_or_doubled(pair):
    flow = Flow(pair)
    flow.start()
    try:
        for _ in range(2):
            flow.wait_for_more(20)
            os.kill(pair.exchange.process("exchange"), signal.SIGKILL)
            flow.wait_for_more(20)
    finally:
        flow.is_over = True
        flow.join(WAIT_SECONDS)
    assert pair.gateway.process.poll() is None
    resting = open_orders(pair.second, pair.bob)
    found = {each["clientOrderId"]: each["orderId"] for each in resting}
    assert len(found) == len(resting), "an order was executed twice"
    assert flow.acknowledged.items() <= found.items()
    assert found.keys() <= flow.acknowledged.keys() | flow.unknown
    print(f"{len(flow.acknowledged)} acknowledged, {len(flow.unknown)} unknown, {len(flow.refused)} refused")


def metrics(file: Path) -> str:
    """Of one process, "" while it does not show them."""
    with socket.socket(socket.AF_UNIX) as connection, suppress(FileNotFoundError, ConnectionRefusedError):
        connection.connect(str(file))
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        return connection.makefile().read()
    return ""


def test_gateways_that_share_the_port_serve_on_while_one_of_them_is_killed(tmp_path):
    owner, _ = create_exchange(tmp_path / "home")
    with running(tmp_path / "home", settings={"CAMBIST_PROCESSES_GATEWAYS": "2"}) as exchange:
        killed = exchange.process("gateway-1")
        exchange.process("gateway-2")
        file = settings_of(tmp_path / "home").ops_file("gateway-2")
        deadline = time.monotonic() + WAIT_SECONDS
        while "cambist_intake_connected 1.0" not in metrics(file):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for nth in range(1, 41):
            if nth == 20:
                os.kill(killed, signal.SIGKILL)
            try:
                placed = place(exchange.client(), owner, "BUY", nth)
            except (ConnectionError, HTTPException):  # it was the killed one's
                continue
            assert look(exchange.client(), owner, placed["orderId"])["status"] == "NEW"
        deadline = time.monotonic() + WAIT_SECONDS
        while exchange.process("gateway-1") == killed:
            assert time.monotonic() < deadline
            time.sleep(0.05)
