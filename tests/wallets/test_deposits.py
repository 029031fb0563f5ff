"""From a block into the ledger: credited once, after its confirmations, whatever the chain does meanwhile."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from cambist import app
from cambist.account_api.wallet_history import newest_deposits
from cambist.accounts import users
from cambist.control.exchange import Caller
from cambist.control.house import HouseNotFrozen, UnfreezeHouse
from cambist.control.markets import AddAsset
from cambist.control.networks import HaltNetwork, SetNetwork, TermChanges
from cambist.control.users import CreateUser, account_of
from cambist.engine.commands import AccountClass, AccountCreate, Move, Permission, Role
from cambist.engine.system_accounts import HOUSE, LOSS
from cambist.errors import OutcomeUnknown
from cambist.match import courier
from cambist.match.courier import Courier, LocalDesk
from cambist.store.audit import Act
from cambist.store.wallet_tables import (
    asset_networks,
    chain_cursors,
    chain_sends,
    deposit_addresses,
    deposits,
    networks,
)
from cambist.wallets import fees
from cambist.wallets.chain import NodeFailed
from cambist.wallets.deposits import Deposits, effects
from cambist.wallets.fees import HouseFrozen
from cambist.wallets.listing import TermsUnfit
from cambist.wallets.scanner import Scanner
from tests.integration.operator import Operator
from tests.wallets.fake_chain import FakeChain, Paid

ANN, BOB = "ann@example.org", "bob@example.org"
HOT = "hot"
COIN = 10**18  # decimals on the chain; the ledger has 8
CONFIRMATIONS = 3
TOKEN = "0x" + "ee" * 20
OPERATOR = Caller("operator", lambda done, total: None)


class Site:
    """An exchange in this process, with a chain in memory: Ann has the address `ann`, Bob `bob`."""

    def __init__(self, home: Path) -> None:
        self.exchange = app.open_exchange(app.create_exchange(home, sandbox=True), lambda done, total: None)
        self.records = self.exchange.records
        self.chain = FakeChain()
        self.mirrors: dict[str, int] = {}
        for name, contract in (("ETH", ""), ("ETP", TOKEN)):
            self._list(name, contract)
        with self.records.write() as db:
            db.execute(insert(networks).values(name="ETH", chain_id=1, xpub="", hot_address=HOT))
        for index, email in enumerate((ANN, BOB)):
            self._sign_up(email, index)
        self.start()

    def start(self, *, waits_for_final: bool = False) -> None:
        """The wallets' process begins."""
        self.courier = Courier(
            self.records,
            LocalDesk(self.exchange.server),
            "wallets",
            Role.WALLET,
            effects={**effects(), fees.BOOKED: fees.booked},
            results=partial(courier.results, self.exchange.settings),
        )
        self.scanner = Scanner(self.records, self.chain)
        self.deposits = Deposits(self.records, self.courier, "ETH", waits_for_final=waits_for_final)
        self.courier.resume()
        self.catch_up()

    def catch_up(self) -> None:
        while self.scanner.step():
            self.deposits.step()
        self.deposits.step()

    def mine(self, count: int = 1) -> None:
        self.chain.mine(count)
        self.catch_up()

    def balance(self, email: str | int, asset: str = "ETH") -> int:
        """Available, in atoms."""
        number = email if isinstance(email, int) else account_of(users.get(self.records, email))
        named = self.exchange.assets().named(asset).asset
        rows = self.exchange.query(lambda engine: engine.balances(number))
        return next((available for held_asset, available, _ in rows if held_asset == named), 0)

    def is_frozen(self, email: str) -> bool:
        number = account_of(users.get(self.records, email))
        row = self.exchange.query(lambda engine: engine.account(number))
        assert row is not None
        return bool(row[3])

    def deposit(self, txid: str) -> Any:
        with self.records.read() as db:
            return db.execute(select(deposits).where(deposits.c.txid == txid)).one()

    def all_states(self) -> list[str]:
        """Of all deposits, oldest first."""
        with self.records.read() as db:
            return list(db.scalars(select(deposits.c.state).order_by(deposits.c.id)))

    def halted(self, asset: str = "ETH") -> str:
        with self.records.read() as db:
            found = db.scalar(select(asset_networks.c.halted).where(asset_networks.c.asset_name == asset))
        return str(found)

    def _list(self, name: str, contract: str) -> None:
        AddAsset(name=name).perform(self.exchange, OPERATOR)
        mirror = AccountCreate(
            account_class=AccountClass.MIRROR,
            permissions=Permission.TRADE,
            reference=f"mirror:ETH:{name}".encode(),
        )
        asset = self.exchange.assets().named(name)
        row = {
            "asset": asset.asset,
            "asset_name": name,
            "scale": asset.scale,
            "network": "ETH",
            "contract": contract,
            "decimals": 18,
            "mirror": self.exchange.execute(Act("operator", "mirror", {}, 1), mirror),
            "confirmations": CONFIRMATIONS,
            "deposit_min_atoms": "1000",
            "withdrawal_fee_atoms": "0",
            "withdrawal_min_atoms": "0",
            "withdrawal_daily_max_atoms": "0",
            "review_two_above_atoms": "0",
            "hot_max_units": "0",
            "is_deposit_open": True,
            "is_withdrawal_open": True,
            "halted": "",
        }
        with self.records.write() as db:
            db.execute(insert(asset_networks).values(row))

    def _sign_up(self, email: str, index: int) -> None:
        CreateUser(email=email).perform(self.exchange, OPERATOR)
        user = users.get(self.records, email)
        row = {"network": "ETH", "index": index, "address": email.partition("@")[0], "user_id": user.id}
        with self.records.write() as db:
            db.execute(insert(deposit_addresses).values(row | {"account": user.account, "given_at_ns": 1}))


@pytest.fixture
def site(tmp_path, monkeypatch) -> Iterator[Site]:
    operator = Operator(tmp_path / "home")
    for name, value in operator.environment.items():
        monkeypatch.setenv(name, value)
    site = Site(operator.home)
    with closing(site.exchange):
        yield site


def one_coin(site: Site, address: str = "ann") -> str:
    return site.chain.pay(Paid(address, COIN))


def test_a_deposit_is_credited_with_its_last_confirmation_and_not_before(site):
    txid = one_coin(site)
    site.mine(CONFIRMATIONS - 1)
    assert (site.deposit(txid).state, site.balance(ANN)) == ("seen", 0)
    site.mine()
    assert (site.deposit(txid).state, site.balance(ANN), site.balance(BOB)) == ("credited", 10**8, 0)


LARGE_CONFIRMATIONS = 6


@pytest.fixture
def careful(site: Site) -> Site:
    """Above one coin it takes more confirmations."""
    large = {"large_above_atoms": str(10**8), "large_confirmations": LARGE_CONFIRMATIONS}
    with site.records.write() as db:
        db.execute(update(asset_networks).values(large))
    return site


def test_D13_a_large_deposit_is_credited_with_its_last_confirmation_and_not_before(careful):
    careful.chain.pay(Paid("ann", COIN + 10**10))
    one_coin(careful, "bob")
    careful.mine(CONFIRMATIONS)
    assert (careful.balance(ANN), careful.balance(BOB)) == (0, 10**8)
    careful.mine(LARGE_CONFIRMATIONS - CONFIRMATIONS - 1)
    assert careful.balance(ANN) == 0
    careful.mine()
    assert careful.balance(ANN) == 10**8 + 1


def test_D13_who_splits_a_large_deposit_waits_as_well(careful):
    half = Paid("ann", COIN // 2)
    careful.chain.pay(half, half, half)
    careful.mine()
    careful.chain.pay(half)
    careful.mine(CONFIRMATIONS)
    assert careful.balance(ANN) == 10**8  # the first two: what comes later makes nobody wait longer
    careful.mine(LARGE_CONFIRMATIONS - CONFIRMATIONS - 1)
    # The first three are deep enough for any amount, and the last one alone is not large.
    assert careful.balance(ANN) == 2 * 10**8


@pytest.mark.parametrize("depth", [CONFIRMATIONS, LARGE_CONFIRMATIONS - 1])
def test_D13_a_branch_that_dies_takes_no_more_along_than_the_large_amount(careful, depth):
    for _ in range(5):
        one_coin(careful)
    careful.mine(depth)
    spend(careful, ANN, BOB, careful.balance(ANN))
    careful.chain.reorg(depth, keeps=False)
    careful.mine(3 * LARGE_CONFIRMATIONS)
    assert (careful.balance(BOB), careful.balance(LOSS)) == (10**8, -(10**8))


def test_D13_progress_shows_how_many_confirmations_a_deposit_needs(careful):
    careful.chain.pay(Paid("ann", 2 * COIN))
    one_coin(careful)
    one_coin(careful, "bob")
    careful.mine(CONFIRMATIONS)

    def progress(email: str) -> list[tuple[int, int]]:
        with careful.records.read() as db:
            rows = newest_deposits(db, users.get(careful.records, email).id)
        return [(row.confirmations, row.confirmations_needed) for row in rows]

    assert progress(ANN) == [(CONFIRMATIONS, LARGE_CONFIRMATIONS)] * 2
    assert progress(BOB) == [(CONFIRMATIONS, CONFIRMATIONS)]


def test_D13_large_deposits_cannot_be_set_to_need_no_more_than_others(site):
    with pytest.raises(TermsUnfit):
        SetNetwork(network="ETH", asset="ETP", terms=TermChanges(large_above="100")).perform(
            site.exchange, OPERATOR
        )
    terms = TermChanges(large_above="100", large_confirmations=2 * CONFIRMATIONS)
    changed = SetNetwork(network="ETH", asset="ETP", terms=terms).perform(site.exchange, OPERATOR)
    assert (changed["large_above"], changed["large_confirmations"]) == ("100.00000000", 2 * CONFIRMATIONS)


def test_D18_several_outputs_of_one_transaction_are_credited_each_once(site):
    site.chain.pay(Paid("ann", COIN), Paid("ann", 2 * COIN), Paid("bob", 4 * COIN))
    site.mine(CONFIRMATIONS + 5)
    assert (site.balance(ANN), site.balance(BOB)) == (3 * 10**8, 4 * 10**8)


def test_what_is_below_an_atom_stays_a_rest(site):
    site.chain.pay(Paid("ann", COIN + 7))
    site.mine(CONFIRMATIONS)
    assert site.balance(ANN) == 10**8
    with site.records.read() as db:
        assert (
            db.scalar(select(asset_networks.c.rest_units).where(asset_networks.c.asset_name == "ETH")) == "7"
        )


def test_D01_a_token_with_the_name_of_another_is_not_that_one(site):
    txid = site.chain.pay(Paid("ann", COIN, contract="0x" + "ff" * 20))
    site.mine(CONFIRMATIONS)
    assert site.balance(ANN, "ETP") == 0
    assert (site.deposit(txid).state, site.deposit(txid).reason) == ("suspense", "a token that is not listed")


def test_a_token_is_credited_as_what_its_contract_is(site):
    site.chain.pay(Paid("ann", 5 * COIN, contract=TOKEN))
    site.mine(CONFIRMATIONS)
    assert (site.balance(ANN, "ETP"), site.balance(ANN)) == (5 * 10**8, 0)


def test_D23_dust_is_never_the_users_and_never_lost(site):
    for _ in range(50):
        site.chain.pay(Paid("ann", 999 * 10**10))
    site.mine(CONFIRMATIONS)
    suspense = 4
    assert (site.balance(ANN), site.balance(suspense)) == (0, 50 * 999)


def test_D23_a_minimum_that_is_changed_later_changes_nothing_of_the_past(site):
    txid = site.chain.pay(Paid("ann", 999 * 10**10))
    site.mine(CONFIRMATIONS)
    with site.records.write() as db:
        db.execute(update(asset_networks).values(deposit_min_atoms="1"))
    site.chain.reorg(CONFIRMATIONS, keeps=False)
    site.mine(3 * CONFIRMATIONS)
    suspense = 4
    assert (site.deposit(txid).state, site.balance(suspense), site.is_frozen(ANN)) == ("reversed", 0, False)


def test_D27_more_than_there_can_be_waits_for_a_person(site):
    txid = site.chain.pay(Paid("ann", 2**256 - 1))
    one_coin(site)
    site.mine(CONFIRMATIONS)
    assert (site.deposit(txid).state, site.balance(ANN)) == ("quarantined", 10**8)


def test_D02_a_doubtful_amount_waits_for_a_person(site):
    txid = site.chain.pay(Paid("ann", COIN, TOKEN, "the token says more than has come"))
    site.mine(CONFIRMATIONS)
    assert (site.deposit(txid).state, site.balance(ANN, "ETP")) == ("quarantined", 0)


def test_coins_from_outside_for_the_hot_address_are_the_houses(site):
    one_coin(site, HOT)
    site.mine(CONFIRMATIONS)
    assert site.balance(HOUSE) == 10**8


@pytest.mark.parametrize(("kind", "credited"), [("sweep", 0), ("gas", 0), ("withdrawal", 10**8)])
def test_W18_only_what_comes_from_outside_or_was_withdrawn_is_a_deposit(site, kind, credited):
    txid = one_coin(site)
    row = {"network": "ETH", "kind": kind, "subject": 1, "sender": HOT, "nonce": 0, "contract": ""}
    row |= {"amount_units": str(COIN), "raw": b"", "txid": txid, "state": "sent", "fee_units": "0"}
    with site.records.write() as db:
        db.execute(insert(chain_sends).values(row | {"is_fee_booked": False, "signed_at_ns": 1}))
    site.mine(CONFIRMATIONS)
    assert site.balance(ANN) == credited


@pytest.mark.parametrize("depth", range(1, CONFIRMATIONS))
def test_D10_D11_what_leaves_the_chain_before_its_credit_was_never_there(site, depth):
    txid = one_coin(site)
    site.mine(depth)
    site.chain.reorg(depth, keeps=False)
    site.mine(depth + CONFIRMATIONS)
    assert (site.deposit(txid).state, site.balance(ANN)) == ("orphaned", 0)
    assert site.halted() == ""


@pytest.mark.parametrize("depth", [1, 2, CONFIRMATIONS, CONFIRMATIONS + 3])
def test_D12_what_is_mined_again_elsewhere_is_credited_once(site, depth):
    one_coin(site)
    site.mine(depth)
    site.chain.reorg(depth, keeps=True)
    one_coin(site, "bob")
    site.mine(CONFIRMATIONS + depth)
    assert (site.balance(ANN), site.is_frozen(ANN)) == (10**8, False)
    # What was credited has left the chain meanwhile: nothing more is credited until a person has looked.
    assert site.balance(BOB) == (10**8 if depth < CONFIRMATIONS else 0)


def test_D11_what_leaves_the_chain_after_its_credit_is_taken_back_and_stops_the_asset(site):
    txid = one_coin(site)
    site.mine(CONFIRMATIONS)
    site.chain.reorg(CONFIRMATIONS, keeps=False)
    site.mine()
    assert "has left the chain" in site.halted()
    assert site.balance(ANN) == 10**8  # perhaps another block holds it
    site.mine(2 * CONFIRMATIONS)
    assert (site.deposit(txid).state, site.balance(ANN), site.is_frozen(ANN)) == ("reversed", 0, True)


@pytest.mark.parametrize("depth", [CONFIRMATIONS, 5, 30])
def test_D11_D13_a_branch_as_deep_as_the_confirmations_stops_all_of_the_network(site, depth):
    """Nothing of ours was in it: the next one may bring a deposit and take it back."""
    site.mine(depth)
    site.chain.reorg(depth, keeps=False)
    one_coin(site)
    site.chain.pay(Paid("ann", COIN, TOKEN))
    site.mine(depth + CONFIRMATIONS)
    assert all("confirmations do not hold" in site.halted(asset) for asset in ("ETH", "ETP"))
    assert (site.scanner.given_up, site.balance(ANN), site.balance(ANN, "ETP")) == (depth, 0, 0)
    for asset in ("ETH", "ETP"):
        HaltNetwork(network="ETH", asset=asset, reason=None).perform(site.exchange, OPERATOR)
    site.mine()
    assert (site.halted(), site.balance(ANN), site.balance(ANN, "ETP")) == ("", 10**8, 10**8)


def test_D11_branches_that_die_one_after_the_other_are_not_one_deep_one(site):
    site.mine(CONFIRMATIONS)
    for _ in range(CONFIRMATIONS):
        site.chain.reorg(CONFIRMATIONS - 1, keeps=False)
        site.mine(CONFIRMATIONS)
    assert (site.scanner.given_up, site.halted()) == (CONFIRMATIONS - 1, "")


def test_D11_how_deep_a_branch_goes_is_known_after_a_crash_in_the_middle_of_it(site):
    site.mine(CONFIRMATIONS)
    site.chain.reorg(CONFIRMATIONS, keeps=False)
    site.chain.mine(CONFIRMATIONS + 1)
    site.scanner.step()
    assert site.halted() == ""
    site.start()
    assert "confirmations do not hold" in site.halted()


def test_D11_what_comes_again_after_its_reversal_stops_the_asset_once_more(site):
    txid = one_coin(site)
    site.mine(CONFIRMATIONS)
    site.chain.reorg(CONFIRMATIONS, keeps=True)
    waiting, site.chain.waiting = site.chain.waiting, {}
    site.mine(3 * CONFIRMATIONS)
    assert site.deposit(txid).state == "reversed"
    with site.records.write() as db:
        db.execute(update(asset_networks).values(halted=""))
    site.chain.waiting = waiting
    site.mine(2 * CONFIRMATIONS)
    assert (site.deposit(txid).reason, site.balance(ANN)) == ("it was reversed, and has come again", 0)
    assert "has come again" in site.halted()


def test_D11_the_house_is_frozen_by_a_reversal_as_anybody_and_let_go_on_once(site):
    one_coin(site, HOT)
    site.mine(CONFIRMATIONS)
    site.chain.reorg(CONFIRMATIONS, keeps=False)
    site.mine(3 * CONFIRMATIONS)
    assert site.balance(HOUSE) == 0
    one_coin(site, HOT)
    HaltNetwork(network="ETH", asset="ETH", reason=None).perform(site.exchange, OPERATOR)
    site.mine(CONFIRMATIONS)
    assert site.balance(HOUSE) == 10**8  # it may be credited, and pay nothing
    with site.records.write() as db:
        mined = {"network": "ETH", "kind": "sweep", "subject": 0, "sender": "ann", "nonce": 0, "contract": ""}
        mined |= {"amount_units": str(COIN), "raw": b"", "txid": "swept", "state": "final", "height": 1}
        mined |= {"fee_units": str(COIN // 2), "is_fee_booked": False, "signed_at_ns": 1}
        db.execute(insert(chain_sends).values(mined))
    with pytest.raises(HouseFrozen):
        fees.book(site.records, site.courier, "ETH", 1, 1)
    assert UnfreezeHouse().perform(site.exchange, OPERATOR) == {"is_frozen": False}
    assert fees.book(site.records, site.courier, "ETH", 1, 1)
    assert site.balance(HOUSE) == 10**8 // 2
    with pytest.raises(HouseNotFrozen):
        UnfreezeHouse().perform(site.exchange, OPERATOR)


def test_D11_what_was_spent_meanwhile_the_loss_account_gives(site):
    one_coin(site)
    site.mine(CONFIRMATIONS)
    spend(site, ANN, BOB, 10**8)
    site.chain.reorg(CONFIRMATIONS, keeps=False)
    site.mine(3 * CONFIRMATIONS)
    assert (site.balance(ANN), site.balance(BOB), site.balance(LOSS)) == (0, 10**8, -(10**8))


def spend(site: Site, payer: str, receiver: str, atoms: int) -> None:
    move = Move(
        market=site.exchange.assets().named("ETH").asset,
        account=account_of(users.get(site.records, payer)),
        counter_account=account_of(users.get(site.records, receiver)),
        amount_atoms=atoms,
        reference=b"spent",
    )
    site.exchange.execute(Act("operator", "move", {}, 1), move)


def test_D14_while_nothing_becomes_final_nothing_is_credited(site):
    site.start(waits_for_final=True)
    one_coin(site)
    site.mine(CONFIRMATIONS + 20)
    assert site.balance(ANN) == 0
    site.chain.final_height = 1
    site.mine()
    assert site.balance(ANN) == 10**8


def test_what_was_final_is_never_given_up(site):
    one_coin(site)
    site.chain.final_height = 2
    site.mine(CONFIRMATIONS)
    site.chain.reorg(CONFIRMATIONS, keeps=False)
    site.mine(3 * CONFIRMATIONS)
    with site.records.read() as db:
        assert "was final" in db.scalar(select(chain_cursors.c.halted))
    assert site.balance(ANN) == 10**8


def test_D17_a_node_that_fails_in_between_changes_nothing_in_the_end(site):
    one_coin(site)
    site.chain.mine(CONFIRMATIONS)
    site.scanner.step()
    site.chain.is_down = True
    with pytest.raises(NodeFailed):
        site.scanner.step()
    site.chain.is_down = False
    site.catch_up()
    assert site.balance(ANN) == 10**8


def test_D05_what_a_node_refuses_is_said_and_nothing_is_credited_until_it_does_not(site):
    one_coin(site)
    site.mine()
    site.chain.refuses = "a node does not show coins that come from inside transactions"
    site.mine(CONFIRMATIONS)
    with site.records.read() as db:
        assert db.scalar(select(chain_cursors.c.halted)) == site.chain.refuses
    assert site.balance(ANN) == 0
    site.chain.refuses = ""
    site.catch_up()
    with site.records.read() as db:
        assert db.scalar(select(chain_cursors.c.halted)) == ""
    site.mine()
    assert site.balance(ANN) == 10**8


def test_D05_what_was_refused_once_is_no_reason_any_more_once_a_block_is_read(site):
    site.chain.refuses = "too busy"
    site.mine(3)
    site.chain.refuses = ""
    assert site.scanner.step()  # there is more to read behind it
    with site.records.read() as db:
        assert db.scalar(select(chain_cursors.c.halted)) == ""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_credit_that_was_cut_off_is_there_once_after_the_next_start(site, monkeypatch, when):
    txid = one_coin(site)
    site.mine(CONFIRMATIONS - 1)
    call = site.courier._desk.call

    def cut(command: bytearray) -> bytes:
        if when == "after":
            call(command)
        raise OutcomeUnknown("the process ends here")

    monkeypatch.setattr(site.courier._desk, "call", cut)
    with pytest.raises(OutcomeUnknown):
        site.mine()
    site.start()
    assert (site.deposit(txid).state, site.balance(ANN)) == ("credited", 10**8)
    site.mine(5)
    assert site.balance(ANN) == 10**8


def test_a_halted_asset_is_credited_when_a_person_has_looked(site):
    with site.records.write() as db:
        db.execute(update(asset_networks).values(halted="somebody looks at it"))
    one_coin(site)
    site.mine(CONFIRMATIONS)
    assert site.balance(ANN) == 0
    with site.records.write() as db:
        db.execute(update(asset_networks).values(halted=""))
    site.mine()
    assert site.balance(ANN) == 10**8


def test_D32_an_address_given_just_before_it_is_paid_is_watched(site):
    site.mine()
    CreateUser(email="cat@example.org").perform(site.exchange, OPERATOR)
    user = users.get(site.records, "cat@example.org")
    row = {"network": "ETH", "index": 9, "address": "cat", "user_id": user.id, "account": user.account}
    with site.records.write() as db:
        db.execute(insert(deposit_addresses).values(row | {"given_at_ns": 1}))
    one_coin(site, "cat")
    site.mine(CONFIRMATIONS)
    assert site.balance("cat@example.org") == 10**8
