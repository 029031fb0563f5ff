"""An exchange as one user sees it. Every address is made from one base URL, so a key goes nowhere else."""

import time
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any, Literal, Self, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from cambist_client import sockets
from cambist_client.errors import OutcomeUnknown, Refused
from cambist_client.keys import Key
from cambist_client.models import Account, AccountTrade, Depth, Order, PlacedOrder, PublicTrade

Side = Literal["BUY", "SELL"]
T = TypeVar("T")
Value = str | int | bool | Decimal | None

OUTCOME_UNKNOWN = -1007


class _Problem(msgspec.Struct):
    code: int
    msg: str


class Client:
    """`async with Client("http://127.0.0.1:8000", key) as exchange: ...`; no key: what everybody may see."""

    def __init__(self, base_url: str, key: Key | None = None, *, timeout_s: float = 10) -> None:
        self.base_url = base_url.rstrip("/")
        self._key = key
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(timeout_s))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._session.close()

    # What everybody may see

    async def depth(self, symbol: str, limit: int = 100) -> Depth:
        return await self._ask("GET", "/api/v3/depth", Depth, symbol=symbol, limit=limit)

    async def trades(self, symbol: str, limit: int = 500) -> list[PublicTrade]:
        return await self._ask("GET", "/api/v3/trades", list[PublicTrade], symbol=symbol, limit=limit)

    def stream(self, *streams: str) -> AsyncIterator[tuple[str, Any]]:
        """(stream, event) of each market event, e.g. of `btcusdt@trade`. Raises ConnectionLost at the end."""
        return sockets.market_events(self._session, self._ws_url("/stream"), streams)

    # What the key's owner may

    async def account(self) -> Account:
        return await self._ask_signed("GET", "/api/v3/account", Account)

    async def place_limit(
        self,
        symbol: str,
        side: Side,
        quantity: Decimal,
        price: Decimal,
        *,
        client_order_id: str | None = None,
        time_in_force: Literal["GTC", "IOC", "FOK"] = "GTC",
    ) -> PlacedOrder:
        """Name the order yourself: then it can be found, or tried again safely, after OutcomeUnknown."""
        return await self._place(
            symbol=symbol,
            side=side,
            type="LIMIT",
            quantity=quantity,
            price=price,
            timeInForce=time_in_force,
            newClientOrderId=client_order_id,
        )

    async def place_market(
        self, symbol: str, side: Side, quantity: Decimal, *, client_order_id: str | None = None
    ) -> PlacedOrder:
        return await self._place(
            symbol=symbol, side=side, type="MARKET", quantity=quantity, newClientOrderId=client_order_id
        )

    async def cancel(self, symbol: str, order_id: int) -> Order:
        return await self._ask_signed("DELETE", "/api/v3/order", Order, symbol=symbol, orderId=order_id)

    async def order(
        self, symbol: str, order_id: int | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Raises Refused with code -2013 if there is none."""
        named = {"orderId": order_id, "origClientOrderId": client_order_id}
        return await self._ask_signed("GET", "/api/v3/order", Order, symbol=symbol, **named)

    async def open_orders(self, symbol: str | None = None) -> list[Order]:
        return await self._ask_signed("GET", "/api/v3/openOrders", list[Order], symbol=symbol)

    async def my_trades(self, symbol: str, limit: int = 500) -> list[AccountTrade]:
        return await self._ask_signed(
            "GET", "/api/v3/myTrades", list[AccountTrade], symbol=symbol, limit=limit
        )

    def private_events(self) -> AsyncIterator[Any]:
        """Order and balance events as they happen, from the moment that the first is waited for.

        Raises ConnectionLost when the connection ends.
        """
        return sockets.private_events(self._session, self._ws_url("/ws-api/v3"), self._required_key())

    # Everything else

    async def request(
        self, method: str, path: str, params: Mapping[str, Value] | None = None, *, signed: bool = False
    ) -> bytes:
        """The answer's JSON. Raises Refused, OutcomeUnknown, or aiohttp.ClientError when it broke."""
        query = urlencode({name: _text(value) for name, value in (params or {}).items() if value is not None})
        headers = {}
        if signed:
            key = self._required_key()
            query += f"{'&' if query else ''}timestamp={time.time_ns() // 1_000_000}"
            query += "&" + urlencode({"signature": key.sign(query.encode())})
            headers["X-MBX-APIKEY"] = key.api_key
        url = URL(f"{self.base_url}{path}?{query}", encoded=True)
        # A redirect could lead to another host, and the key with it.
        async with self._session.request(method, url, headers=headers, allow_redirects=False) as response:
            body = await response.read()
            if response.status != 200:
                raise _problem(response, body)
            return body

    async def _place(self, **params: Value) -> PlacedOrder:
        return await self._ask_signed("POST", "/api/v3/order", PlacedOrder, newOrderRespType="FULL", **params)

    async def _ask(self, method: str, path: str, kind: type[T], **params: Value) -> T:
        return msgspec.json.decode(await self.request(method, path, params), type=kind)

    async def _ask_signed(self, method: str, path: str, kind: type[T], **params: Value) -> T:
        return msgspec.json.decode(await self.request(method, path, params, signed=True), type=kind)

    def _required_key(self) -> Key:
        if self._key is None:
            raise ValueError("this needs a key: Client(base_url, HmacKey(api_key, secret))")
        return self._key

    def _ws_url(self, path: str) -> str:
        return f"ws{self.base_url.removeprefix('http')}{path}"


def _text(value: Value) -> str:
    """Decimals in full: an exponent is refused."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _problem(response: aiohttp.ClientResponse, body: bytes) -> Exception:
    retry_after = response.headers.get("Retry-After")
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except msgspec.DecodeError:
        return OutcomeUnknown(f"HTTP {response.status} without a reason")
    if problem.code == OUTCOME_UNKNOWN:
        return OutcomeUnknown(problem.msg)
    return Refused(response.status, problem.code, problem.msg, int(retry_after) if retry_after else None)
