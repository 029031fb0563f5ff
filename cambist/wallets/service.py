"""All that happens on one network, in steps; each of them can be the last one before a crash.

    hold, settle -> read a block -> compare chain and ledger -> credit, reverse -> book fees
                 -> sign payments -> sweep -> send

What a step needs it reads from the records, so whoever makes a service anew goes on where the last one ended.
Coins leave only where the chain has been read to its newest block, that block has been compared, and nothing
says stop.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from sqlalchemy import insert, select

from cambist.errors import Refused, Unavailable
from cambist.match.courier import Courier
from cambist.settings import Wallets
from cambist.store.records import Records
from cambist.store.wallet_tables import chain_balances, chain_cursors
from cambist.store.wallet_tables import networks as network_rows
from cambist.wallets import fees, listing, networks, reconciliation, sends, strange
from cambist.wallets.chain import Chain, NodesDisagree, Tip
from cambist.wallets.deposits import Deposits
from cambist.wallets.fees import HouseFrozen
from cambist.wallets.networks import Network
from cambist.wallets.reconciliation import Ledger
from cambist.wallets.scanner import Scanner
from cambist.wallets.sends import Send
from cambist.wallets.sweeps import Sweeper, Sweeps

# A part that was refused is tried again after this: nothing that it waits for changes faster.
REFUSED_WAIT_NS = 30_000_000_000
# How far behind the newest block balances are still compared: nodes forget older states.
COMPARED_BEHIND = 64
GWEI = 10**9
NANOSECONDS = 10**9

log = logging.getLogger(__name__)

# Part of a step: whether it did something. Raises Unavailable or Refused.
Part = Callable[[], bool]


class Describer(Protocol):
    """The signer, as far as it says what its addresses are."""

    def network(self, name: str) -> Network: ...


class Signer(Describer, Sweeper, Protocol):
    def recall(self, network: str, from_nonce: int) -> list[Send]:
        """What was signed for the hot address from this nonce on."""


class Health(NamedTuple):
    """What an operator is shown. `problems` are alarms, each of them one sentence.

    `given_up`: blocks that the newest reorganization took back, since the start.
    """

    tip: Tip | None
    height: int
    given_up: int
    gas_units: int
    problems: list[str]

    @property
    def behind(self) -> int:
        return 0 if self.tip is None else max(0, self.tip.height - self.height)


class WrongSigner(Refused):
    """The signer says another key or address than it did: deposits could not be swept, or go elsewhere."""

    code = "wrong_signer"


class NetworkService:
    """`step` it. Usable by one thread; `health` by any.

    `ledger_parts` of withdrawals need no chain, `payouts` sign what then is sent.
    """

    def __init__(
        self,
        records: Records,
        courier: Courier,
        chain: Chain,
        signer: Signer,
        ledger: Ledger,
        settings: Wallets,
        *,
        ledger_parts: Sequence[Part] = (),
        payouts: Sequence[Part] = (),
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._records = records
        self._courier = courier
        self._chain = chain
        self._signer = signer
        self._ledger = ledger
        self._settings = settings
        self._clock = clock
        self._network: Network | None = None
        self._scanner = Scanner(records, chain, clock=clock)
        self._deposits = Deposits(
            records,
            courier,
            chain.network,
            waits_for_final=settings.evm_waits_for_final,
            clock=clock,
        )
        self._reading: list[Part] = [
            *ledger_parts,
            self._scan,
            self._compare,
            self._deposits.step,
            self._book_fees,
        ]
        self._paying: list[Part] = [*payouts, Sweeps(records, chain, signer, clock).step, self._push]
        self._waits_until_ns: dict[Part, int] = {}
        self._unreachable = self._not_compared = self._not_booked = ""
        self._final_height, self._final_since_ns = -1, clock()

    def step(self) -> bool:
        """Whether anything was done. What is out of reach is tried again with the next step."""
        try:
            if self._network is None:
                network = self._known_network()
                self._recall(network)
                self._network = network
            done = [self._try(part) for part in self._reading]
            if self._may_pay():
                done += [self._try(part) for part in self._paying]
        except (Unavailable, WrongSigner) as problem:
            self._say_unreachable(str(problem))
            return False
        self._say_unreachable("")
        return any(done)

    def health(self) -> Health:
        network, tip = self._chain.network, self._scanner.tip
        with self._records.read() as db:
            cursor = db.execute(select(chain_cursors).where(chain_cursors.c.network == network)).one_or_none()
            assets = networks.all_of(db, network)
            unexplained = [each.txid for each in strange.unexplained(db, network)]
            hot = self._network.hot_address if self._network else ""
            of_hot = (chain_balances.c.network == network, chain_balances.c.address == hot)
            held = {
                row.contract: int(row.amount_units)
                for row in db.execute(select(chain_balances).where(*of_hot))
            }
        problems = [self._unreachable, cursor.halted if cursor else ""]
        problems += [self._not_compared, self._not_booked]
        problems += [f"{asset.asset_name} is halted: {asset.halted}" for asset in assets if asset.halted]
        problems += [f"{txid} is not explained, a transaction of ours" for txid in unexplained]
        problems += self._stalls(tip)
        problems += [
            f"the hot address has more {asset.asset_name} than its ceiling"
            for asset in assets
            if not asset.has_room(held.get(asset.contract, 0))
        ]
        gas_units = held.get("", 0)
        if held and gas_units < self._settings.evm_gas_low_gwei * GWEI:
            problems.append(f"the hot address has {gas_units} units of the coin left for fees")
        height = cursor.height if cursor else 0
        said = [f"{network}: {problem}" for problem in problems if problem]
        return Health(tip, height, self._scanner.given_up, gas_units, said)

    def _stalls(self, tip: Tip | None) -> list[str]:
        """The chain, or what it calls final, does not move on."""
        if tip is None:
            return []
        longest_s = self._settings.silent_minutes * 60
        now_ns = self._clock()
        age_s = now_ns // NANOSECONDS - tip.time_s
        stalls = [f"the newest block is {age_s} s old"] if age_s > longest_s else []
        still_s = (now_ns - self._final_since_ns) // NANOSECONDS
        if self._settings.evm_waits_for_final and still_s > longest_s:
            stalls.append(f"no further block became final for {still_s} s")
        return stalls

    def _scan(self) -> bool:
        moved = self._scanner.step()
        tip = self._scanner.tip
        if tip is not None and tip.final_height != self._final_height:
            self._final_height, self._final_since_ns = tip.final_height, self._clock()
        return moved

    def _known_network(self) -> Network:
        """As the signer says it; the same as at the first time. Raises WrongSigner, Unavailable."""
        said = self._signer.network(self._chain.network)
        with self._records.write() as db:
            known = networks.network(db, said.name)
            if known is None:
                db.execute(insert(network_rows).values(said._asdict()))
        if known is not None and known != said:
            raise WrongSigner(
                f"{said.name}: the signer has other keys than those that addresses were given of"
            )
        return said

    def _recall(self, network: Network) -> None:
        """What was signed and not stored, for a crash or because these records are an older copy, is ours."""
        with self._records.read() as db:
            following = sends.following_nonce(db, network.name, network.hot_address)
        forgotten = self._signer.recall(network.name, following)
        if forgotten:
            with self._records.write() as db:
                for send in forgotten:
                    sends.store(db, send, self._clock())

    def _try(self, part: Part) -> bool:
        """A refusal stops this part for a while and none of the others. Raises Unavailable."""
        if self._clock() < self._waits_until_ns.get(part, 0):
            return False
        try:
            return part()
        except Refused as problem:
            log.error("%s: %s", self._chain.network, problem)
            self._waits_until_ns[part] = self._clock() + REFUSED_WAIT_NS
            return False

    def _compare(self) -> bool:
        tip = self._scanner.tip
        with self._records.read() as db:
            height = db.scalar(
                select(chain_cursors.c.height).where(chain_cursors.c.network == self._chain.network)
            )
        if tip is None or height is None or tip.height - height > COMPARED_BEHIND:
            return False
        try:
            compared = reconciliation.reconcile(self._records, self._chain, self._ledger, self._clock())
        except NodesDisagree as problem:
            self._not_compared = str(problem)
            raise
        self._not_compared = ""
        for each in compared:
            if each.drift_units:
                log.error("%s: %s drifts by %d", self._chain.network, each.asset.asset_name, each.drift_units)
        if compared and self._network is not None:
            listing.halt_changed(self._records, self._chain, self._network.hot_address, height)
        return bool(compared)

    def _book_fees(self) -> bool:
        with self._records.read() as db:
            final = db.scalar(
                select(chain_cursors.c.final_height).where(chain_cursors.c.network == self._chain.network)
            )
        if final is None:
            return False
        try:
            is_booked = fees.book(self._records, self._courier, self._chain.network, final, self._clock())
        except HouseFrozen as problem:
            self._not_booked = str(problem)
            raise
        self._not_booked = ""
        return is_booked

    def _may_pay(self) -> bool:
        """The chain has been read and compared to its newest block, and nobody has stopped payouts."""
        tip = self._scanner.tip
        with self._records.read() as db:
            cursor = db.execute(
                select(chain_cursors).where(chain_cursors.c.network == self._chain.network)
            ).one_or_none()
            is_compared = not reconciliation.is_due(db, self._chain.network)
        if tip is None or cursor is None or cursor.height < tip.height or cursor.halted or not is_compared:
            return False
        return self._records.payouts_stopped() is None

    def _push(self) -> bool:
        return sends.push(self._records, self._chain, self._clock()) > 0

    def _say_unreachable(self, why: str) -> None:
        if why and why != self._unreachable:
            log.warning("%s: %s", self._chain.network, why)
        self._unreachable = why
