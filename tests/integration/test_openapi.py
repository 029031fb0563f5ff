"""/openapi.json says what the gateway does: the same routes, parameters and answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import msgspec
import pytest

from cambist.accounts.api_keys import Scope
from cambist.gateway.api import ENDPOINTS
from cambist.gateway.documents.openapi import document, refusals
from cambist.gateway.documents.operations import OPERATIONS
from cambist.gateway.office_calls import OfficeCalls
from cambist.gateway.params import Params
from tests.clients import environments
from tests.integration.rest_market import RestMarket, Trader, rest_market

ROUTES = [(method, path) for path, methods in ENDPOINTS.items() for method in methods]
ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "1",
    "price": "100",
}
PAIR = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "1"}
WORKING = {
    "symbol": "BTCUSDT",
    "workingType": "LIMIT_MAKER",
    "workingSide": "BUY",
    "workingPrice": "90",
    "workingQuantity": "1",
    "pendingSide": "SELL",
    "pendingQuantity": "1",
}
REPLACE = {**ORDER, "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrigClientOrderId": "resting"}
NAMED = {"symbol": "BTCUSDT", "origClientOrderId": "resting"}
# More than one where other parameters lead to an answer of another shape.
REQUESTS: dict[tuple[str, str], list[dict[str, str]]] = {
    ("POST", "/api/v3/order"): [{**ORDER, "newOrderRespType": kind} for kind in ("ACK", "RESULT", "FULL")],
    ("DELETE", "/api/v3/order"): [NAMED],
    ("GET", "/api/v3/order"): [NAMED],
    ("POST", "/api/v3/order/test"): [ORDER, {**ORDER, "computeCommissionRates": "true"}],
    ("POST", "/api/v3/order/cancelReplace"): [REPLACE],
    ("PUT", "/api/v3/order/amend/keepPriority"): [{**NAMED, "newQty": "1"}],
    ("POST", "/api/v3/countdownCancelAll"): [{"countdownTime": "0"}],
    ("POST", "/api/v3/orderList/oco"): [
        {
            **PAIR,
            "aboveType": "LIMIT_MAKER",
            "abovePrice": "120",
            "belowType": "STOP_LOSS",
            "belowStopPrice": "80",
        }
    ],
    ("POST", "/api/v3/order/oco"): [{**PAIR, "price": "120", "stopPrice": "80"}],
    ("POST", "/api/v3/orderList/oto"): [{**WORKING, "pendingType": "MARKET"}],
    ("POST", "/api/v3/orderList/otoco"): [
        {
            **WORKING,
            "pendingAboveType": "LIMIT_MAKER",
            "pendingAbovePrice": "120",
            "pendingBelowType": "STOP_LOSS",
            "pendingBelowStopPrice": "80",
        }
    ],
    ("GET", "/api/v3/orderList"): [{"origClientOrderId": "pair"}],
    ("GET", "/api/v3/order/amendments"): [{"symbol": "BTCUSDT", "orderId": "1"}],
    ("GET", "/api/v3/myPreventedMatches"): [{"symbol": "BTCUSDT", "orderId": "1"}],
    ("DELETE", "/api/v3/orderList"): [{"symbol": "BTCUSDT", "listClientOrderId": "pair"}],
    ("GET", "/api/v3/exchangeInfo"): [{}, {"symbol": "BTCUSDT"}, {"permissions": "SPOT"}],
    ("POST", "/sapi/v1/capital/withdraw/apply"): [{"coin": "BTC", "address": "a", "amount": "1"}],
    ("GET", "/sapi/v1/capital/deposit/address"): [{"coin": "BTC"}],
    ("GET", "/api/v3/klines"): [{"symbol": "BTCUSDT", "interval": "1m"}],
    ("GET", "/api/v3/uiKlines"): [{"symbol": "BTCUSDT", "interval": "1M", "timeZone": "8"}],
    ("GET", "/api/v3/ticker/24hr"): [{}, {"symbol": "BTCUSDT"}, {"type": "MINI"}],
    ("GET", "/api/v3/ticker/tradingDay"): [{"symbol": "BTCUSDT"}, {"symbols": '["BTCUSDT"]', "type": "MINI"}],
    ("GET", "/api/v3/ticker"): [
        {"symbol": "BTCUSDT", "windowSize": "2h"},
        {"symbol": "BTCUSDT", "type": "MINI"},
    ],
    ("PUT", "/api/v3/userDataStream"): [{"listenKey": "the account's"}],
    ("DELETE", "/api/v3/userDataStream"): [{"listenKey": "the account's"}],
}
# In order lists, where no order can have them.
LOOKED_FOR_TO_BE_REFUSED = {
    "quoteOrderQty",
    "workingStopPrice",
    "workingTrailingDelta",
    "limitStopPrice",
    "limitTimeInForce",
    "limitTrailingDelta",
}
ADDRESS = "192.0.2.1"
# What the office says; tests/integration/test_rest_capital.py has a real one.
_TOLD = {"id": 1, "asset": "BTC", "network": "ETH", "address": "a", "tag": "", "txid": "t", "amount": "1"}
_NETWORK = {"asset": "BTC", "network": "ETH", "contract": "", "confirmations": 12, "depositMin": "0.1"}
_NETWORK |= {"haltedReason": "", "largeAbove": None, "largeConfirmations": 12}
_OPEN = {
    "isDepositOpen": True,
    "isWithdrawalOpen": True,
    "decimals": 8,
    "withdrawalDailyMax": None,
    "haltedReason": "",
}
_DEPOSIT = {"state": "credited", "confirmations": 12, "confirmationsNeeded": 12, "time": 1, "creditedAt": 2}
_PAID = {"fee": "0.1", "state": "settled", "reason": "", "requestedAt": 1, "settledAt": 2, "name": None}
OFFICE: dict[str, Any] = {
    "networks": [_NETWORK | _OPEN | {"withdrawalFee": "0.1", "withdrawalMin": "0.2"}],
    "deposit-address": {"network": "ETH", "address": "a", "tag": ""},
    "deposits": [_TOLD | _DEPOSIT],
    "withdrawals": [_TOLD | _PAID | {"confirmations": 12}],
    "withdraw": _TOLD | _PAID | {"confirmations": 12},
}


class Recorded(Params):
    """Notes which parameters the gateway looks for."""

    __slots__ = ()
    read: ClassVar[set[str]] = set()

    def __contains__(self, name: str) -> bool:
        self.read.add(name)
        return super().__contains__(name)

    def get(self, name: str) -> str | None:
        self.read.add(name)
        return super().get(name)

    def require(self, name: str) -> str:
        self.read.add(name)
        return super().require(name)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestMarket]:
    with rest_market(tmp_path_factory.mktemp("openapi"), address=ADDRESS) as market:
        yield market


@pytest.fixture(autouse=True)
def office(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(_: OfficeCalls, what: str, question: object, answer: Any) -> Any:
        return msgspec.convert(OFFICE[what], answer)

    monkeypatch.setattr(OfficeCalls, "ask", ask)


@pytest.fixture(scope="module")
def trader(market: RestMarket) -> Trader:
    return market.trader(Scope.READ | Scope.TRADE | Scope.WITHDRAW, (ADDRESS,), BTC="100", USDT="1000000")


@pytest.fixture
def resting(trader: Trader) -> Iterator[None]:
    """An order to ask for, and trades in the past."""
    trader.order("SELL", "1", "100")
    trader.order("BUY", "1", "100", selfTradePreventionMode="NONE")
    trader.order("BUY", "2", "100", newClientOrderId="resting")
    trader.post("/api/v3/order/oco", **PAIR, price="120", stopPrice="80", listClientOrderId="pair")
    yield
    trader.request("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """As it travels, without Python's own kinds of arrays."""
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document()))
    return made


def test_every_route_is_described_and_nothing_else():
    assert set(ROUTES) == OPERATIONS.keys()


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_route_costs_and_needs_what_the_document_says(described, method, path):
    endpoint, operation = ENDPOINTS[path][method], described["paths"][path][method.lower()]
    weight = endpoint.weight if isinstance(endpoint.weight, int) else endpoint.weight(Params(b"", b""))
    assert operation["x-weight"] == weight
    scopes = [] if endpoint.scope is None else [{"apiKey": [str(endpoint.scope.name).lower()]}]
    assert operation.get("security", []) == scopes


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_an_answer_is_as_described(described, trader, resting, method, path):
    for params in requests(method, path):
        if "listenKey" in params:
            params = trader.request("POST", path).json()
        answer = trader.request(method, path, **params)
        assert answer.status_code == 200, answer.text
        responses = described["paths"][path][method.lower()]["responses"]
        check(answer.json(), responses["200"]["content"]["application/json"]["schema"], described)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_parameter_that_is_looked_for_is_described(monkeypatch, trader, resting, method, path):
    monkeypatch.setattr("cambist.gateway.api.Params", Recorded)
    Recorded.read.clear()
    for params in requests(method, path):
        trader.request(method, path, **params)
    operation = OPERATIONS[method, path]
    taken = {*operation.requires.split(), *operation.takes.split(), "timestamp", "signature", "recvWindow"}
    assert Recorded.read - LOOKED_FOR_TO_BE_REFUSED <= taken


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_parameter_that_must_be_sent_is_missed(trader, method, path):
    for name in OPERATIONS[method, path].requires.split():
        for params in requests(method, path):
            _, code, text = trader.refused(method, path, **{**params, name: None})
            assert (code, f"'{name}'" in text) == (-1102, True)


def test_every_refusal_is_listed_with_its_code_and_status(described):
    listed = {(each["code"], each["http"]) for each in described["x-errors"]}
    assert len(described["x-errors"]) == len(set(refusals()))
    assert {(-1121, 400), (-2013, 400), (-2015, 401), (-1003, 429), (-1003, 418), (-1007, 504)} <= listed


def test_the_document_is_served_and_keeps_to_openapi(market, described, tmp_path: Path) -> None:
    served = market.client.get("/openapi.json")
    assert served.headers["content-type"] == "application/json" and served.json() == described
    (tmp_path / "openapi.json").write_bytes(served.content)
    checked = environments.run("clients", tmp_path, "-m", "openapi_spec_validator", "openapi.json")
    assert checked.output.strip() == "openapi.json: OK"


def requests(method: str, path: str) -> list[dict[str, str]]:
    """As the table above says; else the symbol where one may be sent."""
    if (method, path) in REQUESTS:
        return REQUESTS[method, path]
    operation = OPERATIONS[method, path]
    symbol = {"symbol": "BTCUSDT"}
    if operation.requires:
        return [symbol]
    return [{}, symbol] if "symbol" in operation.takes.split() else [{}]


def check(answer: Any, schema: dict[str, Any], described: dict[str, Any]) -> None:
    """Also that the answer has no field that the document does not name."""
    jsonschema.validate(answer, closed(schema | {"components": described["components"]}))


def closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inside = {name: closed(each) for name, each in schema.items()}
    return {**inside, "additionalProperties": False} if "properties" in schema else inside
