"""Nodes that say what a test tells them: alone they are not believed, and each kind of them is read."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, TypeVar, cast

import msgspec
import pytest

from cambist.wallets.chain import NodesDisagree, Output
from cambist.wallets.evm.chain import EvmChain
from cambist.wallets.evm.rpc import Call, MethodUnknown, NodeRefused, Rpc

ANN, BOB = "0x" + "a1" * 20, "0x" + "b2" * 20
TOKEN = "0x" + "ee" * 20
T = TypeVar("T")


class Holding:
    """A node that says of everybody what it is told to say."""

    def __init__(self, units: dict[str, int]) -> None:
        self.units = units

    def batch(self, kind: Any, calls: Sequence[Call]) -> Iterator[str]:
        for call in calls:
            asked = call.params[0]
            address = asked if isinstance(asked, str) else "0x" + asked["data"][-40:]
            yield f"0x{self.units[address]:064x}"

    def close(self) -> None:
        """Nothing is open."""


def two_nodes(first: dict[str, int], second: dict[str, int]) -> EvmChain:
    return EvmChain("ETH", 1, *(cast(Rpc, Holding(units)) for units in (first, second)))


@pytest.mark.parametrize("contract", ["", TOKEN])
def test_D16_balances_count_if_both_nodes_say_the_same(contract):
    with closing(two_nodes({ANN: 5, BOB: 7}, {ANN: 5, BOB: 7})) as chain:
        assert chain.balances(contract, [ANN, BOB], 9) == [5, 7]


@pytest.mark.parametrize("contract", ["", TOKEN])
@pytest.mark.parametrize("liar", [0, 1])
def test_D16_a_balance_that_one_node_says_alone_is_not_believed(contract, liar):
    said = [{ANN: 5, BOB: 7}, {ANN: 5, BOB: 7}]
    said[liar][BOB] = 8
    with closing(two_nodes(*said)) as chain, pytest.raises(NodesDisagree, match=f"what {BOB} holds"):
        chain.balances(contract, [ANN, BOB], 9)


BLOCK, TX = "0x" + "b0" * 32, "0x" + "77" * 32
PAYER, BUILT_IN = "0x" + "c3" * 20, "0x" + "0" * 39 + "4"


def traced(kind: str, place: list[int], to: str, value: int, **more: Any) -> dict[str, Any]:
    """A call as trace_block and flatCallTracer show it."""
    action = {"callType": kind, "from": PAYER, "to": to, "value": hex(value), "gas": "0x0", "input": "0x"}
    shown = {"action": action, "blockHash": BLOCK, "blockNumber": 9, "subtraces": 0, "traceAddress": place}
    return shown | {"transactionHash": TX, "transactionPosition": 0, "type": "call"} | more


# To a contract, which asks what is built in, pays Ann, fails to pay Bob, and ends in favour of Bob.
HASHING = traced("staticcall", [0], BUILT_IN, 0)
PAID = [
    traced("call", [], PAYER, 9),
    traced("call", [1], ANN, 5),
    traced("call", [2], BOB, 4, error="execution reverted"),
    traced("delegatecall", [3], BOB, 9),
    traced("call", [4], BOB, 0)
    | {"type": "suicide", "action": {"address": PAYER, "refundAddress": BOB, "balance": "0x3"}},
]


class Tracing:
    """A node with one block, whose calls it shows by the methods that it has."""

    def __init__(self, **methods: Any) -> None:
        self.methods = methods

    def find(self, kind: type[T], method: str, *params: Any) -> T:
        transaction = {"hash": TX, "from": BOB, "nonce": "0x0", "value": "0x9", "input": "0x", "to": PAYER}
        shown = {"number": "0x9", "hash": BLOCK, "parentHash": BLOCK, "timestamp": "0x1"}
        return msgspec.convert(shown | {"transactions": [transaction]}, kind)

    def call(self, kind: type[T], method: str, *params: Any) -> T:
        if method == "eth_getBlockReceipts":
            used = {"status": "0x1", "gasUsed": "0x1", "effectiveGasPrice": "0x1", "logs": []}
            return msgspec.convert([{"transactionHash": TX, "blockHash": BLOCK} | used], kind)
        if method not in self.methods:
            raise MethodUnknown(f"{method}: the method {method} does not exist/is not available")
        assert params[1:] in ((), ({"tracer": "flatCallTracer"},))
        return msgspec.convert(self.methods[method], kind)

    def close(self) -> None:
        """Nothing is open."""


def outputs(*nodes: Tracing) -> list[Output]:
    with closing(EvmChain("ETH", 1, *(cast(Rpc, node) for node in nodes))) as chain:
        return list(chain.read(9, {ANN, BOB}, {TX}).outputs)


ERIGON = Tracing(trace_block=[PAID[0], HASHING, *PAID[1:]])
GETH = Tracing(debug_traceBlockByNumber=[{"txHash": TX, "result": PAID}])


def test_D05_nodes_of_both_kinds_show_what_has_come_inside_a_transaction_under_the_same_name():
    came = [Output(TX, "c1", "", ANN, 5), Output(TX, "c4", "", BOB, 3)]
    assert outputs(ERIGON) == outputs(GETH) == outputs(ERIGON, GETH) == came


def test_D05_a_node_that_does_not_show_them_is_not_read():
    with pytest.raises(NodeRefused, match="does not show coins that come from inside transactions"):
        outputs(Tracing())
