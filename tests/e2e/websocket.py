"""A client of the WebSockets, as plain as one can be: aiohttp, JSON, and signatures as documented."""

import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp
import msgspec

from cambist.flow.rest import Credentials
from tests.e2e.harness import HOST, Exchange

WAIT_S = 120


class Socket:
    """Messages in the order in which they came. `answer` leaves events that came before it for `event`."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.text = ""  # of the last message
        self._early: list[Any] = []
        self._id = 0

    async def receive(self) -> Any:
        message = await self.ws.receive(timeout=WAIT_S)
        assert message.type == aiohttp.WSMsgType.TEXT, (message, self.ws.close_code)
        self.text = message.data
        return msgspec.json.decode(message.data)

    async def send(self, text: str) -> None:
        await self.ws.send_str(text)

    async def ask(self, method: str, params: Any = None, **fields: Any) -> Any:
        """The whole answer to a request, of the WebSocket API or of a stream connection."""
        self._id += 1
        request = {"id": self._id, "method": method} | ({} if params is None else {"params": params}) | fields
        await self.ws.send_json(request)
        while True:
            message = await self.receive()
            if isinstance(message, dict) and "id" in message and message["id"] == request["id"]:
                return message
            self._early.append(message)

    async def result(self, method: str, params: Any = None) -> Any:
        """The result of a request that must succeed."""
        answer = await self.ask(method, params)
        assert answer["status"] == 200, answer
        return answer["result"]

    async def event(self) -> Any:
        return self._early.pop(0) if self._early else await self.receive()

    async def closed(self) -> int | None:
        """The code with which it ends, whatever still comes before."""
        async for _ in self.ws:
            pass
        return self.ws.close_code


class Account:
    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials

    def signed(self, **params: Any) -> dict[str, Any]:
        """With key, time and signature: over all parameters in the order of their names."""
        asked = {**params, "apiKey": self.credentials.api_key, "timestamp": time.time_ns() // 1_000_000}
        payload = "&".join(f"{name}={_text(value)}" for name, value in sorted(asked.items()))
        secret = self.credentials.secret_key.encode()
        return {**asked, "signature": hmac.new(secret, payload.encode(), hashlib.sha256).hexdigest()}


class Client:
    def __init__(self, exchange: Exchange) -> None:
        self.base = f"http://{HOST}:{exchange.port}"
        self.exchange = exchange

    async def __aenter__(self) -> Self:
        self.http = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    def account(self, name: str) -> Account:
        return Account(self.exchange.users()[name])

    @asynccontextmanager
    async def connect(self, path: str, **options: Any) -> AsyncIterator[Socket]:
        async with self.http.ws_connect(self.base + path, **options) as ws:
            yield Socket(ws)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
