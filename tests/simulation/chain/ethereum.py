"""The truth about coins: blocks in a tree, the branch that counts, and transactions that wait for a block.

The wallets never see it: what they know they are told by a node (node.py). People outside pay from nowhere;
what is sent from our own addresses obeys nonces, balances and fees as an EVM chain has them.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random
from typing import NamedTuple

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes

GWEI = 10**9
COIN = ""
PLAIN_GAS, TOKEN_GAS = 21_000, 50_000
BASE_FEE = 10 * GWEI
DEARER = 11, 10  # what replaces another transaction pays a tenth more
_TRANSFER = bytes.fromhex("a9059cbb")


class Refusal(Exception):
    """What a node says to a transaction that it does not take."""


class Move(NamedTuple):
    """Coins or tokens that go to an address. What was undone moves nothing, but a trace shows it."""

    contract: str
    sender: str
    to: str
    units: int
    is_undone: bool = False


class Pay(NamedTuple):
    """What a transaction of ours says: who pays what at which nonce, and its fee."""

    sender: str
    nonce: int
    contract: str
    to: str
    units: int
    gas: int
    max_fee: int
    priority_fee: int


class Transaction(NamedTuple):
    """`pay` is None for one from outside: then `moves` is all that it does, whenever it is mined."""

    txid: str
    moves: tuple[Move, ...] = ()
    pay: Pay | None = None
    is_ok: bool = True

    @property
    def sender(self) -> str:
        return self.moves[0].sender if self.pay is None else self.pay.sender


class Mined(NamedTuple):
    transaction: Transaction
    moves: tuple[Move, ...]  # nothing of one that failed
    is_ok: bool
    gas_used: int
    gas_price: int

    @property
    def fee_units(self) -> int:
        return self.gas_used * self.gas_price


@dataclass(eq=False)
class Block:
    height: int
    hash: str
    parent: "Block | None"
    time_s: int
    base_fee: int
    mined: Sequence[Mined] = ()
    balances: Mapping[tuple[str, str], int] = field(default_factory=dict)  # after it, by contract and address
    nonces: Mapping[str, int] = field(default_factory=dict)

    def branch(self) -> Iterator["Block"]:
        """From this one down."""
        block: Block | None = self
        while block is not None:
            yield block
            block = block.parent

    def at(self, height: int) -> "Block | None":
        return next((block for block in self.branch() if block.height == height), None)

    def stands_on(self, other: "Block") -> bool:
        return self.at(other.height) is other


def outputs(mined: Mined) -> Iterator[tuple[str, Move]]:
    """What it moves, each by the name that the wallets give it: its place among the calls, or among the logs.

    A transaction that moves coins once is that call; else it is a call of a contract that makes the others.
    """
    calls = sum(move.contract == COIN for move in mined.moves)
    call, logged = (0 if len(mined.moves) == calls == 1 else 1), 0
    for move in mined.moves:
        name = f"c{call}" if move.contract == COIN else f"l{logged}"
        call, logged = call + (move.contract == COIN), logged + (move.contract != COIN)
        if not move.is_undone:
            yield name, move


class Ethereum:
    """The branch that counts ends with `head`; others are kept as long as a node looks at them."""

    def __init__(self, seed: int, start_s: int, block_s: int) -> None:
        self._seed = seed
        self._made = 0
        self._block_s = block_s
        self.head = Block(0, self._name("block"), None, start_s, BASE_FEE)
        self.pool: dict[str, Transaction] = {}
        self.base_fee = BASE_FEE
        self.known: dict[str, Transaction] = {}  # all that were ever sent
        self.when_offered: Callable[[Transaction], None] = lambda _: (
            None
        )  # one of ours is seen the first time

    @property
    def height(self) -> int:
        return self.head.height

    # What comes in.

    def pay_from_outside(self, *moves: Move, is_ok: bool = True) -> Transaction:
        transaction = Transaction(self._name("tx"), moves, is_ok=is_ok)
        self.known[transaction.txid] = self.pool[transaction.txid] = transaction
        return transaction

    def send(self, raw: bytes, head: Block) -> str:
        """A signed transaction that a node with this head is given. Raises Refusal."""
        txid = "0x" + keccak(raw).hex()
        transaction = self.known.get(txid) or Transaction(txid, pay=_read(raw))
        pay = transaction.pay
        assert pay is not None
        if txid not in self.known:
            self.known[txid] = transaction
            self.when_offered(transaction)
        if txid in self.pool:
            raise Refusal("already known")
        if pay.nonce < head.nonces.get(pay.sender, 0):
            raise Refusal("nonce too low")
        if _coins_needed(pay) > head.balances.get((COIN, pay.sender), 0):
            raise Refusal("insufficient funds for gas * price + value")
        rival = self._waiting_at(pay.sender, pay.nonce)
        if rival is not None and rival.pay is not None:
            if not _replaces(pay, rival.pay):
                raise Refusal("replacement transaction underpriced")
            del self.pool[rival.txid]
        self.pool[txid] = transaction
        return txid

    def nonce_behind(self, sender: str, nonce: int) -> int:
        """The next one if what waits from this one on is mined."""
        while self._waiting_at(sender, nonce) is not None:
            nonce += 1
        return nonce

    def _waiting_at(self, sender: str, nonce: int) -> Transaction | None:
        for each in self.pool.values():
            if each.pay is not None and (each.pay.sender, each.pay.nonce) == (sender, nonce):
                return each
        return None

    # What becomes of it.

    def block_on(self, parent: Block, dice: Random, share: float) -> Block:
        """A further block of any branch, with about this share of what waits and can be in it."""
        block = Block(
            parent.height + 1,
            self._name("block"),
            parent,
            parent.time_s + self._block_s,
            self.base_fee,
            balances=dict(parent.balances),
            nonces=dict(parent.nonces),
        )
        mined: list[Mined] = []
        waiting = [each for each in self.pool.values() if dice.random() < share]
        while takes := next((each for each in waiting if self._fits(each, block)), None):
            waiting.remove(takes)
            mined.append(_execute(takes, block))
        block.mined = mined
        return block

    def _fits(self, transaction: Transaction, block: Block) -> bool:
        pay = transaction.pay
        if pay is None:
            return True
        is_next = pay.nonce == block.nonces.get(pay.sender, 0)
        has_coins = _coins_needed(pay) <= block.balances.get((COIN, pay.sender), 0)
        return is_next and has_coins and pay.max_fee >= block.base_fee

    def follow(self, head: Block, *, forgets: Container[str] = ()) -> None:
        """From now on this branch counts; what the other one had waits again, but for what is forgotten."""
        old, self.head = self.head, head
        on_branch = {id(block) for block in head.branch()}
        for block in old.branch():
            if id(block) in on_branch:
                break
            for each in block.mined:
                if each.transaction.txid not in forgets:
                    self.pool[each.transaction.txid] = each.transaction
        for block in head.branch():
            for each in block.mined:
                self.pool.pop(each.transaction.txid, None)
            if block is old:
                break
        for txid, each_waiting in list(self.pool.items()):
            pay = each_waiting.pay
            if pay is not None and pay.nonce < head.nonces.get(pay.sender, 0):
                del self.pool[txid]

    def _name(self, kind: str) -> str:
        self._made += 1
        return "0x" + blake2b(f"{self._seed}:{kind}:{self._made}".encode(), digest_size=32).hexdigest()


def _execute(transaction: Transaction, block: Block) -> Mined:
    balances, nonces = block.balances, block.nonces
    assert isinstance(balances, dict) and isinstance(nonces, dict)
    pay = transaction.pay
    if pay is None:
        moves = transaction.moves if transaction.is_ok else ()
        for move in moves:
            if not move.is_undone:
                _add(balances, move.contract, move.to, move.units)
        return Mined(transaction, moves, transaction.is_ok, PLAIN_GAS, block.base_fee)
    gas = TOKEN_GAS if pay.contract else PLAIN_GAS
    price = min(pay.max_fee, block.base_fee + pay.priority_fee)
    nonces[pay.sender] = pay.nonce + 1
    _add(balances, COIN, pay.sender, -gas * price)
    is_ok = balances.get((pay.contract, pay.sender), 0) >= pay.units and gas <= pay.gas
    moves = (Move(pay.contract, pay.sender, pay.to, pay.units),) if is_ok else ()
    for move in moves:
        _add(balances, move.contract, move.sender, -move.units)
        _add(balances, move.contract, move.to, move.units)
    return Mined(transaction, moves, is_ok, gas, price)


def _add(balances: dict[tuple[str, str], int], contract: str, address: str, units: int) -> None:
    balances[contract, address] = balances.get((contract, address), 0) + units


def _coins_needed(pay: Pay) -> int:
    return pay.gas * pay.max_fee + (0 if pay.contract else pay.units)


def _replaces(pay: Pay, rival: Pay) -> bool:
    times, of = DEARER
    return all(
        new * of >= old * times
        for new, old in ((pay.max_fee, rival.max_fee), (pay.priority_fee, rival.priority_fee))
    )


def _read(raw: bytes) -> Pay:
    said = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    sender = Account.recover_transaction(raw).lower()
    target, data = "0x" + bytes(said["to"]).hex(), bytes(said["data"])
    fees = said["gas"], said["maxFeePerGas"], said["maxPriorityFeePerGas"]
    if not data:
        return Pay(sender, said["nonce"], COIN, target, said["value"], *fees)
    assert data[:4] == _TRANSFER and len(data) == 4 + 64, "no transaction of ours has other calldata"
    to, units = "0x" + data[16:36].hex(), int.from_bytes(data[36:68])
    return Pay(sender, said["nonce"], target, to, units, *fees)
