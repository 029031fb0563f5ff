"""From what a user asks for to coins that have left, on a real node with the real signer."""

from collections.abc import Iterator

import pytest

from tests.integration.operator import Operator
from tests.nodes import Node, anvil
from tests.wallets.local_signer import COIN
from tests.wallets.payout_site import FEE, PayoutSite
from tests.wallets.site import ANN, ATOMS, CHAIN_ID, CONFIRMATIONS


@pytest.fixture
def node() -> Iterator[Node]:
    with anvil("--slots-in-an-epoch", "1") as node:
        yield node


@pytest.fixture
def site(tmp_path, monkeypatch, node) -> Iterator[PayoutSite]:
    operator = Operator(tmp_path / "home")
    for name, value in operator.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CAMBIST_WALLETS_EVM_RPC", node.url)
    monkeypatch.setenv("CAMBIST_WALLETS_EVM_CHAIN_ID", str(CHAIN_ID))
    site = PayoutSite(operator.home, node)
    yield site
    site.close()


def test_a_withdrawal_is_held_approved_signed_sent_confirmed_and_settled(site):
    site.fund()
    number = site.ask(atoms=2 * ATOMS)
    site.settle()
    assert site.state(number) == "held"
    assert (site.balance(ANN), site.held()) == (8 * ATOMS, 2 * ATOMS)
    site.pay_out(number)
    assert (site.state(number), site.received()) == ("sent", 0)
    txid = site.withdrawal(number).txid
    site.mine(CONFIRMATIONS - 1)
    assert (site.state(number), site.received()) == ("sent", (2 * ATOMS - FEE) * COIN // ATOMS)
    site.mine()
    assert (site.state(number), site.withdrawal(number).txid) == ("settled", txid)
    assert (site.balance(ANN), site.held(), site.balance(6)) == (8 * ATOMS, 0, FEE)
    site.mine(2 * CONFIRMATIONS)
    assert site.drifts() == {"0"} and site.halted() == ""
