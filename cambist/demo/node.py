"""The demo's own chain: an Ethereum node (anvil) with an unlocked account, and the token that is ETP there.

It mines every few seconds and writes its state every second or two, so that a chain which was killed goes on
with a block less at most, and no deposit that was credited is missing.
"""

import ctypes
import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Self

import httpx
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from cambist.demo.anvil import ANVIL, CHAIN_ID, NODES, url
from cambist.demo.purse import ACCOUNT, ANSWERED_WITHIN_S, Purse
from cambist.errors import Unavailable

COMPILER = NODES / "compile.cjs"
TOKEN = NODES / "contracts" / "Token.sol"
BLOCK_SECONDS = 3
STATE_SECONDS = 2
COIN_DECIMALS = 18
NAME = "Exchange Trading Point"
# The first contract that the account makes: the last 20 bytes of Keccak-256 over the RLP of (account, 0), as
# the yellow paper has it in section 7.
ETP = "0x" + keccak(bytes.fromhex("d694" + ACCOUNT[2:] + "80"))[12:].hex()
ETP_DECIMALS = 18
ETP_SUPPLY = 10**9 * 10**ETP_DECIMALS
_STARTED_WITHIN_S = 30.0
_ENDED_WITHIN_S = 10.0
_DIE_WITH_PARENT = 1  # prctl(2): PR_SET_PDEATHSIG


class DemoNode:
    """A running node."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str) -> None:
        self._process = process
        self.purse = Purse(url)

    @classmethod
    def start(cls, port: int, state: Path) -> Self:
        """Goes on from `state` if that is there. Raises Unavailable."""
        command = [str(ANVIL), "--host", "127.0.0.1", "--port", str(port), "--silent"]
        command += [
            "--chain-id",
            str(CHAIN_ID),
            "--block-time",
            str(BLOCK_SECONDS),
            "--slots-in-an-epoch",
            "1",
        ]
        command += ["--state", str(state), "--state-interval", str(STATE_SECONDS)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_end_with_parent,
        )
        node = cls(process, url(port))
        deadline_s = time.monotonic() + _STARTED_WITHIN_S
        while True:
            try:
                node.purse.call("eth_chainId")
                return node
            except httpx.TransportError:
                if process.poll() is not None or time.monotonic() > deadline_s:
                    node.stop()
                    raise Unavailable(f"the demo's chain did not start on port {port}") from None
                time.sleep(0.05)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """It writes its state before it ends."""
        self.purse.close()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_ENDED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def etp(self) -> None:
        """Deploys the token that stands for ETP, if it is not there. Raises Unavailable."""
        if self._has_code(ETP):
            return
        self.purse.send({"data": _token_code()})
        deadline_s = time.monotonic() + ANSWERED_WITHIN_S
        while not self._has_code(ETP):
            if time.monotonic() > deadline_s:
                raise Unavailable("the demo's token was not deployed")
            time.sleep(0.1)

    def _has_code(self, address: str) -> bool:
        return bool(self.purse.call("eth_getCode", address, "latest") != "0x")


def _token_code() -> str:
    """Creation code with its arguments: name, symbol, decimals, supply (Solidity's contract ABI)."""
    compiled = subprocess.run(
        ["node", str(COMPILER), str(TOKEN)], check=True, capture_output=True, text=True, cwd=NODES
    )
    code: str = json.loads(compiled.stdout)["Token"]["bytecode"]
    arguments = encode(["string", "string", "uint8", "uint256"], [NAME, "ETP", ETP_DECIMALS, ETP_SUPPLY])
    return code + arguments.hex()


def _end_with_parent() -> None:
    """In the child: whatever ends the demo's process ends its chain."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)
