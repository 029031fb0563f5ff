"""The story, on a real chain: two sign up, coins come in, a trade, and coins leave by two people's word.

A bids 0.01 BTC for 10 ETP, B offers them, they trade inside; B withdraws 10 ETP, two of the staff look at it
and sign, the signer signs, the chain confirms, the ledger settles. After every step the books balance.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cambist.demo.node import ETP
from tests.e2e.customer import Customer
from tests.e2e.harness import Exchange, cambist, free_port, running
from tests.e2e.staff import Colleague
from tests.e2e.test_demo import wait_for
from tests.nodes import ANVIL, Node

# The demo keeps a chain only where npm could bring one; without it there is none to pay over.
pytestmark = pytest.mark.skipif(not ANVIL.exists(), reason="anvil is not installed: npm was missing at setup")

COIN = 10**18
OUTSIDE = "0x" + "d0" * 20


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    settings = {
        "CAMBIST_MODE_DEMO_CHAIN": "true",
        "CAMBIST_PROCESSES_OFFICE": "true",
        "CAMBIST_CONSOLE_PORT": str(free_port()),
        "CAMBIST_ACCOUNTS_ADDRESS_WAIT_HOURS": "0",
        "CAMBIST_ACCOUNTS_CHANGE_WAIT_HOURS": "0",
    }
    with running(tmp_path / "home", "--demo", settings=settings) as exchange:
        yield exchange


@pytest.fixture
def node(exchange: Exchange) -> Iterator[Node]:
    file = exchange.home / "demo" / "nodes.json"
    wait_for("the chain", file.exists)
    place = json.loads(file.read_text())["evm"]
    node = Node(place["url"])
    node.accounts = [place["account"]]
    wait_for("the network", lambda: len(cambist(exchange.home, "network", "list")) == 2)
    yield node
    node.close()


def balanced(exchange: Exchange) -> None:
    """Per asset all accounts sum to zero, and on the chain is what the ledger says."""
    checked = cambist(exchange.home, "ledger", "check")
    assert (checked["ledger_balanced"], checked["problems"]) == (True, []), checked
    halted = {each["asset"]: each["halted"] for each in cambist(exchange.home, "network", "list")}
    assert halted == {"ETH": "", "ETP": ""}


def held_outside(node: Node) -> int:
    data = "0x70a08231" + OUTSIDE[2:].rjust(64, "0")
    return int(node("eth_call", {"to": ETP, "data": data}, "latest"), 16)


def test_two_people_trade_and_one_takes_the_coins_home(exchange: Exchange, node: Node) -> None:
    url = f"http://127.0.0.1:{exchange.port}"
    with (
        closing(Customer(url, "ann@example.org")) as ann,
        closing(Customer(url, "bob@example.org")) as bob,
        closing(Colleague("admin", exchange.said("console_link"))) as admin,
        closing(Colleague("carl", invited(exchange, "carl"))) as carl,
    ):
        for colleague in (admin, carl):
            enrol(exchange, colleague)
        cambist(exchange.home, "sandbox", "credit", ann.email, "BTC", "1")
        node.send(bob.deposit_address(), value=2 * COIN)
        transfer = f"0xa9059cbb{bob.deposit_address()[2:]:0>64}{30 * COIN:064x}"
        node.send(ETP, data=transfer)
        wait_for(
            "Bob's deposits", lambda: (bob.free("ETH"), bob.free("ETP")) == ("2.00000000", "30.00000000")
        )
        balanced(exchange)

        order = {
            "symbol": "ETPBTC",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "10",
            "price": "0.001",
        }
        ann.trade("POST", "/api/v3/order", side="BUY", **order)
        assert (ann.free("BTC"), ann.locked("BTC")) == ("0.99000000", "0.01000000")
        sold = bob.trade("POST", "/api/v3/order", side="SELL", newOrderRespType="FULL", **order)
        assert sold["status"] == "FILLED"
        assert (ann.free("ETP"), bob.free("BTC"), bob.free("ETP")) == (
            "10.00000000",
            "0.01000000",
            "20.00000000",
        )
        balanced(exchange)

        bob.set_up_second_factor()
        number = bob.withdraw("ETP", OUTSIDE, "10")
        assert bob.withdrawal(number)["state"] == "held"
        assert (bob.free("ETP"), bob.locked("ETP")) == ("10.00000000", "10.00000000")
        balanced(exchange)

        assert seen(admin, number)["needed"] == 2
        assert admin.approve(number) == "held"
        again = admin.ask("POST", f"/withdrawals/{number}/approve", {"proof": {}})
        assert again.status_code >= 400
        assert carl.approve(number) == "approved"
        wait_for("the settlement", lambda: bob.withdrawal(number)["state"] == "settled")
        assert held_outside(node) == 10 * COIN
        txid = bob.withdrawal(number)["txid"]
        assert node.receipt(txid)["status"] == "0x1"
        assert seen(carl, number)["txid"] == txid
        assert (bob.free("ETP"), bob.locked("ETP")) == ("10.00000000", "0.00000000")
        assert Decimal(bob.free("ETH")) == 2
        balanced(exchange)


def seen(colleague: Colleague, number: int) -> Any:
    return colleague.done("GET", f"/withdrawals/{number}")["withdrawal"]


def invited(exchange: Exchange, name: str) -> str:
    link: str = cambist(
        exchange.home, "staff", "invite", name, "--email", f"{name}@example.org", "--role", "reviewer"
    )["link"]
    return link


def enrol(exchange: Exchange, colleague: Colleague) -> None:
    """At the signer's own console: nothing that the exchange does makes a key count there."""
    cambist(exchange.home, "signer", "approver", "add", colleague.name, "--key", colleague.public_key)
