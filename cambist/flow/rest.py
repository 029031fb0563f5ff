"""Replays a recorded flow against a running exchange through its public REST API, as trading clients would.

One command at a time, each answered before the next is sent: the file's order is what is being replayed.
Afterwards the trades are read back from the accounts' own histories, which name both orders of each.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlencode

from cambist.flow.file import Add, AddType, Cancel, Execution, Reduce, Row
from cambist.flow.replay import Outcome, Owners

RECV_WINDOW_MS = 60_000
TIMEOUT_SECONDS = 30
PAGE = 1_000

TYPES = {
    AddType.LIMIT: {"type": "LIMIT", "timeInForce": "GTC"},
    AddType.POST_ONLY: {"type": "LIMIT_MAKER"},
    AddType.IMMEDIATE: {"type": "LIMIT", "timeInForce": "IOC"},
    AddType.MARKET: {"type": "MARKET"},
}
WOULD_TAKE = (-2010, "Order would immediately match and take.")
UNKNOWN_ORDER = (-2011, "Unknown order sent.")


class Credentials(NamedTuple):
    api_key: str
    secret_key: str


class Units(NamedTuple):
    """What 1 is worth in the file's prices and quantities."""

    price: Decimal
    quantity: Decimal


class ApiError(Exception):
    """An answer that is no success: the exchange's code and text, and the HTTP status."""

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(f"{code} {text} (HTTP {status})")
        self.reason = (code, text)


class Client:
    """A keep-alive connection that signs. Known limit: it stops at a rate limit instead of waiting."""

    def __init__(self, host: str, port: int, timeout_s: float = TIMEOUT_SECONDS) -> None:
        self._connection = HTTPConnection(host, port, timeout=timeout_s)

    def signed(self, owner: Credentials, method: str, path: str, **parameters: object) -> Any:
        """The decoded answer. Raises ApiError for anything but a success."""
        query = urlencode(
            {**parameters, "recvWindow": RECV_WINDOW_MS, "timestamp": time.time_ns() // 1_000_000}
        )
        signature = hmac.new(owner.secret_key.encode(), query.encode(), hashlib.sha256).hexdigest()
        self._connection.request(
            method, f"{path}?{query}&signature={signature}", headers={"X-MBX-APIKEY": owner.api_key}
        )
        response = self._connection.getresponse()
        answer = json.loads(response.read())
        if response.status != 200:
            raise ApiError(response.status, answer["code"], answer["msg"])
        return answer


def replay_rest(
    rows: Iterable[Row], client: Client, owners: Sequence[Credentials], symbol: str, units: Units
) -> Outcome:
    """Runs the flow, orders dealt out among `owners`. Raises ApiError at the first answer that ends the
    run."""
    return _Replay(client, owners, symbol, units).run(rows)


class _Replay:
    def __init__(self, client: Client, owners: Sequence[Credentials], symbol: str, units: Units) -> None:
        self._client = client
        self._credentials = owners
        self._owners = Owners(len(owners))
        self._symbol = symbol
        self._units = units
        self._names: dict[int, str] = {}
        self._outcome = Outcome()

    def run(self, rows: Iterable[Row]) -> Outcome:
        for row in rows:
            match row:
                case Execution():
                    self._outcome.recorded.append(row)
                    continue
                case Add():
                    self._add(row)
                case Cancel():
                    self._cancel(row)
                case Reduce():
                    raise ValueError(
                        "an order cannot be reduced through the REST API; replay this file in process"
                    )
            self._outcome.commands += 1
        self._outcome.printed = list(self._trades())
        self._outcome.resting_at_end = sum(
            len(self._client.signed(owner, "GET", "/api/v3/openOrders", symbol=self._symbol))
            for owner in self._credentials
        )
        return self._outcome

    def _add(self, row: Add) -> None:
        parameters = {
            **TYPES[row.type],
            "symbol": self._symbol,
            "side": row.side.name,
            "quantity": _decimal(row.quantity * self._units.quantity),
            "newClientOrderId": row.order,
            "newOrderRespType": "ACK",
            "selfTradePreventionMode": "NONE",
        }
        if row.type != AddType.MARKET:
            parameters["price"] = _decimal(row.price * self._units.price)
        owner = self._credentials[self._owners.of_new(row.order)]
        try:
            answer = self._client.signed(owner, "POST", "/api/v3/order", **parameters)
        except ApiError as problem:
            if problem.reason != WOULD_TAKE:
                raise
            self._outcome.post_only_rejected += 1
        else:
            self._names[answer["orderId"]] = row.order

    def _cancel(self, row: Cancel) -> None:
        owner = self._credentials[self._owners.of(row.order)]
        try:
            self._client.signed(
                owner, "DELETE", "/api/v3/order", symbol=self._symbol, origClientOrderId=row.order
            )
        except ApiError as problem:
            if problem.reason != UNKNOWN_ORDER:
                raise
            self._outcome.cancels_not_found += 1

    def _trades(self) -> Iterator[Execution]:
        """The trades of this run in the order of their ids, each joined from its maker's and its taker's
        view."""
        sides: dict[int, dict[bool, dict[str, Any]]] = {}
        for owner in self._credentials:
            for trade in self._own_trades(owner):
                sides.setdefault(trade["id"], {})[trade["isMaker"]] = trade
        for _, of_maker in sorted(sides.items()):
            maker, taker = of_maker[True], of_maker[False]
            yield Execution(
                int(Decimal(taker["price"]) / self._units.price),
                int(Decimal(taker["qty"]) / self._units.quantity),
                self._names[maker["orderId"]],
                self._names[taker["orderId"]],
            )

    def _own_trades(self, owner: Credentials) -> Iterator[dict[str, Any]]:
        first = 0
        while True:
            page = self._client.signed(
                owner, "GET", "/api/v3/myTrades", symbol=self._symbol, fromId=first, limit=PAGE
            )
            yield from (trade for trade in page if trade["orderId"] in self._names)
            if len(page) < PAGE:
                return
            first = page[-1]["id"] + 1


def _decimal(number: Decimal) -> str:
    return f"{number:f}"
