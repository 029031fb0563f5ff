"""A chain in memory with the wallets' interface: blocks are mined and given up as a test says.

It is a UTXO chain as far as that shows: an output is named by its place in its transaction, and a transaction
may pay several.
"""

from collections.abc import Container, Mapping
from typing import NamedTuple

from cambist.errors import Refused
from cambist.wallets.chain import Block, Header, Mined, NodeFailed, Output, Tip


class Paid(NamedTuple):
    address: str
    units: int
    contract: str = ""
    doubt: str = ""


class _Block(NamedTuple):
    hash: str
    transactions: Mapping[str, tuple[Paid, ...]]


class FakeChain:
    network = "ETH"

    def __init__(self) -> None:
        self._blocks = [_Block("block-0", {})]
        self._made = 0
        self.waiting: dict[str, tuple[Paid, ...]] = {}
        self.final_height = 0
        self.fees: dict[str, Mined] = {}
        self.is_down = False
        self.refuses = ""

    @property
    def height(self) -> int:
        return len(self._blocks) - 1

    def pay(self, *paid: Paid, txid: str = "") -> str:
        """A transaction that the next block holds."""
        self._made += 1
        txid = txid or f"tx-{self._made}"
        self.waiting[txid] = paid
        return txid

    def mine(self, count: int = 1) -> None:
        for _ in range(count):
            self._made += 1
            self._blocks.append(_Block(f"block-{self._made}", self.waiting))
            self.waiting = {}

    def reorg(self, depth: int, *, keeps: bool) -> None:
        """Gives up the newest blocks; what they held waits for another one if it `keeps` that."""
        given_up, self._blocks = self._blocks[-depth:], self._blocks[:-depth]
        if keeps:
            for block in given_up:
                self.waiting |= block.transactions

    def tip(self) -> Tip:
        self._require_up()
        return Tip(self.height, 0, self.final_height)

    def header(self, height: int) -> Header:
        self._require_up()
        if height > self.height:
            raise NodeFailed(f"no block at height {height}")
        parent = self._blocks[height - 1].hash if height else ""
        return Header(height, self._blocks[height].hash, parent)

    def read(self, height: int, watched: Container[str], own: Container[str]) -> Block:
        if self.refuses:
            raise Refused(self.refuses)
        header = self.header(height)
        transactions = self._blocks[height].transactions
        outputs = [
            Output(txid, str(place), paid.contract, paid.address, paid.units, paid.doubt)
            for txid, payments in transactions.items()
            for place, paid in enumerate(payments)
            if paid.address in watched
        ]
        mined = {txid: self.fees.get(txid, Mined(True, 0)) for txid in transactions if txid in own}
        return Block(header, outputs, mined)

    def _require_up(self) -> None:
        if self.is_down:
            raise NodeFailed("the node does not answer")
