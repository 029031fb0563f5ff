"""The wallets on a real node: from a deposit to coins at the hot address, with no unit gone astray."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from cambist.control.networks import SetNetwork, TermChanges
from cambist.wallets import sends
from tests.integration.operator import Operator
from tests.nodes import Node, anvil
from tests.wallets.local_signer import COIN
from tests.wallets.site import ANN, ATOMS, BOB, CHAIN_ID, CONFIRMATIONS, HOUSE, OPERATOR, ChainSite, pay_token


class Crash(BaseException):
    """The process ends here."""


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


def test_fees_wait_until_the_house_has_coins_and_are_no_drift(site):
    site.node.send(site.address(ANN), value=2 * COIN)
    site.mine(3 * CONFIRMATIONS)
    assert (site.sends(), site.balance(HOUSE)) == ([("sweep", "final")], 0)
    assert site.unbooked() == 1
    site.fund_hot()
    site.start()  # or it would be tried again in half a minute
    assert site.unbooked() == 0
    assert 0 < 10 * ATOMS - site.balance(HOUSE) < ATOMS // 100
    assert site.drifts() == {"0"}


def test_a_crash_between_signing_and_storing_loses_no_nonce_and_pays_nothing_twice(site, monkeypatch):
    site.fund_hot()
    bob = site.address(BOB)
    pay_token(site.node, site.contract, bob, 5 * COIN)
    store, crashes = sends.store, iter([True, False, True])

    def crash(*arguments: Any) -> int:
        if next(crashes, False):
            raise Crash
        return store(*arguments)

    monkeypatch.setattr(sends, "store", crash)
    for _ in range(5 * CONFIRMATIONS):
        try:
            site.mine()
        except Crash:
            pay_token(site.node, site.contract, bob, COIN)
            site.start()
    assert next(crashes, None) is None
    assert site.on_chain(bob, site.contract) == 0
    assert site.on_chain(site.signer.hot_address, site.contract) == 7 * COIN
    assert site.drifts() == {"0"}


def test_a_sweep_that_no_block_takes_is_signed_again_at_a_higher_fee(site):
    now_ns = [time.time_ns()]
    site.start(clock=lambda: now_ns[0])
    site.fund_hot()
    site.node.send(site.address(ANN), value=2 * COIN)
    site.mine(CONFIRMATIONS)
    assert site.sends() == [("sweep", "sent")]
    for _ in range(2):
        site.node("anvil_setNextBlockBaseFeePerGas", hex(50 * 10**9))
        site.mine()
    assert site.sends() == [("sweep", "sent")]
    now_ns[0] += 11 * 60 * 10**9
    site.mine()
    site.mine(2 * CONFIRMATIONS)
    assert site.sends() == [("sweep", "replaced"), ("sweep", "final")]
    assert site.on_chain(site.address(ANN)) < COIN // 100
    assert site.drifts() == {"0"}


def test_nothing_is_swept_above_the_ceiling_and_more_there_is_an_alarm(site):
    site.fund_hot(3)
    terms = TermChanges(hot_max="4")
    SetNetwork(network="ETH", asset="ETH", terms=terms).perform(site.exchange, OPERATOR)
    site.node.send(site.address(ANN), value=2 * COIN)
    site.mine(2 * CONFIRMATIONS)
    assert (site.balance(ANN), site.sends()) == (2 * ATOMS, [])
    site.fund_hot(3)
    assert any("more ETH than its ceiling" in problem for problem in site.service.health().problems)


def test_sweeps_under_way_count_towards_the_ceiling(site):
    site.fund_hot(3)
    terms = TermChanges(hot_max="6")
    SetNetwork(network="ETH", asset="ETH", terms=terms).perform(site.exchange, OPERATOR)
    for email in (ANN, BOB):
        site.node.send(site.address(email), value=2 * COIN)
    site.mine(3 * CONFIRMATIONS)
    assert (site.balance(ANN), site.balance(BOB)) == (2 * ATOMS, 2 * ATOMS)
    assert site.sends() == [("sweep", "final")]
    assert site.on_chain(site.signer.hot_address) < 6 * COIN


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
