"""Sessions of the WebSocket API over a real market: whose they are, and for how long."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn
import uvloop

from cambist.accounts import api_keys
from cambist.accounts.api_keys import Scope
from cambist.gateway.http import server_config
from cambist.gateway.streams.connection import Connection
from cambist.settings import Limits
from tests.integration.rest_market import NO_LIMITS, RestMarket, Trader, rest_market

HOST = "127.0.0.1"


class Scene:
    def __init__(self, market: RestMarket, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.market = market
        self.ws = ws

    async def ask(self, method: str, params: dict[str, Any]) -> Any:
        await self.ws.send_json({"id": 1, "method": method, "params": params})
        return await self.ws.receive_json(timeout=120)

    def connection(self) -> Connection:
        app: Any = self.market.client.app
        found: Connection = next(iter(app.sockets.door._slot_of))
        return found


def signed(trader: Trader, **params: Any) -> dict[str, Any]:
    asked = {**params, "apiKey": trader.api_key, "timestamp": time.time_ns() // 1_000_000}
    payload = "&".join(f"{name}={value}" for name, value in sorted(asked.items()))
    signature = hmac.new(trader.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    return {**asked, "signature": signature}


def play(directory: Path, act: Callable[[Scene], Awaitable[None]], limits: Limits = NO_LIMITS) -> None:
    async def scene(market: RestMarket) -> None:
        app: Any = market.client.app
        web = uvicorn.Server(server_config(app, market.settings, app.sockets.door, host=HOST, port=0))
        serving = asyncio.create_task(web.serve())
        while not web.started:
            await asyncio.sleep(0.005)
        port = web.servers[0].sockets[0].getsockname()[1]
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"http://{HOST}:{port}/ws-api/v3") as ws,
        ):
            await act(Scene(market, ws))
        await app.sockets.stop()
        web.should_exit = True
        await serving

    with rest_market(directory, limits=limits, address=HOST) as market:
        uvloop.run(asyncio.wait_for(scene(market), 120))


def test_a_session_and_its_events_end_with_the_key(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        ann = scene.market.trader(USDT="1000")
        assert (await scene.ask("session.logon", signed(ann)))["status"] == 200
        assert (await scene.ask("userDataStream.subscribe", {}))["result"] == {"subscriptionId": 0}
        scene.connection().beat(asyncio.get_running_loop().time(), b"1")
        assert (await scene.ask("account.status", {}))["status"] == 200
        api_keys.delete(scene.market.records, ann.api_key, now_ns=time.time_ns(), acting_user="test")
        scene.connection().beat(asyncio.get_running_loop().time(), b"2")
        ended = await scene.ws.receive_json(timeout=120)
        assert (ended["subscriptionId"], ended["event"]["e"]) == (0, "eventStreamTerminated")
        refused = await scene.ask("account.status", {})
        assert (refused["status"], refused["error"]["code"]) == (401, -2015)
        assert (await scene.ask("session.status", {}))["result"]["apiKey"] is None

    play(tmp_path, act)


def test_a_key_that_only_reads_may_log_on_and_not_have_orders_cancelled(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        reader = scene.market.trader(scopes=Scope.READ)
        refused = await scene.ask("session.logon", signed(reader, cancelOnDisconnect="true"))
        assert (refused["status"], refused["error"]["code"]) == (401, -2015)
        assert (await scene.ask("session.logon", signed(reader)))["status"] == 200
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
        assert (await scene.ask("order.place", order))["error"]["code"] == -2015

    play(tmp_path, act)


def test_weights_and_order_counts_are_those_of_rest(tmp_path: Path) -> None:
    limits = Limits(request_weight_1m=30, raw_requests_5m=0, orders_10s=5, orders_1d=50)

    async def act(scene: Scene) -> None:
        ann = scene.market.trader(USDT="1000000")
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        placed = await scene.ask("order.place", signed(ann, **order, quantity="0.01", price="1000"))
        assert [(each["rateLimitType"], each["limit"], each["count"]) for each in placed["rateLimits"]] == [
            ("ORDERS", 5, 1),
            ("ORDERS", 50, 1),
            ("REQUEST_WEIGHT", 30, 0),
        ]
        assert (await scene.ask("account.status", signed(ann)))["rateLimits"][0]["count"] == 20
        refused = await scene.ask("account.status", signed(ann))
        assert (refused["status"], refused["error"]["code"]) == (429, -1003)
        data = refused["error"]["data"]
        assert 0 < data["retryAfter"] - data["serverTime"] <= 60_000

    play(tmp_path, act, limits)
