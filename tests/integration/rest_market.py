"""An exchange in this process behind its REST API: real application, match server, engine and records.

Only the log is kept in memory. Prices and quantities are decimal strings, as a client would send them.
"""

import asyncio
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import httpx
from starlette.types import ASGIApp

from cambist._matching import Engine
from cambist.accounts import api_keys
from cambist.accounts.api_keys import Scope
from cambist.engine import events
from cambist.engine.commands import (
    RULES_NEWEST,
    AccountClass,
    AccountCreate,
    AccountFreeze,
    AssetList,
    CancelAll,
    Command,
    Credit,
    FeeComponent,
    Filters,
    MarketFees,
    MarketList,
    MarketState,
    MarketStatus,
    Permission,
    Role,
)
from cambist.engine.events import Status
from cambist.errors import ExchangeError
from cambist.gateway.app import create_app
from cambist.gateway.history import History
from cambist.gateway.neighbours import Neighbours
from cambist.log.journal_writer import JournalWriter
from cambist.match.disk import LowDiskMark
from cambist.match.queries import Listed
from cambist.match.server import MatchServer
from cambist.money import parse_atoms
from cambist.settings import Limits, Settings
from cambist.store.records import Records
from tests.accounts import create_user
from tests.data_thread import DataThread
from tests.journals import LOG_ID

FILTERS = Filters(
    price_min_ticks=1,
    price_max_ticks=100_000_000,
    lot_min=2,
    lot_max=1_000_000,
    market_lot_min=2,
    market_lot_max=100_000,
    notional_min_atoms=500_000_000,  # 5 USDT
    notional_max_atoms=100_000_000_000_000,  # 1 000 000 USDT
    max_orders=20,
    notional_flags=3,
)


NO_LIMITS = Limits(request_weight_1m=0, raw_requests_5m=0, orders_10s=0, orders_1d=0)


class Client:
    """Requests from a test that waits, answered by an application on an event loop of its own."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.before_get: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result(timeout=120)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def to(self, app: ASGIApp) -> Self:
        self.app = app
        return self

    def run(self, task: Coroutine[Any, Any, None]) -> None:
        """Beside the requests, until the client is left."""
        asyncio.run_coroutine_threadsafe(task, self._loop)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        if method == "GET":
            self.before_get()
        return self.start(method, path, **options).result(timeout=120)

    def start(self, method: str, path: str, **options: Any) -> "Future[httpx.Response]":
        """Sends without waiting for the answer."""
        return asyncio.run_coroutine_threadsafe(self._send(method, path, options), self._loop)

    def send_bytes(
        self, method: str, path: str, query: bytes, body: bytes, api_key: str
    ) -> tuple[int, bytes]:
        """Status and body for bytes that no client would send."""
        return asyncio.run_coroutine_threadsafe(
            self._send_bytes(method, path, query, body, api_key), self._loop
        ).result(timeout=120)

    async def _send_bytes(
        self, method: str, path: str, query: bytes, body: bytes, api_key: str
    ) -> tuple[int, bytes]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query,
            "headers": [(b"x-mbx-apikey", api_key.encode())],
            "client": (self.address, 50_000),
        }
        await self.app(scope, receive, send)
        return sent[0]["status"], sent[1]["body"]

    async def _send(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=(self.address, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class MemoryLog:
    def append(self, payload: bytes) -> None: ...

    def require_leading(self) -> None: ...

    def beat(self) -> None: ...

    def seal(self) -> None: ...

    def close(self) -> None: ...


class Trader:
    """A user with an API key; requests are signed as the documentation says, parameters in the query."""

    def __init__(
        self, client: "Client", account: int, api_key: str, secret: str, now_ms: Callable[[], int]
    ) -> None:
        self._client = client
        self.account = account
        self.api_key = api_key
        self.secret = secret
        self._now_ms = now_ms

    def get(self, path: str, **params: object) -> Any:
        return ok(self.request("GET", path, **params))

    def post(self, path: str, **params: object) -> Any:
        return ok(self.request("POST", path, **params))

    def delete(self, path: str, **params: object) -> Any:
        return ok(self.request("DELETE", path, **params))

    def order(self, side: str, quantity: str, price: str, symbol: str = "BTCUSDT", **params: object) -> Any:
        """A GTC limit order with its full answer."""
        return self.post("/api/v3/order", **limit_order(side, quantity, price, symbol) | params)

    def refused(self, method: str, path: str, **params: object) -> tuple[int, int, str]:
        """HTTP status, code and text of a request that must fail."""
        return refusal(self.request(method, path, **params))

    def refused_order(self, **params: object) -> tuple[int, str]:
        """Code and text for an order like a valid one but for `params`; None takes a parameter away."""
        wanted = limit_order("BUY", "1", "100", "BTCUSDT") | params
        _, code, text = self.refused("POST", "/api/v3/order", **wanted)
        return code, text

    def request(self, method: str, path: str, **params: object) -> httpx.Response:
        sent = {name: value for name, value in params.items() if value is not None}
        query = urlencode({"timestamp": self._now_ms()} | sent)
        return self._client.request(method, f"{path}?{self.signed(query)}", headers=self.headers())

    def signed(self, payload: str) -> str:
        return f"{payload}&signature={self.signature(payload)}"

    def signature(self, payload: str) -> str:
        return hmac.new(self.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()

    def headers(self) -> dict[str, str]:
        return {"X-MBX-APIKEY": self.api_key}


class RestMarket:
    """BTCUSDT (tick 0.01, lot 0.001, 0.1 % maker and 0.2 % taker fee) and ETPBTC without fees are listed."""

    def __init__(
        self, directory: Path, client: Callable[[ASGIApp], "Client"], limits: Limits, clock: Callable[[], int]
    ) -> None:
        self.settings = Settings(home=directory, limits=limits)
        self.records = Records.create(self.settings)
        self.clock = clock
        self.engine = Engine()
        self.server = MatchServer(
            MemoryLog(),
            self.engine,
            JournalWriter(self.settings.journal_directory, LOG_ID, Engine().event_hash),
            match=self.settings.match,
            log_settings=self.settings.log,
            disk=LowDiskMark(0, lambda: 1),
            clock=clock,
        )
        self.server.start()
        self.server.activate_rules(RULES_NEWEST)
        self._admin = self.server.open_port(Role.ADMIN, "test")
        port = self.server.open_port(Role.TRADE, "gateway")
        self.data = DataThread(
            self.settings.journal_directory, self.settings.views_file, self.settings.feed_file, LOG_ID, clock
        )
        self.history = History(self.settings.views_file)
        self.neighbours = Neighbours.join(self.settings.run_directory)
        listing = self.server.query_blocking(Listed())
        app = create_app(
            self.settings, self.records, port, listing, self.history, self.neighbours, clock=clock
        )
        self.client = client(app)
        self.client.run(app.sockets.run())
        self.client.before_get = self.settle
        self.assets = {
            name: self.execute(AssetList(name=name.encode(), scale=8)) for name in ("BTC", "USDT", "ETP")
        }
        self._mirror = self.execute(
            AccountCreate(
                account_class=AccountClass.MIRROR, permissions=Permission.TRADE, reference=b"mirror:test"
            )
        )
        self.markets = {
            "BTCUSDT": self.list_market(
                "BTC", "USDT", tick="0.01", lot="0.001", maker=100_000, taker=200_000
            ),
            "ETPBTC": self.list_market("ETP", "BTC", tick="0.00001", lot="0.001", notional_min_atoms=1),
        }
        self._traders: list[Trader] = []

    def list_market(
        self,
        base: str,
        quote: str,
        *,
        tick: str,
        lot: str,
        maker: int = 0,
        taker: int = 0,
        **filters: int,
    ) -> int:
        market = self.execute(
            MarketList(
                base=self.assets[base],
                quote=self.assets[quote],
                tick_atoms=parse_atoms(tick, 8),
                lot_atoms=parse_atoms(lot, 8),
                filters=FILTERS._replace(**filters),
                state=MarketStatus.TRADING,
                symbol=f"{base}{quote}".encode(),
            )
        )
        fees = MarketFees(
            market=market,
            component=FeeComponent.STANDARD,
            tier=0,
            maker=maker,
            taker=taker,
            buyer=0,
            seller=0,
        )
        self.execute(fees)
        return market

    def trader(
        self, scopes: Scope = Scope.READ | Scope.TRADE, ip_allow: tuple[str, ...] = (), **funds: str
    ) -> Trader:
        """A new user; `funds` are amounts by asset."""
        email = f"trader{len(self._traders)}@example.com"
        user = create_user(self.records, email, self._create_account, now_ns=self.clock())
        assert user.account is not None
        for asset, amount in funds.items():
            self.credit(user.account, asset, amount)
        api_key, secret = api_keys.create(
            self.records,
            user,
            label="test",
            scopes=scopes,
            ip_allow=ip_allow,
            now_ns=self.clock(),
            acting_user="test",
        )
        assert secret is not None
        trader = Trader(self.client, user.account, api_key, secret, lambda: self.clock() // 1_000_000)
        self._traders.append(trader)
        return trader

    def cancel_everything(self) -> None:
        for trader in self._traders:
            self.execute(CancelAll(account=trader.account))

    def credit(self, account: int, asset: str, amount: str) -> None:
        self.execute(
            Credit(
                account=account,
                market=self.assets[asset],
                counter_account=self._mirror,
                amount_atoms=parse_atoms(amount, 8),
                reference=f"funds:{account}:{asset}:{self.engine.sequence}".encode(),
            )
        )

    def set_state(self, symbol: str, state: MarketStatus) -> None:
        self.execute(MarketState(market=self.markets[symbol], state=state))

    def freeze(self, account: int, *, frozen: bool = True) -> None:
        self.execute(AccountFreeze(account=account, frozen=frozen))

    def business_hash(self) -> bytes:
        """Everything but sequence, time and what sessions remember."""
        return self.server.query_blocking(lambda engine: engine.business_hash())

    def get(self, path: str, **params: object) -> Any:
        return ok(self.client.get(path, params=params or None))

    def refused(self, path: str, **params: object) -> tuple[int, int, str]:
        return refusal(self.client.get(path, params=params or None))

    def execute(self, command: Command) -> int:
        result = events.result(self._admin.call(command.encode()))
        assert result.status == Status.OK, (command, Status(result.status))
        return result.value

    def settle(self) -> None:
        """What has happened is in the views, unless the data server is paused."""
        with suppress(ExchangeError):  # one that has stopped says nothing more
            self.data.wait_for(self.server.query_blocking(lambda engine: engine.sequence))

    def close(self) -> None:
        self.server.stop()
        self.data.close()
        self.history.close()
        self.neighbours.close()
        self.records.close()

    def _create_account(self, reference: bytes) -> int:
        return self.execute(
            AccountCreate(
                account_class=AccountClass.USER,
                permissions=Permission.TRADE | Permission.DEPOSIT | Permission.WITHDRAW,
                reference=reference,
            )
        )


@contextmanager
def rest_market(
    directory: Path,
    *,
    limits: Limits = NO_LIMITS,
    clock: Callable[[], int] = time.time_ns,
    address: str = "192.0.2.1",
) -> Iterator[RestMarket]:
    with Client(address) as client:
        market = RestMarket(directory, client.to, limits, clock)
        try:
            yield market
        finally:
            market.close()


def limit_order(side: str, quantity: str, price: str, symbol: str) -> dict[str, object]:
    return {
        "symbol": symbol,
        "side": side,
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": quantity,
        "price": price,
    }


def ok(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("application/json")
    return response.json()


def refusal(response: httpx.Response) -> tuple[int, int, str]:
    body = response.json()
    assert set(body) == {"code", "msg"}, body
    assert response.headers["content-type"].startswith("application/json")
    return response.status_code, body["code"], body["msg"]
