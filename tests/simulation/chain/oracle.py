"""What must hold of coins whatever happens, from the chain's own state, the log, and what was promised.

It believes no table of the wallets: these are read for the states that users are shown, and for nothing else.
Numbers are those of the invariants (docs/architecture.md).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import pysqlite3.dbapi2 as sqlite

from cambist.engine import commands
from cambist.engine import events as codec
from cambist.engine.codes import Kind, Status
from cambist.engine.commands import Command
from cambist.engine.system_accounts import HOUSE, SUSPENSE
from cambist.signer.store import STORE_FILE
from tests.simulation.history import MONEY, History
from tests.simulation.world import Violation

from .ethereum import COIN, Block, Mined, Transaction, outputs
from .start import (
    ACCOUNTS,
    ASSETS,
    DEPOSIT_MIN,
    ETHEREUM,
    FEE,
    MIRRORS,
    TWO_ABOVE,
    UNITS_IN_ATOM,
    deposit_address,
    hot_address,
)

if TYPE_CHECKING:
    from .place import Place

EDGES = {
    ("", "requested"),
    ("requested", "held"),
    ("requested", "refused"),
    ("held", "approved"),
    ("held", "cancelled"),
    ("held", "rejected"),
    ("approved", "signed"),
    ("signed", "sent"),
    ("signed", "confirmed"),
    ("signed", "failed"),
    ("sent", "confirmed"),
    ("sent", "failed"),
    ("confirmed", "settled"),
}
ENDED = {"settled", "refused", "cancelled", "rejected", "failed"}
FORSWORN = {"refused", "cancelled", "rejected"}  # nobody may be paid


@dataclass
class Promise:
    """A withdrawal as its owner asked for it; no two of them are of one amount."""

    account: int
    contract: str
    address: str
    units: int
    words: set[str] = field(default_factory=set)
    nonces: set[int] = field(default_factory=set)
    state: str = ""

    @property
    def debit_atoms(self) -> int:
        return int(self.units // UNITS_IN_ATOM + FEE)

    @property
    def words_needed(self) -> int:
        return 2 if self.units > TWO_ABOVE * UNITS_IN_ATOM else 1


class Coming(NamedTuple):
    """Something that came to an address of ours from elsewhere, or from a withdrawal."""

    txid: str
    contract: str
    account: int
    units: int

    @property
    def atoms(self) -> int:
        return int(self.units // UNITS_IN_ATOM)


class WatchedHistory(History):
    """Every command that is durable is looked at by the oracle at once."""

    oracle: "Oracle"

    def take(self, payload: bytes) -> None:
        before = self.sequence
        super().take(payload)
        for sequence in range(before + 1, self.sequence + 1):
            result = codec.result(self.records[sequence])
            if result.command in MONEY and result.status == Status.OK and not result.repeat:
                self.oracle.moved(commands.decode(self.commands[sequence]))


class Oracle:
    def __init__(self, place: "Place") -> None:
        self.place = place
        self.promises: dict[int, Promise] = {}
        self.credited: dict[bytes, int] = {}  # atoms, by reference; what was reversed is out again
        self.reversed: set[bytes] = set()
        self.contract_of: dict[bytes, str] = {}  # of a credit
        self.held: dict[bytes, int] = {}
        self.settled: dict[int, int] = {}  # atoms that left, by withdrawal
        self.released: set[int] = set()
        self.booked: dict[str, int] = {}  # fees in atoms, by transaction
        self.reorgs = self.deepest = 0
        self.owners = {hot_address(): HOUSE} | {
            deposit_address(nth): each for nth, each in enumerate(ACCOUNTS)
        }
        self._branch: list[Block] = [place.chain.head]
        self._deepest: dict[str, int] = {}  # the most confirmations that a transaction ever had
        self._place_of: dict[str, tuple[Block, Mined]] = {}  # of what is on the branch that counts
        self._records = sqlite.connect(str(place.settings.records_file))
        self._signed = sqlite.connect(str(place.settings.signer_directory / STORE_FILE))
        place.chain.when_offered = self.offered

    def close(self) -> None:
        self._records.close()
        self._signed.close()

    def must(self, holds: bool, what: str) -> None:
        if not holds:
            raise Violation(what)

    # The chain.

    def follow(self) -> None:
        """The chain has another head. Checks what must hold behind each block."""
        gone, head = 0, self.place.chain.head
        new = [head]
        while new[-1].parent is not None and new[-1].height > self._branch[-1].height + 1:
            new.append(new[-1].parent)
        while new[-1].parent is not None and new[-1].parent is not self._branch[-1]:
            if self._branch[-1].height >= new[-1].height:
                self._give_up(self._branch.pop())
                gone += 1
            else:
                new.append(new[-1].parent)
        for block in reversed(new):
            self._branch.append(block)
            for mined in block.mined:
                self._place_of[mined.transaction.txid] = block, mined
        for txid, (block, _) in self._place_of.items():
            self._deepest[txid] = max(self._deepest.get(txid, 0), head.height - block.height + 1)
        self.reorgs += gone > 0
        self.deepest = max(self.deepest, gone)
        self.check()

    def _give_up(self, block: Block) -> None:
        for mined in block.mined:
            self._place_of.pop(mined.transaction.txid, None)

    def coming(self) -> Iterator[tuple[bytes, Coming]]:
        """What the branch that counts has brought, by the ledger's references."""
        for _, mined in self._place_of.values():
            yield from self._coming(mined)

    def _coming(self, mined: Mined) -> Iterator[tuple[bytes, Coming]]:
        pay = mined.transaction.pay
        if pay is not None and self.promise_of(mined.transaction) is None:
            return  # among our own addresses
        for name, move in outputs(mined):
            if move.to in self.owners and move.contract in ASSETS:
                txid = mined.transaction.txid
                reference = f"{ETHEREUM}:{txid}:{name}".encode()
                yield reference, Coming(txid, move.contract, self.owners[move.to], move.units)

    def promise_of(self, transaction: Transaction) -> int | None:
        pay = transaction.pay
        if pay is None or pay.sender != hot_address():
            return None
        for number, promise in self.promises.items():
            if (promise.contract, promise.address, promise.units) == (pay.contract, pay.to, pay.units):
                return number
        return None

    def offered(self, transaction: Transaction) -> None:
        """A node was given a transaction of ours, for the first time."""
        pay = transaction.pay
        assert pay is not None
        if pay.sender != hot_address():
            self.must(pay.sender in self.owners and pay.to == hot_address(), f"21: {pay} is no sweep")
            return
        number = self.promise_of(transaction)
        if number is None:
            is_gas = pay.contract == COIN and pay.to in self.owners
            self.must(is_gas, f"21: nobody asked for {pay}")
            return
        promise = self.promises[number]
        promise.nonces.add(pay.nonce)
        self.must(len(promise.nonces) == 1, f"21: withdrawal {number} can be paid twice: {promise}")
        self.must(promise.state not in FORSWORN, f"11: withdrawal {number} is {promise.state} and paid")
        self.must(len(promise.words) >= promise.words_needed, f"11: withdrawal {number} is not approved")
        self.must(b"withdrawal:%d" % number in self.held, f"11: withdrawal {number} was not held")

    # The ledger.

    def moved(self, command: Command) -> None:
        assert isinstance(command, commands.Money)
        match command.kind:
            case Kind.CREDIT:
                self._credit(command)
            case Kind.REVERSE:
                self.must(command.origin in self.credited, f"10: {command} undoes no credit")
                self.reversed.add(command.origin)
                self.must(command.amount_atoms == self.credited.pop(command.origin), f"10: {command}")
            case Kind.HOLD if command.account != HOUSE:
                promise = self._promise(command.reference)
                right = promise.account, promise.debit_atoms
                self.must((command.account, command.amount_atoms) == right, f"11: {command} for {promise}")
                self.held[command.reference] = command.amount_atoms
            case Kind.SETTLE if command.account != HOUSE:
                self._settle(command)
            case Kind.SETTLE:
                self._book(command)
            case Kind.RELEASE:
                self._release(command)

    def _credit(self, command: commands.Money) -> None:
        reference = command.reference
        txid = reference.decode().split(":")[1]
        found = self._place_of.get(txid)
        deepest = self._deepest.get(txid, 0)
        programme = self.place.programme
        self.must(deepest >= programme.confirmations, f"10: {reference!r} is credited after {deepest} blocks")
        if programme.waits_for_final:
            self.must(deepest > programme.final_lag, f"10: {reference!r} is credited and not final")
        if found is not None:  # else it was there, and a reorg overtakes the wallets
            coming = dict(self._coming(found[1])).get(reference)
            self.must(coming is not None, f"10: {reference!r} is credited and never came")
            assert coming is not None
            account = coming.account if coming.atoms >= DEPOSIT_MIN else SUSPENSE
            said = command.account, command.market, command.amount_atoms
            self.must(said == (account, ASSETS[coming.contract], coming.atoms), f"10: {command} for {coming}")
        self.must(reference not in self.credited, f"10: {reference!r} is credited twice")
        self.credited[reference] = command.amount_atoms
        self.contract_of[reference] = next(each for each, asset in ASSETS.items() if asset == command.market)

    def _settle(self, command: commands.Money) -> None:
        number = _number(command.origin)
        promise = self.promises[number]
        self.must(number not in self.settled and number not in self.released, f"11: {command} once more")
        paid = [each for each in self._payments(number) if self._deepest[each.txid] >= self._confirmations]
        self.must(bool(paid), f"21: withdrawal {number} is settled and not paid")
        said = command.amount_atoms, command.fee_atoms
        self.must(said == (promise.debit_atoms - FEE, FEE), f"11: {command} for {promise}")
        self.settled[number] = command.amount_atoms

    def _release(self, command: commands.Money) -> None:
        number = _number(command.origin)
        self.must(number not in self.settled and number not in self.released, f"11: {command} once more")
        state = self.promises[number].state
        self.must(state in ("cancelled", "rejected", "failed"), f"11: {state} {number} is released")
        if state != "failed":
            self.must(not self.promises[number].nonces, f"21: {number} is released and can be paid")
        self.released.add(number)

    def _book(self, command: commands.Money) -> None:
        txid = command.origin.decode().split(":")[2]
        known = self.place.chain.known.get(txid)
        self.must(known is not None and known.pay is not None, f"20: a fee for {txid}, which is not ours")
        is_final = self._deepest.get(txid, 0) > self.place.programme.final_lag
        self.must(is_final, f"20: the fee of {txid} is booked before it is final")
        self.must(txid not in self.booked, f"20: the fee of {txid} is booked twice")
        fee_units = self._place_of[txid][1].fee_units
        self.must(command.amount_atoms == -(-fee_units // UNITS_IN_ATOM), f"20: {command} for {fee_units}")
        self.booked[txid] = command.amount_atoms

    def _promise(self, reference: bytes) -> Promise:
        number = _number(reference)
        self.must(number in self.promises, f"11: {reference!r} was not asked for")
        return self.promises[number]

    def _payments(self, number: int) -> Iterator[Transaction]:
        """Those for it that were ever in a block that counted."""
        for txid in self._deepest:
            transaction = self.place.chain.known[txid]
            if self.promise_of(transaction) == number:
                yield transaction

    @property
    def _confirmations(self) -> int:
        return self.place.programme.confirmations

    # What users are shown.

    def look_at_withdrawals(self) -> None:
        """11: after every transaction of the records."""
        for number, state in self._records.execute("SELECT id, state FROM withdrawals ORDER BY id"):
            promise = self.promises.get(number)
            if promise is None or promise.state == state:
                continue
            edge = promise.state, state
            self.must(edge in EDGES, f"11: withdrawal {number} goes from {edge[0]} to {edge[1]}")
            promise.state = state
            if state == "signed":
                self.must(b"withdrawal:%d" % number in self.held, f"11: {number} is signed and not held")

    def is_read(self) -> bool:
        """Whether the wallets have read the newest block, or one as high, and go on reading."""
        of = "SELECT 1 FROM chain_cursors WHERE height >= ? AND halted = ''"
        return self._records.execute(of, (self.place.chain.height,)).fetchone() is not None

    # Behind each block.

    def check(self) -> None:
        self._check_nonces()
        self._check_payments()
        for contract in ASSETS:
            self._check_sums(contract)

    def _check_nonces(self) -> None:
        signed: dict[str, set[int]] = {}
        for sender, nonce in self._signed.execute("SELECT sender, nonce FROM signed"):
            signed.setdefault(sender, set()).add(nonce)
        for sender, nonces in signed.items():
            self.must(nonces == set(range(len(nonces))), f"22: {sender} has signed {sorted(nonces)}")

    def _check_payments(self) -> None:
        """21: each external payment is one withdrawal's, each withdrawal has one."""
        paid: Counter[int] = Counter()
        for _, mined in self._place_of.values():
            pay = mined.transaction.pay
            if pay is None or not mined.is_ok or pay.to in self.owners:
                continue
            number = self.promise_of(mined.transaction)
            self.must(number is not None, f"21: {pay} is nobody's withdrawal")
            assert number is not None
            self.must(number not in self.released, f"21: withdrawal {number} is given back, and paid")
            paid[number] += 1
        self.must(all(times == 1 for times in paid.values()), f"21: paid twice: {paid}")

    def _check_sums(self, contract: str) -> None:
        """20: what the chain holds is what has come and not left; what is owed is what it was moved for."""
        head = self.place.chain.head
        has = sum(head.balances.get((contract, address), 0) for address in self.owners)
        come = sum(each.units for _, each in self.coming() if each.contract == contract)
        left = sum(mined.fee_units for _, mined in self.ours()) if contract == COIN else 0
        for _, mined in self.ours():
            number = self.promise_of(mined.transaction)
            if number is not None and mined.is_ok and self.promises[number].contract == contract:
                left += self.promises[number].units
        self.must(has == come - left, f"20: the chain has {has}, and {come} came and {left} left")
        owed = self.owed_atoms(contract)
        credited = sum(
            atoms for reference, atoms in self.credited.items() if self.contract_of[reference] == contract
        )
        paid = sum(
            atoms for number, atoms in self.settled.items() if self.promises[number].contract == contract
        )
        fees = sum(self.booked.values()) if contract == COIN else 0
        self.must(owed == credited - paid - fees, f"20: {owed} owed, but {credited} - {paid} - {fees} moved")

    def ours(self) -> Iterator[tuple[Block, Mined]]:
        """Our own transactions on the branch that counts."""
        for block, mined in self._place_of.values():
            if mined.transaction.pay is not None:
                yield block, mined

    def owed_atoms(self, contract: str) -> int:
        rows = self.place.site.history.engine.balances(MIRRORS[contract])
        return -sum(available + held for asset, available, held in rows if asset == ASSETS[contract])


def _number(reference: bytes) -> int:
    return int(reference.split(b":")[1])
