"""Deposits and withdrawals by unmodified clients, with coins of a real chain that come in and leave."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients import environments
from tests.clients.environments import SCRIPTS, Place, problems_of
from tests.conformance.examples import wallet_examples
from tests.conformance.shapes import differences
from tests.e2e import owner
from tests.e2e.harness import Exchange, running
from tests.e2e.owner import ASSET, OUTSIDE, Owner, owner_of_coins
from tests.nodes import ANVIL

# The demo keeps a chain only where npm could bring one; without it there is nothing to deposit.
pytestmark = pytest.mark.skipif(not ANVIL.exists(), reason="anvil is not installed: npm was missing at setup")


@pytest.fixture(scope="module")
def chained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    home = tmp_path_factory.mktemp("wallets") / "var"
    with running(home, "--demo", settings=owner.settings()) as exchange:
        yield exchange


@pytest.fixture(scope="module")
def ann(chained: Exchange) -> Iterator[Owner]:
    with owner_of_coins(chained) as ann:
        yield ann


def asked(place: Place, folder: Path, script: str, *arguments: str) -> Any:
    """What the script prints last."""
    done = environments.run(
        "clients", folder, SCRIPTS / script, *arguments, variables=place.environment() | {"TZ": "UTC"}
    )
    assert done.status == 0, done.output
    return json.loads(done.output.splitlines()[-1])


@pytest.fixture(scope="module")
def place(chained: Exchange, ann: Owner) -> Place:
    return Place(f"127.0.0.1:{chained.port}", ann.key)


@pytest.fixture(scope="module")
def paid(ann: Owner, place: Place, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The withdrawal that ccxt has asked for, approved and paid."""
    number = asked(place, tmp_path_factory.mktemp("ccxt"), "ccxt_wallet.py", "withdraw", OUTSIDE)
    return ann.approve(int(number))


def test_ccxt_shows_what_came_in_and_what_left(ann: Owner, place: Place, paid: Any, tmp_path: Path) -> None:
    read = asked(place, tmp_path, "ccxt_wallet.py", "read", OUTSIDE)
    network = read["networks"]["ERC20"]
    assert (network["id"], network["deposit"], network["withdraw"]) == ("ETH", True, True)
    assert (network["fee"], network["limits"]["withdraw"]["min"]) == (0, 1)
    assert read["fees"]["networks"]["ERC20"]["withdraw"]["fee"] == 0
    assert read["address"]["address"] == ann.customer.deposit_address()
    (deposit,) = read["deposits"]
    (shown,) = ann.customer.done("GET", "/wallet/deposits")
    assert (deposit["txid"], deposit["amount"], deposit["status"]) == (shown["txid"], 100, "ok")
    (withdrawal,) = read["withdrawals"]
    assert (withdrawal["id"], withdrawal["txid"]) == (str(paid["id"]), paid["txid"])
    assert (withdrawal["amount"], withdrawal["address"], withdrawal["status"]) == (2, OUTSIDE, "ok")
    assert withdrawal["fee"] == {"currency": "ETP", "cost": 0}


def test_every_operation_of_binance_sdk_wallet_answers_in_the_declared_types(
    place: Place, paid: Any, tmp_path: Path
) -> None:
    variables = place.environment() | {"EXCHANGE_ADDRESS": OUTSIDE}
    assert problems_of(tmp_path, "sdk_wallet.py", "binance-sdk-wallet", variables) == {}


def test_python_binance_reads_and_withdraws(ann: Owner, place: Place, paid: Any, tmp_path: Path) -> None:
    read = asked(place, tmp_path, "python_binance_wallet.py", OUTSIDE)
    assert read["address"]["address"] == ann.customer.deposit_address()
    assert [each["amount"] for each in read["deposits"]] == ["100.00000000"]
    assert read["withdrawal"] == read["withdrawals"][0]
    assert (read["withdrawal"]["id"], read["withdrawal"]["status"]) == (read["made"], 2)
    assert [each["network"] for each in read["coins"][0]["networkList"]] == ["ETH"]
    assert read["permissions"]["enableWithdrawals"] and read["permissions"]["ipRestrict"]
    assert read["status"] == {"data": "Normal"}
    assert read["detail"]["withdrawStatus"] is True


def test_every_documented_field_is_there_with_its_type(chained: Exchange, ann: Owner, paid: Any) -> None:
    """`paid`: a field of what is done shows in nothing that is under way."""
    wanted = wallet_examples()
    answers = dict(documented(chained, ann))
    assert answers.keys() == wanted.keys()
    assert [each for name in wanted for each in differences(wanted[name], answers[name], path=name)] == []


def documented(exchange: Exchange, ann: Owner) -> Iterator[tuple[str, Any]]:
    client = exchange.client()

    def answer(path: str, method: str = "GET", **parameters: object) -> Any:
        return client.signed(ann.key, method, f"/sapi/{path}", **parameters)

    coins = answer("v1/capital/config/getall")
    yield "All Coins' Information", [each for each in coins if each["coin"] == ASSET]
    yield "Deposit Address", answer("v1/capital/deposit/address", coin=ASSET)
    yield "Deposit History", answer("v1/capital/deposit/hisrec")
    yield "Withdraw History", answer("v1/capital/withdraw/history", status=6)
    apply = {"coin": ASSET, "address": OUTSIDE, "amount": "1"}
    yield "Withdraw", answer("v1/capital/withdraw/apply", "POST", **apply)
    yield "Get API Key Permission", answer("v1/account/apiRestrictions")
    yield "Account Status", answer("v1/account/status")
    yield "Asset Detail", answer("v1/asset/assetDetail", asset=ASSET)
    yield "User Asset", answer("v3/asset/getUserAsset", "POST")
    yield "System Status", answer("v1/system/status")
