"""Records and signer from an older backup, and a payment that was signed after it: it is never made twice."""

from collections.abc import Iterator

import pytest
from sqlalchemy import delete, update

from cambist.control.networks import ExplainSend, HaltNetwork, ListUnexplained
from cambist.control.records import ResumePayouts, Unexplained
from cambist.signer import store
from cambist.store.wallet_tables import chain_sends, withdrawals
from cambist.wallets.strange import DoesNotFit, NotFinal, NothingToExplain
from tests.integration.operator import Operator
from tests.nodes import anvil
from tests.wallets.local_signer import COIN
from tests.wallets.payout_site import FEE, PayoutSite
from tests.wallets.site import ANN, ATOMS, CHAIN_ID, CONFIRMATIONS, LOSS, OPERATOR

ARRIVES = (ATOMS - FEE) * COIN // ATOMS
ELSEWHERE = "0x" + "0e" * 20
UNTIL_FINAL = 3 * CONFIRMATIONS


@pytest.fixture
def site(tmp_path, monkeypatch) -> Iterator[PayoutSite]:
    operator = Operator(tmp_path / "home")
    with anvil("--slots-in-an-epoch", "1") as node:
        for name, value in operator.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("CAMBIST_WALLETS_EVM_RPC", node.url)
        monkeypatch.setenv("CAMBIST_WALLETS_EVM_CHAIN_ID", str(CHAIN_ID))
        site = PayoutSite(operator.home, node)
        site.enter(ELSEWHERE)
        site.fund(20)
        site.mine(UNTIL_FINAL)
        yield site
        site.close()


def signed_after_the_backup(site: PayoutSite, number: int, was: str = "approved") -> str:
    """Neither the records nor the signer, both as of before, know any more of what waits for its block."""
    site.pay_out(number)
    txid = str(site.withdrawal(number).txid)
    with site.records.write() as db:
        db.execute(delete(chain_sends).where(chain_sends.c.subject == number))
        forgotten = {"state": was, "txid": None, "signed_at_ns": None, "sent_at_ns": None}
        db.execute(update(withdrawals).where(withdrawals.c.id == number).values(forgotten))
    with site.signer.store.write() as db:
        db.execute(delete(store.signed).where(store.signed.c.subject == number))
    site.start()
    return txid


def go_on(site: PayoutSite) -> None:
    """As two people at the console decide; what has drifted meanwhile is compared and goes on as well."""
    HaltNetwork(network="ETH", asset="ETH", reason=None).perform(site.exchange, OPERATOR)
    ResumePayouts(reason="looked").perform(site.exchange, OPERATOR)
    site.settle()


def test_W25_while_a_payment_of_the_lost_time_waits_for_its_block_nothing_is_signed(site: PayoutSite) -> None:
    number = site.ask()
    signed_after_the_backup(site, number)
    assert "the records" in str(site.records.payouts_stopped())
    other = site.ask(address=ELSEWHERE)
    site.settle()
    site.approve(other)
    ResumePayouts(reason="too early").perform(site.exchange, OPERATOR)
    site.settle()
    assert (site.state(number), site.state(other)) == ("approved", "approved")
    assert site.records.payouts_stopped() is not None


def test_W25_a_payment_of_the_lost_time_is_explained_and_settled(site: PayoutSite) -> None:
    available, before = site.balance(ANN), site.received()
    number = site.ask()
    txid = signed_after_the_backup(site, number)
    site.mine()
    assert site.received() - before == ARRIVES
    (unknown,) = ListUnexplained().perform(site.exchange, OPERATOR)
    assert (unknown["txid"], unknown["receiver"], list(unknown["withdrawals"])) == (
        txid,
        site.withdrawal(number).address,
        [number],
    )
    explained = ExplainSend(network="ETH", txid=txid, withdrawal=number)
    with pytest.raises(NotFinal):
        explained.perform(site.exchange, OPERATOR)
    site.mine(UNTIL_FINAL)
    with pytest.raises(Unexplained):
        ResumePayouts(reason="looked").perform(site.exchange, OPERATOR)
    with pytest.raises(DoesNotFit):
        ExplainSend(network="ETH", txid=txid, withdrawal=number + 1).perform(site.exchange, OPERATOR)
    assert explained.perform(site.exchange, OPERATOR) == {"unexplained": 0}
    with pytest.raises(NothingToExplain):
        explained.perform(site.exchange, OPERATOR)
    go_on(site)
    following = site.ask(address=ELSEWHERE)
    site.pay_out(following)
    site.mine(UNTIL_FINAL)
    assert (site.state(number), site.state(following)) == ("settled", "settled")
    assert (site.received() - before, site.received(ELSEWHERE)) == (ARRIVES, ARRIVES)
    assert (available - site.balance(ANN), site.held()) == (2 * ATOMS, 0)
    assert site.halted() == ""


def test_W25_what_is_not_explained_by_a_withdrawal_is_lost_and_the_books_say_so(site: PayoutSite) -> None:
    number = site.ask()
    txid = signed_after_the_backup(site, number)
    unlike_it = update(withdrawals).where(withdrawals.c.id == number).values(state="held", address=ELSEWHERE)
    with site.records.write() as db:  # as if it was asked for after the backup
        db.execute(unlike_it)
    site.mine(UNTIL_FINAL)
    assert site.halted() != ""
    ExplainSend(network="ETH", txid=txid, withdrawal=None).perform(site.exchange, OPERATOR)
    assert site.balance(LOSS) == -(ATOMS - FEE)
    go_on(site)
    site.mine(UNTIL_FINAL)
    assert (site.halted(), site.records.payouts_stopped()) == ("", None)


def test_W25_a_payment_whose_nonce_was_used_by_one_of_the_lost_time_is_given_back(site: PayoutSite) -> None:
    """Payouts went on too early, and the node did not know: the chain takes the older one."""
    available = site.balance(ANN)
    lost = site.ask()
    older = signed_after_the_backup(site, lost, was="held")
    raw = site.node("eth_getRawTransactionByHash", older)
    site.node("anvil_dropTransaction", older)
    later = site.ask(address=ELSEWHERE)
    ResumePayouts(reason="too early").perform(site.exchange, OPERATOR)
    site.pay_out(later)
    assert site.state(later) == "sent"
    site.node("anvil_dropTransaction", site.withdrawal(later).txid)
    site.node("eth_sendRawTransaction", raw)
    site.mine(UNTIL_FINAL)
    assert (site.state(later), site.held()) == ("failed", 2 * ATOMS), "nothing goes back before people looked"
    ExplainSend(network="ETH", txid=older, withdrawal=lost).perform(site.exchange, OPERATOR)
    go_on(site)
    site.mine(UNTIL_FINAL)
    assert (site.state(lost), site.state(later)) == ("settled", "failed")
    assert (available - site.balance(ANN), site.held()) == (ATOMS, 0)
    assert site.received(ELSEWHERE) == 0


def test_a_sweep_that_the_records_have_not_made_explains_itself(site: PayoutSite) -> None:
    site.node.send(site.address(ANN), value=COIN)
    site.mine(CONFIRMATIONS)
    assert site.sends()[-1] == ("sweep", "sent")
    with site.records.write() as db:
        db.execute(delete(chain_sends).where(chain_sends.c.state == "sent"))
    site.node.mine()
    site.settle()
    assert site.sends()[-1][0] == "sweep"
    assert site.records.payouts_stopped() is not None
    assert ListUnexplained().perform(site.exchange, OPERATOR) == []
    site.mine(UNTIL_FINAL)
    assert (site.halted(), site.drifts()) == ("", {"0"})
