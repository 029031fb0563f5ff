"""What a node may tell that is not so. Each is one change of true answers, kept up as long as it lies."""

from random import Random
from typing import Any

from .node import TRANSFER, Lie
from .start import UNITS, deposit_address, hot_address


def lie_of(dice: Random) -> Lie:
    return dice.choice(
        [
            _hashes,
            _phantom_coins,
            _phantom_tokens,
            _nothing_happened,
            _failures,
            _other_chain,
            _final,
            _balances,
            _one_more_sent,
            _one_less_sent,
        ]
    )


def _hashes(method: str, params: list[Any], result: Any) -> Any:
    """Other blocks than there are."""
    if method == "eth_getBlockByNumber" and result is not None:
        return result | {"hash": "0x" + result["hash"][:1:-1]}
    return result


def _phantom_coins(method: str, params: list[Any], result: Any) -> Any:
    """More in a transaction than it has paid."""
    if method == "trace_block":
        return [
            each | {"action": each["action"] | {"to": deposit_address(0), "value": hex(7 * UNITS)}}
            for each in result
        ]
    return result


def _phantom_tokens(method: str, params: list[Any], result: Any) -> Any:
    if method == "eth_getBlockReceipts" and result:
        topics = [TRANSFER, *("0x" + each[2:].rjust(64, "0") for each in (hot_address(), deposit_address(1)))]
        log = {"address": "0x" + "70" * 20, "topics": topics, "data": f"0x{9 * UNITS:064x}"}
        return [each | {"logs": [*each["logs"], log]} for each in result]
    return result


def _nothing_happened(method: str, params: list[Any], result: Any) -> Any:
    """Empty blocks, whole in themselves."""
    if method in ("eth_getBlockReceipts", "trace_block") and result:
        return []
    if method == "eth_getBlockByNumber" and result is not None and params[1]:
        return result | {"transactions": []}
    return result


def _failures(method: str, params: list[Any], result: Any) -> Any:
    """Transactions that have failed, which they have not."""
    if method == "eth_getBlockReceipts" and result:
        return [each | {"status": "0x0"} for each in result]
    return result


def _other_chain(method: str, params: list[Any], result: Any) -> Any:
    return "0x1" if method == "eth_chainId" else result


def _final(method: str, params: list[Any], result: Any) -> Any:
    """More is final than is."""
    if method == "eth_getBlockByNumber" and params[0] == "finalized":
        return result | {"number": hex(int(result["number"], 16) + 5)}
    return result


def _balances(method: str, params: list[Any], result: Any) -> Any:
    """Half of the coins that there are."""
    return hex(int(result, 16) // 2) if method == "eth_getBalance" else result


def _one_more_sent(method: str, params: list[Any], result: Any) -> Any:
    """Transactions of ours that nobody has signed."""
    return hex(int(result, 16) + 1) if method == "eth_getTransactionCount" else result


def _one_less_sent(method: str, params: list[Any], result: Any) -> Any:
    return hex(max(0, int(result, 16) - 1)) if method == "eth_getTransactionCount" else result
