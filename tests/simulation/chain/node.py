"""A node as the wallets ask it: JSON-RPC over what it has seen of the chain, honest or not.

It may lag behind, follow a branch of its own, drop questions or answers, and lie. One of two nodes lies at a
time: what both say is what the wallets have to believe.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from cambist.wallets.chain import NodeFailed
from cambist.wallets.evm.rpc import Rpc

from .ethereum import COIN, GWEI, PLAIN_GAS, TOKEN_GAS, Block, Ethereum, Mined, Refusal

CHAIN_ID = 31_337
TOKEN = "0x" + "70" * 20
OTHER_TOKEN = "0x" + "71" * 20  # nobody has listed it
TOKEN_CODE = "0x600160025500"
DECIMALS = 18
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
PRIORITY_FEE = GWEI
OUTSIDE = "0x" + "0f" * 20

# Of a method, its parameters and the true result: what is told instead.
Lie = Callable[[str, list[Any], Any], Any]


class Node:
    def __init__(self, chain: Ethereum, final_lag: int) -> None:
        self.chain = chain
        self.final_lag = final_lag
        self.head: Block | None = None  # None: the branch that counts, as far as `lag` lets it see
        self.lag = 0
        self.lie: Lie | None = None
        self.drops = 0.0  # share of questions that get no answer
        self.told = 0  # lies

    def heal(self) -> None:
        self.head, self.lag, self.lie, self.drops = None, 0, None, 0.0

    def sees(self) -> Block:
        block = self.head or self.chain.head
        for _ in range(self.lag):
            block = block.parent or block
        return block

    def answer(self, method: str, params: list[Any]) -> Any:
        """Raises Refusal."""
        result = self._true_answer(method, params)
        if self.lie is None:
            return result
        told = self.lie(method, params, result)
        self.told += told != result
        return told

    def _true_answer(self, method: str, params: list[Any]) -> Any:
        head = self.sees()
        match method:
            case "eth_chainId":
                return hex(CHAIN_ID)
            case "eth_getBlockByNumber":
                block = self._block(head, params[0])
                return None if block is None else _block(block, whole=params[1])
            case "eth_getBlockReceipts":
                block = self._block(head, params[0])
                return None if block is None else [_receipt(block, each) for each in block.mined]
            case "trace_block":
                block = self._block(head, params[0])
                return (
                    [] if block is None else [trace for each in block.mined for trace in _traces(block, each)]
                )
            case "eth_getBalance":
                return hex(self._state(head, params[1]).balances.get((COIN, params[0]), 0))
            case "eth_call":
                return self._call(params[0], self._state(head, params[1]))
            case "eth_getCode":
                return TOKEN_CODE if params[0] in (TOKEN, OTHER_TOKEN) else "0x"
            case "eth_getStorageAt":
                return "0x" + "0" * 64
            case "eth_getTransactionCount":
                mined = head.nonces.get(params[0], 0)
                return hex(self.chain.nonce_behind(params[0], mined) if params[1] == "pending" else mined)
            case "eth_maxPriorityFeePerGas":
                return hex(PRIORITY_FEE)
            case "eth_estimateGas":
                return hex(_estimate(params[0], head))
            case "eth_sendRawTransaction":
                return self.chain.send(bytes.fromhex(params[0][2:]), head)
            case _:
                raise Refusal(f"{method} is not offered")

    def _block(self, head: Block, name: str) -> Block | None:
        if name == "latest":
            return head
        if name == "finalized":
            return head.at(max(0, head.height - self.final_lag))
        return head.at(int(name, 16))

    def _state(self, head: Block, name: str) -> Block:
        block = self._block(head, name)
        if block is None:
            raise Refusal("header not found")
        return block

    def _call(self, call: dict[str, str], block: Block) -> str:
        data = call["data"]
        if data.startswith("0x70a08231"):
            return f"0x{block.balances.get((call['to'], '0x' + data[-40:]), 0):064x}"
        if data == "0x313ce567":
            return f"0x{DECIMALS:064x}"
        raise Refusal("execution reverted")


class SimRpc(Rpc):
    """The wallets' end of it. `cross` lets time pass, and may be where the process ends."""

    def __init__(self, node: Node, cross: Callable[[], None], drops: Callable[[], float]) -> None:
        self.url = "simulated"
        self._node = node
        self._cross = cross
        self._dice = drops

    def close(self) -> None:
        pass

    def _post(self, body: bytes) -> bytes:
        asked = msgspec.json.decode(body)
        self._cross()
        drops, drawn = self._node.drops, self._dice()
        if drawn < drops / 2:
            raise NodeFailed("the node did not hear")
        calls = asked if isinstance(asked, list) else [asked]
        answers = [self._one(each) for each in calls]
        if drawn < drops:
            raise NodeFailed("the node's answer was lost")
        return msgspec.json.encode(answers if isinstance(asked, list) else answers[0])

    def _one(self, call: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"id": call["id"], "result": self._node.answer(call["method"], call["params"])}
        except Refusal as refusal:
            return {"id": call["id"], "error": {"code": -32_000, "message": str(refusal)}}


def _estimate(payment: dict[str, str], head: Block) -> int:
    sender, data = payment["from"], payment.get("data")
    contract = payment["to"] if data else COIN
    units = int(data[-64:], 16) if data else int(payment["value"], 16)
    if head.balances.get((contract, sender), 0) < units:
        raise Refusal("execution reverted: it has too little")
    return TOKEN_GAS if data else PLAIN_GAS


def _block(block: Block, *, whole: bool) -> dict[str, Any]:
    header = {
        "number": hex(block.height),
        "hash": block.hash,
        "parentHash": block.parent.hash if block.parent is not None else "0x" + "0" * 64,
        "timestamp": hex(block.time_s),
        "baseFeePerGas": hex(block.base_fee),
    }
    transactions = [
        {
            "hash": each.transaction.txid,
            "from": OUTSIDE if each.transaction.pay is None else each.transaction.pay.sender,
            "nonce": hex(0 if each.transaction.pay is None else each.transaction.pay.nonce),
            "value": trace["action"]["value"],
            "input": "0x",
            "to": trace["action"]["to"],
        }
        for each in block.mined
        for trace in _traces(block, each)
        if not trace["traceAddress"]
    ]
    return header | {"transactions": transactions} if whole else header


def _calldata(mined: Mined) -> str:
    pay = mined.transaction.pay
    if pay is None or not pay.contract:
        return "0x"
    return f"0xa9059cbb{pay.to[2:].rjust(64, '0')}{pay.units:064x}"


def _receipt(block: Block, mined: Mined) -> dict[str, Any]:
    logs = [
        {
            "address": move.contract,
            "topics": [TRANSFER, _padded(move.sender), _padded(move.to)],
            "data": f"0x{move.units:064x}",
        }
        for move in mined.moves
        if move.contract
    ]
    return {
        "transactionHash": mined.transaction.txid,
        "blockHash": block.hash,
        "status": hex(mined.is_ok),
        "gasUsed": hex(mined.gas_used),
        "effectiveGasPrice": hex(mined.gas_price),
        "logs": logs,
    }


def _traces(block: Block, mined: Mined) -> list[dict[str, Any]]:
    transaction = mined.transaction
    pay = transaction.pay
    moves = mined.moves if mined.is_ok or pay is not None else transaction.moves
    coins = [move for move in moves if not move.contract]
    if len(moves) == len(coins) == 1:
        calls: list[tuple[list[int], str, int, bool]] = [
            ([], coins[0].to, coins[0].units, coins[0].is_undone)
        ]
    else:
        target = pay.contract or pay.to if pay is not None else "0x" + "c0" * 20
        inner = [([at], move.to, move.units, move.is_undone) for at, move in enumerate(coins)]
        calls = [([], target, 0, False), *inner]
    traces = []
    for place, to, units, is_undone in calls:
        trace = {
            "type": "call",
            "action": {"callType": "call", "to": to, "value": hex(units)},
            "traceAddress": place,
            "blockHash": block.hash,
            "transactionHash": transaction.txid,
        }
        if is_undone or (not mined.is_ok and not place):
            trace["error"] = "Reverted"
        traces.append(trace)
    return traces


def _padded(address: str) -> str:
    return "0x" + address[2:].rjust(64, "0")
