"""The signer as the wallets ask it: its answers in their words."""

from collections.abc import Sequence
from typing import Protocol

from cambist.signer import calls
from cambist.wallets.addresses import NoNetwork
from cambist.wallets.chain import Terms
from cambist.wallets.networks import Network
from cambist.wallets.sends import Kind, Send
from cambist.wallets.sweeps import Signed


class Client(Protocol):
    """Of cambist/signer/client.py what is asked here. Each raises Unavailable, and what was declined."""

    def describe(self) -> calls.Description: ...

    def derive(self, network: str, indexes: Sequence[int]) -> list[str]: ...

    def sign_sweep(
        self, network: str, index: int, contract: str, amount_units: int, terms: calls.Terms
    ) -> calls.Signed: ...

    def sign_gas(self, network: str, index: int, amount_units: int, terms: calls.Terms) -> calls.Signed: ...

    def recall(self, network: str, from_nonce: int) -> list[calls.Remembered]: ...


class SignerDoor:
    """Usable as its client is."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def network(self, name: str) -> Network:
        """Raises Unavailable, NoNetwork."""
        said = self._client.describe().networks.get(name)
        if said is None:
            raise NoNetwork(f"the signer has no keys for {name}")
        return Network(name, said.chain_id, said.xpub, said.hot_address)

    def derive(self, network: str, indexes: list[int]) -> list[str]:
        return self._client.derive(network, indexes)

    def sign_sweep(self, network: str, index: int, contract: str, amount_units: int, terms: Terms) -> Signed:
        signed = self._client.sign_sweep(network, index, contract, amount_units, _terms(terms))
        return Signed(signed.raw, signed.txid)

    def sign_gas(self, network: str, index: int, amount_units: int, terms: Terms) -> Signed:
        signed = self._client.sign_gas(network, index, amount_units, _terms(terms))
        return Signed(signed.raw, signed.txid)

    def recall(self, network: str, from_nonce: int) -> list[Send]:
        """What was signed for the hot address from this nonce on."""
        return [
            Send(
                network,
                Kind(each.kind),
                each.subject,
                each.sender,
                each.terms.nonce,
                each.contract,
                each.amount_units,
                each.raw,
                each.txid,
            )
            for each in self._client.recall(network, from_nonce)
        ]


def _terms(terms: Terms) -> calls.Terms:
    return calls.Terms(**terms._asdict())
