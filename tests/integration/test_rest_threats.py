"""What somebody with a key of his own tries with what is another's, on every route of the trading API."""

from collections.abc import Iterator
from typing import Any

import pytest

from cambist.accounts.api_keys import Scope
from cambist.gateway.api import ENDPOINTS
from cambist.gateway.documents.openapi import document
from cambist.gateway.documents.operations import OPERATIONS
from tests.integration.rest_market import RestMarket, Trader, rest_market
from tests.integration.spellings import operations, other_spellings
from tests.integration.test_openapi import PAIR, requests

ADDRESS = "192.0.2.1"
PRIVATE = [
    (method, path)
    for path, methods in ENDPOINTS.items()
    for method, endpoint in methods.items()
    if endpoint.scope is not None
]
# What names something of an account. The names that ann gives are like nothing else in any answer.
NAMES = {"origClientOrderId": "anns-order", "cancelOrigClientOrderId": "anns-order"}
LISTS = {"listClientOrderId": "anns-pair"}
OF_SOMETHING = {*NAMES, *LISTS, "orderId", "cancelOrderId", "orderListId", "listenKey"}
NOBODYS = {
    "orderId": "987654321",
    "cancelOrderId": "987654321",
    "orderListId": "987654321",
    "listenKey": "nobodys0" * 8,
}


def names_of(method: str, path: str) -> set[str]:
    """Without the name that somebody gives to a new list."""
    operation = OPERATIONS[method, path]
    named = LISTS.keys() if method == "POST" else set()
    return (OF_SOMETHING - named) & {*operation.requires.split(), *operation.takes.split()}


TAKING_IDS = [(*route, name) for route in PRIVATE for name in sorted(names_of(*route))]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestMarket]:
    with rest_market(tmp_path_factory.mktemp("threats"), address=ADDRESS) as market:
        yield market


@pytest.fixture(scope="module")
def ann(market: RestMarket) -> Trader:
    """With an order, a pair, and a stream, where something was traded before."""
    ann, bob = market.trader(BTC="100", USDT="1000000"), market.trader(USDT="1000")
    ann.order("SELL", "1", "100")
    bob.order("BUY", "1", "100")
    ann.order("BUY", "2", "70", newClientOrderId="anns-order")
    ann.post("/api/v3/order/oco", **PAIR, price="120", stopPrice="80", listClientOrderId="anns-pair")
    return ann


@pytest.fixture(scope="module")
def anns(ann: Trader) -> dict[str, Any]:
    order = ann.get("/api/v3/order", symbol="BTCUSDT", origClientOrderId="anns-order")
    (pair,) = ann.get("/api/v3/openOrderList")
    key = ann.request("POST", "/api/v3/userDataStream").json()["listenKey"]
    ids = {"orderId": order["orderId"], "cancelOrderId": order["orderId"]}
    return NAMES | LISTS | ids | {"orderListId": pair["orderListId"], "listenKey": key}


@pytest.fixture(scope="module")
def eve(market: RestMarket) -> Trader:
    return market.trader(Scope.READ | Scope.TRADE | Scope.WITHDRAW, (ADDRESS,), BTC="100", USDT="1000000")


@pytest.mark.parametrize(("method", "path", "name"), TAKING_IDS)
def test_A01_what_is_somebody_elses_is_as_if_it_did_not_exist(ann, anns, eve, method, path, name):
    before = ann.get("/api/v3/openOrders")
    for wanted in requests(method, path):
        others = {each: value for each, value in wanted.items() if each not in OF_SOMETHING}
        is_list = (path, name) == ("/api/v3/orderList", "origClientOrderId")
        their_name = LISTS["listClientOrderId"] if is_list else anns[name]
        theirs = eve.request(method, path, **others, **{name: their_name})
        nobodys = eve.request(method, path, **others, **{name: NOBODYS.get(name, "nobodys")})
        assert (theirs.status_code, theirs.json()) == (nobodys.status_code, nobodys.json())
        for canary in (*NAMES.values(), *LISTS.values(), anns["listenKey"]):
            assert canary not in theirs.text
    assert ann.get("/api/v3/openOrders") == before
    assert ann.request("PUT", "/api/v3/userDataStream", listenKey=anns["listenKey"]).status_code == 200


@pytest.mark.parametrize(("method", "path"), PRIVATE)
def test_A01_nothing_of_an_account_is_answered_without_its_key(market, eve, method, path):
    stranger = market.client.request(method, path)
    assert (stranger.status_code, stranger.json()["code"]) in [(401, -2014), (401, -2015)]
    unsigned = market.client.request(method, path, headers={"X-MBX-APIKEY": eve.api_key})
    if ENDPOINTS[path][method].is_signed:
        assert unsigned.status_code in (400, 401) and unsigned.json()["code"] in (-1102, -1022)


@pytest.mark.parametrize(("method", "path"), PRIVATE)
def test_A01_a_key_without_the_scope_does_nothing(market, method, path):
    scope = ENDPOINTS[path][method].scope
    other = Scope.TRADE if scope is Scope.READ else Scope.READ
    without = market.trader(other)
    for wanted in requests(method, path):
        assert without.refused(method, path, **wanted)[:2] == (401, -2015)


def test_A02_no_spelling_of_a_documented_path_opens_what_a_key_does_not(market):
    reads, trades = market.trader(Scope.READ), market.trader(Scope.TRADE)
    for method, path in operations(document()):
        scope = ENDPOINTS[path][method].scope
        if scope is None:
            continue
        without = trades if scope is Scope.READ else reads
        for spelled in other_spellings(path):
            assert market.client.request(method, spelled).status_code in (401, 404, 405), (method, spelled)
            assert without.request(method, spelled).status_code in (401, 404, 405), (method, spelled)
