"""How an EVM chain is paid on: fees as EIP-1559 has them, and what a node says to a signed transaction.

A fee is at most `gas * max_fee`. `max_fee` leaves room for the base fee to double, which takes six full
blocks at least. A replacement must raise both fees by a tenth (that is what go-ethereum asks).
"""

from msgspec import Struct

from cambist.wallets.chain import Terms
from cambist.wallets.evm.rpc import Call, Hash, NodeRefused, Quantity, Rpc, number

_TRANSFER = "0xa9059cbb"  # transfer(address,uint256), EIP-20
_BASE_FEE_TIMES = 2
_GAS_SPARE_PERCENT = 25
_PLAIN_TRANSFER_GAS = 21_000
# What nodes say of a transaction that they have, or that is in a block already.
_FINE = ("already known", "already imported", "known transaction", "nonce too low")


class _Newest(Struct, rename="camel"):
    base_fee_per_gas: Quantity


def next_nonce(node: Rpc, address: str) -> int:
    return number(node.call(Quantity, "eth_getTransactionCount", address, "latest"))


def nonces_seen(node: Rpc, address: str) -> int:
    """In blocks, or waiting for one. A node may say less of what waits than of what is in blocks."""
    waiting = number(node.call(Quantity, "eth_getTransactionCount", address, "pending"))
    return max(waiting, next_nonce(node, address))


def terms(node: Rpc, sender: str, nonce: int, contract: str, to: str, amount_units: int) -> Terms:
    """Raises NodeFailed, NodeRefused if the payment would fail now."""
    payment = {"from": sender, "to": contract or to}
    if contract:
        payment["data"] = transfer(to, amount_units)
    else:
        payment["value"] = hex(amount_units)
    gas, priority = node.batch(
        Quantity, [Call("eth_estimateGas", [payment]), Call("eth_maxPriorityFeePerGas", [])]
    )
    needed = number(gas)
    if needed > _PLAIN_TRANSFER_GAS:  # what a contract needs may be more when its turn comes
        needed += needed * _GAS_SPARE_PERCENT // 100
    priority_fee = number(priority)
    return Terms(nonce, needed, _BASE_FEE_TIMES * _base_fee(node) + priority_fee, priority_fee)


def dearer(node: Rpc, terms: Terms) -> Terms:
    now_max = _BASE_FEE_TIMES * _base_fee(node) + terms.priority_fee
    return terms._replace(
        max_fee=max(_a_tenth_more(terms.max_fee), now_max), priority_fee=_a_tenth_more(terms.priority_fee)
    )


def send(node: Rpc, raw: bytes) -> None:
    """Raises NodeFailed, NodeRefused."""
    try:
        node.call(Hash, "eth_sendRawTransaction", "0x" + raw.hex())
    except NodeRefused as problem:
        if not any(said in str(problem).lower() for said in _FINE):
            raise


def is_known(node: Rpc, txid: str) -> bool:
    return node.find(dict[str, object], "eth_getTransactionByHash", txid) is not None


def transfer(to: str, amount_units: int) -> str:
    """The call of a token's contract that pays."""
    return f"{_TRANSFER}{to[2:].rjust(64, '0')}{amount_units:064x}"


def _base_fee(node: Rpc) -> int:
    return number(node.call(_Newest, "eth_getBlockByNumber", "latest", False).base_fee_per_gas)


def _a_tenth_more(fee: int) -> int:
    return fee + -(-fee // 10)
