"""What the wallets ask of a chain, the same for every chain. One class of each chain's folder offers it.

Nodes are not trusted: what they say is checked for shape, held against the hashes of the blocks before and
against a second node where there is one. Amounts are in the chain's smallest unit. Addresses, hashes and
transaction ids are text in one spelling only (EVM: lower case with 0x). `contract` names a token, and is
empty for the chain's own coin. Everything here blocks, within the times that the chain was made with.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from cambist.errors import Refused, Unavailable


class NodeFailed(Unavailable):
    """No answer, or one that is not whole; the same is asked again later."""


class NodesDisagree(Refused):
    """Two nodes, or a node and what it said before, contradict each other: the chain is not read on."""

    code = "nodes_disagree"


class Tip(NamedTuple):
    """The newest block, its time (Unix seconds), and the newest that the chain calls final."""

    height: int
    time_s: int
    final_height: int


class Header(NamedTuple):
    height: int
    hash: str
    parent: str


class Output(NamedTuple):
    """What came to an address that is watched, and not from itself: change is none.

    `name` tells it from the other outputs of its transaction, in whichever block that is. `doubt` says why
    the amount may not be what it seems; it is empty as a rule.
    """

    txid: str
    name: str
    contract: str
    address: str
    amount_units: int
    doubt: str = ""


class Mined(NamedTuple):
    """One of our own transactions, in a block. What is not `is_ok` has moved nothing but its fee."""

    is_ok: bool
    fee_units: int


class Strange(NamedTuple):
    """A transaction in a block that spends what is ours, and is none of those that we know.

    `nonce` is the sender's; `receiver` is empty where it is no plain payment.
    """

    txid: str
    sender: str
    nonce: int
    contract: str
    receiver: str
    amount_units: int
    outcome: Mined


class Block(NamedTuple):
    header: Header
    outputs: Sequence[Output]
    mined: Mapping[str, Mined]
    strange: Sequence[Strange] = ()


class Token(NamedTuple):
    """What a token is. `code` stands for all that decides what it does; another one is another token.

    `is_stopped`: it moves nothing, or nothing of ours. `is_rebasing`: balances change without a transfer.
    """

    decimals: int
    code: str
    is_stopped: bool
    is_rebasing: bool


class Terms(NamedTuple):
    """How a transaction is to be made: what the signer gets beside what is to be paid.

    `nonce` is the sender's next: of all transactions at one nonce the chain takes one at most. A chain that
    has none sees to it by `inputs`, the outputs that are spent: what is made anew at a nonce spends again
    what was spent there. The fee is at most `fee_max_units`.
    """

    nonce: int
    gas: int
    max_fee: int
    priority_fee: int
    inputs: tuple[str, ...] = ()

    @property
    def fee_max_units(self) -> int:
        return self.gas * self.max_fee


# Gives what the sender has signed at other nonces and no block holds yet, if it is asked.
Waiting: TypeAlias = Callable[[], Sequence[bytes]]


class Blocks(Protocol):
    """The part of a chain from which blocks are read."""

    network: str

    def tip(self) -> Tip:
        """Raises NodeFailed; NodesDisagree, also if it is another chain than it was."""

    def header(self, height: int) -> Header:
        """Of the branch that the node takes for the best. Raises NodeFailed, NodesDisagree."""

    def read(self, height: int, watched: Container[str], own: Container[str]) -> Block:
        """A whole block: outputs to `watched` addresses, what became of `own` transactions in it, and others
        that spend from a watched address.

        Raises NodeFailed unless all of it could be read, NodesDisagree.
        """


class Chain(Blocks, Protocol):
    def balance(self, contract: str, address: str, height: int) -> int:
        """After the block at `height`. Raises NodeFailed, NodesDisagree."""

    def balances(self, contract: str, addresses: Sequence[str], height: int) -> list[int]:
        """The same of many."""

    def token(self, contract: str, holder: str, height: int) -> Token:
        """As it is for `holder` after the block at `height`. Raises NodeFailed, Refused if it is none."""

    def is_address(self, text: str) -> bool:
        """Whether money can be sent there: well formed, and no address from which nobody can move it."""

    # Paying.

    def next_nonce(self, address: str) -> int:
        """The number of transactions of this address that are in blocks. Raises NodeFailed."""

    def nonces_seen(self, address: str) -> int:
        """The same with those that wait for a block at any of the nodes. Raises NodeFailed."""

    def terms(
        self, sender: str, nonce: int, contract: str, to: str, amount_units: int, waiting: Waiting
    ) -> Terms:
        """At what the network takes now, and of nothing that `waiting` spends.

        Raises NodeFailed; Refused if the chain would refuse the payment.
        """

    def dearer(self, terms: Terms) -> Terms:
        """The same transaction at a fee that replaces the one before, at least."""

    def send(self, raw: bytes) -> None:
        """Hands a signed transaction to the node; one that it has is fine. Raises NodeFailed, Refused."""

    def is_known(self, txid: str) -> bool:
        """Whether the node has the transaction, in a block or waiting for one. Raises NodeFailed."""
