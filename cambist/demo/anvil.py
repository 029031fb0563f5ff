"""Whether this machine can run a chain for the demo, and where that is found. Loads nothing else."""

import shutil
import socket
from pathlib import Path

NODES = Path(__file__).resolve().parents[2] / "nodes"
ANVIL = NODES / "node_modules" / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil"
CHAIN_ID = 31_337
# What the chain holds: of these the demo has no play money.
ASSETS = ("ETH", "ETP")


def missing() -> str | None:
    """What a chain of the demo's own needs and this machine has not; None if nothing."""
    if not ANVIL.exists():
        return "anvil is not installed (npm was missing at `make setup`)"
    if shutil.which("node") is None:
        return "node is missing (install Node.js 20 or newer)"
    return None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"
