"""What the exchange answers and sends over WebSockets where the documentation shows an example."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from cambist.control.sandbox import CreditSandbox
from cambist.demo.setup import EMAILS
from cambist_client.keys import HmacKey
from cambist_client.sockets import signed_request
from tests.conformance.conversation import BUSY, SYMBOL
from tests.conformance.examples import Example
from tests.conformance.rest_answers import HIGH, LOW, PRICE, order_id
from tests.e2e.control import ask
from tests.e2e.harness import HOST, WAIT_SECONDS, Exchange

REQUESTS_MAX = 3_000  # in five minutes: more than the other examples need
Answers = AsyncIterator[tuple[str, Any]]
UNKNOWN = 1 << 40


class Socket:
    """One connection: requests with their answers, and the events that come in between."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse, key: HmacKey) -> None:
        self.events: list[Any] = []
        self.answered: set[str] = set()
        self._connection = connection
        self._key = key
        self._ids = (f"id-{number}" for number in itertools.count(1))

    async def ask(self, method: str, params: Any = None, **more: Any) -> Any:
        """The whole answer. Without a signature."""
        request: dict[str, Any] = {"id": next(self._ids), "method": method, **more}
        return await self.send(request if params is None else {**request, "params": params})

    async def sign(self, method: str, **params: Any) -> Any:
        return await self.send({**signed_request(0, method, params, self._key), "id": next(self._ids)})

    async def send(self, request: dict[str, Any]) -> Any:
        await self._connection.send_str(json.dumps(request))
        while True:
            message = await self._connection.receive_json(timeout=WAIT_SECONDS)
            if isinstance(message, dict) and message.get("id") == request["id"]:
                if message.get("status", 200) == 200:
                    self.answered.add(request["method"])
                return message
            self.events.append(message)

    async def until(self, is_wanted: Callable[[Any], bool]) -> Any:
        """The first event of this kind, also one that has come already. None if there is none in time."""
        for event in self.events:
            if is_wanted(event):
                return event
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while True:
                    message = await self._connection.receive_json()
                    self.events.append(message)
                    if is_wanted(message):
                        return message
        except (TimeoutError, TypeError):  # a TypeError is the connection's end
            return None


@asynccontextmanager
async def connected(exchange: Exchange, path: str, user: str = "alice") -> AsyncIterator[Socket]:
    credentials = exchange.users()[user]
    key = HmacKey(credentials.api_key, credentials.secret_key)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"ws://{HOST}:{exchange.port}{path}", max_msg_size=0) as connection,
    ):
        yield Socket(connection, key)


async def answers(exchange: Exchange, examples: list[Example]) -> Answers:
    async with connected(exchange, "/ws-api/v3", "bob") as api:
        async for answer in too_many_orders(api):
            yield answer
    answered = set[str]()
    async with connected(exchange, "/ws-api/v3") as api:
        for suite in (market_data, trading, order_lists, account, session):
            async for answer in suite(api):
                yield answer
        answered |= api.answered
    async for answer in private_events(exchange):
        yield answer
    async with connected(exchange, "/ws") as streams:
        async for answer in stream_control(streams):
            yield answer
        answered |= streams.answered
    async for answer in market_events(exchange):
        yield answer
    for example in examples:
        if example.requested_method in answered:
            yield example.name, example.json


async def market_data(api: Socket) -> Answers:
    one, two = {"symbol": BUSY}, {"symbols": [BUSY, "ETHUSDT"]}
    yield "ws: Test connectivity #2", await api.ask("ping")
    for name in ("Check server time #2", "How to interpret rate limits #1"):
        yield f"ws: {name}", await api.ask("time")
    shown = "ws: How to show/hide rate limit information"
    yield f"{shown} #2", await api.ask("time", id=1)
    yield f"{shown} #4", await api.ask("time", {"returnRateLimits": False}, id=2)
    info = await api.ask("exchangeInfo", {"symbols": [BUSY]})
    yield "ws: Exchange information #2", info
    for name, method, params in (
        ("Order book", "depth", {"limit": 5}),
        ("Recent trades", "trades.recent", {"limit": 1}),
        ("Historical trades", "trades.historical", {"limit": 1}),
        ("Aggregate trades", "trades.aggregate", {"limit": 1}),
        ("Klines", "klines", {"interval": "1m"}),
        ("UI Klines", "uiKlines", {"interval": "1m"}),
        ("Current average price", "avgPrice", {}),
        ("Query Execution Rules", "executionRules", {}),
        ("Query Reference Price", "referencePrice", {}),
    ):
        yield f"ws: {name} #2", await api.ask(method, one | params)
    yield "ws: Query Reference Price #3", await api.ask("referencePrice", {"symbol": "ETPUSDT"})
    day = "ws: 24hr ticker price change statistics"
    window = "ws: Rolling window price change statistics"
    for number, kind in ((2, "FULL"), (3, "MINI")):
        yield f"{day} #{number}", await api.ask("ticker.24hr", one | {"type": kind})
        yield f"{window} #{number + 1}", await api.ask("ticker", one | {"type": kind, "windowSize": "1h"})
    yield f"{day} #4", await api.ask("ticker.24hr", two)
    yield f"{window} #5", await api.ask("ticker", two | {"windowSize": "1h"})
    yield f"{window} #2", (await api.ask("ticker", one)).get("result")
    for number, kind in ((2, "FULL"), (4, "MINI")):
        today = "ws: Trading Day Ticker"
        yield f"{today} #{number}", await api.ask("ticker.tradingDay", one | {"type": kind})
        yield f"{today} #{number + 1}", await api.ask("ticker.tradingDay", two | {"type": kind})
    for name, method in (
        ("Symbol price ticker", "ticker.price"),
        ("Symbol order book ticker", "ticker.book"),
    ):
        yield f"ws: {name} #2", await api.ask(method, one)
        yield f"ws: {name} #3", await api.ask(method, two)


def limit(side: str, price: str, quantity: str = "10", **more: Any) -> dict[str, Any]:
    order = {"symbol": SYMBOL, "side": side, "type": "LIMIT", "timeInForce": "GTC"}
    return {**order, "price": price, "quantity": quantity, **more}


async def trading(api: Socket) -> Answers:
    placed = await api.sign("order.place", **limit("BUY", LOW, newOrderRespType="RESULT"))
    yield "ws: Response format #1", placed
    yield "ws: Unfilled Order Count #1", placed
    yield "ws: Response format #2", await api.sign("order.place", **limit("BUY", PRICE, "1000000"))
    for number, kind in ((2, "ACK"), (3, "RESULT"), (4, "FULL")):
        await api.sign("order.place", **limit("SELL", PRICE, selfTradePreventionMode="NONE"))
        taken = {
            "symbol": SYMBOL,
            "side": "BUY",
            "type": "MARKET",
            "quantity": "10",
            "newOrderRespType": kind,
        }
        yield (
            f"ws: Place new order #{number}",
            await api.sign("order.place", **taken, selfTradePreventionMode="NONE"),
        )
    yield "ws: Test new order #2", await api.sign("order.test", **limit("BUY", LOW))
    rates = await api.sign("order.test", **limit("BUY", LOW), computeCommissionRates=True)
    yield "ws: Test new order #3", rates
    named: dict[str, Any] = {"symbol": SYMBOL, "orderId": order_id(placed.get("result", {}))}
    yield "ws: Query order #2", await api.sign("order.status", **named)
    yield "ws: Current open orders #2", await api.sign("openOrders.status", symbol=SYMBOL)
    yield "ws: Order Amend Keep Priority #2", await api.sign("order.amend.keepPriority", **named, newQty="9")
    yield "ws: Query Order Amendments #2", await api.sign("order.amendments", **named)
    for number, restriction in ((4, "ONLY_OLD"), (5, "ONLY_PARTIALLY_FILLED")):
        refused = await api.sign("order.cancel", **named, cancelRestrictions=restriction)
        yield f"ws: Cancel order #{number}", refused.get("error")
    yield "ws: Cancel order #2", await api.sign("order.cancel", **named)
    async for answer in cancel_replace(api):
        yield answer
    await api.sign("order.place", **limit("BUY", LOW))
    yield "ws: Cancel open orders #2", await api.sign("openOrders.cancelAll", symbol=SYMBOL)


async def cancel_replace(api: Socket) -> Answers:
    """The new order of a pair fails when it would take: a LIMIT_MAKER against the bid that rests."""
    await api.sign("order.place", **limit("BUY", LOW))
    crossing = {"symbol": SYMBOL, "type": "LIMIT_MAKER", "side": "SELL", "quantity": "10", "price": LOW}
    fitting = limit("BUY", "0.0008000")

    async def replace(cancelled: int, mode: str, new: dict[str, Any]) -> Any:
        return await api.sign(
            "order.cancelReplace",
            **new,
            cancelOrderId=cancelled,
            cancelReplaceMode=mode,
            newOrderRespType="FULL",
        )

    async def resting() -> int:
        return order_id((await api.sign("order.place", **fitting)).get("result", {}))

    name = "ws: Cancel and replace order"
    yield f"{name} #2", await replace(await resting(), "STOP_ON_FAILURE", fitting)
    yield f"{name} #3", await replace(UNKNOWN, "STOP_ON_FAILURE", fitting)
    yield f"{name} #4", await replace(await resting(), "ALLOW_FAILURE", crossing)
    yield f"{name} #5", await replace(UNKNOWN, "ALLOW_FAILURE", fitting)
    yield f"{name} #6", await replace(UNKNOWN, "ALLOW_FAILURE", crossing)
    await api.sign("openOrders.cancelAll", symbol=SYMBOL)


async def too_many_orders(api: Socket) -> Answers:
    """Of a user who is at the limit and has orders that rest."""
    resting = (await api.sign("openOrders.status", symbol=SYMBOL))["result"]
    new = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT_MAKER", "quantity": "10", "price": LOW}
    for number, mode in ((7, "DO_NOTHING"), (8, "CANCEL_ONLY")):
        old = {"cancelOrderId": order_id(resting[number]), "cancelReplaceMode": "ALLOW_FAILURE"}
        refused = await api.sign("order.cancelReplace", **new, **old, orderRateLimitExceededMode=mode)
        yield f"ws: Cancel and replace order #{number}", refused
    await api.sign("openOrders.cancelAll", symbol=SYMBOL)


async def order_lists(api: Socket) -> Answers:
    sell = {"symbol": SYMBOL, "side": "SELL", "quantity": "10"}
    above = {"aboveType": "LIMIT_MAKER", "abovePrice": HIGH}
    below = {
        "belowType": "STOP_LOSS_LIMIT",
        "belowStopPrice": LOW,
        "belowPrice": LOW,
        "belowTimeInForce": "GTC",
    }
    old = {"price": HIGH, "stopPrice": LOW, "stopLimitPrice": LOW, "stopLimitTimeInForce": "GTC"}
    yield "ws: Place new OCO - Deprecated #2", await api.sign("orderList.place", **sell, **old)
    oco = await api.sign("orderList.place.oco", **sell, **above, **below)
    yield "ws: Place new Order list - OCO #2", oco
    listed = oco.get("result", {})
    number = listed.get("orderListId", 0)
    yield "ws: Query Order list #2", await api.sign("orderList.status", orderListId=number)
    yield "ws: Current open Order lists #2", await api.sign("openOrderLists.status")
    cancelled = await api.sign("orderList.cancel", symbol=SYMBOL, orderListId=number)
    yield "ws: Cancel Order list #2", cancelled
    oco = (await api.sign("orderList.place.oco", **sell, **above, **below)).get("result", {})
    one = order_id(oco.get("orders", [{}])[0])
    yield "ws: Cancel order #3", await api.sign("order.cancel", symbol=SYMBOL, orderId=one)
    working = {
        "symbol": SYMBOL,
        "workingType": "LIMIT",
        "workingSide": "BUY",
        "workingPrice": LOW,
        "workingQuantity": "10",
        "workingTimeInForce": "GTC",
        "pendingSide": "SELL",
        "pendingQuantity": "10",
    }
    oto = await api.sign("orderList.place.oto", **working, pendingType="LIMIT_MAKER", pendingPrice=HIGH)
    yield "ws: Place new Order list - OTO #2", oto
    pending = order_id(oto.get("result", {}).get("orders", [{}])[-1])
    amended = await api.sign("order.amend.keepPriority", symbol=SYMBOL, orderId=pending, newQty="9")
    yield "ws: Order Amend Keep Priority #3", amended
    under_way = {f"pending{name[0].upper()}{name[1:]}": value for name, value in (above | below).items()}
    otoco = await api.sign("orderList.place.otoco", **working, **under_way)
    yield "ws: Place new Order list - OTOCO #2", otoco
    await api.sign("openOrders.cancelAll", symbol=SYMBOL)
    yield "ws: Account order list history #2", await api.sign("allOrderLists")


async def account(api: Socket) -> Answers:
    yield "ws: Account information #2", await api.sign("account.status")
    yield "ws: Account order history #2", await api.sign("allOrders", symbol=SYMBOL)
    yield "ws: Account trade history #2", await api.sign("myTrades", symbol=SYMBOL)
    yield "ws: IP limits #1", await api.sign("myTrades", symbol=SYMBOL)
    yield "ws: Unfilled Order Count #3", await api.sign("account.rateLimits.orders")
    yield "ws: Account Commission Rates #2", await api.sign("account.commission", symbol=SYMBOL)
    yield "ws: Query Relevant Filters #2", await api.sign("myFilters", symbol=SYMBOL)
    rested = await api.sign("order.place", **limit("BUY", LOW))
    await api.sign("order.place", **limit("SELL", LOW, selfTradePreventionMode="EXPIRE_MAKER"))
    maker = order_id(rested.get("result", {}))
    matches = await api.sign("myPreventedMatches", symbol=SYMBOL, orderId=maker)
    yield "ws: Account prevented matches #2", matches
    await api.sign("openOrders.cancelAll", symbol=SYMBOL)


async def session(api: Socket) -> Answers:
    yield "ws: Log in with API key #2", await api.sign("session.logon")
    yield "ws: Subscribe to User Data Stream #2", await api.ask("userDataStream.subscribe")
    signed = await api.sign("userDataStream.subscribe.signature")
    yield "ws: Subscribe to User Data Stream through signature subscription #2", signed
    yield "ws: Listing all subscriptions #2", await api.ask("session.subscriptions", {})
    yield "ws: Query session status #2", await api.ask("session.status")
    yield "ws: Unsubscribe from User Data Stream #2", await api.ask("userDataStream.unsubscribe")
    yield "ws: Log out of the session #2", await api.ask("session.logout")
    rejected = {"apiKey": "x" * 64, "timestamp": 0, "signature": "0"}
    yield "ws: Authenticate after connection #1", await api.ask("account.status", rejected, id=None)


async def private_events(exchange: Exchange) -> Answers:
    async with connected(exchange, "/ws-api/v3") as api:
        subscribed = await api.sign("userDataStream.subscribe.signature")
        await api.sign("order.place", **limit("BUY", LOW))
        sell = {"symbol": SYMBOL, "side": "SELL", "quantity": "10"}
        above = {"aboveType": "LIMIT_MAKER", "abovePrice": HIGH}
        await api.sign("orderList.place.oco", **sell, **above, belowType="STOP_LOSS", belowStopPrice=LOW)
        await api.sign("openOrders.cancelAll", symbol=SYMBOL)
        credit = CreditSandbox(email=EMAILS[0], asset="ETP", amount="1", reference="conformance")
        await asyncio.to_thread(ask, exchange.home, credit)
        for name, kind in (
            ("user: Account Update #1", "outboundAccountPosition"),
            ("ws: Event format #1", "outboundAccountPosition"),
            ("user: Balance Update #1", "balanceUpdate"),
            ("user: Order Update #1", "executionReport"),
            ("user: Order Reject Reason #1", "listStatus"),
        ):
            yield name, await api.until(_event_of(kind))
        number = subscribed.get("result", {}).get("subscriptionId", 0)
        await api.ask("userDataStream.unsubscribe", {"subscriptionId": number})
        yield "user: Event Stream Terminated #1", await api.until(_event_of("eventStreamTerminated"))


def _event_of(kind: str) -> Callable[[Any], bool]:
    return lambda message: message["event"]["e"] == kind


async def stream_control(streams: Socket) -> Answers:
    name = f"{BUSY.lower()}@aggTrade"
    yield "streams: Subscribe to a stream #2", await streams.ask("SUBSCRIBE", [name], id=1)
    yield "streams: Listing Subscriptions #2", await streams.ask("LIST_SUBSCRIPTIONS", id=1)
    yield "streams: Setting Properties #2", await streams.ask("SET_PROPERTY", ["combined", True], id=1)
    yield "streams: Retrieving Properties #2", await streams.ask("GET_PROPERTY", ["combined"], id=1)
    yield "streams: Unsubscribe to a stream #2", await streams.ask("UNSUBSCRIBE", [name], id=1)


async def market_events(exchange: Exchange) -> Answers:
    symbol = BUSY.lower()
    wanted = {
        f"{symbol}@aggTrade": "Aggregate Trade Streams",
        f"{symbol}@trade": "Trade Streams",
        f"{symbol}@kline_1m": "Kline/Candlestick Streams for UTC",
        f"{symbol}@kline_1h@+08:00": "Kline/Candlestick Streams with timezone offset",
        f"{symbol}@miniTicker": "Individual Symbol Mini Ticker Stream",
        "!miniTicker@arr": "All Market Mini Tickers Stream",
        f"{symbol}@ticker": "Individual Symbol Ticker Streams",
        f"{symbol}@ticker_1h": "Individual Symbol Rolling Window Statistics Streams",
        "!ticker_1h@arr": "All Market Rolling Window Statistics Streams",
        f"{symbol}@bookTicker": "Individual Symbol Book Ticker Streams",
        f"{symbol}@avgPrice": "Average Price",
        f"{symbol}@depth5@100ms": "Partial Book Depth Streams",
        f"{symbol}@depth@100ms": "Diff. Depth Stream",
    }
    async with connected(exchange, f"/stream?streams={'/'.join(wanted).replace('+', '%2B')}") as streams:
        async with connected(exchange, "/ws-api/v3") as api:
            await stir(api)
        for stream, section in wanted.items():
            event = await streams.until(_whole_event_of(stream))
            yield f"streams: {section} #1", None if event is None else event["data"]


async def stir(api: Socket) -> None:
    """Trades, and changes on both sides of the book that are close enough to be told in one event."""
    price = float((await api.ask("ticker.price", {"symbol": BUSY}))["result"]["price"])
    resting = {"symbol": BUSY, "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.0002"}
    for _ in range(5):
        await api.sign("order.place", symbol=BUSY, side="BUY", type="MARKET", quantity="0.0002")
        for side, factor in (("BUY", 0.9), ("SELL", 1.1)):
            await api.sign("order.place", **resting, side=side, price=f"{price * factor:.2f}")
        await api.sign("openOrders.cancelAll", symbol=BUSY)


def _whole_event_of(stream: str) -> Callable[[Any], bool]:
    """A change of the book may be one of bids or of asks only: not one that shows what both look like."""
    return lambda message: message["stream"] == stream and not _is_one_sided(message["data"])


def _is_one_sided(data: Any) -> bool:
    return isinstance(data, dict) and [] in data.values()


async def shutdown(exchange: Exchange) -> Answers:
    """Ends the exchange."""
    async with (
        connected(exchange, "/ws") as raw,
        connected(exchange, "/stream") as combined,
        connected(exchange, "/ws-api/v3") as api,
    ):
        yield "ws: IP limits #2", await banned(api)
        ending = asyncio.create_task(asyncio.to_thread(exchange.stop))
        for name, socket in (
            ("streams: Server Shutdown #1", raw),
            ("streams: Server Shutdown #2", combined),
            ("ws: Server Shutdown #1", api),
        ):
            yield name, await socket.until(lambda message: "serverShutdown" in json.dumps(message))
    await ending


async def banned(api: Socket) -> Any:
    """What whoever goes on asking after too many requests is told."""
    for _ in range(10 * REQUESTS_MAX):
        answer = await api.ask("ping")
        if answer["status"] == 418:
            return answer
    return None


def collect(exchange: Exchange, examples: list[Example]) -> Iterator[tuple[str, Any]]:
    async def everything() -> list[tuple[str, Any]]:
        found = [answer async for answer in answers(exchange, examples)]
        return found + [answer async for answer in shutdown(exchange)]

    yield from asyncio.run(everything())
