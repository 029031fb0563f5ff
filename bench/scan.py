"""Blocks of Ethereum's main network, read as the wallets read them, with a million addresses watched.

The recorded blocks carry no receipts and traces, so those are made of their own transactions: a call with its
value for each, and a Transfer event for each that calls transfer(address,uint256). What is measured is all
that happens between a node's answers and the outputs: decoding, checking, matching; the node itself is not.

python -m bench.scan FOLDER SECONDS          FOLDER has eth_*.json; ends with one JSON line
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from cambist.wallets.chain import Block
from cambist.wallets.evm.blocks import TRANSFER
from cambist.wallets.evm.chain import EvmChain
from cambist.wallets.evm.rpc import Rpc

WATCHED = 1_000_000
_TRANSFER_CALL = "0xa9059cbb"
_TRANSFER_CALL_CHARS = 2 + 8 + 64 + 64
_NODE = "http://127.0.0.1:1"  # never asked


class RecordedNode(Rpc):
    """Answers from memory, in the bytes that a node would send."""

    def __init__(self, block: dict[str, Any]) -> None:
        super().__init__(_NODE, 1)
        self.height = int(block["number"], 16)
        receipts = [_receipt(block, each) for each in block["transactions"]]
        traces = [_trace(block, each) for each in block["transactions"]]
        self._recorded = {
            "eth_getBlockByNumber": _answer(block),
            "eth_getBlockReceipts": _answer(receipts),
            "trace_block": _answer(traces),
        }

    def _post(self, body: bytes) -> bytes:
        asked = msgspec.json.decode(body)
        if isinstance(asked, dict):
            return self._recorded[asked["method"]]
        # Balances before and after a transfer to a watched address: as if all of it had come.
        word = [f"0x{each['id'] * (1 << 200):064x}" for each in asked]
        return msgspec.json.encode([{"id": at, "result": result} for at, result in enumerate(word)])


def main(folder: Path, seconds: float) -> None:
    files = sorted(folder.glob("eth_*.json"))
    nodes = [RecordedNode(json.loads(file.read_text())) for file in files]
    watched = {f"0x{number:040x}" for number in range(WATCHED)}
    found = [_read(node, watched) for node in nodes]
    receiver = next(iter(_receivers(files[0])))
    watched.add(receiver)  # somebody in it is ours, so a hit is not only assumed
    assert _read(nodes[0], watched).outputs, "a payment to a watched address was not found"
    begun_s, blocks, spent_s = time.process_time(), 0, 0.0
    while spent_s < seconds:
        for node in nodes:
            _read(node, watched)
        blocks += len(nodes)
        spent_s = time.process_time() - begun_s
    rate = blocks / spent_s
    figures = {
        "blocks_a_second": round(rate, 1),
        "transactions_a_block": _transactions(files),
        "watched": len(watched),
        "outputs_of_strangers": sum(len(block.outputs) for block in found),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(figures))


def _read(node: RecordedNode, watched: set[str]) -> Block:
    return EvmChain("ETH", 1, node).read(node.height, watched, set())


def _receivers(file: Path) -> Iterator[str]:
    for each in json.loads(file.read_text())["transactions"]:
        if each["to"] and int(each["value"], 16):
            yield each["to"]


def _transactions(files: list[Path]) -> float:
    counts = [len(json.loads(file.read_text())["transactions"]) for file in files]
    return sum(counts) / len(counts)


def _receipt(block: dict[str, Any], transaction: dict[str, Any]) -> dict[str, Any]:
    """With the fields of a real one, so that there is as much to decode."""
    logs = list(_logs(block, transaction))
    return {
        "transactionHash": transaction["hash"],
        "transactionIndex": transaction["transactionIndex"],
        "blockHash": block["hash"],
        "blockNumber": block["number"],
        "from": transaction["from"],
        "to": transaction["to"],
        "contractAddress": None,
        "cumulativeGasUsed": block["gasUsed"],
        "gasUsed": "0x5208",
        "effectiveGasPrice": transaction["gasPrice"],
        "status": "0x1",
        "type": transaction["type"],
        "logsBloom": block["logsBloom"],
        "logs": logs,
    }


def _logs(block: dict[str, Any], transaction: dict[str, Any]) -> Iterator[dict[str, Any]]:
    called = transaction["input"]
    if not called.startswith(_TRANSFER_CALL) or len(called) != _TRANSFER_CALL_CHARS:
        return
    yield {
        "address": transaction["to"],
        "topics": [TRANSFER, "0x" + transaction["from"][2:].rjust(64, "0"), "0x" + called[10:74]],
        "data": "0x" + called[74:],
        "blockNumber": block["number"],
        "blockHash": block["hash"],
        "transactionHash": transaction["hash"],
        "transactionIndex": transaction["transactionIndex"],
        "logIndex": "0x0",
        "removed": False,
    }


def _trace(block: dict[str, Any], transaction: dict[str, Any]) -> dict[str, Any]:
    return {
        "action": {
            "callType": "call",
            "from": transaction["from"],
            "to": transaction["to"],
            "gas": transaction["gas"],
            "input": transaction["input"],
            "value": transaction["value"],
        },
        "blockHash": block["hash"],
        "blockNumber": int(block["number"], 16),
        "result": {"gasUsed": "0x0", "output": "0x"},
        "subtraces": 0,
        "traceAddress": [],
        "transactionHash": transaction["hash"],
        "type": "call",
    }


def _answer(result: Any) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": 0, "result": result})


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
