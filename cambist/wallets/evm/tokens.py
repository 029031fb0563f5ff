"""What a token's contract is: read when the token is listed, and again behind every block.

A contract can be another one tomorrow: new code behind a proxy, stopped, closed to our address. Amounts may
then mean something else, so whoever compares halts the asset. Nothing here tells a good token from a bad one;
only balances that change without a transfer are known by the functions that such tokens have.
"""

from eth_utils.crypto import keccak

from cambist.wallets.chain import Token
from cambist.wallets.evm.rpc import Bytes, Call, NodeRefused, Rpc

_DECIMALS = "0x313ce567"
_PAUSED = "0x5c975abb"
_BARRED = ("0xfe575a87", "0xe47d6060")  # isBlacklisted(address) of USDC, isBlackListed(address) of USDT
# Where a proxy keeps the address of the code that it runs, and of the beacon that says it (EIP-1967).
_PLACES = (
    "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc",
    "0xa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50",
)
# Of Ampleforth and its kin, Lido, Aave and Origin.
_REBASING = (
    "rebase(uint256,int256)",
    "gonsForBalance(uint256)",
    "getPooledEthByShares(uint256)",
    "scaledBalanceOf(address)",
    "rebasingCreditsPerToken()",
)
_SELECTORS = [keccak(text=each)[:4].hex() for each in _REBASING]
_WORD = 2 + 64
_DECIMALS_MAX = 255


def token(node: Rpc, contract: str, holder: str, height: int) -> Token:
    """Raises NodeFailed, or NodeRefused where the contract says no decimals."""
    at = hex(height)
    places = [Call("eth_getStorageAt", [contract, place, at]) for place in _PLACES]
    code, *behind = node.batch(Bytes, [Call("eth_getCode", [contract, at]), *places])
    runs = "".join(node.batch(Bytes, [Call("eth_getCode", ["0x" + each[26:], at]) for each in behind]))
    questions = [_DECIMALS, _PAUSED, *(barred + holder[2:].rjust(64, "0") for barred in _BARRED)]
    asked = [Call("eth_call", [{"to": contract, "data": each}, at]) for each in questions]
    decimals, *stops = (_number(answer) for answer in node.attempt(Bytes, asked))
    if decimals is None or decimals > _DECIMALS_MAX:
        raise NodeRefused(f"{contract} is no token: it says no decimals")
    return Token(
        decimals=decimals,
        code=keccak(hexstr=code + "".join(each[2:] for each in behind)).hex(),
        is_stopped=1 in stops,
        is_rebasing=any(selector in code + runs for selector in _SELECTORS),
    )


def _number(answer: str | None) -> int | None:
    """None where the contract has no such function."""
    return int(answer, 16) if answer is not None and len(answer) == _WORD else None
