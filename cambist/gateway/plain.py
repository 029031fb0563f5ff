"""Plain orders: one order placed or cancelled with the usual parameters, as nearly all trading requests are.

Rust reads the request, knows whose key it is, checks signature and time, packs the command and spells the
answer (engine/src/plain.rs, desk.rs); here is what needs the exchange: keys, markets, limits, sending.
Whatever is not plain is left to the general way, `Api.answer`: before anything has happened, or, if the
engine's answer is unusual, by its own functions. So errors and rules are written once, and the general way is
the oracle: a test sends each request through both.
"""

import asyncio
from typing import ClassVar, Protocol

import msgspec

from cambist._matching import HmacKey, PlainDesk, PlainOrder
from cambist.accounts import api_keys
from cambist.accounts.api_keys import Scope
from cambist.engine import events
from cambist.errors import ExchangeError
from cambist.gateway import order_params
from cambist.gateway.api import Answer, Api, Headers, failed
from cambist.gateway.calls import NS_PER_MS, NS_PER_S, Call
from cambist.gateway.order_limits import Tally
from cambist.gateway.orders import finish_cancel, finish_place
from cambist.gateway.params import Params
from cambist.store.secrets import SealBroken

WEIGHT = 1
PATH = "/api/v3/order"
NEVER_NS = (1 << 63) - 1


class Connection(Protocol):
    """Where an order came from and its answer goes."""

    loop: asyncio.AbstractEventLoop

    def tell_plainly(
        self, sent: "Sent", request_id: bytes, order_counts: tuple[int, int] | None, used_weight: int
    ) -> None:
        """What `sent.order` was answered."""

    def tell(self, sent: "Sent", answer: Answer) -> None:
        """What the general way says."""


class _Body:
    """Nobody waits for the body of a request that came whole."""

    def set(self) -> None: ...


class PlainOrders:
    def __init__(self, api: Api) -> None:
        self.api = api
        settings = api.services.settings.api
        self._desk = PlainDesk(
            settings.recv_window_default_ms,
            settings.recv_window_max_ms,
            self._find_holder,
            api.services.markets.terms,
            order_params.new_client_id,
        )

    def send(self, data: bytes, connection: Connection, client: str, client_ip: str) -> "Sent | None":
        """Sends the command; the connection is told the answer later.

        `client` is whom the request counts for, as the limits name him. None if these are not the bytes of
        exactly one plain request, or if it has to go the general way: then nothing has happened.
        """
        api, limits = self.api, self.api.limits
        now_ns = api.clock()
        now_s = now_ns // NS_PER_S
        order = self._desk.take(data, now_ns, client_ip, api.records.version())
        if order is None or not limits.take(client, WEIGHT, now_s):
            return None
        sent = self._send(order, connection, client, now_ns)
        if sent is None:
            limits.untake(client, WEIGHT, now_s)
        return sent

    def _send(self, order: PlainOrder, connection: Connection, client: str, now_ns: int) -> "Sent | None":
        services, tally = self.api.services, None
        if order.is_place:
            tally = services.orders.take(order.account, now_ns // NS_PER_S)
            if tally is None:
                return None
        sent = Sent(self.api, order, connection, client, now_ns, tally)
        try:
            services.core.send(order.command, sent, connection.loop)
        except ExchangeError:
            if tally is not None:
                services.orders.end(tally)
            return None
        return sent

    def _find_holder(self, api_key: str, client_ip: str) -> tuple[HmacKey, int, int] | None:
        """Of a key that may trade from there: its check, account and last moment."""
        try:
            key = api_keys.find(self.api.records, api_key)
        except SealBroken:
            return None
        if key is None or not isinstance(key.is_signed, HmacKey):
            return None
        if not key.permits(Scope.TRADE, client_ip=client_ip, now_ns=self.api.clock()):
            return None
        return key.is_signed, key.account, NEVER_NS if key.expires_at_ns is None else key.expires_at_ns


class Sent(msgspec.Struct):
    """An order on its way: told as a future is (cambist/match/server.py::Waiter).

    To uvicorn's protocol it is the request in flight.
    """

    message_event: ClassVar[_Body] = _Body()

    api: Api
    order: PlainOrder
    connection: Connection
    client: str
    began_ns: int
    tally: Tally | None
    response_complete: bool = False
    keep_alive: bool = True
    disconnected: bool = False

    def done(self) -> bool:
        return self.response_complete

    def set_result(self, record: bytes) -> None:
        self.response_complete = True
        api, order, tally = self.api, self.order, self.tally
        limits = api.services.orders
        if tally is not None:
            limits.end(tally)
        told = order.answer(record)
        if told is None:
            self._tell_generally(record)
            return
        sequence, order_id, makers, is_open = told
        api.services.core.heard(order.account, sequence)
        if tally is None:
            limits.closed(order.account, order_id)
            method, counts = "DELETE", None
        else:
            for account, maker_order in makers:
                limits.filled(account, maker_order)
            if not makers:
                limits.placed(tally, order_id, is_open=is_open)
            method, counts = "POST", (tally.count_10s, tally.count_1d)
        used = api.limits.give_back(self.client, WEIGHT, self.began_ns // NS_PER_S)
        api.counts.count(method, PATH, 200, api.clock() - self.began_ns)
        self.connection.tell_plainly(self, api.next_id(), counts, used)

    def set_exception(self, problem: Exception) -> None:
        self.response_complete = True
        if self.tally is not None:
            self.api.services.orders.end(self.tally)
        headers = [(b"x-request-id", self.api.next_id())]
        self._tell_problem(problem, headers)

    def _tell_generally(self, record: bytes) -> None:
        """What the general way makes of it."""
        api, order = self.api, self.order
        headers = [(b"x-request-id", api.next_id())]
        api.services.core.heard(order.account, events.place(record)[0])
        try:
            body = self._body(record, headers)
        except Exception as problem:  # noqa: BLE001  whatever it is, it has an answer
            self._tell_problem(problem, headers)
            return
        used = api.limits.give_back(self.client, WEIGHT, self.began_ns // NS_PER_S)
        self._tell(200, headers, body, used)

    def _tell_problem(self, problem: Exception, headers: Headers) -> None:
        status, body = failed(problem, headers[0][1], "a plain order", headers)
        used = self.api.limits.used_weight(self.client, self.began_ns // NS_PER_S)
        self._tell(status, headers, body, used)

    def _tell(self, status: int, headers: Headers, body: bytes, used_weight: int) -> None:
        used = b"%d" % used_weight
        headers += (b"x-mbx-used-weight", used), (b"x-mbx-used-weight-1m", used)
        method = "POST" if self.order.is_place else "DELETE"
        api = self.api
        api.counts.count(method, PATH, status, api.clock() - self.began_ns)
        self.connection.tell(self, Answer(status, headers, body))

    def _body(self, record: bytes, headers: Headers) -> bytes:
        """Raises what the general way raises."""
        order, services = self.order, self.api.services
        params = Params(b"", order.parameters).with_value("newClientOrderId", order.client_id)
        market = services.markets.known(order.symbol)
        call = Call(services, params, order.account, self.began_ns, NS_PER_MS, headers)
        if self.tally is None:
            return finish_cancel(call, market, order.client_id, record)
        return finish_place(call, order_params.read_order(params, market), self.tally, record)
