"""Plain orders: one order placed or cancelled with the usual parameters, as nearly all trading requests are.

Rust reads the request, checks signature and time, packs the command and spells the answer, all in
engine/src/plain.rs; here is what needs the exchange: keys, markets, limits, sending. Whatever is not plain is
left to the general way, `Api.answer`: before anything has happened, or, if the engine's answer is unusual, by
its own functions. So errors and rules are written once, and the general way is the oracle: a test sends each
request through both.
"""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from cambist._matching import HmacKey, PlainRequest, PlainTerms, read_plain
from cambist.accounts import api_keys
from cambist.accounts.api_keys import ApiKey, Scope
from cambist.errors import ExchangeError
from cambist.gateway import order_params
from cambist.gateway.api import Answer, Api, Headers, failed
from cambist.gateway.calls import NS_PER_MS, NS_PER_S, Call
from cambist.gateway.markets import Market
from cambist.gateway.order_limits import Tally
from cambist.gateway.orders import finish_cancel, finish_place
from cambist.gateway.params import Params

WEIGHT = 1
PATH = "/api/v3/order"

Tell: TypeAlias = Callable[[Answer], None]


class PlainOrders:
    def __init__(self, api: Api) -> None:
        self._api = api
        settings = api.services.settings.api
        self._windows_ms = settings.recv_window_default_ms, settings.recv_window_max_ms

    def read(self, data: bytes) -> PlainRequest | None:
        """None unless these are the bytes of exactly one plain request."""
        return read_plain(data, *self._windows_ms)

    def send(self, request: PlainRequest, client: str, client_ip: str, tell: Tell) -> bool:
        """Sends the command; `tell` gets the answer later. False if nothing has happened: go the general way.

        `client` is whom the request counts for, as the limits name him.
        """
        api = self._api
        services, limits, now_ns = api.services, api.limits, api.clock()
        key = api_keys.find(api.records, request.api_key)
        known = services.markets.known(request.symbol)
        if known is None or key is None or not key.permits(Scope.TRADE, client_ip=client_ip, now_ns=now_ns):
            return False
        check, now_s = key.is_signed, now_ns // NS_PER_S
        if not isinstance(check, HmacKey) or not limits.has_room(client, WEIGHT, now_s):
            return False
        market, terms = known
        client_id = request.client_id or order_params.new_client_id()
        command = request.command(check, now_ns, key.account, terms, client_id)
        tally = services.orders.of(key.account, now_s) if request.is_place else None
        if command is None or (tally is not None and not services.orders.has_room(tally)):
            return False
        try:
            services.core.send(
                command, _Waiting(api, request, client, now_ns, key, market, terms, client_id, tally, tell)
            )
        except ExchangeError:
            return False
        limits.count(client, WEIGHT, now_s)
        if tally is not None:
            services.orders.begin(tally, now_s)
        return True


class _Waiting(msgspec.Struct):
    """A command on its way; told as a future is (cambist/match/server.py::Waiter)."""

    api: Api
    request: PlainRequest
    client: str
    now_ns: int
    key: ApiKey
    market: Market
    terms: PlainTerms
    client_id: str
    tally: Tally | None
    tell: Tell
    is_done: bool = False

    def done(self) -> bool:
        return self.is_done

    def set_result(self, record: bytes) -> None:
        api = self.api
        api.services.core.heard(self.key.account, record)
        headers = self._begin_answer()
        try:
            body = self._body(record, headers)
        except Exception as problem:  # noqa: BLE001  whatever it is, it has an answer
            self._fail(problem, headers)
            return
        self._answer(200, headers, body, api.limits.give_back(self.client, WEIGHT, self.now_ns // NS_PER_S))

    def set_exception(self, problem: Exception) -> None:
        self._fail(problem, self._begin_answer())

    def _begin_answer(self) -> Headers:
        self.is_done = True
        if self.tally is not None:
            self.api.services.orders.end(self.tally)
        return [(b"x-request-id", self.api.next_id())]

    def _fail(self, problem: Exception, headers: Headers) -> None:
        status, body = failed(problem, headers[0][1], "a plain order", headers)
        used = self.api.limits.used_weight(self.client, self.now_ns // NS_PER_S)
        self._answer(status, headers, body, used)

    def _answer(self, status: int, headers: Headers, body: bytes, used_weight: int) -> None:
        used = b"%d" % used_weight
        headers += (b"x-mbx-used-weight", used), (b"x-mbx-used-weight-1m", used)
        method = "POST" if self.request.is_place else "DELETE"
        api = self.api
        api.counts.count(method, PATH, status, api.clock() - self.now_ns)
        self.tell(Answer(status, headers, body))

    def _body(self, record: bytes, headers: Headers) -> bytes:
        """Raises what the general way raises."""
        answer = self.request.answer(record, self.terms, self.client_id)
        if answer is None:
            return self._general_body(record, headers)
        body, order_id, makers, is_open = answer
        limits, tally = self.api.services.orders, self.tally
        if tally is None:
            limits.closed(self.key.account, order_id)
            return body
        for account, maker_order in makers:
            limits.filled(account, maker_order)
        if not makers:
            limits.placed(tally, order_id, is_open=is_open)
        headers += limits.headers(tally)
        return body

    def _general_body(self, record: bytes, headers: Headers) -> bytes:
        params = Params(b"", self.request.parameters).with_value("newClientOrderId", self.client_id)
        key = self.key
        call = Call(self.api.services, params, key.account, self.now_ns, NS_PER_MS, headers, key)
        if self.tally is None:
            return finish_cancel(call, self.market, self.client_id, record)
        return finish_place(call, order_params.read_order(params, self.market), self.tally, record)
