"""Streams, account events and the WebSocket API of a running exchange, through the one public port."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any, TypeVar

import aiohttp
import pytest

from tests.e2e.harness import Exchange, running
from tests.e2e.websocket import Account, Client, Socket

T = TypeVar("T")

SUBSCRIBE = "userDataStream.subscribe.signature"
ORDER = {"symbol": "ETPBTC", "type": "LIMIT", "timeInForce": "GTC"}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with running(tmp_path_factory.mktemp("ws") / "var", "--demo") as exchange:
        asyncio.run(until_the_feed_runs(exchange))
        yield exchange


async def until_the_feed_runs(exchange: Exchange) -> None:
    """The data process starts beside the exchange: a first trade is told when it is there."""
    async with (
        Client(exchange) as client,
        client.connect("/ws/etpbtc@trade") as trades,
        client.connect("/ws-api/v3") as api,
    ):
        await place(api, client.account("alice"), "BUY", "1", "0.001")
        await place(api, client.account("bob"), "SELL", "1", "0.001")
        await trades.event()


@pytest.fixture
def play(exchange: Exchange) -> Iterator[Callable[[Callable[[Client], Awaitable[T]]], T]]:
    """Runs a scene with a client of the exchange; ETPBTC is empty again afterwards."""

    async def scene(act: Callable[[Client], Awaitable[T]]) -> T:
        async with Client(exchange) as client:
            try:
                return await act(client)
            finally:
                async with client.connect("/ws-api/v3") as api:
                    for name in ("alice", "bob"):
                        await api.ask("openOrders.cancelAll", client.account(name).signed(symbol="ETPBTC"))

    yield lambda act: asyncio.run(scene(act))


async def place(api: Socket, account: Account, side: str, quantity: str, price: str, **more: str) -> Any:
    params = account.signed(**{**ORDER, "side": side, "quantity": quantity, "price": price, **more})
    return await api.result("order.place", params)


async def reports(socket: Socket, count: int) -> list[dict[str, Any]]:
    """The next order reports, with nothing but them counted."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        event = (await socket.event())["event"]
        if event["e"] == "executionReport":
            found.append(event)
    return found


def test_a_trade_reaches_raw_and_combined_listeners_alike(play):
    async def scene(client: Client) -> None:
        async with (
            client.connect("/ws/etpbtc%40trade") as raw,
            client.connect("/stream?streams=etpbtc@trade/etpbtc@bookTicker") as combined,
            client.connect("/ws-api/v3") as api,
        ):
            await place(api, client.account("alice"), "BUY", "3", "0.001")
            await place(api, client.account("bob"), "SELL", "2", "0.001")
            trade = await raw.event()
            assert (trade["e"], trade["s"], trade["p"], trade["q"]) == (
                "trade",
                "ETPBTC",
                "0.00100000",
                "2.00000000",
            )
            streams: dict[str, Any] = {}
            while len(streams) < 2:
                message = await combined.event()
                streams[message["stream"]] = message["data"]
            assert streams["etpbtc@trade"] == trade
            assert streams["etpbtc@bookTicker"]["b"] == "0.00100000"

    play(scene)


def test_a_subscription_is_acknowledged_before_its_first_event(play):
    async def scene(client: Client) -> None:
        async with client.connect("/ws/0") as stream, client.connect("/ws-api/v3") as api:
            assert await stream.ask("SUBSCRIBE", ["etpbtc@trade"]) == {"result": None, "id": 1}
            assert (await stream.ask("LIST_SUBSCRIPTIONS", id=None))["result"] == ["0", "etpbtc@trade"]
            await place(api, client.account("alice"), "BUY", "1", "0.001")
            await place(api, client.account("bob"), "SELL", "1", "0.001")
            assert (await stream.event())["e"] == "trade"
            await stream.ask("UNSUBSCRIBE", ["etpbtc@trade"])
            assert (await stream.ask("LIST_SUBSCRIPTIONS", id="last"))["result"] == ["0"]

    play(scene)


def test_times_come_in_microseconds_where_they_are_asked_for(play):
    async def scene(client: Client) -> None:
        alice, bob = client.account("alice"), client.account("bob")
        async with (
            client.connect("/ws/etpbtc@trade?timeUnit=MICROSECOND") as fine,
            client.connect("/ws/etpbtc@trade") as plain,
            client.connect("/ws-api/v3?timeUnit=microsecond") as api,
            client.connect("/ws-api/v3") as coarse,
        ):
            await api.result(SUBSCRIBE, alice.signed())
            await coarse.result(SUBSCRIBE, alice.signed())
            await place(coarse, alice, "BUY", "1", "0.001")
            await place(coarse, bob, "SELL", "1", "0.001")
            assert (await fine.event())["T"] // 1_000 == (await plain.event())["T"]
            (exact,), (rounded,) = await reports(api, 1), await reports(coarse, 1)
            for time in ("E", "T", "O", "W"):
                assert exact[time] // 1_000 == rounded[time] and len(str(exact[time])) == 16

    play(scene)


def test_account_events_tell_what_rest_tells(play):
    """Every order and trade, and balances to the last unit."""

    async def scene(client: Client) -> None:
        alice, bob = client.account("alice"), client.account("bob")
        async with client.connect("/ws-api/v3") as api, client.connect("/ws-api/v3") as events:
            await events.result(SUBSCRIBE, bob.signed())
            await place(api, alice, "BUY", "5", "0.001", newClientOrderId="bid")
            offer = await place(api, bob, "SELL", "2", "0.001")
            market = await api.result(
                "order.place", bob.signed(symbol="ETPBTC", side="SELL", type="MARKET", quantity="9")
            )
            resting = await place(api, bob, "SELL", "4", "0.002", newClientOrderId="ask")
            cancel = bob.signed(symbol="ETPBTC", origClientOrderId="ask", newClientOrderId="gone")
            await api.result("order.cancel", cancel)
            told = await reports(events, 7)
            assert [(each["i"], each["x"], each["X"]) for each in told] == [
                (offer["orderId"], "NEW", "NEW"),
                (offer["orderId"], "TRADE", "FILLED"),
                (market["orderId"], "NEW", "NEW"),
                (market["orderId"], "TRADE", "PARTIALLY_FILLED"),
                (market["orderId"], "EXPIRED", "EXPIRED"),
                (resting["orderId"], "NEW", "NEW"),
                (resting["orderId"], "CANCELED", "CANCELED"),
            ]
            assert (told[-1]["C"], told[-1]["c"]) == ("ask", "gone")
            trades = await api.result("myTrades", bob.signed(symbol="ETPBTC", limit=2))
            assert [
                (each["t"], each["i"], each["L"], each["l"], each["Y"], each["n"], each["N"], each["m"])
                for each in told
                if each["x"] == "TRADE"
            ] == [
                (
                    each["id"],
                    each["orderId"],
                    each["price"],
                    each["qty"],
                    each["quoteQty"],
                    each["commission"],
                    each["commissionAsset"],
                    each["isMaker"],
                )
                for each in trades
            ]
            orders = {
                each["orderId"]: each for each in await api.result("allOrders", bob.signed(symbol="ETPBTC"))
            }
            last = {each["i"]: each for each in told}
            for number, event in last.items():
                order = orders[number]
                assert (event["X"], event["z"], event["Z"], event["q"], event["O"], event["T"]) == (
                    order["status"],
                    order["executedQty"],
                    order["cummulativeQuoteQty"],
                    order["origQty"],
                    order["time"],
                    order["updateTime"],
                )

    play(scene)


def test_balances_are_told_as_the_account_has_them(play):
    async def scene(client: Client) -> None:
        alice = client.account("alice")
        async with client.connect("/ws-api/v3") as api:
            await api.result(SUBSCRIBE, alice.signed())
            await place(api, alice, "BUY", "5", "0.001")
            event = (await api.event())["event"]
            while event["e"] != "outboundAccountPosition":
                event = (await api.event())["event"]
            account = await api.result("account.status", alice.signed())
            btc = next(each for each in account["balances"] if each["asset"] == "BTC")
            assert event["B"] == [{"a": "BTC", "f": btc["free"], "l": btc["locked"]}]
            assert Decimal(btc["locked"]) == Decimal("0.005")

    play(scene)


def test_events_that_were_missed_come_first_when_a_client_says_where_it_was(exchange, play):
    """Though the data process was killed meanwhile."""

    async def scene(client: Client) -> None:
        alice, bob = client.account("alice"), client.account("bob")
        async with client.connect("/ws-api/v3") as api:
            async with client.connect("/ws-api/v3") as first:
                await first.result(SUBSCRIBE, alice.signed())
                await place(api, alice, "BUY", "5", "0.001")
                (seen,) = await reports(first, 1)
            await place(api, bob, "SELL", "1", "0.001")
            kill_data_process(exchange)
            await place(api, bob, "SELL", "2", "0.001")
            async with client.connect("/ws-api/v3") as again:
                params = alice.signed(afterPosition=seen["position"])
                answer = await again.ask(SUBSCRIBE, params)
                while answer["status"] != 200:  # the data process is coming back
                    assert answer["error"]["code"] == -1001, answer
                    await asyncio.sleep(0.1)
                    answer = await again.ask(SUBSCRIBE, alice.signed(afterPosition=seen["position"]))
                await place(api, bob, "SELL", "1", "0.001")
                told = await reports(again, 3)
                assert [(each["x"], each["l"], each["z"]) for each in told] == [
                    ("TRADE", "1.00000000", "1.00000000"),
                    ("TRADE", "2.00000000", "3.00000000"),
                    ("TRADE", "1.00000000", "4.00000000"),
                ]

    play(scene)


def test_a_listener_misses_nothing_while_the_data_process_is_killed(exchange, play):
    async def scene(client: Client) -> None:
        alice, bob = client.account("alice"), client.account("bob")
        async with (
            client.connect("/ws-api/v3") as api,
            client.connect("/ws-api/v3") as events,
            client.connect("/ws/etpbtc@trade") as trades,
        ):
            await events.result(SUBSCRIBE, alice.signed())
            await place(api, alice, "BUY", "9", "0.001")
            await reports(events, 1)
            for _ in range(3):
                await place(api, bob, "SELL", "1", "0.001")
                kill_data_process(exchange)
                await place(api, bob, "SELL", "1", "0.001")
            filled = await reports(events, 6)
            assert [each["z"] for each in filled] == [f"{number}.00000000" for number in range(1, 7)]
            public = [await trades.event() for _ in range(6)]
            assert [each["t"] for each in public] == [each["t"] for each in filled]

    play(scene)


def test_a_session_asks_without_signatures_and_leaves_its_events_behind(play):
    async def scene(client: Client) -> None:
        alice = client.account("alice")
        async with client.connect("/ws-api/v3") as api:
            logged_on = await api.result("session.logon", alice.signed())
            assert logged_on["apiKey"] == alice.credentials.api_key
            assert (await api.result("userDataStream.subscribe"))["subscriptionId"] == 0
            assert (await api.result(SUBSCRIBE, client.account("bob").signed()))["subscriptionId"] == 1
            assert await api.result("session.subscriptions") == [
                {"subscriptionId": 0},
                {"subscriptionId": 1},
            ]
            await api.result("order.place", {**ORDER, "side": "BUY", "quantity": "1", "price": "0.001"})
            assert (await api.event())["subscriptionId"] == 0
            assert (await api.result("session.logout"))["apiKey"] is None
            ended = await api.event()
            while ended["event"]["e"] != "eventStreamTerminated":
                ended = await api.event()
            assert ended["subscriptionId"] == 0
            refused = await api.ask("openOrders.status", {})
            assert (refused["status"], refused["error"]["code"]) == (401, -2014)
            # A client that writes numbers as text means the same.
            assert await api.result("userDataStream.unsubscribe", {"subscriptionId": "1"}) == {}
            assert (await api.event())["event"]["e"] == "eventStreamTerminated"

    play(scene)


def test_orders_end_with_the_connection_that_was_told_to_cancel_them(play):
    async def scene(client: Client) -> None:
        alice = client.account("alice")
        async with client.connect("/ws-api/v3") as watching:
            await watching.result(SUBSCRIBE, alice.signed())
            async with client.connect("/ws-api/v3") as api:
                await api.result("session.logon", alice.signed(cancelOnDisconnect=True))
                await place(api, alice, "BUY", "1", "0.001")
                await place(api, alice, "BUY", "1", "0.0009")
            assert [each["x"] for each in await reports(watching, 4)] == [
                "NEW",
                "NEW",
                "CANCELED",
                "CANCELED",
            ]
            assert await watching.result("openOrders.status", alice.signed(symbol="ETPBTC")) == []

    play(scene)


def test_a_listen_key_opens_the_account_s_stream(exchange, play):
    async def scene(client: Client) -> None:
        alice = client.account("alice")
        key = {"X-MBX-APIKEY": alice.credentials.api_key}
        async with client.http.post(f"{client.base}/api/v3/userDataStream", headers=key) as answer:
            listen_key = (await answer.json())["listenKey"]
        async with (
            client.connect(f"/ws/{listen_key}") as raw,
            client.connect(f"/stream?streams={listen_key}") as combined,
            client.connect("/ws-api/v3") as api,
        ):
            await asyncio.gather(*(each.ask("LIST_SUBSCRIPTIONS") for each in (raw, combined)))
            await place(api, alice, "BUY", "1", "0.001")
            event = await raw.event()
            assert (event["e"], event["x"]) == ("executionReport", "NEW")
            assert await combined.event() == {"stream": listen_key, "data": event}
            url = f"{client.base}/api/v3/userDataStream?listenKey={listen_key}"
            async with client.http.delete(url, headers=key) as answer:
                assert answer.status == 200
            while event["e"] != "listenKeyExpired":
                event = await raw.event()
            async with client.http.put(url, headers=key) as answer:
                assert (await answer.json())["code"] == -1125

    play(scene)


def test_the_websocket_api_says_what_is_wrong(play):
    async def scene(client: Client) -> None:
        alice = client.account("alice")
        async with client.connect("/ws-api/v3") as api:
            for text, request_id, what in (
                ("{", None, "JSON"),
                ('{"id":{},"method":"ping"}', None, "'id'"),
                ('{"id":7,"method":1}', 7, "'method'"),
                ('{"id":"x","method":"ping","params":[]}', "x", "'params'"),
            ):
                await api.send(text)
                answer = await api.receive()
                assert (answer["id"], answer["status"], answer["error"]["code"]) == (request_id, 400, -1135)
                assert what in answer["error"]["msg"]
            forged = alice.signed(symbol="ETPBTC") | {"symbol": "BTCUSDT"}
            for method, params, status, code in (
                ("order.fly", {}, 404, -1020),
                ("openOrders.status", forged, 400, -1022),
                ("order.place", alice.signed(**ORDER, side="BUY", quantity="1"), 400, -1102),
                ("order.status", alice.signed(symbol="ETPBTC", orderId=10**9), 400, -2013),
                ("userDataStream.subscribe", {}, 401, -2014),
                ("userDataStream.unsubscribe", {"subscriptionId": 5}, 400, -1130),
                (SUBSCRIBE, alice.signed(afterPosition="yesterday"), 400, -1130),
            ):
                answer = await api.ask(method, params)
                assert (answer["status"], answer["error"]["code"]) == (status, code), answer
            assert (await api.ask("v3/ping", id="same"))["result"] == {}

    play(scene)


def test_any_other_path_is_not_found(play):
    async def scene(client: Client) -> None:
        for path in ("/", "/wss", "/streams", "/ws-api/v2", "/ws-api/v3/", "/api/v3/ping"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.http.ws_connect(client.base + path)
            assert refused.value.status == 404, path

    play(scene)


def kill_data_process(exchange: Exchange) -> None:
    """As the system would do it when memory is short, if it is there again already."""
    if (pid := exchange.process_now("data")) is not None:
        with suppress(ProcessLookupError):  # its end has not been noticed yet
            os.kill(pid, signal.SIGKILL)
