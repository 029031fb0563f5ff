"""What one of two nodes says alone is not believed."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, cast

import pytest

from cambist.wallets.chain import NodesDisagree
from cambist.wallets.evm.chain import EvmChain
from cambist.wallets.evm.rpc import Call, Rpc

ANN, BOB = "0x" + "a1" * 20, "0x" + "b2" * 20
TOKEN = "0x" + "ee" * 20


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
