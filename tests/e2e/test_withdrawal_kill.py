"""kill -9 of the wallets, the signer or everything, at each step of a withdrawal: it is paid once.

The processes are those of `cambist run`, the chain is a real node. A step is where it is seen to be: by what
the records say, what the signer has written down, what lies in a socket that nobody reads. The same between
any two lines that a step stores, in one process: tests/wallets/test_withdrawal_crashes.py.
"""

import time
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from tests.e2e.paying import ARRIVES, CONFIRMATIONS, EVERYTHING, SEND, Asked, PayingExchange, paying
from tests.e2e.test_demo import wait_for
from tests.nodes import ANVIL

pytestmark = pytest.mark.skipif(not ANVIL.exists(), reason="anvil is not installed: npm was missing at setup")

ASKED_AGAIN_AFTER_S = 5


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PayingExchange]:
    with paying(tmp_path_factory.mktemp("kill") / "home") as exchange:
        yield exchange


@pytest.fixture(autouse=True)
def nothing_stays_stopped(exchange: PayingExchange) -> Iterator[None]:
    yield
    exchange.go_on()


def requested(exchange: PayingExchange) -> Asked:
    """The ledger has been asked to hold the amount, and has not answered."""
    exchange.stop("wallets")
    asked = exchange.ask()
    exchange.stop("exchange")
    exchange.wake("wallets")
    wait_for("its hold", lambda: exchange.waits_for_ledger("withdrawal.held", asked.number))
    return asked


def held(exchange: PayingExchange) -> Asked:
    asked = exchange.ask()
    asked.reaches("held")
    return asked


def approved(exchange: PayingExchange) -> Asked:
    """The signer has been asked, and has read nothing yet."""
    asked = held(exchange)
    exchange.stop("signer")
    asked.approve()
    wait_for("the question to the signer", exchange.asks_signer)
    return asked


def signed_unheard(exchange: PayingExchange) -> Asked:
    """The signer has signed and answered, and the wallets have not read it."""
    asked = approved(exchange)
    while True:
        exchange.stop("wallets")
        exchange.wake("signer")
        if seen_within(ASKED_AGAIN_AFTER_S, lambda: asked.is_signed):
            return asked
        # They were stopped between knocking and asking.
        exchange.stop("signer")
        exchange.wake("wallets")


def signed(exchange: PayingExchange) -> Asked:
    """Stored, and not at the node."""
    asked = held(exchange)
    exchange.withhold(SEND)
    asked.approve()
    asked.reaches("signed")
    return asked


def taken(exchange: PayingExchange) -> Asked:
    """The node has it and has answered nothing."""
    asked = held(exchange)
    exchange.swallow(SEND)
    asked.approve()
    wait_for("the node to have it", lambda: exchange.pending() == 1)
    assert asked.state in ("approved", "signed")
    return asked


def sent(exchange: PayingExchange) -> Asked:
    asked = held(exchange)
    asked.is_sent()
    return asked


def mined(exchange: PayingExchange) -> Asked:
    """A block has it, and others have to follow."""
    asked = sent(exchange)
    exchange.node.mine()
    wait_for("its block", lambda: asked.sent_state == "mined")
    return asked


def confirmed(exchange: PayingExchange) -> Asked:
    """The ledger has been asked to settle, and has not answered."""
    asked = mined(exchange)
    # The last block is read, but nothing is compared with it: that would ask the ledger before we do.
    exchange.withhold("eth_getBalance")
    exchange.stop("exchange")
    exchange.node.mine(CONFIRMATIONS - 1)
    wait_for("its settlement", lambda: exchange.waits_for_ledger("withdrawal.settled", asked.number))
    assert asked.state == "confirmed"
    return asked


STEPS = [requested, held, approved, signed_unheard, signed, taken, sent, mined, confirmed]


def seen_within(seconds: float, seen: Callable[[], bool]) -> bool:
    deadline_s = time.monotonic() + seconds
    while not (found := seen()) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    return found


# One of each step in every run, that which has most to lose there; all of them in the long one.
OFTEN = {
    (requested, "wallets"),
    (held, EVERYTHING),
    (approved, "signer"),
    (signed_unheard, "wallets"),
    (signed, EVERYTHING),
    (taken, "wallets"),
    (sent, "signer"),
    (mined, EVERYTHING),
    (confirmed, "wallets"),
}
KILLS = [
    pytest.param(
        step,
        victim,
        id=f"{step.__name__}-{victim}",
        marks=[] if (step, victim) in OFTEN else [pytest.mark.long],
    )
    for step in STEPS
    for victim in ("wallets", "signer", EVERYTHING)
]


@pytest.mark.parametrize(("step", "victim"), KILLS)
def test_W02_killed_at_any_step_it_is_paid_once(
    exchange: PayingExchange, step: Callable[[PayingExchange], Asked], victim: str
) -> None:
    nonce, free = exchange.nonce(), Decimal(exchange.bob.free("ETH"))
    asked = step(exchange)
    exchange.kill(victim)
    asked.finish()
    assert exchange.received(asked.address) == ARRIVES
    assert exchange.nonce() == nonce + 1
    assert (Decimal(exchange.bob.free("ETH")), exchange.bob.locked("ETH")) == (
        free - Decimal("0.5"),
        "0.00000000",
    )
    exchange.check()
