"""A whole exchange that pays out on a node of the test's own: its processes can be stopped, woken and killed.

Bob has coins and asks, Rita approves. Between the wallets and the node stands a door that withholds what a
test says. Time is told by what records, signer and chain say, never by a clock.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import select

from cambist import app
from cambist.control import ledger
from cambist.control.exchange import Caller
from cambist.control.markets import AddAsset
from cambist.control.networks import AddNetwork, TermChanges
from cambist.settings import Settings
from cambist.signer.store import STORE_FILE
from cambist.store.records import Records
from cambist.store.tables import inbox, outbox
from cambist.store.wallet_tables import chain_cursors, chain_sends, networks, reconciliations, withdrawals
from cambist.supervisor.client import supervisor
from cambist.supervisor.messages import ProcessStatus
from cambist.wallets import networks as listed
from tests.e2e.customer import Customer
from tests.e2e.harness import SETTINGS, Exchange, cambist, environment
from tests.e2e.market import report
from tests.e2e.staff import Colleague
from tests.e2e.test_demo import wait_for
from tests.nodes import Node, anvil
from tests.ports import free_port
from tests.wallets.liar import Door, Silence, ajar, door, honest

COIN = 10**18
CONFIRMATIONS = 2
UNTIL_FINAL = 4  # blocks: the node calls the last but two final
EVERYTHING = "everything"
AMOUNT = "0.5"  # what one may approve alone: see cambist/demo/signer.py
FEE = "0.0005"
ARRIVES = 4_995 * COIN // 10_000
SEND = "eth_sendRawTransaction"


class PayingExchange:
    """`running` and `home` change hands when everything is killed, or made anew from a backup."""

    def __init__(self, home: Path, node: Node, liar: Door, settings: Mapping[str, str]) -> None:
        self.home = home
        self.node = node
        self.liar = liar
        self.port = free_port()
        self._environment = settings
        self._paused: dict[str, int] = {}
        self.running = self._started()
        self.records = Records.open(self.settings, is_shared=True)
        self._asked = 0

    @property
    def settings(self) -> Settings:
        return Settings.load(self.home, {**SETTINGS, **self._environment})

    def furnish(self, bob: Customer, rita: Colleague) -> None:
        """Bob's coins come in, Rita's key counts at the signer."""
        self.bob, self.rita = bob, rita
        cambist(self.home, "signer", "approver", "add", "rita", "--key", self.rita.public_key)
        wait_for("the chain's first block", lambda: self.height() is not None)
        self.node.send(self.hot_address(), value=COIN)
        self.node.send(self.bob.deposit_address(), value=40 * COIN)
        self.node.mine(UNTIL_FINAL)
        wait_for("Bob's deposit", lambda: self.bob.free("ETH") == "40.00000000")
        wait_for("its sweep", lambda: self._states("sweep") == ["sent"])
        self.node.mine(UNTIL_FINAL)
        wait_for("its end", lambda: self._states("sweep") == ["final"])
        self.bob.set_up_second_factor()

    def close(self) -> None:
        self.go_on()
        self.records.close()
        self.running.stop()

    def hot_address(self) -> str:
        with self.records.read() as db:
            return str(db.scalar(select(networks.c.hot_address)) or "")

    def ask(self) -> "Asked":
        """To an address that nothing was ever sent to."""
        self._asked += 1
        address = f"0xd0{self._asked:038x}"
        return Asked(self, self.bob.withdraw("ETH", address, AMOUNT), address)

    def stop(self, name: str) -> None:
        """It stands still, until `go_on` or its end; not where all others would have to wait for it."""
        pid = self.running.process(name)
        while True:
            os.kill(pid, signal.SIGSTOP)
            self._paused[name] = pid
            if self._may_write():
                return
            self.wake(name)
            time.sleep(0.02)

    def _may_write(self) -> bool:
        """Whether nobody is in the middle of a write to the records."""
        with closing(sqlite3.connect(self.settings.records_file, timeout=0.2, isolation_level=None)) as db:
            try:
                db.execute("begin immediate")
            except sqlite3.OperationalError:
                return False
            db.execute("rollback")
            return True

    def wake(self, name: str) -> None:
        os.kill(self._paused.pop(name), signal.SIGCONT)

    def go_on(self) -> None:
        """Whatever was stopped or withheld."""
        self.liar.gate, self.liar.lie = ajar, honest
        for name in list(self._paused):
            self.wake(name)

    def kill(self, victim: str) -> None:
        """And what was stopped goes on; returns when the one that was killed is at work again."""
        if victim == EVERYTHING:
            self._kill_all()
            self.running = self._started()
            self.go_on()
            return
        killed = self.running.process(victim)
        os.kill(killed, signal.SIGKILL)
        self._paused.pop(victim, None)
        self.go_on()
        wait_for(f"the next {victim}", lambda: self._runs_again(victim, killed))

    def _runs_again(self, name: str, killed: int) -> bool:
        found = self._process(name)
        return found.is_ready and found.pid != killed

    def move(self, home: Path) -> None:
        """It goes on as what was restored there; whoever was signed in at the time of the backup still is."""
        self.records.close()
        self.home = home
        self.running = self._started()
        self.records = Records.open(self.settings, is_shared=True)

    def _started(self) -> Exchange:
        started = Exchange(self.home, settings=self._environment, port=self.port)
        for name in ("office", "signer", "wallets"):
            wait_for(name, partial(self._is_ready, name))
        return started

    def _is_ready(self, name: str) -> bool:
        return self._process(name).is_ready

    def _process(self, name: str) -> ProcessStatus:
        with supervisor(self.home / "supervisor.sock") as keeper:
            return next(each for each in keeper.status().processes if each.name == name)

    def _kill_all(self) -> None:
        with supervisor(self.home / "supervisor.sock") as keeper:
            children = [each.pid for each in keeper.status().processes if each.pid is not None]
        # Its keeper first, or it would start others.
        for pid in (self.running.pid, *children):
            os.kill(pid, signal.SIGKILL)
        self._paused.clear()
        self.running.wait()

    def asks_signer(self) -> bool:
        """Somebody is connected to it, or waits to be."""
        path = str(self.settings.signer_socket)
        sockets = Path("/proc/net/unix").read_text().splitlines()
        return sum(line.endswith(path) for line in sockets) > 1

    def waits_for_ledger(self, purpose: str, number: int) -> bool:
        """Its command is written down, and nobody has answered it."""
        unanswered = (
            select(outbox.c.number)
            .join(inbox, inbox.c.number == outbox.c.number, isouter=True)
            .where(outbox.c.purpose == purpose, outbox.c.subject == str(number), inbox.c.number.is_(None))
        )
        with self.records.read() as db:
            return db.scalar(unanswered) is not None

    def withhold(self, method: str) -> None:
        """The node hears no more of these."""

        def shut(asked: str) -> None:
            if asked == method:
                raise Silence

        self.liar.gate = shut

    def swallow(self, method: str) -> None:
        """The node does what it is asked, and nobody hears of it."""

        def silent(asked: str, params: list[Any], result: Any) -> Any:
            if asked == method:
                raise Silence
            return result

        self.liar.lie = silent

    def pending(self) -> int:
        """Transactions that the node has and no block."""
        return int(self.node("txpool_status")["pending"], 16)

    def received(self, address: str) -> int:
        return int(self.node("eth_getBalance", address, "latest"), 16)

    def nonce(self) -> int:
        """How many transactions of the hot address are in blocks."""
        return int(self.node("eth_getTransactionCount", self.hot_address(), "latest"), 16)

    def check(self) -> None:
        """Books balance, chain and ledger agree, and nothing is stopped."""
        with self.records.read() as db:
            drifts = set(db.scalars(select(reconciliations.c.drift_units)))
            assert [each.halted for each in listed.every(db)] == [""]
        assert drifts == {"0"}
        assert self.records.payouts_stopped() is None
        checked = ledger.check(self.settings, report)
        assert (checked["ledger_balanced"], checked["problems"]) == (True, []), checked

    def height(self) -> int | None:
        """Up to where the chain is read."""
        with self.records.read() as db:
            return db.scalar(select(chain_cursors.c.height))

    def _states(self, kind: str) -> list[str]:
        with self.records.read() as db:
            return list(db.scalars(select(chain_sends.c.state).where(chain_sends.c.kind == kind)))


class Asked:
    """A withdrawal of Bob's."""

    def __init__(self, at: PayingExchange, number: int, address: str) -> None:
        self._at = at
        self.number = number
        self.address = address

    @property
    def state(self) -> str:
        with self._at.records.read() as db:
            found = select(withdrawals.c.state).where(withdrawals.c.id == self.number)
            return str(db.scalar(found))

    @property
    def sent_state(self) -> str | None:
        """Of its transaction."""
        with self._at.records.read() as db:
            found = select(chain_sends.c.state).where(
                chain_sends.c.kind == "withdrawal", chain_sends.c.subject == self.number
            )
            return db.scalar(found)

    @property
    def is_signed(self) -> bool:
        """As the signer has it."""
        store = self._at.settings.signer_directory / STORE_FILE
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
            found = db.execute(
                "select count(*) from signed where kind = 'withdrawal' and subject = ?", [self.number]
            )
            return bool(found.fetchone()[0])

    def reaches(self, *states: str) -> None:
        wait_for(f"withdrawal {self.number} to be {states[0]}", lambda: self.state in states)

    def approve(self) -> None:
        assert self._at.rita.approve(self.number) == "approved"

    def is_sent(self) -> None:
        """Approved, signed, and at the node."""
        self.approve()
        self.reaches("sent")

    def finish(self) -> None:
        """Whatever it still needs of people and miners."""
        self.reaches("held", "approved", "signed", "sent", "confirmed", "settled")
        if self.state == "held":
            self.approve()
        self.reaches("sent", "confirmed", "settled")
        self._at.node.mine(CONFIRMATIONS)
        self.reaches("settled")


@contextmanager
def paying(home: Path) -> Iterator[PayingExchange]:
    with ExitStack() as held:
        node = held.enter_context(anvil("--slots-in-an-epoch", "1"))
        liar = held.enter_context(door(node.url))
        settings = {
            "CAMBIST_PROCESSES_OFFICE": "true",
            "CAMBIST_CONSOLE_PORT": str(free_port()),
            "CAMBIST_ACCOUNTS_ADDRESS_WAIT_HOURS": "0",
            "CAMBIST_ACCOUNTS_CHANGE_WAIT_HOURS": "0",
            "CAMBIST_WALLETS_EVM_RPC": liar.url,
            "CAMBIST_WALLETS_EVM_CHAIN_ID": "31337",
            "CAMBIST_WALLETS_POLL_MS": "100",
        }
        _create(home, settings)
        exchange = PayingExchange(home, node, liar, settings)
        held.callback(exchange.close)
        bob = Customer(f"http://127.0.0.1:{exchange.port}", "bob@example.org")
        held.callback(bob.close)
        invited = cambist(
            home, "staff", "invite", "rita", "--email", "rita@example.org", "--role", "reviewer"
        )
        rita = Colleague("rita", invited["link"])
        held.callback(rita.close)
        exchange.furnish(bob, rita)
        yield exchange


def _create(home: Path, settings: Mapping[str, str]) -> None:
    """With ETH on the chain, and a signer that has the demo's limits."""
    app.create_exchange(home, sandbox=True)
    terms = TermChanges(
        confirmations=CONFIRMATIONS, withdrawal_fee=FEE, review_two_above="1", withdrawals_open=True
    )
    with closing(app.open_exchange(Settings.load(home, {**SETTINGS, **settings}), report)) as exchange:
        operator = Caller("test", report)
        AddAsset(name="ETH").perform(exchange, operator)
        AddNetwork(network="ETH", asset="ETH", terms=terms).perform(exchange, operator)
    made = [sys.executable, "-P", "-m", "cambist.demo.signer"]
    subprocess.run(made, env={**environment(home, free_port()), **settings}, check=True)
