"""D30: what is not credited is nobody's to use, whatever its state and whichever way is tried."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from sqlalchemy import update

from cambist.accounts import users
from cambist.control.exchange import CommandRefused
from cambist.control.markets import AddMarket
from cambist.control.users import FreezeUser, account_of
from cambist.engine.codes import OrderType, Side, Status, TimeInForce
from cambist.engine.commands import Command, Hold, Move, Place
from cambist.store.audit import Act
from cambist.store.wallet_tables import asset_networks
from tests.integration.operator import Operator
from tests.wallets.fake_chain import Paid
from tests.wallets.test_deposits import ANN, BOB, COIN, CONFIRMATIONS, OPERATOR, Site

ATOMS = 10**8
DUST = 999 * 10**10  # below the minimum


def seen(site: Site) -> None:
    site.chain.pay(Paid("ann", COIN))
    site.mine(CONFIRMATIONS - 1)


def orphaned(site: Site) -> None:
    seen(site)
    site.chain.reorg(CONFIRMATIONS - 1, keeps=False)
    site.mine(2 * CONFIRMATIONS)


def reversed_(site: Site) -> None:
    site.chain.pay(Paid("ann", COIN))
    site.mine(CONFIRMATIONS)
    site.chain.reorg(CONFIRMATIONS, keeps=False)
    site.mine(3 * CONFIRMATIONS)
    FreezeUser(email=ANN, frozen=False).perform(site.exchange, OPERATOR)


def suspense(site: Site) -> None:
    site.chain.pay(Paid("ann", DUST))
    site.mine(CONFIRMATIONS)


def quarantined(site: Site) -> None:
    site.chain.pay(Paid("ann", COIN, doubt="more was said than has come"))
    site.mine(CONFIRMATIONS)


def halted(site: Site) -> None:
    with site.records.write() as db:
        db.execute(update(asset_networks).values(halted="by a person"))
    site.chain.pay(Paid("ann", COIN))
    site.mine(CONFIRMATIONS + 1)


STATES: dict[str, Callable[[Site], None]] = {
    "seen": seen,
    "orphaned": orphaned,
    "reversed": reversed_,
    "suspense": suspense,
    "quarantined": quarantined,
    "seen, of a halted asset": halted,
}


@pytest.fixture
def site(tmp_path, monkeypatch) -> Iterator[Site]:
    operator = Operator(tmp_path / "home")
    for name, value in operator.environment.items():
        monkeypatch.setenv(name, value)
    site = Site(operator.home)
    with closing(site.exchange):
        AddMarket(base="ETH", quote="ETP", tick="0.01", lot="0.0001").perform(site.exchange, OPERATOR)
        yield site


def uses(site: Site) -> dict[str, Command]:
    """One atom, or one lot, of Ann's."""
    eth = site.exchange.assets().named("ETH").asset
    ann, bob = (account_of(users.get(site.records, email)) for email in (ANN, BOB))
    market = site.exchange.market("ETHETP").market
    return {
        "withdraw": Hold(account=ann, market=eth, amount_atoms=1, reference=b"withdraw"),
        "transfer": Move(account=ann, market=eth, counter_account=bob, amount_atoms=1, reference=b"transfer"),
        "trade": Place(
            account=ann,
            market=market,
            side=Side.SELL,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            price_ticks=100,
            quantity_lots=1,
        ),
    }


@pytest.mark.parametrize("state", STATES)
def test_D30_what_is_not_credited_can_be_used_in_no_way(site, state):
    STATES[state](site)
    assert site.all_states() == [state.partition(",")[0]]
    for name, command in uses(site).items():
        with pytest.raises(CommandRefused) as refused:
            site.exchange.execute(Act("test", name, {}, 1), command)
        assert refused.value.status == Status.INSUFFICIENT_BALANCE, name
    assert site.balance(ANN) == 0


def test_D30_what_is_credited_can_be_used_in_every_way(site):
    site.chain.pay(Paid("ann", COIN))
    site.mine(CONFIRMATIONS)
    assert site.all_states() == ["credited"]
    for name, command in uses(site).items():
        site.exchange.execute(Act("test", name, {}, 1), command)
