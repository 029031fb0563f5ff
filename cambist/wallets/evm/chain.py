"""An EVM chain as the wallets see it, through one node or two.

The second node must give the same hash at a height before that block counts, must have seen the same outputs
in it, and must say the same of what an address holds. What only one of them says is not believed.

Calls inside transactions are read by `trace_block`, or by Geth's `debug_traceBlockByNumber` with its
flatCallTracer, which says the same. A node that offers neither is not read at all: what it does not show
would be somebody's coins.
"""

from collections.abc import Container, Iterator, Sequence

import msgspec
from eth_utils.address import is_checksum_address

from cambist.wallets.chain import (
    Block,
    Header,
    Mined,
    NodeFailed,
    NodesDisagree,
    Output,
    Terms,
    Tip,
    Token,
    Waiting,
)
from cambist.wallets.evm import blocks, paying, tokens
from cambist.wallets.evm.blocks import COIN, FullBlock, Receipt, Trace, Traced
from cambist.wallets.evm.rpc import (
    Bytes,
    Call,
    Hash,
    MethodUnknown,
    NodeRefused,
    Quantity,
    Rpc,
    number,
)

_BALANCE_OF = "0x70a08231" + "0" * 24  # balanceOf(address), EIP-20


class _Header(msgspec.Struct, rename="camel"):
    number: Quantity
    hash: Hash
    parent_hash: Hash
    timestamp: Quantity


class EvmChain:
    """Usable by one thread."""

    def __init__(self, network: str, chain_id: int, first: Rpc, second: Rpc | None = None) -> None:
        self.network = network
        self._chain_id = chain_id
        self._first = first
        self._second = second

    def tip(self) -> Tip:
        """Of both nodes the lower. Raises NodeFailed, NodesDisagree."""
        tips = [self._tip(node) for node in self._nodes()]
        lowest = min(tips, key=lambda tip: tip.height)
        return lowest._replace(final_height=min(tip.final_height for tip in tips))

    def header(self, height: int) -> Header:
        headers = [self._header(node, height) for node in self._nodes()]
        if any(header.hash != headers[0].hash for header in headers):
            raise NodesDisagree(f"{self.network}: two nodes have different blocks at height {height}")
        return headers[0]

    def read(self, height: int, watched: Container[str], own: Container[str]) -> Block:
        header = self.header(height)
        first, *others = (self._block(node, header, watched, own) for node in self._nodes())
        if any(other != first for other in others):
            raise NodesDisagree(f"{self.network}: two nodes differ in what block {height} has paid")
        return first

    def balance(self, contract: str, address: str, height: int) -> int:
        return self.balances(contract, [address], height)[0]

    def balances(self, contract: str, addresses: Sequence[str], height: int) -> list[int]:
        places = [(address, height) for address in addresses]
        first, *others = (self._balances(node, contract, places) for node in self._nodes())
        for other in others:
            for address, units, others_units in zip(addresses, first, other, strict=True):
                if units != others_units:
                    raise NodesDisagree(
                        f"{self.network}: two nodes differ in what {address} holds behind block {height}"
                    )
        return first

    def is_address(self, text: str) -> bool:
        """Hexadecimal in one case, or in mixed case with its checksum (EIP-55); not the zero address."""
        digits = text[2:]
        if len(text) != 42 or not text.startswith("0x") or not set(digits) <= set("0123456789abcdefABCDEF"):
            return False
        has_one_case = digits in (digits.lower(), digits.upper())
        return bool(int(digits, 16)) and (has_one_case or is_checksum_address(text))

    def token(self, contract: str, holder: str, height: int) -> Token:
        return tokens.token(self._first, contract, holder, height)

    def next_nonce(self, address: str) -> int:
        return paying.next_nonce(self._first, address)

    def nonces_seen(self, address: str) -> int:
        return max(paying.nonces_seen(node, address) for node in self._nodes())

    def terms(
        self, sender: str, nonce: int, contract: str, to: str, amount_units: int, waiting: Waiting
    ) -> Terms:
        return paying.terms(self._first, sender, nonce, contract, to, amount_units)

    def dearer(self, terms: Terms) -> Terms:
        return paying.dearer(self._first, terms)

    def send(self, raw: bytes) -> None:
        paying.send(self._first, raw)

    def is_known(self, txid: str) -> bool:
        return paying.is_known(self._first, txid)

    def close(self) -> None:
        for node in self._nodes():
            node.close()

    def _nodes(self) -> Iterator[Rpc]:
        yield self._first
        if self._second is not None:
            yield self._second

    def _tip(self, node: Rpc) -> Tip:
        if number(node.call(Quantity, "eth_chainId")) != self._chain_id:
            raise NodesDisagree(f"{self.network}: a node is on another chain than {self._chain_id}")
        newest, final = node.batch(
            _Header,
            [
                Call("eth_getBlockByNumber", ["latest", False]),
                Call("eth_getBlockByNumber", ["finalized", False]),
            ],
        )
        return Tip(number(newest.number), number(newest.timestamp), number(final.number))

    def _header(self, node: Rpc, height: int) -> Header:
        found = node.find(_Header, "eth_getBlockByNumber", hex(height), False)
        if found is None:
            raise NodeFailed(f"{self.network}: a node has no block at height {height} yet")
        if number(found.number) != height:
            raise NodesDisagree(f"{self.network}: a node answers with another block than that at {height}")
        return Header(height, found.hash, found.parent_hash)

    def _block(self, node: Rpc, header: Header, watched: Container[str], own: Container[str]) -> Block:
        block, receipts, outputs = self._read(node, header, watched)
        strange = list(blocks.strange(block, receipts, watched, own))
        return Block(header, outputs, dict(_own(receipts, own)), strange)

    def _read(
        self, node: Rpc, header: Header, watched: Container[str]
    ) -> tuple[FullBlock, Sequence[Receipt], Sequence[Output]]:
        height = hex(header.height)
        block = node.find(FullBlock, "eth_getBlockByNumber", height, True)
        if block is None or block.hash != header.hash:
            raise NodeFailed(f"{self.network}: the block at height {header.height} has changed meanwhile")
        receipts = node.call(list[Receipt], "eth_getBlockReceipts", height)
        blocks.require_whole(block, receipts)
        paid = list(blocks.coins(block, self._traces(node, height), watched))
        paid += self._arrived(node, header.height, receipts, list(blocks.tokens(receipts, watched)))
        return block, receipts, paid

    def _traces(self, node: Rpc, height: str) -> Sequence[Trace]:
        try:
            return node.call(list[Trace], "trace_block", height)
        except MethodUnknown:
            pass
        try:
            traced = node.call(list[Traced], "debug_traceBlockByNumber", height, {"tracer": "flatCallTracer"})
        except NodeRefused as problem:
            raise NodeRefused(
                "a node does not show coins that come from inside transactions: it offers no trace_block, and"
                f" refuses {problem}"
            ) from None
        return [trace for each in traced for trace in each.result]

    def _arrived(
        self, node: Rpc, height: int, receipts: Sequence[Receipt], said: Sequence[Output]
    ) -> Iterator[Output]:
        """Tokens that have come as the balances show, whatever the events say (EIP-20 promises nothing).

        One event that says more than has come counts for what has come; several leave it open which is wrong.
        """
        for contract, address in dict.fromkeys((each.contract, each.address) for each in said):
            outputs = [each for each in said if (each.contract, each.address) == (contract, address)]
            before, after = self._balances(node, contract, [(address, height - 1), (address, height)])
            come = max(0, after - before + blocks.sent(receipts, contract, address))
            if come >= sum(each.amount_units for each in outputs):
                yield from outputs
            elif come and len(outputs) == 1:
                yield outputs[0]._replace(amount_units=come)
            else:
                doubt = f"the token says that more has come than the {come} that have"
                yield from (each._replace(doubt=doubt) for each in outputs)

    def _balances(self, node: Rpc, contract: str, places: Sequence[tuple[str, int]]) -> list[int]:
        """Of an address after the block at a height."""
        if contract == COIN:
            calls = [Call("eth_getBalance", [address, hex(height)]) for address, height in places]
            return [number(found) for found in node.batch(Quantity, calls)]
        calls = [
            Call("eth_call", [{"to": contract, "data": _BALANCE_OF + address[2:]}, hex(height)])
            for address, height in places
        ]
        return [int(found[2:66] or "0", 16) for found in node.batch(Bytes, calls)]


def _own(receipts: Sequence[Receipt], own: Container[str]) -> Iterator[tuple[str, Mined]]:
    for receipt in receipts:
        if receipt.transaction_hash in own:
            yield receipt.transaction_hash, blocks.outcome(receipt)
