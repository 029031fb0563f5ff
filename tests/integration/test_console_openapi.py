"""The console's document says what it does: every route is asked, bodies and answers are held against it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import msgspec
import pytest

from cambist.console.openapi import document
from cambist.console.routes import ROUTES
from cambist.staff.keys import Purpose
from cambist.staff.roles import Role
from tests.clients import environments
from tests.integration.backoffice import COIN, BackOffice, Colleague, back_office
from tests.integration.rest_market import ok
from tests.integration.test_openapi import check

WHY = {"reason": "because it has to be"}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackOffice]:
    with back_office(tmp_path_factory.mktemp("described")) as office:
        yield office


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document(ROUTES)))
    return made


class Checked:
    """Holds each request that went well, and its answer, against the document."""

    def __init__(self, described: dict[str, Any]) -> None:
        self._described = described
        self.seen: set[tuple[str, str]] = set()

    def __call__(self, answer: httpx.Response) -> None:
        answer.read()
        method, path = answer.request.method, answer.request.url.path
        known = path if path in self._described["paths"] else self._of_something(path)
        operation = self._described["paths"][known][method.lower()]
        kind = "200" if answer.status_code == 200 else "default"
        self._check(answer.json(), operation["responses"][kind])
        if kind == "default":
            return
        if method != "GET":
            sent = answer.request.read()
            assert bool(sent) == ("requestBody" in operation)
            if sent:
                self._check(msgspec.json.decode(sent), operation["requestBody"])
        named = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
        assert parse_qs(answer.request.url.query.decode()).keys() <= named
        self.seen.add((method, known))

    def _check(self, content: Any, said: dict[str, Any]) -> None:
        check(content, said["content"]["application/json"]["schema"], self._described)

    def _of_something(self, path: str) -> str:
        (found,) = [
            each
            for each in self._described["paths"]
            if "{id}" in each
            and path.startswith(each.partition("{id}")[0])
            and path.endswith(each.partition("{id}")[2])
            and path.count("/") == each.count("/")
        ]
        return str(found)


def test_a_day_in_the_back_office_is_as_described(office: BackOffice, described: dict[str, Any]) -> None:
    checked = Checked(described)

    def member(name: str) -> Colleague:
        """With all roles."""
        somebody = office.colleague(name)
        somebody.http.event_hooks["response"].append(checked)
        return somebody.first(office.invite(name, *Role))

    ann, bob = member("ann"), member("bob")
    ann.sign_in()
    second = office.colleague("second")
    challenge = ann.done("POST", "/keys/begin")["challenge"]
    proofs = {"proof": second.new_key(challenge), "by": ann.proof(Purpose.ENROL, challenge)}
    keys = ann.done("POST", "/keys", {"challenge": challenge, "label": "second", **proofs})["keys"]
    ann.done("DELETE", f"/keys/{keys[1]['id']}")
    withdrawals(office, ann, bob)
    users_and_markets(office, ann)
    money(ann)
    two_people(ann, bob)
    ann.done("GET", "/audit?before=5")
    ann.done("GET", "/audit/check")
    for path in ("/me", "/staff", "/openapi"):
        ann.done("GET", path)
    assert ann.ask("GET", "/users/9999").status_code == 404
    member("carl")
    ann.done("POST", "/staff/carl/disable", WHY)
    bob.done("DELETE", "/session")
    assert ROUTES.keys() - checked.seen == set()


def withdrawals(office: BackOffice, ann: Colleague, bob: Colleague) -> None:
    trader = office.market.trader()
    paid, refused = (office.withdrawal(trader, COIN) for _ in range(2))
    assert ok(ann.approve(paid))["state"] == "approved"
    bob.done("POST", f"/withdrawals/{refused}/reject", WHY)
    assert len(ann.done("GET", f"/withdrawals?user={office.user_of(trader)}")) == 2


def users_and_markets(office: BackOffice, ann: Colleague) -> None:
    seller, buyer = office.market.trader(BTC="1"), office.market.trader(USDT="100000")
    seller.order("SELL", "0.1", "60000", "BTCUSDT")
    buyer.order("BUY", "0.1", "60000", "BTCUSDT")
    office.market.settle()
    number = office.user_of(seller)
    detail = ann.done("GET", f"/users/{number}")
    assert ann.done("GET", f"/users?find={detail['user']['email']}")
    for what in ("freeze", "unfreeze", "cancel-orders"):
        ann.done("POST", f"/users/{number}/{what}", WHY)
    assert ann.done("GET", f"/orders?account={buyer.account}")
    assert ann.done("GET", f"/trades?account={buyer.account}&market=BTCUSDT")
    ann.done("GET", "/listed")
    ann.done("POST", "/markets/ETPBTC/halt", {"state": "halted", **WHY})


def money(ann: Colleague) -> None:
    for path in ("/deposits?state=suspense", "/wallets", "/own", "/ledger", "/payouts"):
        ann.done("GET", path)
    ann.done("POST", "/wallets/halt", {"network": "ETH", "asset": "ETH", **WHY})
    ann.done("POST", "/payouts/stop", WHY)


def two_people(ann: Colleague, bob: Colleague) -> None:
    resumed = bob.decide(ann.propose("records.resume-payouts", reason="the leak is closed"))
    assert ok(resumed)["proposal"]["state"] == "done"
    taken_back = ann.propose("asset.add", name="DOGE")
    ann.done("POST", f"/proposals/{taken_back['id']}/withdraw", WHY)
    assert len(ann.done("GET", "/proposals")) == 2


def test_the_document_keeps_to_openapi(described: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_bytes(msgspec.json.encode(described))
    checked = environments.run("clients", tmp_path, "-m", "openapi_spec_validator", "openapi.json")
    assert checked.output.strip() == "openapi.json: OK"


def test_each_operation_says_what_a_role_must_allow(described: dict[str, Any]) -> None:
    for (method, path), route in ROUTES.items():
        operation = described["paths"][path][method.lower()]
        assert operation.get("x-action") == (None if route.action is None else route.action.value)
        assert ("security" in operation) == (route.action is not None)
