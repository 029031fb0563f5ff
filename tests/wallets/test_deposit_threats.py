"""What can go wrong with deposits on a real node: tokens that change, nodes that lie, branches that die."""

import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from cambist.control.exchange import AssetUnknown
from cambist.control.networks import HaltNetwork, ListNetworks, SetNetwork, TermChanges
from cambist.wallets.evm.chain import EvmChain
from cambist.wallets.evm.rpc import Rpc
from cambist.wallets.listing import NotListed, TokenUnfit
from tests.integration.operator import Operator
from tests.nodes import Node, anvil, contracts
from tests.wallets.liar import Door, Silence, door, honest
from tests.wallets.local_signer import COIN
from tests.wallets.site import (
    ANN,
    ATOMS,
    BOB,
    CHAIN_ID,
    CONFIRMATIONS,
    HOUSE,
    LOSS,
    OPERATOR,
    ChainSite,
    deploy_token,
    pay_token,
)

CHANGING = Path(__file__).with_name("Changing.sol")
MINUTE_NS = 60 * 10**9


@contextmanager
def running(home: Path, node: Node, **settings: str) -> Iterator[ChainSite]:
    operator = Operator(home)
    with pytest.MonkeyPatch.context() as patched:
        for name, value in operator.environment.items():
            patched.setenv(name, value)
        patched.setenv("CAMBIST_WALLETS_EVM_RPC", node.url)
        patched.setenv("CAMBIST_WALLETS_EVM_CHAIN_ID", str(CHAIN_ID))
        for name, value in settings.items():
            patched.setenv(f"CAMBIST_WALLETS_{name.upper()}", value)
        site = ChainSite(operator.home, node)
        with closing(site):
            yield site


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with anvil("--slots-in-an-epoch", "1") as node:
        yield node


@pytest.fixture(scope="module")
def shared(tmp_path_factory, node) -> Iterator[ChainSite]:
    with running(tmp_path_factory.mktemp("site"), node) as site:
        site.fund_hot()
        yield site


@pytest.fixture
def site(shared: ChainSite) -> ChainSite:
    """Everything that was sent has come, and the wallets have an honest node again."""
    shared.start()
    shared.mine(2 * CONFIRMATIONS)
    return shared


@pytest.fixture
def liar(node) -> Iterator[Door]:
    with door(node.url) as liar:
        yield liar


@contextmanager
def two_nodes(first: str, second: str) -> Iterator[EvmChain]:
    with closing(EvmChain("ETH", CHAIN_ID, Rpc(first, 30), Rpc(second, 30))) as chain:
        yield chain


def call(signature: str, *values: Any) -> str:
    """Calldata."""
    kinds = signature[signature.index("(") + 1 : -1].split(",")
    return "0x" + (keccak(text=signature)[:4] + encode(kinds, values)).hex()


def new_token(site: ChainSite, name: str, kind: str = "Changing") -> str:
    contract = site.node.deploy(contracts(CHANGING)[kind]["bytecode"])
    site.list_asset(name, contract)
    return contract


def mint(site: ChainSite, contract: str, to: str, units: int) -> None:
    site.node.send(contract, data=call("mint(address,uint256)", to, units))


def test_D01_a_token_that_calls_itself_like_a_listed_one_brings_nothing(site):
    clone = deploy_token(site.node)
    before = site.balance(ANN, "ETP")
    pay_token(site.node, clone, site.address(ANN), 7 * COIN)
    site.mine(CONFIRMATIONS)
    assert site.balance(ANN, "ETP") == before
    assert site.states()[-1] == "suspense"


def test_D03_a_transfer_that_failed_brings_nothing(site):
    before, known = site.balance(ANN, "ETP"), site.states()
    poor = site.node.accounts[5]
    data = f"0xa9059cbb{site.address(ANN)[2:].rjust(64, '0')}{COIN:064x}"
    txid = site.node.send(site.contract, data=data, sender=poor)
    site.mine(CONFIRMATIONS)
    assert site.node.receipt(txid)["status"] == "0x0"
    assert (site.balance(ANN, "ETP"), site.states()) == (before, known)


def test_D07_a_token_whose_balances_change_by_themselves_is_not_listed(site):
    elastic = site.node.deploy(contracts(CHANGING)["Elastic"]["bytecode"])
    with pytest.raises(TokenUnfit, match="without a transfer"):
        site.list_asset("ELASTIC", elastic)


@pytest.mark.parametrize("name, tenths", [("SHRUNK", 9), ("GROWN", 11)])
def test_D07_a_balance_that_changes_without_a_transfer_stops_the_asset_within_the_block(site, name, tenths):
    contract = new_token(site, name)
    mint(site, contract, site.address(ANN), 10 * COIN)
    site.mine(CONFIRMATIONS)
    assert (site.balance(ANN, name), site.halted(name)) == (10 * ATOMS, "")
    site.mine(2 * CONFIRMATIONS)
    hot = site.signer.hot_address
    assert site.on_chain(hot, contract) == 10 * COIN
    site.node.send(contract, data=call("setBalance(address,uint256)", hot, tenths * COIN))
    site.mine()
    assert f"the chain has {(tenths - 10) * COIN} units more than there should be" in site.halted(name)
    assert site.halted() == ""


def test_D28_a_token_is_listed_with_its_own_decimals_only(site):
    contract = site.node.deploy(contracts(CHANGING)["Changing"]["bytecode"])
    with pytest.raises(TokenUnfit, match="18 decimals, not 8"):
        site.list_on_chain("ETP", contract, decimals=8)


CHANGES = {
    "D28_DECIMALS": (call("setDecimals(uint8)", 8), "8 decimals instead of 18"),
    "D34_PAUSED": (call("setPaused(bool)", True), "stopped"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_D28_D34_a_token_that_changes_stops_within_the_block(site, name):
    data, why = CHANGES[name]
    name = name.replace("_", "")
    contract = new_token(site, name)
    mint(site, contract, site.address(ANN), COIN)
    site.node.send(contract, data=data)
    site.mine()
    assert why in site.halted(name)
    site.mine(CONFIRMATIONS)
    assert site.balance(ANN, name) == 0


def test_D34_a_token_that_bars_the_hot_address_stops_within_the_block(site):
    contract = new_token(site, "BARRED")
    site.node.send(contract, data=call("setBlacklisted(address,bool)", site.signer.hot_address, True))
    site.mine()
    assert "closed to us" in site.halted("BARRED")


def test_D34_new_code_behind_a_proxy_stops_the_token_within_the_block(site):
    built = contracts(CHANGING)
    first, second = (site.node.deploy(built[kind]["bytecode"]) for kind in ("Changing", "Changing"))
    proxy = site.node.deploy(built["Proxy"]["bytecode"])
    site.node.send(proxy, data=call("upgradeTo(address)", first))
    site.node.send(proxy, data=call("setDecimals(uint8)", 18))
    site.mine()
    site.list_asset("BEHIND", proxy)
    site.mine()
    assert site.halted("BEHIND") == ""
    site.node.send(proxy, data=call("upgradeTo(address)", second))
    site.mine()
    assert "other code" in site.halted("BEHIND")


def test_D31_a_sweep_that_would_fail_is_not_signed_and_keeps_no_other_one_waiting(site):
    contract = new_token(site, "STUCK")
    for email in (ANN, BOB):
        mint(site, contract, site.address(email), COIN)
    site.node.send(contract, data=call("setBlacklisted(address,bool)", site.address(BOB), True))
    site.mine(4 * CONFIRMATIONS)
    assert (site.balance(ANN, "STUCK"), site.balance(BOB, "STUCK")) == (ATOMS, ATOMS)
    assert site.on_chain(site.address(BOB), contract) == COIN
    assert site.on_chain(site.address(ANN), contract) == 0
    assert "failed" not in {state for _, state in site.sends()}


def test_D05_coins_that_come_inside_another_transaction_are_credited(site):
    odd = Path(__file__).with_name("Odd.sol")
    payer = site.node.deploy(contracts(odd)["Payer"]["bytecode"])
    before = site.balance(ANN)
    site.node.send(payer, value=COIN, data=call("pay(address,uint256)", site.address(ANN), COIN))
    site.mine(CONFIRMATIONS)
    assert site.balance(ANN) == before + ATOMS


def test_D16_a_node_that_invents_a_deposit_is_not_believed(site, liar, node):
    """It changes what the receipt and the balances say, which no hash that we check covers."""
    before = site.balance(ANN, "ETP")
    pay_token(node, site.contract, site.address(ANN), COIN)

    def more(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getBlockReceipts":
            for log in (log for receipt in result for log in receipt["logs"]):
                log["data"] = f"0x{50 * COIN:064x}"
        if method == "eth_call" and params[0]["data"].startswith("0x70a08231"):  # balanceOf
            return f"0x{int(result, 16) + int(params[1], 16) * 100 * COIN:064x}"
        return result

    liar.lie = more
    with two_nodes(liar.url, node.url) as chain:
        site.start(chain)
        site.mine(CONFIRMATIONS + 2)
        assert "differ in what block" in site.not_read_because()
        assert site.balance(ANN, "ETP") == before
        liar.lie = honest
        site.mine(CONFIRMATIONS)
        assert (site.not_read_because(), site.balance(ANN, "ETP")) == ("", before + ATOMS)


def test_D16_while_two_nodes_differ_in_what_we_hold_nothing_leaves_and_it_is_an_alarm(site, liar, node):
    def richer(method: str, params: list[Any], result: Any) -> Any:
        return hex(int(result, 16) + COIN) if method == "eth_getBalance" else result

    now_ns = [time.time_ns()]
    liar.lie = richer
    with two_nodes(node.url, liar.url) as chain:
        site.start(chain, clock=lambda: now_ns[0])
        sent = site.sends()
        node.send(site.address(BOB), value=COIN)
        site.mine(2 * CONFIRMATIONS)
        assert any("differ in what" in problem for problem in site.service.health().problems)
        assert site.sends() == sent
        liar.lie = honest
        now_ns[0] += MINUTE_NS
        site.mine(CONFIRMATIONS)
        assert not any("differ" in problem for problem in site.service.health().problems)
        assert len(site.sends()) == len(sent) + 1
        assert site.halted() == ""


def test_D15_two_nodes_on_different_branches_stop_the_network_at_once(site, liar, node):
    def another_branch(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getBlockByNumber" and result and result["number"] == hex(fork):
            result["hash"] = "0x" + "66" * 32
        return result

    fork = node.height + 1
    before = site.balance(BOB)
    node.send(site.address(BOB), value=COIN)
    liar.lie = another_branch
    with two_nodes(node.url, liar.url) as chain:
        site.start(chain)
        site.mine()
        assert "two nodes have different blocks" in site.not_read_because()
        assert any("different blocks" in problem for problem in site.service.health().problems)
        site.mine(CONFIRMATIONS)
        assert site.balance(BOB) == before
    site.start()
    site.mine(CONFIRMATIONS)
    assert site.balance(BOB) == before + ATOMS


def test_D16_a_node_of_another_chain_is_not_read(site, liar, node):
    before = site.balance(BOB)
    with two_nodes(node.url, liar.url) as chain:
        site.start(chain)
        node.send(site.address(BOB), value=COIN)
        liar.lie = lambda method, params, result: "0x539" if method == "eth_chainId" else result
        site.mine(2 * CONFIRMATIONS)
        assert "another chain" in site.not_read_because()
        assert site.balance(BOB) == before


def test_D16_a_node_that_lags_holds_credits_back_and_is_an_alarm(site, liar, node):
    frozen = node("eth_getBlockByNumber", "latest", False)

    def behind(method: str, params: list[Any], result: Any) -> Any:
        return frozen if method == "eth_getBlockByNumber" and params[0] == "latest" else result

    before = site.balance(BOB)
    with two_nodes(node.url, liar.url) as chain:
        liar.lie = behind
        site.start(chain, clock=lambda: time.time_ns() + 6 * MINUTE_NS)
        node.send(site.address(BOB), value=COIN)
        site.mine(2 * CONFIRMATIONS)
        assert site.balance(BOB) == before
        assert any("the newest block is" in problem for problem in site.service.health().problems)


def test_D14_while_nothing_becomes_final_nothing_is_credited_and_it_is_an_alarm(site, liar, node):
    final = node("eth_getBlockByNumber", "finalized", False)

    def stalled(method: str, params: list[Any], result: Any) -> Any:
        return final if method == "eth_getBlockByNumber" and params[0] == "finalized" else result

    now_ns = [time.time_ns()]
    before = site.balance(BOB)
    with two_nodes(node.url, liar.url) as chain:
        liar.lie = stalled
        site.start(chain, clock=lambda: now_ns[0])
        node.send(site.address(BOB), value=COIN)
        site.mine(3 * CONFIRMATIONS)
        now_ns[0] += 6 * MINUTE_NS
        site.mine()
        assert site.balance(BOB) == before
        assert any("became final" in problem for problem in site.service.health().problems)
        liar.lie = honest
        site.mine()
        assert site.balance(BOB) == before + ATOMS


def test_D17_answers_that_are_dropped_or_cut_change_nothing_in_the_end(site, liar, node):
    """The seed decides which one in ten; the blocks that were asked for again are the same."""
    chance = random.Random(17)

    def cut(method: str, params: list[Any], result: Any) -> Any:
        if chance.random() < 0.05:
            raise Silence
        if chance.random() < 0.05 and isinstance(result, list):
            return result[:-1]
        return None if chance.random() < 0.02 and method == "eth_getBlockReceipts" else result

    before, sent = site.balance(BOB), 0
    liar.lie = cut
    with closing(EvmChain("ETH", CHAIN_ID, Rpc(liar.url, 30))) as chain:
        site.start(chain)
        for _ in range(8):
            node.send(site.address(BOB), value=COIN)
            sent += 1
            site.mine()
        liar.lie = honest
        site.mine(CONFIRMATIONS)
    assert site.balance(BOB) == before + sent * ATOMS


@pytest.mark.parametrize("depth", [CONFIRMATIONS - 1, CONFIRMATIONS + 3])
def test_D11_a_branch_that_dies_takes_its_deposits_along(tmp_path, depth):
    """Shallower than the confirmations nothing was credited; deeper, it is taken back and all of it stops."""
    with anvil() as node, running(tmp_path, node, evm_waits_for_final="false") as site:
        site.mine(5)
        node.send(site.address(ANN), value=COIN)
        site.mine(depth)
        was_credited = depth >= CONFIRMATIONS
        assert site.balance(ANN) == (ATOMS if was_credited else 0)
        node("anvil_reorg", depth, [])
        site.mine(2 * CONFIRMATIONS + depth)
        assert site.balance(ANN) == 0
        assert site.states() == ["reversed" if was_credited else "orphaned"]
        assert bool(site.halted()) == was_credited
        assert sum(site.balance(who) for who in (ANN, BOB, HOUSE, LOSS)) == 0
        assert site.drifts() == {"0"}


def test_D11_what_another_branch_brings_further_down_is_compared_as_well(tmp_path):
    """The old branch was read and compared above the block in which the new one has the deposit."""
    with anvil() as node, running(tmp_path, node, evm_waits_for_final="false") as site:
        site.mine(5)
        deposit = {"from": node.accounts[0], "to": site.address(ANN), "value": hex(COIN)}
        node("anvil_reorg", 4, [[deposit, 0]])
        site.mine(2 * CONFIRMATIONS)
        assert "confirmations do not hold" in site.halted()
        HaltNetwork(network="ETH", asset="ETH", reason=None).perform(site.exchange, OPERATOR)
        site.mine()
        assert (site.balance(ANN), site.states()) == (ATOMS, ["credited"])
        assert (site.drifts(), site.halted()) == ({"0"}, "")


def test_what_comes_while_an_operator_has_halted_the_asset_is_credited_when_he_resumes(site):
    before = site.balance(BOB, "ETP")
    pay_token(site.node, site.contract, site.address(BOB), COIN)
    halt = HaltNetwork(network="ETH", asset="ETP", reason="a look at the contract")
    assert halt.perform(site.exchange, OPERATOR)["halted"] == "a look at the contract"
    site.mine(2 * CONFIRMATIONS)
    assert site.balance(BOB, "ETP") == before
    assert any("ETP is halted: a look" in problem for problem in site.service.health().problems)
    HaltNetwork(network="ETH", asset="ETP", reason=None).perform(site.exchange, OPERATOR)
    site.settle()
    assert site.balance(BOB, "ETP") == before + ATOMS


def test_terms_that_are_changed_leave_the_others_as_they_are(site):
    before = ListNetworks().perform(site.exchange, OPERATOR)
    terms = TermChanges(withdrawal_fee="0.5", withdrawals_open=True)
    changed = SetNetwork(network="ETH", asset="ETP", terms=terms).perform(site.exchange, OPERATOR)
    (etp,) = [each for each in before if each["asset"] == "ETP"]
    assert changed == {**etp, "withdrawal_fee": "0.50000000", "withdrawals_open": True}
    with pytest.raises(NotListed):
        SetNetwork(network="ETH", asset="BTC", terms=terms).perform(site.exchange, OPERATOR)


def test_an_asset_that_is_not_listed_in_the_exchange_is_not_put_on_a_network(site):
    with pytest.raises(AssetUnknown):
        site.list_on_chain("NOWHERE", site.contract)
