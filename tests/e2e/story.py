"""What the article's story needs, however it is told: the demo's chain, its books, its reviewers."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy import select

from cambist.demo.node import ETP
from cambist.settings import Settings
from cambist.store.records import Records
from cambist.store.wallet_tables import reconciliations
from tests.e2e.harness import Exchange, cambist
from tests.e2e.test_demo import wait_for
from tests.nodes import Node
from tests.ports import free_port

COIN = 10**18
OUTSIDE = "0x" + "d0" * 20


def settings() -> dict[str, str]:
    """A demo with its own chain, in which nothing waits for a day."""
    return {
        "CAMBIST_MODE_DEMO_CHAIN": "true",
        "CAMBIST_PROCESSES_OFFICE": "true",
        "CAMBIST_CONSOLE_PORT": str(free_port()),
        "CAMBIST_ACCOUNTS_ADDRESS_WAIT_HOURS": "0",
        "CAMBIST_ACCOUNTS_CHANGE_WAIT_HOURS": "0",
    }


@contextmanager
def chain_of(exchange: Exchange) -> Iterator[Node]:
    """The demo's node, once the exchange has both of its assets on it."""
    file = exchange.home / "demo" / "nodes.json"
    wait_for("the chain", file.exists)
    place = json.loads(file.read_text())["evm"]
    with closing(Node(place["url"])) as node:
        node.accounts = [place["account"]]
        wait_for("the network", lambda: len(cambist(exchange.home, "network", "list")) == 2)
        yield node


def send_etp(node: Node, address: str, units: int) -> str:
    """From the account that has all of it; the transaction's id."""
    return node.send(ETP, data=f"0xa9059cbb{address[2:]:0>64}{units:064x}")


def held_outside(node: Node) -> int:
    """ETP at the address that the story withdraws to, in units of the chain."""
    data = "0x70a08231" + OUTSIDE[2:].rjust(64, "0")
    return int(node("eth_call", {"to": ETP, "data": data}, "latest"), 16)


def balanced(exchange: Exchange) -> None:
    """Per asset all accounts sum to zero, and at every block the chain had what the ledger says."""
    checked = cambist(exchange.home, "ledger", "check")
    assert (checked["ledger_balanced"], checked["problems"]) == (True, []), checked
    halted = {each["asset"]: each["halted"] for each in cambist(exchange.home, "network", "list")}
    assert halted == {"ETH": "", "ETP": ""}
    records = Records.open(Settings.load(exchange.home, {}), is_shared=True)
    with closing(records), records.read() as db:
        drifts = set(db.scalars(select(reconciliations.c.drift_units)))
    assert drifts == {"0"}


def invited(exchange: Exchange, name: str) -> str:
    """The link for a reviewer's first sign-in."""
    link: str = cambist(
        exchange.home, "staff", "invite", name, "--email", f"{name}@example.org", "--role", "reviewer"
    )["link"]
    return link


def enrol(exchange: Exchange, name: str, *key: str) -> None:
    """At the signer's own console: nothing that the exchange does makes a key count there."""
    cambist(exchange.home, "signer", "approver", "add", name, *key)
