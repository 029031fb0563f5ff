"""A machine with exchange, wallets and signer; two nodes of a chain; and who starts what has ended."""

from collections.abc import Callable
from pathlib import Path
from random import Random

from sqlalchemy import select

from cambist.match import recovery
from cambist.signer import service, store
from cambist.store.records import Records
from cambist.store.secrets import Vault
from cambist.store.sqlite import open_database
from cambist.store.wallet_tables import chain_cursors
from cambist.wallets import listing, networks
from tests.simulation.programme import Programme as ExchangeProgramme
from tests.simulation.site import Site
from tests.simulation.world import MS, START_NS, World

from .ethereum import BASE_FEE, Ethereum
from .node import Node
from .oracle import Oracle, WatchedHistory
from .people import People
from .programme import Programme
from .start import ASSETS, ETHEREUM, copy_into, terms
from .wallets import POLL_MAX_NS, WORK_MAX_NS, SignerProcess, Wallets

# The wallets' clock runs faster than that of the exchange: a block comes every minute of it.
SPEED = 600
BLOCK_NS = 100 * MS
BLOCK_S = SPEED * BLOCK_NS // 10**9


class CoinSite(Site):
    """Without views and snapshotter: what they do has no part in this."""

    def start_data(self) -> None:
        pass

    def start_keeper(self) -> None:
        pass


class Place:
    def __init__(self, programme: Programme, home: Path) -> None:
        self.programme = programme
        copy_into(home)
        drawn = ExchangeProgramme.of(programme.seed, 1)
        habits = drawn._replace(faults=(), has_standby=False, prunes=False)
        self.site = CoinSite(habits, home)
        self.world: World = self.site.world
        self.settings = self.site.settings
        self.chain = Ethereum(programme.seed, START_NS // 10**9, BLOCK_S)
        self.nodes = [Node(self.chain, programme.final_lag) for _ in range(2)]
        self.vault = Vault.open(self.settings.secrets_directory)
        self.office = Records(open_database(self.settings.records_file), self.vault, is_shared=True)
        self.oracle = Oracle(self)
        history = WatchedHistory(self.world)
        history.oracle = self.oracle
        self.site.history = history
        self.people = People(self)
        self.signer = SignerProcess(self)
        self.wallets: Wallets | None = None
        self.lasting: set[str] = set()  # what every branch has, soon or late
        self.starts = self.blocks = self.crossed = self.steps = 0
        self.share, self.rest_share = 1.0, programme.rest_share
        self.work_max_ns = WORK_MAX_NS
        self._miner: Random = self.world.dice("miner")

    def clock(self) -> int:
        return START_NS + SPEED * self.world.now_ns

    def bind(self) -> None:
        """Records and signer learn whose they are, when the log is there."""
        log_id = recovery.log_id(self.settings.log_directory)
        self.office.bind_log(log_id)
        with self.office.write() as db:
            for asset in networks.all_of(db, ETHEREUM):
                listing.change(db, asset, terms(self.programme.confirmations, self.programme.hot_max_coins))
        with self.signer.store.write() as db:
            store.set_value(db, service.EXCHANGE, log_id.hex())

    def available(self, account: int, contract: str) -> int:
        """Atoms that a customer sees."""
        rows = self.site.history.engine.balances(account)
        return next((available for asset, available, _ in rows if asset == ASSETS[contract]), 0)

    # Processes.

    def start_wallets(self) -> None:
        if self.wallets is not None and self.wallets.is_alive:
            return
        self.starts += 1
        self.wallets = Wallets(self)
        self.wallets.start()

    def end_wallets(self) -> None:
        """They are started again, as the supervisor does."""
        if self.wallets is not None and self.wallets.is_alive:
            self.crossed += self.wallets.crossings
            self.wallets.kill()
        self._soon(self.start_wallets)

    def start_signer(self) -> None:
        if not self.signer.is_alive:
            self.signer = SignerProcess(self)

    def has_cursor(self) -> bool:
        """Whether the wallets have begun to read."""
        with self.office.read() as db:
            return db.scalar(select(chain_cursors.c.height)) is not None

    def strike_wallets(self, crossings: int, strike: Callable[[], None]) -> None:
        if self.wallets is not None:
            self.wallets.strikes.append((crossings, strike))

    @property
    def crossings(self) -> int:
        """Places at which the wallets could have ended, so far."""
        return self.crossed + (self.wallets.crossings if self.wallets is not None else 0)

    def heal(self) -> None:
        """Nodes are honest, links whole, and every process runs or will soon."""
        for node in self.nodes:
            node.heal()
        self.chain.base_fee, self.share, self.rest_share = BASE_FEE, 1.0, 0.0
        self.work_max_ns = POLL_MAX_NS
        self.signer.strikes.clear()
        if self.wallets is not None:
            self.wallets.strikes.clear()
            self.wallets.port.speak()
        for member in self.site.members:
            member.disk.faults.clear()

    def end_signer(self) -> None:
        if self.signer.is_alive:
            self.signer.kill()
        self._soon(self.start_signer)

    def end_exchange(self) -> None:
        for member in self.site.members:
            self.site.end(member)
        self.site.start_exchange_soon()

    def end_everything(self) -> None:
        self.end_exchange()
        self.end_signer()
        self.end_wallets()

    def cut_power(self) -> None:
        self.site.cut_power()
        self.end_signer()
        self.end_wallets()

    def _soon(self, start: Callable[[], None]) -> None:
        self.site.outside.later(self.world.dice("operator").randrange(1, 300 * MS), start)

    # Blocks.

    def mine(self, count: int = 1) -> None:
        for _ in range(count):
            self.chain.follow(self.chain.block_on(self.chain.head, self._miner, self.share))
            self.blocks += 1
            self.world.note(f"block {self.chain.height} {self.chain.head.hash[:10]}")
            self.oracle.follow()

    def reorganise(self, depth: int, dice: Random, forgotten: float = 0.6) -> None:
        """The newest blocks are given up for one more; that part of what they had never comes again."""
        old = self.chain.head
        parent = old.at(max(0, old.height - depth))
        assert parent is not None
        lost = [
            each.transaction for block in old.branch() if block.height > parent.height for each in block.mined
        ]
        spent_twice = [each for each in lost if each.pay is None and each.txid not in self.lasting]
        forgets = {each.txid for each in spent_twice if dice.random() < forgotten}
        again = {each.txid: each for each in lost if each.txid not in forgets}
        head = parent
        self.chain.pool |= again
        for _ in range(old.height - parent.height + 1):
            head = self.chain.block_on(head, dice, self.share)
            for each in head.mined:
                self.chain.pool.pop(each.transaction.txid, None)
            self.blocks += 1
        self.chain.follow(head, forgets=forgets)
        self.world.note(
            f"{old.height - parent.height} blocks are given up; block {head.height} {head.hash[:10]}"
        )
        self.oracle.follow()
