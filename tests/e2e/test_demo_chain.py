"""The demo with a chain of its own: what its users start with comes over it, and is there after a restart."""

import json
import os
import signal
import subprocess
from contextlib import closing

import pytest

from tests.e2e.customer import Customer
from tests.e2e.harness import CAMBIST, WAIT_SECONDS, Exchange, cambist, environment, running
from tests.e2e.test_demo import balances, wait_for
from tests.nodes import ANVIL, Node
from tests.ports import free_port

# The demo keeps a chain only where npm could bring one; without it there is none to pay over.
pytestmark = pytest.mark.skipif(not ANVIL.exists(), reason="anvil is not installed: npm was missing at setup")

FUNDS = {
    "BTC": ("1.00000000", "0.00000000"),
    "ETH": ("20.00000000", "0.00000000"),
    "ETP": ("1000.00000000", "0.00000000"),
    "USDT": ("50000.00000000", "0.00000000"),
}


@pytest.fixture
def settings():
    return {
        "CAMBIST_MODE_DEMO_CHAIN": "true",
        "CAMBIST_PROCESSES_OFFICE": "true",
        "CAMBIST_CONSOLE_PORT": str(free_port()),
    }


def have_all(exchange: Exchange) -> bool:
    return all(balances(exchange, user) == FUNDS for user in exchange.users().values())


def stopped(exchange: Exchange) -> dict[str, str]:
    """Why an asset is stopped, by asset: drift would stop it."""
    return {each["asset"]: each["halted"] for each in cambist(exchange.home, "network", "list")}


def test_what_users_start_with_has_come_over_the_chain_and_stays(tmp_path, settings):
    home = tmp_path / "home"
    with running(home, "--demo", settings=settings) as exchange:
        wait_for("the deposits", lambda: have_all(exchange))
        nodes = json.loads((home / "demo" / "nodes.json").read_text())
        node = Node(nodes["evm"]["url"])
        assert int(node("eth_getBalance", nodes["evm"]["account"], "latest"), 16) > 10**18
        node.close()
        wait_for("the house's orders", lambda: exchange.json("/api/v3/depth?symbol=ETHUSDT")["bids"])
        refused = subprocess.run(
            [CAMBIST, "sandbox", "credit", "alice@demo.cambist.invalid", "ETH", "1"],
            env=environment(home, exchange.port),
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
        )
        assert refused.returncode != 0
        assert "ETH is held on ETH: deposit it there" in refused.stdout + refused.stderr
        with closing(Customer(f"http://127.0.0.1:{exchange.port}", "ann@example.org")) as ann:
            paid = ann.done("POST", "/faucet", {"asset": "ETP"})
            wait_for("what the faucet gave", lambda: ann.free("ETP") == "100.00000000")
            assert ann.done("GET", "/wallet/deposits")[0]["txid"] == paid["txid"]
        # Whatever of it ends, the chain goes on where it was.
        os.kill(exchange.process("demo"), signal.SIGKILL)
    with running(home, "--demo", settings=settings) as exchange:
        wait_for("the chain", lambda: stopped(exchange) == {"ETH": "", "ETP": ""})
        assert have_all(exchange)
