"""What the signer has to know of a family of chains: one module for each, which makes what it signs itself.

Its caller is nobody to be trusted. So a family reads from the signed bytes again what it has put there.
"""

from typing import Protocol

from cambist.errors import Refused
from cambist.signer.calls import Signed, Terms
from cambist.signer.keystore import Key


class AddressRefused(Refused):
    """Nobody could move what is sent there."""

    code = "address_refused"


class AmountRefused(Refused):
    code = "amount_refused"


class Family(Protocol):
    def address(self, key: Key) -> str:
        """To whom the key belongs, in the one spelling that is stored."""

    def normal_address(self, text: str) -> str:
        """What somebody has typed, in that spelling. Raises AddressRefused."""

    def require_address(self, address: str, contract: str = "") -> None:
        """Raises AddressRefused unless it is in that spelling, and the key of it may be somebody's."""

    def pay(self, key: Key, chain_id: int, contract: str, to: str, amount_units: int, terms: Terms) -> Signed:
        """Raises AddressRefused or AmountRefused."""

    def inputs(self, raw: bytes) -> tuple[str, ...]:
        """The outputs that a transaction of ours spends; none where addresses have balances and nonces.

        Two transactions that share one exclude each other.
        """
