"""What has gone wrong with withdrawals elsewhere, tried here."""

from collections.abc import Iterator

import pytest
from sqlalchemy import delete, select, update

from cambist.accounts.address_book import AddressInvalid, AddressUnknown
from cambist.store.audit import Act
from cambist.store.wallet_tables import chain_sends, withdrawals
from cambist.wallets import requests, review
from cambist.wallets.networks import NotWhole
from cambist.wallets.payouts import BUMP_AFTER_NS
from cambist.wallets.requests import TooLate, WithdrawalsClosed
from tests.integration.operator import Operator
from tests.nodes import anvil
from tests.wallets.local_signer import COIN
from tests.wallets.payout_site import FEE, PayoutSite
from tests.wallets.site import ANN, ATOMS, BOB, CHAIN_ID, CONFIRMATIONS

ARRIVES = (ATOMS - FEE) * COIN // ATOMS


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PayoutSite]:
    operator = Operator(tmp_path_factory.mktemp("threats") / "home")
    with anvil("--slots-in-an-epoch", "1") as node, pytest.MonkeyPatch.context() as patch:
        for name, value in operator.environment.items():
            patch.setenv(name, value)
        patch.setenv("CAMBIST_WALLETS_EVM_RPC", node.url)
        patch.setenv("CAMBIST_WALLETS_EVM_CHAIN_ID", str(CHAIN_ID))
        site = PayoutSite(operator.home, node)
        site.fund(900)
        yield site
        site.close()


@pytest.fixture(autouse=True)
def what_is_under_way_arrives(site: PayoutSite) -> Iterator[None]:
    yield
    site.mine(CONFIRMATIONS)


def sends_of(site: PayoutSite, number: int) -> list[tuple[int, str]]:
    with site.records.read() as db:
        rows = db.execute(
            select(chain_sends.c.nonce, chain_sends.c.txid)
            .where(chain_sends.c.kind == "withdrawal", chain_sends.c.subject == number)
            .order_by(chain_sends.c.id)
        )
        return [(row.nonce, row.txid) for row in rows]


def test_W03_a_stuck_payment_is_replaced_and_never_doubled(site: PayoutSite) -> None:
    before = site.received()
    number = site.ask()
    site.pay_out(number)
    for _ in range(3):
        site.late_ns += BUMP_AFTER_NS + 1
        site.settle()
    sent = sends_of(site, number)
    assert len(sent) == 4 and len({nonce for nonce, _ in sent}) == 1
    assert site.withdrawal(number).txid == sent[-1][1]
    site.mine(CONFIRMATIONS)
    assert site.state(number) == "settled"
    assert site.received() - before == ARRIVES


@pytest.mark.parametrize(
    "changed",
    [{"address": "0x" + "66" * 20}, {"amount_units": str(2 * COIN)}, {"fee_atoms": "0"}, {"tag": "1"}],
    ids=lambda changed: str(next(iter(changed))),
)
def test_W04_a_row_that_was_changed_after_the_approval_is_not_signed(
    site: PayoutSite, changed: dict[str, str]
) -> None:
    number = site.ask()
    site.settle()
    site.approve(number)
    with site.records.write() as db:
        db.execute(update(withdrawals).where(withdrawals.c.id == number).values(changed))
    site.settle()
    assert (site.state(number), sends_of(site, number)) == ("approved", [])
    assert "approval" in site.withdrawal(number).reason
    with site.records.write() as db:  # or it would be tried again beside the other tests
        db.execute(update(withdrawals).where(withdrawals.c.id == number).values(state="rejected"))


def test_W04_a_row_that_was_changed_before_the_approval_cannot_be_approved(site: PayoutSite) -> None:
    number = site.ask()
    site.settle()
    with site.records.write() as db:
        db.execute(update(withdrawals).where(withdrawals.c.id == number).values(address="0x" + "66" * 20))
    with pytest.raises(review.PaymentChanged):
        site.approve(number)
    site.reject(number)
    site.settle()


def test_W07_two_people_approve_what_is_large(site: PayoutSite) -> None:
    site.change_terms(review_two_above_atoms=str(ATOMS // 2))
    number = site.ask()
    site.settle()
    rita, sam = site.reviewers
    assert site.approve(number, rita) == "held"
    with pytest.raises(review.SaidAlready):
        site.approve(number, rita)
    assert site.approve(number, sam) == "approved"
    site.settle()
    assert site.state(number) == "sent"


def test_W14_what_leaves_the_account_is_what_is_sent_and_the_fee(site: PayoutSite) -> None:
    for atoms in (ATOMS, ATOMS + 1, 123_456_789):
        available, fees, before = site.balance(ANN), site.balance(6), site.received()
        number = site.ask(atoms=atoms)
        site.pay_out(number)
        site.mine(CONFIRMATIONS)
        sent = site.received() - before
        assert available - site.balance(ANN) == atoms
        assert site.balance(6) - fees == FEE and sent * ATOMS == (atoms - FEE) * COIN


def test_W14_an_amount_that_the_chain_cannot_carry_is_refused(site: PayoutSite) -> None:
    site.change_terms(decimals=6)
    try:
        with pytest.raises(NotWhole):
            site.ask(atoms=ATOMS + 1)
    finally:
        site.change_terms(decimals=18)


@pytest.mark.parametrize(
    "address",
    [
        "0x" + "00" * 20,
        "0x" + "00" * 19 + "04",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD",  # the last letter's case is wrong
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        "TJRyWwFs9wTFGZg3JbrVriFbNfCug5tDeC",
        "0x" + "0d" * 19,
    ],
)
def test_W16_nothing_is_sent_where_nobody_has_a_key(site: PayoutSite, address: str) -> None:
    site.enter(address)
    with pytest.raises(AddressInvalid):
        site.ask(address=address)


def test_W16_an_address_is_taken_in_either_spelling_and_its_checksum_is_checked() -> None:
    mixed = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # EIP-55, first example
    assert (
        requests.normal_address("ETH", mixed)
        == requests.normal_address("ETH", mixed.lower())
        == mixed.lower()
    )
    with pytest.raises(AddressInvalid):
        requests.normal_address("ETH", mixed.replace("aA", "Aa"))


def test_W16_tokens_and_our_own_hot_address_are_no_destinations(site: PayoutSite) -> None:
    for address in (site.contract, site.signer.hot_address):
        site.enter(address)
        with pytest.raises(AddressInvalid):
            site.ask(address=address)


def test_W18_a_withdrawal_to_a_deposit_address_of_ours_is_credited_once(site: PayoutSite) -> None:
    address, had = site.address(BOB), site.balance(BOB)
    site.enter(address)
    number = site.ask(address=address)
    site.pay_out(number)
    site.mine(2 * CONFIRMATIONS)
    assert site.state(number) == "settled"
    assert site.balance(BOB) - had == ATOMS - FEE
    assert site.drifts() == {"0"}


def test_W19_of_cancel_and_approval_one_wins(site: PayoutSite) -> None:
    available = site.balance(ANN)
    with site.records.read() as db:
        owner = db.scalars(select(withdrawals.c.user_id)).first()
    assert owner is not None
    first = site.ask()
    with pytest.raises(TooLate), site.records.write() as db:
        requests.cancel(db, owner, first, 1)  # not held yet
    site.settle()
    with site.records.write() as db:
        requests.cancel(db, owner, first, 1)
    with pytest.raises(review.NotHeld):
        site.approve(first)
    site.settle()
    assert (site.state(first), site.balance(ANN)) == ("cancelled", available)
    second = site.ask()
    site.settle()
    site.approve(second)
    for _ in range(2):
        with pytest.raises(TooLate), site.records.write() as db:
            requests.cancel(db, owner, second, 1)
        site.settle()
    site.mine(CONFIRMATIONS)
    assert (site.state(second), site.balance(ANN)) == ("settled", available - ATOMS)


def test_W20_a_payment_that_nodes_forgot_is_sent_again_and_nothing_is_given_back(site: PayoutSite) -> None:
    before, available = site.received(), site.balance(ANN)
    number = site.ask()
    site.pay_out(number)
    txid = site.withdrawal(number).txid
    site.node("anvil_dropTransaction", txid)
    site.node.mine(CONFIRMATIONS)
    site.settle()
    assert (site.state(number), site.balance(ANN)) == ("sent", available - ATOMS)
    site.late_ns += 31 * 10**9
    site.settle()
    site.mine(CONFIRMATIONS)
    assert (site.state(number), site.withdrawal(number).txid) == ("settled", txid)
    assert site.received() - before == ARRIVES


def test_W20_a_reorg_takes_a_payment_back_and_it_is_paid_once(site: PayoutSite) -> None:
    before = site.received()
    number = site.ask()
    site.pay_out(number)
    site.mine()
    site.node("anvil_reorg", 1, [])
    site.settle()
    site.late_ns += 31 * 10**9
    site.mine(CONFIRMATIONS + 1)
    assert (site.state(number), site.received() - before) == ("settled", ARRIVES)


def test_nothing_is_signed_or_sent_while_payouts_are_stopped(site: PayoutSite) -> None:
    with site.records.write() as db:
        site.records.stop_payouts(db, "somebody has pulled the switch")
    number = site.ask()
    site.pay_out(number)
    assert (site.state(number), sends_of(site, number)) == ("approved", [])
    resume(site)
    site.settle()
    assert site.state(number) == "sent"


def test_an_asset_that_is_halted_or_closed_is_not_paid(site: PayoutSite) -> None:
    number = site.ask()
    site.settle()
    site.approve(number)
    for terms, open_again in (
        ({"halted": "drift"}, {"halted": ""}),
        ({"is_withdrawal_open": False}, {"is_withdrawal_open": True}),
    ):
        site.change_terms(**terms)
        site.settle()
        assert site.state(number) == "approved"
        with pytest.raises(WithdrawalsClosed):
            site.ask()
        if terms == {"is_withdrawal_open": False}:
            site.change_terms(**open_again)
        else:
            site.change_terms(halted="", is_withdrawal_open=False)
    site.settle()
    assert site.state(number) == "sent"


def test_an_address_that_is_not_in_the_book_is_not_paid(site: PayoutSite) -> None:
    with pytest.raises(AddressUnknown):
        site.ask(address="0x" + "77" * 20)


def test_W02_two_withdrawals_of_the_same_are_two_payments_and_nonces_follow_each_other(
    site: PayoutSite,
) -> None:
    before, nonce = site.received(), site.hot_nonce()
    numbers = [site.ask() for _ in range(5)]
    site.pay_out(*numbers)
    site.mine(CONFIRMATIONS)
    nonces = [nonce for number in numbers for nonce, _ in sends_of(site, number)]
    assert len(set(nonces)) == 5 and max(nonces) - min(nonces) == 4 and site.hot_nonce() >= nonce + 5
    assert site.received() - before == 5 * ARRIVES


def resume(site: PayoutSite) -> None:
    assert site.records.resume_payouts(Act("operator", "payouts.resume", {}, 1))


def test_W25_restored_records_do_not_pay_again(site: PayoutSite) -> None:
    """The records lose a withdrawal's end: it stands there approved, and the chain has paid it."""
    before = site.received()
    number = site.ask()
    site.pay_out(number)
    site.mine(CONFIRMATIONS)
    paid = site.received() - before
    with site.records.write() as db:
        db.execute(delete(chain_sends).where(chain_sends.c.subject == number))
        db.execute(
            update(withdrawals)
            .where(withdrawals.c.id == number)
            .values(state="approved", txid=None, reason="", ended_at_ns=None)
        )
    site.start()
    site.mine(CONFIRMATIONS)
    assert site.received() - before == paid == ARRIVES
    assert [nonce for nonce, _ in sends_of(site, number)], "it knows again what the signer has signed"


def test_W25_a_payment_that_the_records_do_not_know_stops_all_others(site: PayoutSite) -> None:
    """Signed after the backup was made: the withdrawal is not even there."""
    number = site.ask()
    site.pay_out(number)
    site.mine(CONFIRMATIONS)
    with site.records.write() as db:
        db.execute(delete(chain_sends).where(chain_sends.c.subject == number))
        db.execute(update(withdrawals).where(withdrawals.c.id == number).values(state="held"))
    following = site.ask()
    site.settle()
    site.approve(following)
    site.start()
    assert site.state(following) == "approved"
    assert str(number) in (site.records.payouts_stopped() or "")
