"""The wallets' process ends at every step of a withdrawal: one payment, one debit, nothing lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cambist.match.courier import LocalDesk
from tests.integration.operator import Operator
from tests.nodes import anvil
from tests.wallets.local_signer import COIN
from tests.wallets.payout_site import FEE, Crash, CrashAt, Crossed, PayoutSite
from tests.wallets.site import ANN, ATOMS, CHAIN_ID, CONFIRMATIONS

ARRIVES = (ATOMS - FEE) * COIN // ATOMS
# All places to end at take minutes; a part of them is looked at each time.
EVERY = pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.long), 7])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PayoutSite]:
    operator = Operator(tmp_path_factory.mktemp("crashes") / "home")
    with anvil("--slots-in-an-epoch", "1") as node, pytest.MonkeyPatch.context() as patch:
        for name, value in operator.environment.items():
            patch.setenv(name, value)
        patch.setenv("CAMBIST_WALLETS_EVM_RPC", node.url)
        patch.setenv("CAMBIST_WALLETS_EVM_CHAIN_ID", str(CHAIN_ID))
        site = PayoutSite(operator.home, node)
        site.fund(900)
        yield site
        site.close()


class Counting:
    """Ends the process at one crossing into the records, the engine, the signer or the node."""

    def __init__(self, site: PayoutSite, number: int) -> None:
        self.site = site
        self.crash = CrashAt(number)

    @contextmanager
    def write(self) -> Iterator[Any]:
        with self._write() as db:
            self.crash.cross()
            yield db
        self.crash.cross()

    def run(self, act: Callable[[], None]) -> bool:
        """Whether it crashed; the process is started anew then."""
        site = self.site
        self._write = site.records.write
        site.records.write = self.write  # type: ignore[method-assign]
        try:
            site.start(
                chain=Crossed(site.chain, self.crash, "send"),
                signer=Crossed(site.signer, self.crash, "sign_withdrawal"),
                desk=Crossed(LocalDesk(site.exchange.server), self.crash, "call"),
            )
            act()
        except Crash:
            return True
        finally:
            site.records.write = self._write  # type: ignore[method-assign]
            site.start()
        return False


@EVERY
def test_W02_a_crash_anywhere_on_the_way_to_the_chain_pays_once(site: PayoutSite, every: int) -> None:
    paid, before, nonce = 0, site.received(), site.hot_nonce()
    available = site.balance(ANN)
    crashed, number = True, 0
    while crashed:
        number += every
        withdrawal = site.ask()
        crashed = Counting(site, number).run(lambda: site.pay_out(withdrawal))  # noqa: B023
        if site.state(withdrawal) == "held":  # it ended before anybody could approve
            site.approve(withdrawal)
        site.settle()
        paid += 1
        assert site.state(withdrawal) == "sent", number
    assert number > 12  # each of them was a place to end at
    site.mine(CONFIRMATIONS)
    assert site.received() - before == paid * ARRIVES
    assert site.hot_nonce() - nonce == paid
    assert (site.balance(ANN), site.held()) == (available - paid * ATOMS, 0)
    assert site.drifts() == {"0"} and site.records.payouts_stopped() is None


@EVERY
def test_W02_a_crash_anywhere_after_the_chain_took_it_settles_once(site: PayoutSite, every: int) -> None:
    before, available, fees = site.received(), site.balance(ANN), site.balance(6)
    paid, number, crashed = 0, 0, True
    while crashed:
        number += every
        withdrawal = site.ask()
        site.pay_out(withdrawal)
        paid += 1
        site.node.mine(CONFIRMATIONS)
        crashed = Counting(site, number).run(site.settle)
        site.settle()
        assert site.state(withdrawal) == "settled", number
    assert number > 6
    assert site.received() - before == paid * ARRIVES
    assert (site.balance(ANN), site.held()) == (available - paid * ATOMS, 0)
    assert site.balance(6) - fees == paid * FEE


def test_a_crash_anywhere_in_a_release_gives_back_once(site: PayoutSite) -> None:
    available = site.balance(ANN)
    number, crashed = 0, True
    while crashed:
        number += 1
        withdrawal = site.ask()
        site.settle()
        site.reject(withdrawal)
        crashed = Counting(site, number).run(site.settle)
        site.settle()
        assert (site.state(withdrawal), site.withdrawal(withdrawal).ended_at_ns is None) == (
            "rejected",
            False,
        )
    assert number > 3
    assert (site.balance(ANN), site.held()) == (available, 0)


def test_W02_a_node_that_takes_a_payment_and_answers_nothing_gets_the_same_bytes_again(
    site: PayoutSite, node_that_hangs_up: Callable[[], Any]
) -> None:
    before = site.received()
    withdrawal = site.ask()
    site.start(chain=node_that_hangs_up())
    site.pay_out(withdrawal)
    assert site.state(withdrawal) == "signed"
    first = site.withdrawal(withdrawal).txid
    site.start()
    site.late_ns += 31 * 10**9
    site.settle()
    site.mine(CONFIRMATIONS)
    assert (site.state(withdrawal), site.withdrawal(withdrawal).txid) == ("settled", first)
    assert site.received() - before == ARRIVES


@pytest.fixture
def node_that_hangs_up(site: PayoutSite) -> Callable[[], Any]:
    from cambist.wallets.chain import NodeFailed

    def send(raw: bytes) -> None:
        site.chain.send(raw)
        raise NodeFailed("it hung up")

    def made() -> Any:
        chain = Crossed(site.chain, CrashAt(0))
        chain.send = send  # type: ignore[attr-defined]
        return chain

    return made
