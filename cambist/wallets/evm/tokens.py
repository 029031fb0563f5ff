"""What a token's contract is: read when the token is listed, and again behind every block.

A contract can be another one tomorrow: new code behind a proxy, stopped, closed to our address. Amounts may
then mean something else, so whoever compares halts the asset. Nothing here tells a good token from a bad one;
only balances that change without a transfer are known by the functions that such tokens have.
"""

from eth_utils.crypto import keccak

from cambist.wallets.chain import Token
from cambist.wallets.evm.rpc import Bytes, NodeRefused, Rpc

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


def token(node: Rpc, contract: str, holder: str, height: int) -> Token:
    """Raises NodeFailed, or NodeRefused where the contract says no decimals."""
    at = hex(height)
    decimals = node.call(Bytes, "eth_call", {"to": contract, "data": _DECIMALS}, at)
    if len(decimals) != _WORD or int(decimals, 16) > 255:
        raise NodeRefused(f"{contract} is no token: it says no decimals")
    code = node.call(Bytes, "eth_getCode", contract, at)
    behind = "".join(node.call(Bytes, "eth_getStorageAt", contract, place, at)[2:] for place in _PLACES)
    runs = code + node.call(Bytes, "eth_getCode", "0x" + behind[24:64], at)[2:] if int(behind, 16) else code
    questions = [_PAUSED, *(barred + holder[2:].rjust(64, "0") for barred in _BARRED)]
    return Token(
        decimals=int(decimals, 16),
        code=keccak(hexstr=code + behind).hex(),
        is_stopped=any(_says_yes(node, contract, question, at) for question in questions),
        is_rebasing=any(selector in runs for selector in _SELECTORS),
    )


def _says_yes(node: Rpc, contract: str, question: str, at: str) -> bool:
    """False where the contract has no such function."""
    try:
        answer = node.call(Bytes, "eth_call", {"to": contract, "data": question}, at)
    except NodeRefused:
        return False
    return len(answer) == _WORD and int(answer, 16) == 1
