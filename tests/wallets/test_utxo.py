"""Deposits and withdrawals on a chain of another kind: outputs that are spent, and neither nonces nor tokens.

All of it goes through the same services as on Ethereum; only the chain and the signer's family are others.
"""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from cambist.signer.calls import Terms as SignerTerms
from cambist.signer.service import SignedOtherwise
from cambist.wallets.chain import Terms
from cambist.wallets.payouts import BUMP_AFTER_NS
from tests.integration.operator import Operator
from tests.wallets.payout_site import FEE, Crash, CrashAt, Crossed
from tests.wallets.site import ANN, ATOMS, BOB, SUSPENSE
from tests.wallets.utxo_chain import NETWORK, UtxoChain, UtxoNode
from tests.wallets.utxo_family import Paid, Transaction
from tests.wallets.utxo_site import COIN, CONFIRMATIONS, SOMEBODY, UtxoSite, register

BOBS = 1  # the index of an address
DEEP = 8  # blocks after which a deposit is swept, and its fee booked for good


@pytest.fixture
def node() -> UtxoNode:
    return UtxoNode()


@pytest.fixture
def site(tmp_path, monkeypatch, node) -> Iterator[UtxoSite]:
    operator = Operator(tmp_path / "home")
    for name, value in operator.environment.items():
        monkeypatch.setenv(name, value)
    register(monkeypatch, node)
    site = UtxoSite(operator.home, node)
    yield site
    site.close()


def payments(site: UtxoSite) -> list[Transaction]:
    """To SOMEBODY, in blocks."""
    return [each for each in site.coins.in_blocks(site.coins.height) if each.made(SOMEBODY)]


def in_pool(site: UtxoSite) -> list[Transaction]:
    return [each for each in site.coins.pool.values() if each.sender]


def of_signer(terms: Terms) -> SignerTerms:
    return SignerTerms(**terms._asdict())


def require_sound(site: UtxoSite) -> None:
    """Every block was compared and nothing drifted; all accounts together have nothing."""
    assert site.drifts() == {"0"} and site.halted() == "" and site.not_read_because() == ""
    balances = site.exchange.query(
        lambda engine: [row for account in engine.account_ids() for row in engine.balances(account)]
    )
    assert sum(available + held for _, available, held in balances) == 0


def test_D18_two_outputs_of_one_transaction_are_two_deposits_and_one_sweep_takes_both(site):
    site.fund_hot()
    site.give(ANN, 2, 3)
    site.mine(CONFIRMATIONS)
    assert site.states() == ["credited", "seen", "seen"]
    site.mine(DEEP)
    assert site.states() == ["credited"] * 3
    assert site.balance(ANN) == 5 * ATOMS
    assert site.on_chain(site.address(ANN)) == 0
    swept = [each for each in site.coins.in_blocks(site.coins.height) if each.sender == site.address(ANN)]
    assert [len(each.coins) for each in swept] == [2]
    assert site.sends() == [("sweep", "final")]
    require_sound(site)


def test_D23_dust_at_an_address_is_nobodys_and_is_not_swept(site):
    site.coins.give(Paid(site.address(ANN), COIN // 10_000), Paid(site.address(BOB), COIN))
    site.mine(DEEP)
    assert sorted(site.states()) == ["credited", "suspense"]
    assert (site.balance(ANN), site.balance(BOB)) == (0, ATOMS)
    assert site.balance(SUSPENSE) == ATOMS // 10_000
    assert site.on_chain(site.address(ANN)) == COIN // 10_000


def test_a_withdrawal_is_paid_once_and_its_change_is_no_deposit(site):
    site.fund()
    deposits = site.states()
    number = site.ask(atoms=2 * ATOMS)
    site.pay_out(number)
    assert site.state(number) == "sent"
    paid = in_pool(site)[0]
    assert [len(paid.made(address)) for address in (SOMEBODY, site.signer.hot_address)] == [1, 1]
    site.mine(DEEP)
    assert (site.state(number), site.received()) == ("settled", 2 * COIN - FEE)
    assert (site.balance(ANN), site.held()) == (8 * ATOMS, 0)
    assert site.states() == deposits  # what came back to the hot address is none of them
    assert site.unbooked() == 0
    require_sound(site)


def test_payments_signed_before_a_block_spend_no_output_twice(site):
    site.fund()
    numbers = [site.ask(atoms=ATOMS + each) for each in range(4)]
    site.pay_out(*numbers)
    spent = [coin for each in in_pool(site) for coin in each.coins]
    assert len(in_pool(site)) == 4 and len(spent) == len(set(spent))
    site.mine(DEEP)
    assert [site.state(number) for number in numbers] == ["settled"] * 4
    assert site.received() == sum(COIN + each - FEE for each in range(4))
    require_sound(site)


def test_a_payment_that_waits_is_replaced_by_one_that_spends_the_same_and_pays_more(site):
    site.fund()
    number = site.ask()
    site.pay_out(number)
    first = in_pool(site)[0]
    for _ in range(3):
        site.late_ns += 2 * BUMP_AFTER_NS
        site.settle()
    last = in_pool(site)[0]
    assert len(in_pool(site)) == 1 and last.txid != first.txid
    assert last.coins == first.coins and last.fee_units > first.fee_units
    assert site.withdrawal(number).txid == last.txid
    site.mine(DEEP)
    assert (site.state(number), len(payments(site))) == ("settled", 1)
    assert [state for kind, state in site.sends() if kind == "withdrawal"].count("replaced") == 3
    require_sound(site)


def test_the_earlier_one_may_be_mined_after_it_was_replaced(site):
    site.fund()
    number = site.ask()
    site.pay_out(number)
    first = dict(site.coins.pool)
    site.late_ns += 2 * BUMP_AFTER_NS
    site.settle()
    assert set(site.coins.pool) != set(first)
    site.coins.pool = first  # a miner who has not heard of the later one
    site.mine(DEEP)
    assert (site.state(number), len(payments(site))) == ("settled", 1)
    require_sound(site)


def test_a_payment_that_was_dropped_is_sent_again_with_the_same_bytes(site):
    site.fund()
    number = site.ask()
    site.pay_out(number)
    txid = in_pool(site)[0].txid
    site.mine()
    site.coins.reorg(1, keeps=False)
    site.coins.mine()
    site.coins.mine()
    site.late_ns += BUMP_AFTER_NS // 2
    site.settle()
    assert list(site.coins.pool) == [txid]
    site.mine(DEEP)
    assert (site.state(number), [each.txid for each in payments(site)]) == ("settled", [txid])
    require_sound(site)


def test_D12_a_deposit_that_another_block_holds_is_credited_once(site):
    site.give(ANN, 4)
    site.mine(2)
    site.coins.reorg(2, keeps=True)
    site.coins.mine(*site.coins.pool)
    site.mine(2)
    assert site.states() == ["seen"]
    site.mine(DEEP)
    assert (site.states(), site.balance(ANN)) == (["credited"], 4 * ATOMS)


def test_started_again_after_signing_it_sends_what_was_signed(site):
    """At each crossing of what is signed and sent, and with the node's pool lost, too."""
    site.fund()
    for crossing in range(1, 5):
        number = site.ask()
        site.settle()
        site.approve(number)
        crash = CrashAt(crossing)
        signer = Crossed(site.signer, crash, "sign_withdrawal")
        with suppress(Crash):
            site.start(Crossed(site.chain, crash, "send"), signer=signer)
        site.coins.pool.clear()
        site.late_ns += BUMP_AFTER_NS // 2
        site.start()
        site.mine(DEEP)
        assert (site.state(number), len(payments(site))) == ("settled", crossing)
    require_sound(site)


def test_what_the_signer_signs_at_one_nonce_cannot_be_paid_twice(site):
    """Its caller may be anybody: a second payment at a nonce shares an output with the first."""
    site.fund()
    chain, hot, address = UtxoChain(site.coins), site.signer.hot_address, site.address(BOB)
    first = chain.terms(hot, 0, "", address, COIN, list)
    signed = site.signer.sign_gas(NETWORK, BOBS, COIN, of_signer(first))
    beside = chain.terms(hot, 0, "", address, COIN, lambda: [signed.raw])
    assert set(first.inputs).isdisjoint(beside.inputs)
    with pytest.raises(SignedOtherwise, match="both"):
        site.signer.sign_gas(NETWORK, BOBS, COIN, of_signer(chain.dearer(beside)))
    assert site.signer.sign_gas(NETWORK, BOBS, COIN, of_signer(chain.dearer(first))).txid != signed.txid
