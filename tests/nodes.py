"""Real Ethereum nodes for tests, each on a port of its own and gone with the test.

Nodes and compiler come from npm. Where that is missing nothing can take their place, so the tests that need
them are skipped and say so; what a chain in memory can show is tested without (tests/wallets/fake_chain.py).
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.ports import free_port

NODES = Path(__file__).resolve().parents[1] / "nodes"
ANVIL = NODES / "node_modules" / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil"
HARDHAT = NODES / "node_modules" / "hardhat" / "internal" / "cli" / "cli.js"
STARTED_WITHIN_S = 60
ANSWERED_WITHIN_S = 60
GAS = 3_000_000


class Node:
    """JSON-RPC, and what a test does with a chain that it owns. Accounts are unlocked and rich."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(timeout=ANSWERED_WITHIN_S)
        self.accounts: list[str] = []

    def __call__(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = self._client.post(self.url, json=body).json()
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    @property
    def height(self) -> int:
        return int(self("eth_blockNumber"), 16)

    def mine(self, count: int = 1) -> None:
        self("anvil_mine", hex(count))

    def send(self, to: str | None, *, value: int = 0, data: str = "0x", sender: str = "") -> str:
        """The transaction's id; it is mined with the next block."""
        transaction = {"from": sender or self.accounts[0], "value": hex(value), "data": data, "gas": hex(GAS)}
        if to is not None:
            transaction["to"] = to
        return str(self("eth_sendTransaction", transaction))

    def receipt(self, txid: str) -> dict[str, Any]:
        """Of a transaction that is mined or about to be."""
        deadline_s = time.monotonic() + ANSWERED_WITHIN_S
        while (found := self("eth_getTransactionReceipt", txid)) is None:
            assert time.monotonic() < deadline_s, f"{txid} was not mined"
            time.sleep(0.01)
        receipt: dict[str, Any] = found
        return receipt

    def deploy(self, bytecode: str) -> str:
        """The new contract's address; one block is mined for it."""
        txid = self.send(None, data=bytecode)
        self.mine()
        return str(self.receipt(txid)["contractAddress"])

    def close(self) -> None:
        self._client.close()


@contextmanager
def anvil(*options: str) -> Iterator[Node]:
    """It mines when it is told to. Skips the test where npm was missing at setup."""
    if not ANVIL.exists():
        pytest.skip("anvil is not installed: npm was missing at `make setup`")
    with _started([str(ANVIL), "--host", "127.0.0.1", "--silent", "--no-mining", *options]) as node:
        yield node


@contextmanager
def hardhat() -> Iterator[Node]:
    """Keeps a stuck transaction in its pool, as anvil does not. Mines at once until told otherwise."""
    if not HARDHAT.exists():
        pytest.skip("hardhat is not installed: npm was missing at `make setup`")
    folder = NODES / "hardhat"
    with _started(["node", str(HARDHAT), "node", "--hostname", "127.0.0.1"], folder) as node:
        yield node


@contextmanager
def _started(command: list[str], folder: Path = NODES) -> Iterator[Node]:
    port = free_port()
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    node = Node(f"http://127.0.0.1:{port}")
    try:
        deadline_s = time.monotonic() + STARTED_WITHIN_S
        while True:
            try:
                node.accounts = node("eth_accounts")
                break
            except httpx.TransportError:
                assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
                assert time.monotonic() < deadline_s, f"{command[0]} does not answer"
                time.sleep(0.02)
        yield node
    finally:
        node.close()
        process.kill()
        process.wait()


@cache
def contracts(file: Path) -> dict[str, dict[str, Any]]:
    """Of a Solidity file, by name: `abi` and `bytecode`."""
    node = shutil.which("node")
    if node is None or not (NODES / "node_modules" / "solc").exists():
        pytest.skip("the Solidity compiler is not installed: npm was missing at `make setup`")
    compiled = subprocess.run(
        [node, str(NODES / "compile.cjs"), str(file)], check=True, capture_output=True, text=True
    )
    found: dict[str, dict[str, Any]] = json.loads(compiled.stdout)
    return found
