"""The exchange of tests/wallets/site.py that pays out as well: Ann may withdraw, and two people approve."""

import base64
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from cambist.accounts import address_book, people
from cambist.accounts.web_sessions import WebSession
from cambist.engine.commands import Role
from cambist.match import courier, recovery
from cambist.match.courier import Courier, LocalDesk
from cambist.settings import Accounts
from cambist.signer import approvals, console, service, store
from cambist.store.tables import users
from cambist.store.wallet_tables import asset_networks
from cambist.store.wallet_tables import withdrawals as rows
from cambist.wallets import fees, requests, review, withdrawals
from cambist.wallets.chain import Chain
from cambist.wallets.deposits import effects
from cambist.wallets.payouts import Payouts
from cambist.wallets.requests import Wanted
from cambist.wallets.review import Word
from cambist.wallets.service import NetworkService
from cambist.wallets.signing import SignerDoor
from cambist.wallets.withdrawals import Withdrawals
from tests.nodes import Node
from tests.signer.bench import Person
from tests.wallets.local_signer import COIN
from tests.wallets.site import ANN, ATOMS, CONFIRMATIONS, ChainSite

FEE = ATOMS // 1_000
OUTSIDE = "0x" + "0d" * 20


class PayoutSite(ChainSite):
    """`late_ns` is how far its clock is ahead of the world's."""

    outside = OUTSIDE

    def __init__(self, home: Path, node: Node) -> None:
        self.late_ns = 0
        super().__init__(home, node)
        self.open_payouts()

    def open_payouts(self) -> None:
        """Two people may approve; Ann has the address outside in her book."""
        self.reviewers = [Person("rita"), Person("sam")]
        with self.signer.store.write() as db:
            store.set_value(db, service.EXCHANGE, self.exchange_id())
            for person in self.reviewers:
                console.add_approver(db, person.name, approvals.ED25519, person.public_key)
        with self.records.write() as db:
            db.execute(update(users).values(sealed_totp=b"there is one"))
        self.enter(self.outside)
        self.change_terms(withdrawal_fee_atoms=str(FEE), is_withdrawal_open=True)

    def exchange_id(self) -> str:
        return recovery.log_id(self.exchange.settings.log_directory).hex()

    def clock(self) -> int:
        return time.time_ns() + self.late_ns

    def start(
        self,
        chain: Chain | None = None,
        *,
        clock: Callable[[], int] | None = None,
        signer: Any = None,
        desk: Any = None,
    ) -> None:
        """The wallets' process begins, perhaps after a crash."""
        clock = clock or self.clock
        self.courier = Courier(
            self.records,
            desk or LocalDesk(self.exchange.server),
            "wallets",
            Role.WALLET,
            effects={
                **effects(),
                **withdrawals.effects(self.records, clock),
                fees.BOOKED: fees.booked,
            },
            results=partial(courier.results, self.exchange.settings),
        )
        self.courier.resume()
        chain, signer = chain or self.chain, signer or self.signer
        self.service = NetworkService(
            self.records,
            self.courier,
            chain,
            SignerDoor(signer),
            self,
            self.exchange.settings.wallets,
            ledger_parts=[Withdrawals(self.records, self.courier, self.network, clock).step],
            payouts=[Payouts(self.records, chain, signer, clock).step],
            clock=clock,
        )
        self.settle()

    def change_terms(self, **values: Any) -> None:
        with self.records.write() as db:
            db.execute(update(asset_networks).values(**values))

    def enter(self, address: str, email: str = ANN) -> None:
        """Into the address book, usable at once."""
        with self.records.write() as db:
            person = people.find(db, email)
            assert person is not None
            address_book.add(
                db,
                person,
                network=self.network,
                address=address,
                tag="",
                label="",
                now_ns=self.clock() - 1,
                settings=Accounts(address_wait_hours=0),
            )

    def fund(self, coins: int = 10, email: str = ANN) -> None:
        """A deposit on chain, and coins for fees at the hot address."""
        self.fund_hot(coins)
        self.node.send(self.address(email), value=coins * COIN)
        self.mine(CONFIRMATIONS)

    def ask(self, *, atoms: int = ATOMS, email: str = ANN, **wanted: Any) -> int:
        """A withdrawal that its owner has asked for; `atoms` leave the account."""
        plain: dict[str, Any] = {
            "asset": self.network,
            "network": self.network,
            "address": self.outside,
            "tag": "",
        }
        asked = Wanted(**plain | wanted, debit_atoms=atoms)
        with self.records.write() as db:
            person = people.find(db, email)
            assert person is not None
            return requests.request(db, person, asked, self.session(person.user.id), self.clock())

    def session(self, user_id: int, proven_ago_ns: int = 0) -> WebSession:
        now_ns = self.clock()
        given: dict[str, Any] = {"id": "s", "user_id": user_id, "account": None, "device_id": 1}
        given |= {"address": "127.0.0.1", "agent": "test", "created_at_ns": now_ns, "seen_at_ns": now_ns}
        given |= {"proven_at_ns": now_ns - proven_ago_ns, "expires_at_ns": now_ns + 10**12}
        return WebSession(**given)

    def approve(self, number: int, *who: Person) -> str:
        """By all who are named, or by both reviewers."""
        state = ""
        for staff_id, person in enumerate(self.reviewers, start=1):
            if who and person not in who:
                continue
            with self.records.write() as db:
                payment = review.payment_of(db, number)
                signature = base64.urlsafe_b64encode(person.approves(payment).signature).decode()
                word = Word(staff_id, person.name, "ed25519", {"signature": signature})
                state = review.approve(db, number, word, self.clock())
            if state == "approved":
                break
        return state

    def reject(self, number: int, reason: str = "no") -> str:
        with self.records.write() as db:
            return review.reject(db, number, Word(1, "rita", "ed25519", {}), reason, self.clock())

    def pay_out(self, *numbers: int) -> None:
        """Approves, signs and sends."""
        self.settle()
        for number in numbers:
            self.approve(number)
        self.settle()

    def withdrawal(self, number: int) -> Any:
        with self.records.read() as db:
            return db.execute(select(rows).where(rows.c.id == number)).one()

    def state(self, number: int) -> str:
        return str(self.withdrawal(number).state)

    def held(self, email: str = ANN, asset: str | None = None) -> int:
        account = self.account(email)
        named = self.exchange.assets().named(asset or self.network).asset
        found = self.exchange.query(lambda engine: engine.balances(account))
        return next((held for held_asset, _, held in found if held_asset == named), 0)

    def account(self, email: str) -> int:
        with self.records.read() as db:
            person = people.find(db, email)
        assert person is not None and person.user.account is not None
        return person.user.account

    def received(self, address: str = OUTSIDE) -> int:
        """Units that have arrived outside, in the newest block."""
        return int(self.node("eth_getBalance", address, "latest"), 16)

    def hot_nonce(self) -> int:
        return int(self.node("eth_getTransactionCount", self.signer.hot_address, "latest"), 16)


class Crash(BaseException):
    """The process is gone."""


class CrashAt:
    """Counts crossings of what is stored, sent and signed, and crashes at one of them."""

    def __init__(self, number: int) -> None:
        self.left = number

    def cross(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Crash

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Crosses before and after."""

        def crossed(*given: Any, **named: Any) -> Any:
            self.cross()
            result = call(*given, **named)
            self.cross()
            return result

        return crossed


class Crossed:
    """Another's methods, those named crossed."""

    def __init__(self, of: Any, crash: CrashAt, *names: str) -> None:
        self._of = of
        for name in names:
            setattr(self, name, crash.around(getattr(of, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._of, name)
