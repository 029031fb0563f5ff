"""The data process is killed again and again; connected clients keep their books and miss no trade."""

import asyncio
import json
import os
import signal
from typing import Any

import aiohttp
import pytest

from tests.e2e.flowing import flowing
from tests.e2e.harness import HOST, Exchange

KILLS = 3
WITHIN_S = 120
DEPTH, TRADES = "btcusdt@depth@100ms", "btcusdt@trade"


@pytest.fixture
def exchange(tmp_path):
    with flowing(tmp_path / "home") as exchange:
        yield exchange


class Client:
    """A local book and the tape, from one connection that must never be closed."""

    def __init__(self, session: aiohttp.ClientSession, ws: aiohttp.ClientWebSocketResponse, url: str) -> None:
        self.trades: list[int] = []
        self._session = session
        self._ws = ws
        self._url = url
        self._last_id: int | None = None

    async def next_update(self) -> dict[str, Any]:
        """The next depth update, which must follow the one before."""
        while True:
            message = await self._ws.receive(timeout=WITHIN_S)
            assert message.type is aiohttp.WSMsgType.TEXT, f"the connection ended: {message}"
            event = json.loads(message.data)["data"]
            if event["e"] == "trade":
                self.trades.append(event["t"])
                continue
            assert self._last_id is None or event["U"] == self._last_id + 1
            self._last_id = event["u"]
            update: dict[str, Any] = event
            return update

    async def snapshot(self) -> tuple[int, dict[str, dict[str, str]]]:
        async with self._session.get(f"{self._url}/api/v3/depth?symbol=BTCUSDT&limit=5000") as response:
            depth = await response.json()
        return depth["lastUpdateId"], {"b": dict(depth["bids"]), "a": dict(depth["asks"])}


def apply(book: dict[str, dict[str, str]], update: dict[str, Any]) -> None:
    for side, levels in book.items():
        for price, quantity in update[side]:
            if quantity.strip("0."):
                levels[price] = quantity
            else:
                levels.pop(price, None)


async def killed_data_process(exchange: Exchange, old: int | None = None) -> int:
    """Kills the one that runs, once it is another than `old`."""
    async with asyncio.timeout(WITHIN_S):
        while (pid := exchange.process_now("data")) in (None, old):
            await asyncio.sleep(0.01)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def buy(exchange: Exchange) -> list[int]:
    """Trades at once; the ids of the trades."""
    alice = next(iter(exchange.users().values()))
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}
    placed = exchange.client().signed(alice, "POST", "/api/v3/order", **order)
    return [fill["tradeId"] for fill in placed["fills"]]


async def follow(exchange: Exchange) -> None:
    url = f"http://{HOST}:{exchange.port}"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}/stream?streams={DEPTH}/{TRADES}", max_msg_size=0) as ws,
    ):
        client = Client(session, ws, url)
        first = await client.next_update()
        begin_id, book = await client.snapshot()
        assert first["U"] <= begin_id + 1
        updates = [first]
        pid, bought = None, set[int]()
        for _ in range(KILLS):
            pid = await killed_data_process(exchange, pid)
            bought |= {*await asyncio.to_thread(buy, exchange)}
            killed_at = await client.snapshot()
            while updates[-1]["u"] <= killed_at[0]:
                updates.append(await client.next_update())
        end_id, other = await client.snapshot()
        while updates[-1]["u"] <= end_id or not bought <= {*client.trades}:
            updates.append(await client.next_update())
    for update in updates:
        if update["u"] > begin_id:
            apply(book, update)
        if update["u"] > end_id:
            apply(other, update)
    assert book == other
    assert client.trades == list(range(client.trades[0], client.trades[0] + len(client.trades)))


def test_clients_keep_their_books_and_miss_no_trade_while_the_data_process_is_killed(exchange):
    asyncio.run(follow(exchange))
