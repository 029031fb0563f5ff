"""One user's requests to a running exchange; what comes back is kept as it came, refusals too."""

import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx

from cambist_client import HmacKey
from tests.e2e.harness import HOST, Exchange

SYMBOL = "ETPBTC"  # nobody else trades it in the demo, so what happens there is what the test does
BUSY = "BTCUSDT"  # always has a book and trades


class User:
    """Signs everything that names a user; the parameters go into the query."""

    def __init__(self, exchange: Exchange, name: str) -> None:
        user = exchange.users()[name]
        self.key = HmacKey(user.api_key, user.secret_key)
        self._http = httpx.Client(base_url=f"http://{HOST}:{exchange.port}", timeout=120)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def public(self, path: str, **params: Any) -> Any:
        return self._http.get(path, params=params).json()

    def get(self, path: str, **params: Any) -> Any:
        return self.send("GET", path, **params)

    def post(self, path: str, **params: Any) -> Any:
        return self.send("POST", path, **params)

    def put(self, path: str, **params: Any) -> Any:
        return self.send("PUT", path, **params)

    def delete(self, path: str, **params: Any) -> Any:
        return self.send("DELETE", path, **params)

    def order(self, side: str, quantity: str, price: str, **params: Any) -> Any:
        limit = {"type": "LIMIT", "timeInForce": "GTC", "price": price, "newOrderRespType": "FULL"}
        return self.post(
            "/api/v3/order", **{"symbol": SYMBOL, "side": side, "quantity": quantity, **limit, **params}
        )

    def market_order(self, side: str, quantity: str, **params: Any) -> Any:
        wanted = {"symbol": SYMBOL, "side": side, "type": "MARKET", "quantity": quantity}
        return self.post("/api/v3/order", **{**wanted, **params})

    def send(self, method: str, path: str, **params: Any) -> Any:
        query = urlencode({**params, "timestamp": time.time_ns() // 1_000_000})
        signed = f"{path}?{query}&signature={self.key.sign(query.encode())}"
        return self._http.request(method, signed, headers={"X-MBX-APIKEY": self.key.api_key}).json()
