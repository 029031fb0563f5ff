"""The wallets on a real node: from a deposit to coins at the hot address, with no unit gone astray."""

from collections.abc import Iterator

import pytest

from tests.integration.operator import Operator
from tests.nodes import Node, anvil
from tests.wallets.local_signer import COIN
from tests.wallets.site import ANN, ATOMS, BOB, CHAIN_ID, CONFIRMATIONS, HOUSE, ChainSite, pay_token


@pytest.fixture
def node() -> Iterator[Node]:
    with anvil("--slots-in-an-epoch", "1") as node:
        yield node


@pytest.fixture
def site(tmp_path, monkeypatch, node) -> Iterator[ChainSite]:
    operator = Operator(tmp_path / "home")
    for name, value in operator.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CAMBIST_WALLETS_EVM_RPC", node.url)
    monkeypatch.setenv("CAMBIST_WALLETS_EVM_CHAIN_ID", str(CHAIN_ID))
    site = ChainSite(operator.home, node)
    yield site
    site.close()


def test_deposits_are_credited_and_swept_to_the_hot_address(site):
    site.fund_hot()
    assert site.balance(HOUSE) == 10 * ATOMS
    ann, bob = site.address(ANN), site.address(BOB)
    site.node.send(ann, value=2 * COIN)
    pay_token(site.node, site.contract, bob, 5 * COIN)
    site.mine(CONFIRMATIONS)
    assert (site.balance(ANN), site.balance(BOB, "ETP")) == (2 * ATOMS, 5 * ATOMS)
    site.mine(4 * CONFIRMATIONS)
    assert site.on_chain(bob, site.contract) == 0
    assert site.on_chain(site.signer.hot_address, site.contract) == 5 * COIN
    assert site.on_chain(ann) < COIN // 100
    assert sorted(site.sends()) == [("gas", "final"), ("sweep", "final"), ("sweep", "final")]
    assert site.balance(HOUSE) < 10 * ATOMS
    assert site.drifts() == {"0"}
    assert (site.halted(), site.halted("ETP")) == ("", "")
