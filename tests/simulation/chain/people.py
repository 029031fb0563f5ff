"""Customers, reviewers and the operator: what the office's pages let them do, one transaction each."""

import base64
from random import Random
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cambist.accounts import people
from cambist.accounts.web_sessions import WebSession
from cambist.engine import commands
from cambist.engine.codes import OrderType, Role, Side, TimeInForce
from cambist.engine.system_accounts import HOUSE
from cambist.errors import ExchangeError
from cambist.signer.payment import APPROVAL_PREFIX
from cambist.store.audit import Act
from cambist.store.wallet_tables import approvals, withdrawals
from cambist.wallets import listing, networks, requests, review
from cambist.wallets.requests import Wanted
from cambist.wallets.review import Word

from .ethereum import COIN, Move
from .node import OTHER_TOKEN, TOKEN
from .oracle import Promise
from .start import (
    ACCOUNTS,
    ATOMS,
    CUSTOMERS,
    DEPOSIT_MIN,
    ETHEREUM,
    FEE,
    MARKET,
    REVIEWERS,
    UNITS,
    UNITS_IN_ATOM,
    deposit_address,
    destinations,
    email,
    hot_address,
    reviewer_key,
)

if TYPE_CHECKING:
    from .place import Place

NAMES = {COIN: "ETH", TOKEN: "ETP"}
SOMEBODY = "0x" + "5e" * 20


class People:
    def __init__(self, place: "Place") -> None:
        self.place = place
        self.deposits = self.asked = self.not_asked = self.traded = 0
        self._dice: Random = place.world.dice("people")
        self._amounts = 0  # each is another one
        self._funded_height = 0

    def act(self) -> None:
        """Between two blocks."""
        dice = self._dice
        if dice.random() < 0.7:
            self._deposit()
        if dice.random() < 0.8:
            self._withdraw()
        for _ in range(dice.randrange(4)):
            self._trade()
        if dice.random() < 0.05:
            self._cancel()
        self.review(0.6)
        if dice.random() < 0.3:
            self.look()

    # Customers.

    def begin(self) -> None:
        """Everybody gets something, in turn coins or tokens; the hot address both, for fees too."""
        for contract in (COIN, TOKEN):
            self.place.lasting.add(self._pay(hot_address(), contract))
        for nth in range(CUSTOMERS):
            self.place.lasting.add(self._pay(deposit_address(nth), (COIN, TOKEN)[nth % 2]))

    def _pay(self, to: str, contract: str) -> str:
        units = 12 * UNITS + self._dice.randrange(UNITS)
        return self.place.chain.pay_from_outside(Move(contract, SOMEBODY, to, units)).txid

    def _deposit(self) -> None:
        """As a rule of a coin or two; the others are what has gone wrong elsewhere."""
        dice, chain = self._dice, self.place.chain
        moves = [self._move()]
        kind = dice.random()
        if kind < 0.1:
            moves = [self._move(max_atoms=DEPOSIT_MIN * 2) for _ in range(3)]
        elif kind < 0.2:
            moves = [self._move(), self._move()._replace(contract=COIN, is_undone=True), self._move()]
        elif kind < 0.25:
            moves = [self._move()._replace(contract=OTHER_TOKEN)]
        is_ok = dice.random() < 0.93
        chain.pay_from_outside(*moves, is_ok=is_ok)
        self.deposits += is_ok

    def _move(self, max_atoms: int = 6 * ATOMS) -> Move:
        dice = self._dice
        contract = COIN if dice.random() < 0.6 else TOKEN
        units = dice.randrange(1, max_atoms) * UNITS_IN_ATOM + dice.choice([0, dice.randrange(UNITS_IN_ATOM)])
        return Move(contract, SOMEBODY, deposit_address(dice.randrange(CUSTOMERS)), units)

    def _withdraw(self) -> None:
        dice, place = self._dice, self.place
        nth, contract = dice.randrange(CUSTOMERS), dice.choice([COIN, COIN, TOKEN])
        self._amounts += 1
        has_atoms = place.available(ACCOUNTS[nth], contract)
        most = has_atoms * 11 // 10 + 1 if dice.random() < 0.5 else min(has_atoms, 2 * ATOMS)
        debit_atoms = dice.randrange(most + 1) // 1_000 * 1_000 + 10 * FEE + self._amounts
        address = dice.choice(destinations())
        wanted = Wanted(NAMES[contract], ETHEREUM, address, "", debit_atoms)
        promise = Promise(ACCOUNTS[nth], contract, address, (debit_atoms - FEE) * UNITS_IN_ATOM)
        try:
            with place.office.write() as db:
                person = people.find(db, email(nth))
                assert person is not None
                number = requests.request(db, person, wanted, self._session(nth), place.clock())
        except ExchangeError:  # closed for a while
            self.not_asked += 1
            return
        place.oracle.promises[number] = promise
        self.asked += 1
        place.oracle.look_at_withdrawals()
        place.world.note(f"withdrawal {number} is asked for: {promise}")

    def _cancel(self) -> None:
        place = self.place
        with place.office.write() as db:
            rows = db.execute(select(withdrawals).where(withdrawals.c.state == "held")).all()
            if rows:
                row = self._dice.choice(rows)
                requests.cancel(db, row.user_id, row.id, place.clock())
        place.oracle.look_at_withdrawals()

    def _trade(self) -> None:
        gateway = self.place.site.gateways[0]
        dice = self._dice
        order = commands.Place(
            account=dice.choice(ACCOUNTS),
            market=MARKET,
            side=dice.choice([Side.BUY, Side.SELL]),
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            price_ticks=dice.randrange(98, 103),
            quantity_lots=dice.randrange(1, 5),
        )
        if gateway.is_alive:
            gateway.submit(Role.TRADE, order.encode(), self._told)

    def _told(self, answer: bytes | ExchangeError) -> None:
        self.traded += isinstance(answer, bytes)

    def _session(self, nth: int) -> WebSession:
        now_ns = self.place.clock()
        given: dict[str, Any] = {"id": "s", "user_id": nth + 1, "account": None, "device_id": 1}
        given |= {"address": "127.0.0.1", "agent": "test", "created_at_ns": now_ns, "seen_at_ns": now_ns}
        return WebSession(**given, proven_at_ns=now_ns, expires_at_ns=now_ns + 10**12)

    # Reviewers.

    def review(self, share: float) -> None:
        """Each looks at some of what waits, and rejects one in eight."""
        place, dice = self.place, self._dice
        with place.office.read() as db:
            waiting = list(
                db.scalars(
                    select(withdrawals.c.id).where(withdrawals.c.state == "held").order_by(withdrawals.c.id)
                )
            )
            said = {tuple(row) for row in db.execute(select(approvals.c.withdrawal_id, approvals.c.staff_id))}
        for staff_id, name in enumerate(REVIEWERS):
            for number in waiting:
                if (number, staff_id) in said or dice.random() > share:
                    continue
                self._decide(number, staff_id, name, approves=dice.random() < 7 / 8)

    def _decide(self, number: int, staff_id: int, name: str, *, approves: bool) -> None:
        place = self.place
        promise = place.oracle.promises[number]
        if promise.state != "held":
            return
        with place.office.write() as db:
            payment = review.payment_of(db, number)
            signature = reviewer_key(name).sign(APPROVAL_PREFIX + payment.digest())
            evidence = {"signature": base64.urlsafe_b64encode(signature).decode()}
            word = Word(staff_id, name, "ed25519", evidence if approves else {})
            if approves:
                review.approve(db, number, word, place.clock())
                promise.words.add(name)
            else:
                review.reject(db, number, word, "no", place.clock())
        place.oracle.look_at_withdrawals()

    # The operator.

    def look(self) -> None:
        """Lets go on what has stopped; whether that was right, the oracle says."""
        place = self.place
        self._thaw()
        if place.available(HOUSE, COIN) < ATOMS and place.chain.height > self._funded_height + 10:
            self._funded_height = place.chain.height
            place.lasting.add(self._pay(hot_address(), COIN))
        act = Act("operator", "payouts.resume", {}, place.clock())
        if place.office.payouts_stopped() is not None:
            place.world.note(f"payouts go on: {place.office.payouts_stopped()}")
            place.office.resume_payouts(act)
        with place.office.read() as db:
            halted = [asset for asset in networks.all_of(db, ETHEREUM) if asset.halted]
        for asset in halted:
            place.world.note(f"{asset.asset_name} goes on: {asset.halted}")
            with place.office.write() as db:
                listing.resume(db, asset)

    def _thaw(self) -> None:
        """Whose deposit was reversed is frozen. The house is, too, and no fee is booked until it is not."""
        gateway = self.place.site.gateways[0]
        for account in (HOUSE, *ACCOUNTS):
            row = self.place.site.history.engine.account(account)
            if row is not None and row[3] and gateway.is_alive:
                thaw = commands.AccountFreeze(account=account, frozen=False)
                gateway.submit(Role.ADMIN, thaw.encode(), lambda _: None)
