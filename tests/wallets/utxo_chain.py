"""A chain in memory on which outputs are spent: its node, and what the wallets ask of such a chain.

There are no nonces, no balances but sums of outputs, and no tokens. A transaction that spends what one in the
pool spends takes its place at a higher fee, and takes along those that spend of that one.
"""

from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

from cambist.errors import Refused
from cambist.wallets.chain import (
    Block,
    Header,
    Mined,
    NodeFailed,
    Output,
    Strange,
    Terms,
    Tip,
    Token,
    Waiting,
)
from tests.wallets import utxo_family
from tests.wallets.utxo_family import Coin, Paid, Transaction

NETWORK, CHAIN_ID, DECIMALS = "UTX", 7, 8
FINAL_BEHIND = 3
SPENT_ALREADY, TOO_CHEAP, NOT_SIGNED = "spent already", "too cheap", "not signed by its owner"


class NotTaken(Refused):
    code = "not_taken"


class _Mined(NamedTuple):
    hash: str
    transactions: tuple[Transaction, ...]


class UtxoNode:
    """Blocks are mined and given up as a test says. What is in the pool is in the next block."""

    def __init__(self) -> None:
        self.blocks = [_Mined("block-0", ())]
        self.pool: dict[str, Transaction] = {}
        self.fee_rate = 2
        self._made = 0

    @property
    def height(self) -> int:
        return len(self.blocks) - 1

    def give(self, *paid: Paid) -> str:
        """Coins from outside, in one transaction."""
        self._made += 1
        given = Transaction(CHAIN_ID, (), paid, note=self._made)
        self.pool[given.txid] = given
        return given.txid

    def send(self, raw: bytes) -> None:
        """Raises NotTaken. What it has already is fine."""
        sent = utxo_family.read(raw)
        if sent.txid in self.pool or any(sent.txid == each.txid for each in self.in_blocks(self.height)):
            return
        if sent.chain_id != CHAIN_ID or not sent.is_signed():
            raise NotTaken(NOT_SIGNED)
        rivals = [each for each in self.pool.values() if not set(each.coins).isdisjoint(sent.coins)]
        gone = {each.txid for rival in rivals for each in self._with_descendants(rival)}
        left = [each for each in self.pool.values() if each.txid not in gone]
        if not set(sent.coins) <= _unspent([*self.in_blocks(self.height), *left], sent.sender):
            raise NotTaken(SPENT_ALREADY)
        rate = sent.fee_units / sent.size
        if rate < 1 or any(rate <= rival.fee_units / rival.size for rival in rivals):
            raise NotTaken(TOO_CHEAP)
        self.pool = {each.txid: each for each in [*left, sent]}

    def mine(self, *left_out: str) -> None:
        """One block of what is in the pool, but those left out and what spends of them."""
        out = {each.txid for txid in left_out for each in self._with_descendants(self.pool[txid])}
        taken = tuple(each for each in self.pool.values() if each.txid not in out)
        self.pool = {txid: each for txid, each in self.pool.items() if txid in out}
        self._made += 1
        self.blocks.append(_Mined(f"block-{self._made}", taken))

    def reorg(self, depth: int, *, keeps: bool) -> None:
        """Gives up the newest blocks; what they held is in the pool again if it `keeps` that."""
        given_up, self.blocks = self.blocks[-depth:], self.blocks[:-depth]
        back = [each for block in given_up for each in block.transactions] if keeps else []
        self.pool = {each.txid: each for each in [*back, *self.pool.values()]}

    def in_blocks(self, height: int) -> Iterator[Transaction]:
        for block in self.blocks[: height + 1]:
            yield from block.transactions

    def balance(self, address: str, height: int) -> int:
        return sum(coin.units for coin in _unspent(self.in_blocks(height), address))

    def _with_descendants(self, of: Transaction) -> list[Transaction]:
        found = [of]
        for each in self.pool.values():
            if {coin.txid for coin in each.coins} & {earlier.txid for earlier in found}:
                found.append(each)
        return found


class UtxoChain:
    """What is asked of every chain, answered for this one: cambist/wallets/chain.py.

    A nonce is the number of an address's payments before. Each spends the change of the one before first, so
    the chain takes them in their order.
    """

    network = NETWORK

    def __init__(self, node: UtxoNode) -> None:
        self.node = node
        self.is_down = False

    def tip(self) -> Tip:
        self._require_up()
        return Tip(self.node.height, 0, max(0, self.node.height - FINAL_BEHIND))

    def header(self, height: int) -> Header:
        self._require_up()
        if height > self.node.height:
            raise NodeFailed(f"no block at height {height}")
        parent = self.node.blocks[height - 1].hash if height else ""
        return Header(height, self.node.blocks[height].hash, parent)

    def read(self, height: int, watched: Container[str], own: Container[str]) -> Block:
        header, transactions = self.header(height), self.node.blocks[height].transactions
        outputs = [
            Output(each.txid, str(place), "", paid.address, paid.units)
            for each in transactions
            for place, paid in enumerate(each.paid)
            if paid.address in watched and paid.address != each.sender
        ]
        mined = {each.txid: Mined(True, each.fee_units) for each in transactions if each.txid in own}
        strange = [
            Strange(
                each.txid,
                each.sender,
                self._before(each),
                "",
                each.paid[0].address,
                each.paid[0].units,
                Mined(True, each.fee_units),
            )
            for each in transactions
            if each.sender in watched and each.txid not in own
        ]
        return Block(header, outputs, mined, strange)

    def balance(self, contract: str, address: str, height: int) -> int:
        self._require_up()
        return 0 if contract else self.node.balance(address, height)

    def balances(self, contract: str, addresses: Sequence[str], height: int) -> list[int]:
        return [self.balance(contract, address, height) for address in addresses]

    def token(self, contract: str, holder: str, height: int) -> Token:
        raise NotTaken("there are no tokens on this chain")

    def is_address(self, text: str) -> bool:
        return utxo_family.is_address(text)

    def next_nonce(self, address: str) -> int:
        self._require_up()
        return sum(each.sender == address for each in self.node.in_blocks(self.node.height))

    def nonces_seen(self, address: str) -> int:
        return self.next_nonce(address) + sum(each.sender == address for each in self.node.pool.values())

    def terms(
        self, sender: str, nonce: int, contract: str, to: str, amount_units: int, waiting: Waiting
    ) -> Terms:
        """Of all that the sender has, if it is not enough: the signer refuses that."""
        self._require_up()
        unmined = [utxo_family.read(raw) for raw in waiting()]
        there = _unspent([*self.node.in_blocks(self.node.height), *unmined], sender)
        change_first = sorted(there, key=lambda coin: (not _is_change(coin, unmined), -coin.units))
        chosen: list[Coin] = []
        for coin in change_first:
            chosen.append(coin)
            size = utxo_family.size(len(chosen), 2)
            if sum(each.units for each in chosen) >= amount_units + size * self.node.fee_rate:
                break
        size = utxo_family.size(len(chosen), 2)
        return Terms(nonce, size, self.node.fee_rate, 0, tuple(map(str, chosen)))

    def dearer(self, terms: Terms) -> Terms:
        """The same outputs are spent, and less of them comes back."""
        return terms._replace(max_fee=max(terms.max_fee + 1, self.node.fee_rate))

    def send(self, raw: bytes) -> None:
        self._require_up()
        self.node.send(raw)

    def is_known(self, txid: str) -> bool:
        self._require_up()
        in_blocks = (each.txid for each in self.node.in_blocks(self.node.height))
        return txid in self.node.pool or txid in in_blocks

    def _before(self, transaction: Transaction) -> int:
        """How many of its sender's are in blocks before it."""
        in_blocks = list(self.node.in_blocks(self.node.height))
        earlier = in_blocks[: in_blocks.index(transaction)]
        return sum(each.sender == transaction.sender for each in earlier)

    def _require_up(self) -> None:
        if self.is_down:
            raise NodeFailed("the node does not answer")


def _unspent(transactions: Iterator[Transaction] | list[Transaction], address: str) -> set[Coin]:
    """Of an address, after all of these."""
    every = list(transactions)
    spent = {coin for each in every for coin in each.coins}
    return {coin for each in every for coin in each.made(address)} - spent


def _is_change(coin: Coin, unmined: list[Transaction]) -> bool:
    return any(coin.txid == each.txid for each in unmined)
