"""What a block has brought, read from a real node: coins by calls, tokens by balances, nothing undone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from cambist.wallets.chain import NodeFailed, NodesDisagree, Output
from cambist.wallets.evm.chain import EvmChain
from cambist.wallets.evm.rpc import Rpc
from tests.nodes import NODES, Node, anvil, contracts

CHAIN_ID = 31_337
ODD = Path(__file__).with_name("Odd.sol")
ANN = "0x" + "a1" * 20
BOB = "0x" + "b2" * 20
CAT = "0x" + "c3" * 20
WATCHED = {ANN, BOB}


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with anvil() as node:
        yield node


@pytest.fixture
def chain(node) -> Iterator[EvmChain]:
    chain = EvmChain("ETH", CHAIN_ID, Rpc(node.url, 30))
    yield chain
    chain.close()


@pytest.fixture(scope="module")
def odd(node):
    return node.deploy(contracts(ODD)["Odd"]["bytecode"])


@pytest.fixture(scope="module")
def payer(node):
    address = node.deploy(contracts(ODD)["Payer"]["bytecode"])
    node.send(address, value=1_000)
    node.mine()
    return address


def call(signature: str, *values: Any) -> str:
    """Calldata."""
    kinds = signature[signature.index("(") + 1 : -1].split(",")
    return "0x" + (keccak(text=signature)[:4] + encode(kinds, values)).hex()


def outputs(chain: EvmChain, node: Node) -> list[Output]:
    """Of one more block, which holds all that was sent."""
    node.mine()
    return list(chain.read(node.height, WATCHED, set()).outputs)


def came(outputs: list[Output]) -> list[tuple[str, str, int]]:
    return [(each.contract, each.address, each.amount_units) for each in outputs]


def test_coins_that_are_sent_have_come(chain, node):
    txid = node.send(ANN, value=7)
    node.send(CAT, value=9)
    assert outputs(chain, node) == [Output(txid, "c0", "", ANN, 7)]


def test_D05_coins_that_a_contract_pays_have_come(chain, node, payer):
    txid = node.send(payer, data=call("pay(address,uint256)", ANN, 5))
    assert outputs(chain, node) == [Output(txid, "c1", "", ANN, 5)]


def test_D04_what_was_undone_inside_a_transaction_has_not_come(chain, node, payer):
    node.send(payer, data=call("payThreeAndCatch(address,address,address)", ANN, BOB, CAT), value=3)
    assert outputs(chain, node) == []


def test_D04_a_failed_transaction_has_brought_nothing(chain, node, payer):
    node.send(payer, data=call("payThreeAndFail(address,address,address)", ANN, BOB, CAT), value=3)
    assert outputs(chain, node) == []


def test_a_token_that_is_sent_has_come(chain, node):
    code = contracts(NODES / "contracts" / "Token.sol")["Token"]["bytecode"]
    arguments = encode(["string", "string", "uint8", "uint256"], ["Token", "TOK", 6, 1_000])
    token = node.deploy(code + arguments.hex())
    txid = node.send(token, data=call("transfer(address,uint256)", ANN, 12))
    assert outputs(chain, node) == [Output(txid, "l0", token, ANN, 12)]


def test_a_token_without_a_return_value_has_come(chain, node, odd):
    node.send(odd, data=call("transfer(address,uint256)", ANN, 12))
    assert came(outputs(chain, node)) == [(odd, ANN, 12)]


def test_D02_a_transfer_that_only_says_success_has_brought_nothing(chain, node, odd):
    node.send(odd, data=call("pretend(address,uint256)", ANN, 12))
    assert outputs(chain, node) == []


def test_D02_an_event_without_a_change_of_balance_is_doubted(chain, node, odd):
    node.send(odd, data=call("say(address,uint256)", ANN, 12))
    (output,) = outputs(chain, node)
    assert output.doubt == "the token says that more has come than the 0 that have"


def test_D02_an_event_of_a_call_that_was_undone_has_brought_nothing(chain, node, odd):
    node.send(odd, data=call("undone(address,uint256)", ANN, 12))
    assert outputs(chain, node) == []


def test_D06_of_a_token_that_takes_a_fee_what_has_arrived_counts(chain, node, odd):
    node.send(odd, data=call("taxed(address,uint256)", ANN, 1_000))
    assert came(outputs(chain, node)) == [(odd, ANN, 990)]


def test_D18_several_outputs_of_one_transaction_are_told_apart(chain, node, odd):
    txid = node.send(odd, data=call("many(address,uint256,uint256)", ANN, 4, 3))
    assert outputs(chain, node) == [Output(txid, f"l{place}", odd, ANN, 4) for place in range(3)]


def test_D27_an_amount_near_the_end_of_the_numbers_is_an_amount(chain, node, odd):
    node.send(odd, data=call("say(address,uint256)", ANN, 2**256 - 1))
    (output,) = outputs(chain, node)
    assert output.amount_units == 2**256 - 1
    assert output.doubt


def test_D29_a_piece_of_a_token_that_has_numbers_is_no_amount(chain, node):
    pieces = node.deploy(contracts(ODD)["Pieces"]["bytecode"])
    node.send(pieces, data=call("give(address,uint256)", ANN, 77))
    assert outputs(chain, node) == []


def test_D08_a_transfer_of_nothing_is_no_output(chain, node, odd):
    node.send(odd, data=call("say(address,uint256)", ANN, 0))
    assert outputs(chain, node) == []


def test_our_own_transactions_are_told_with_their_fees(chain, node, payer):
    paid = node.send(CAT, value=1)
    failed = node.send(payer, data=call("payThreeAndFail(address,address,address)", ANN, BOB, CAT), value=3)
    node.mine()
    mined = chain.read(node.height, WATCHED, {paid, failed}).mined
    assert (mined[paid].is_ok, mined[failed].is_ok) == (True, False)
    receipt = node.receipt(paid)
    assert mined[paid].fee_units == int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)


def test_a_block_that_is_not_there_is_asked_for_again(chain, node):
    with pytest.raises(NodeFailed, match="no block at height"):
        chain.read(node.height + 1, WATCHED, set())


def test_a_node_of_another_chain_is_told(node):
    chain = EvmChain("ETH", 1, Rpc(node.url, 30))
    with pytest.raises(NodesDisagree, match="another chain than 1"):
        chain.tip()
    chain.close()


def test_a_node_that_does_not_answer_is_asked_again(node):
    chain = EvmChain("ETH", CHAIN_ID, Rpc("http://127.0.0.1:9", 5))
    with pytest.raises(NodeFailed, match="does not answer"):
        chain.tip()
    chain.close()


def test_D15_two_nodes_on_different_branches_disagree(node):
    with anvil() as other:
        chain = EvmChain("ETH", CHAIN_ID, Rpc(node.url, 30), Rpc(other.url, 30))
        other("evm_increaseTime", 1_000)
        while other.height < 2:
            other.mine()
        with pytest.raises(NodesDisagree, match="different blocks at height 2"):
            chain.read(2, WATCHED, set())
        chain.close()


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("0x" + "0" * 40, False),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", True),
        ("0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed", False),
        ("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", True),
        ("5aaeb6053f3e94c9b9a09f33669435e7ef1beaed00", False),
        ("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beae", False),
        ("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaeg", False),
        ("0x" + "\uff11" * 40, False),
    ],
)
def test_W16_an_address_is_one_that_somebody_can_have(chain, text, is_one):
    assert chain.is_address(text) is is_one
