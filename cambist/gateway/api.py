"""A request from its bytes to its answer: found, weighed, authenticated, handled; errors in one shape.

Nothing here knows of ASGI, so another door can stand before the same `Api.answer`. From reading the clock to
handing a command to the match server nothing waits, but for a market that is asked for the first time and an
account at its limit: so recvWindow is checked once.
"""

import itertools
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, TypeAlias

from cambist.accounts.api_keys import ApiKey, Scope
from cambist.errors import ExchangeError
from cambist.gateway import (
    account,
    amend,
    candles,
    capital,
    commission,
    countdown,
    errors,
    listen_key,
    market_data,
    order_history,
    order_lists,
    orders,
    own_history,
    public_trades,
    replace,
    session,
    tickers,
    wallet,
)
from cambist.gateway.auth import authenticate, identify, require_timely, unsigned
from cambist.gateway.calls import NS_PER_MS, NS_PER_S, NS_PER_US, Call, Services
from cambist.gateway.counts import RequestCounts
from cambist.gateway.errors import ApiError, Refusal
from cambist.gateway.limits import RequestLimits, client_of
from cambist.gateway.neighbours import Neighbours
from cambist.gateway.params import Params
from cambist.gateway.session import Session
from cambist.store.records import Records

log = logging.getLogger(__name__)

Headers: TypeAlias = list[tuple[bytes, bytes]]

_UNITS = {"": NS_PER_MS, "MILLISECOND": NS_PER_MS, "MICROSECOND": NS_PER_US}


class Question(Protocol):
    """What is asked of the API, whichever way it came. `is_known`: its connection proved whose key it is."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def api_key(self) -> str: ...
    @property
    def is_known(self) -> bool: ...
    @property
    def session(self) -> Session | None: ...
    @property
    def time_unit(self) -> str: ...
    @property
    def client_ip(self) -> str: ...
    def endpoint(self) -> "Endpoint": ...
    def params(self) -> Params: ...
    def signed(self) -> bytes: ...


class Request(NamedTuple):
    """What came over HTTP."""

    method: str
    path: str
    query: bytes
    body: bytes
    api_key: str
    time_unit: str
    client_ip: str
    is_known: bool = False
    session: Session | None = None

    def endpoint(self) -> "Endpoint":
        """Raises ApiError (404 or 405)."""
        return find(self.method, self.path)

    def params(self) -> Params:
        """Raises ApiError for what cannot be read."""
        return Params(self.query, self.body)

    def signed(self) -> bytes:
        """What the signature covers."""
        return unsigned(self.query) + unsigned(self.body)


class Answer(NamedTuple):
    status: int
    headers: Headers
    body: bytes


class Endpoint(NamedTuple):
    """`weight` may depend on the parameters; with `is_free` it is given back after a success.

    Where a key is needed a signature is too, unless the endpoint is not `is_signed`.
    """

    handle: Callable[[Call], Awaitable[bytes]]
    weight: int | Callable[[Params], int]
    scope: Scope | None = None
    is_free: bool = False
    is_signed: bool = True


READ, TRADE, WITHDRAW = Scope.READ, Scope.TRADE, Scope.WITHDRAW

ENDPOINTS: dict[str, dict[str, Endpoint]] = {
    "/api/v3/order": {
        "POST": Endpoint(orders.place, 1, TRADE, is_free=True),
        "DELETE": Endpoint(orders.cancel, 1, TRADE, is_free=True),
        "GET": Endpoint(own_history.order, 4, READ),
    },
    "/api/v3/order/test": {
        "POST": Endpoint(commission.test_order, commission.test_order_weight, TRADE),
    },
    "/api/v3/order/cancelReplace": {"POST": Endpoint(replace.cancel_replace, 1, TRADE, is_free=True)},
    "/api/v3/order/amend/keepPriority": {"PUT": Endpoint(amend.keep_priority, 4, TRADE, is_free=True)},
    "/api/v3/order/oco": {"POST": Endpoint(order_lists.place_old_oco, 1, TRADE, is_free=True)},
    "/api/v3/orderList/oco": {"POST": Endpoint(order_lists.place_oco, 1, TRADE, is_free=True)},
    "/api/v3/orderList/oto": {"POST": Endpoint(order_lists.place_oto, 1, TRADE, is_free=True)},
    "/api/v3/orderList/otoco": {"POST": Endpoint(order_lists.place_otoco, 1, TRADE, is_free=True)},
    "/api/v3/orderList": {
        "DELETE": Endpoint(order_lists.cancel, 1, TRADE, is_free=True),
        "GET": Endpoint(order_history.order_list, 4, READ),
    },
    "/api/v3/allOrderList": {"GET": Endpoint(order_history.all_lists, 20, READ)},
    "/api/v3/openOrderList": {"GET": Endpoint(order_history.open_lists, 6, READ)},
    "/api/v3/order/amendments": {"GET": Endpoint(order_history.order_amendments, 4, READ)},
    "/api/v3/myPreventedMatches": {
        "GET": Endpoint(order_history.own_prevented_matches, order_history.prevented_weight, READ)
    },
    "/api/v3/openOrders": {
        "GET": Endpoint(orders.open_orders, orders.open_orders_weight, READ),
        "DELETE": Endpoint(orders.cancel_all, 1, TRADE, is_free=True),
    },
    "/api/v3/allOrders": {"GET": Endpoint(own_history.all_orders, 20, READ)},
    "/api/v3/userDataStream": {
        "POST": Endpoint(listen_key.start, 2, READ, is_signed=False),
        "PUT": Endpoint(listen_key.renew, 2, READ, is_signed=False),
        "DELETE": Endpoint(listen_key.end, 2, READ, is_signed=False),
    },
    "/api/v3/account": {"GET": Endpoint(account.account, 20, READ)},
    "/api/v3/account/commission": {"GET": Endpoint(commission.rates, 20, READ)},
    "/api/v3/rateLimit/order": {"GET": Endpoint(account.order_counts, 40, READ)},
    "/api/v3/countdownCancelAll": {"POST": Endpoint(countdown.cancel_all_after, 1, TRADE)},
    "/api/v3/executionRules": {
        "GET": Endpoint(market_data.execution_rules, market_data.execution_rules_weight)
    },
    "/api/v3/referencePrice": {"GET": Endpoint(market_data.reference_price, 2)},
    "/api/v3/myFilters": {"GET": Endpoint(market_data.own_filters, 40, READ)},
    "/api/v3/myTrades": {"GET": Endpoint(own_history.trades, own_history.trades_weight, READ)},
    "/api/v3/ping": {"GET": Endpoint(market_data.ping, 1)},
    "/api/v3/time": {"GET": Endpoint(market_data.server_time, 1)},
    "/api/v3/exchangeInfo": {"GET": Endpoint(market_data.exchange_info, 20)},
    "/api/v3/depth": {"GET": Endpoint(market_data.depth, market_data.depth_weight)},
    "/api/v3/trades": {"GET": Endpoint(public_trades.recent, 25)},
    "/api/v3/historicalTrades": {"GET": Endpoint(public_trades.historical, 25)},
    "/api/v3/aggTrades": {"GET": Endpoint(public_trades.aggregates, 4)},
    "/api/v3/klines": {"GET": Endpoint(candles.klines, 2)},
    "/api/v3/uiKlines": {"GET": Endpoint(candles.klines, 2)},
    "/api/v3/avgPrice": {"GET": Endpoint(tickers.average_price, 2)},
    "/api/v3/ticker": {"GET": Endpoint(tickers.window, tickers.window_weight)},
    "/api/v3/ticker/24hr": {"GET": Endpoint(tickers.day, tickers.day_weight)},
    "/api/v3/ticker/tradingDay": {"GET": Endpoint(tickers.trading_day, tickers.window_weight)},
    "/api/v3/ticker/price": {"GET": Endpoint(market_data.price_ticker, market_data.ticker_weight)},
    "/api/v3/ticker/bookTicker": {"GET": Endpoint(market_data.book_ticker, market_data.ticker_weight)},
    "/sapi/v1/system/status": {"GET": Endpoint(wallet.system_status, 1)},
    "/sapi/v1/account/apiRestrictions": {"GET": Endpoint(wallet.key_permissions, 1, READ)},
    "/sapi/v1/account/status": {"GET": Endpoint(wallet.account_status, 1, READ)},
    "/sapi/v1/asset/assetDetail": {"GET": Endpoint(wallet.asset_details, 1, READ)},
    "/sapi/v1/asset/get-funding-asset": {"POST": Endpoint(wallet.none, 1, READ)},
    "/sapi/v1/asset/tradeFee": {"GET": Endpoint(commission.trade_fees, 1, READ)},
    "/sapi/v1/asset/transfer": {"GET": Endpoint(wallet.no_transfers, 1, READ)},
    "/sapi/v1/capital/config/getall": {"GET": Endpoint(wallet.coins, 10, READ)},
    "/sapi/v1/capital/deposit/address": {"GET": Endpoint(capital.deposit_address, 10, READ)},
    "/sapi/v1/capital/deposit/hisrec": {"GET": Endpoint(capital.deposit_history, 1, READ)},
    "/sapi/v1/capital/withdraw/apply": {"POST": Endpoint(capital.withdraw, 10, WITHDRAW)},
    "/sapi/v1/capital/withdraw/history": {"GET": Endpoint(capital.withdrawal_history, 10, READ)},
    "/sapi/v1/spot/delist-schedule": {"GET": Endpoint(wallet.none, 100)},
    "/sapi/v1/margin/allPairs": {"GET": Endpoint(wallet.none, 1)},
    "/sapi/v1/margin/isolated/allPairs": {"GET": Endpoint(wallet.none, 1)},
    "/sapi/v3/asset/getUserAsset": {"POST": Endpoint(wallet.user_assets, 5, READ)},
    "/fapi/v1/exchangeInfo": {"GET": Endpoint(market_data.no_markets, 1)},
    "/dapi/v1/exchangeInfo": {"GET": Endpoint(market_data.no_markets, 1)},
}


class Api:
    def __init__(
        self,
        services: Services,
        records: Records,
        neighbours: Neighbours,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.services = services
        self.records = records
        self.clock = clock
        self.limits = RequestLimits(services.settings.limits, neighbours)
        self.counts = RequestCounts()
        self._process = secrets.token_hex(4).encode()
        self._numbers = itertools.count(1)

    async def answer(self, request: Question) -> Answer:
        """Never raises: whatever goes wrong is an answer, and a bug is logged with the request id."""
        request_id = self.next_id()
        client = client_of(request.client_ip)
        now_ns = self.clock()
        headers: Headers = [(b"x-request-id", request_id)]
        status = 200
        try:
            body = await self._handle(request, client, now_ns, headers)
        except Exception as problem:  # noqa: BLE001  whatever it is, it has an answer
            status, body = failed(problem, request_id, f"{request.method} {request.path}", headers)
        used = b"%d" % self.limits.used_weight(client, now_ns // NS_PER_S)
        headers += (b"x-mbx-used-weight", used), (b"x-mbx-used-weight-1m", used)
        if request.path.startswith("/sapi/"):
            headers.append((b"x-sapi-used-ip-weight-1m", used))
        path = request.path if request.path in ENDPOINTS else "other"
        self.counts.count(request.method, path, status, self.clock() - now_ns)
        return Answer(status, headers, body)

    def next_id(self) -> bytes:
        """What the next answer calls its request."""
        return b"%b-%x" % (self._process, next(self._numbers))

    def still_permits(self, api_key: str, scope: Scope, client_ip: str) -> bool:
        """Whether what a key once opened may go on: it was not revoked, and has not expired."""
        try:
            identify(self.records, api_key=api_key, scope=scope, client_ip=client_ip, now_ns=self.clock())
        except ApiError:
            return False
        return True

    def refuse(self, refusal: Refusal) -> Answer:
        """For what is turned away before it is read."""
        return Answer(refusal.http, [(b"connection", b"close")], errors.body(refusal))

    async def _handle(self, request: Question, client: str, now_ns: int, headers: Headers) -> bytes:
        now_s = now_ns // NS_PER_S
        self.limits.admit(client, now_s)
        endpoint = request.endpoint()
        unit_ns = _UNITS.get(request.time_unit.upper())
        if unit_ns is None:
            raise ApiError(errors.BAD_TIME_UNIT)
        params = request.params()
        weight = endpoint.weight if isinstance(endpoint.weight, int) else endpoint.weight(params)
        self.limits.charge(client, weight, now_s)
        key = None
        if endpoint.scope is not None:
            key = self._key(request, endpoint.scope, params, now_ns, is_signed=endpoint.is_signed)
        number = 0 if key is None else key.account
        call = Call(self.services, params, number, now_ns, unit_ns, headers, key)
        body = await endpoint.handle(call)
        if endpoint.is_free:
            self.limits.give_back(client, weight, now_s)
        return body

    def _key(
        self, request: Question, scope: Scope, params: Params, now_ns: int, *, is_signed: bool
    ) -> ApiKey:
        limits = self.services.settings.api
        if not request.api_key and request.session is not None:
            return self._of_session(request.session, scope, now_ns)
        if request.is_known or not is_signed:
            if "timestamp" in params:
                require_timely(params, now_ns, limits)
            return identify(
                self.records,
                api_key=request.api_key,
                scope=scope,
                client_ip=request.client_ip,
                now_ns=now_ns,
            )
        return authenticate(
            self.records,
            api_key=request.api_key,
            scope=scope,
            params=params,
            signed=request.signed(),
            client_ip=request.client_ip,
            now_ns=now_ns,
            limits=limits,
        )

    def _of_session(self, sent: Session, scope: Scope, now_ns: int) -> ApiKey:
        """Whoever is signed in, in a page of ours; such a request has no signature and needs no timestamp."""
        key = session.key_of(self.records, sent, now_ns, self.services.settings.accounts)
        if key is None or not key.permits(scope, client_ip="", now_ns=now_ns):
            raise ApiError(errors.KEY_REJECTED)
        return key


def failed(problem: Exception, request_id: bytes, asked: str, headers: Headers) -> tuple[int, bytes]:
    """Status and body for a request that raised; `headers` may get one more."""
    if isinstance(problem, ApiError):
        if problem.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % problem.retry_after_s))
        return problem.refusal.http, errors.body(problem.refusal, problem.data)
    if isinstance(problem, ExchangeError):
        refusal = errors.of_error(problem)
        if refusal is errors.UNKNOWN:
            log.error("request %s: %r", request_id.decode(), problem, extra={"request": request_id.decode()})
        return refusal.http, errors.body(refusal)
    # The last resort: a fault in one request is answered -1000 and told in full with the request's id, and
    # nobody else's request suffers. Broken is no Exception and still rises.
    named = {"request": request_id.decode()}
    log.error("request %s: %s", request_id.decode(), asked, exc_info=problem, extra=named)
    return errors.UNKNOWN.http, errors.body(errors.UNKNOWN)


def find(method: str, path: str) -> Endpoint:
    """Raises ApiError (404 or 405)."""
    methods = ENDPOINTS.get(path)
    if methods is None:
        raise ApiError(errors.NO_SUCH_ROUTE)
    endpoint = methods.get(method)
    if endpoint is None:
        raise ApiError(errors.WRONG_METHOD)
    return endpoint
