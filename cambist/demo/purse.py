"""Spends from the demo's own chain: its first account is unlocked, so whoever reaches it may pay from it."""

from pathlib import Path
from typing import Any

import httpx
import msgspec

from cambist.errors import Unavailable
from cambist.settings import Settings

# The first account of every node for development.
ACCOUNT = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
ANSWERED_WITHIN_S = 30.0
_TRANSFER = "a9059cbb"  # transfer(address,uint256)


class Purse:
    """Whoever knows where the chain is can spend from this account: its coins are worth nothing."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(timeout=ANSWERED_WITHIN_S, trust_env=False)
        self.url = url

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, *params: Any) -> Any:
        """Raises Unavailable with what the node says."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = self._client.post(self.url, json=body).json()
        if "error" in answer:
            raise Unavailable(f"the demo's chain refuses {method}: {answer['error'].get('message')}")
        return answer["result"]

    def pay(self, address: str, units: int) -> str:
        """Coins, however many: this account never runs out. The transaction's id."""
        held = int(self.call("eth_getBalance", ACCOUNT, "latest"), 16)
        if held < 2 * units:
            self.call("anvil_setBalance", ACCOUNT, hex(held + 4 * units))
        return self.send({"to": address, "value": hex(units)})

    def pay_token(self, token: str, address: str, units: int) -> str:
        """The transaction's id."""
        return self.send({"to": token, "data": f"0x{_TRANSFER}{int(address, 16):064x}{units:064x}"})

    def send(self, transaction: dict[str, str]) -> str:
        return str(self.call("eth_sendTransaction", {"from": ACCOUNT, **transaction}))


def nodes_file(settings: Settings) -> Path:
    return settings.home / "demo" / "nodes.json"


def faucet(settings: Settings, address: str, contract: str, units: int) -> str:
    """Pays whoever asks for it; the transaction's id. Raises Unavailable where the demo has no chain."""
    try:
        url = msgspec.json.decode(nodes_file(settings).read_bytes())["evm"]["url"]
    except FileNotFoundError:
        raise Unavailable("there is no chain of the demo's own here") from None
    purse = Purse(url)
    try:
        return purse.pay_token(contract, address, units) if contract else purse.pay(address, units)
    except httpx.TransportError:
        raise Unavailable("the demo's chain does not answer") from None
    finally:
        purse.close()
