"""The real signer, with its own keys and store, called without its socket."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from cambist.signer import console, families, store
from cambist.signer.calls import (
    AnyCall,
    Derive,
    Derived,
    Describe,
    Description,
    Recall,
    Recalled,
    Remembered,
    Signed,
    SignGas,
    SignSweep,
    SignWithdrawal,
    Terms,
)
from cambist.signer.keystore import Keystore
from cambist.signer.payment import Approval, Payment
from cambist.signer.service import Signer
from cambist.signer.store import Store

COIN = 10**18
PLENTY = 10_000 * COIN

T = TypeVar("T")


class LocalSigner:
    """Has one network, and limits for the coin and the tokens it is told of."""

    def __init__(self, directory: Path, chain_id: int, network: str = "ETH") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.store = Store(directory)
        self.keys = Keystore(bytes(range(32)))
        self.hot_address = families.of(network).address(self.keys.hot)
        self._network = network
        with self.store.write() as db:
            console.set_network(db, store.Network(network, chain_id, COIN // 10, COIN, COIN // 10))
        self._signer = Signer(self.keys, self.store, lambda: 1)

    def trust(self, contract: str) -> None:
        with self.store.write() as db:
            console.set_limits(db, store.Limits(self._network, contract, PLENTY, PLENTY, PLENTY, PLENTY))

    def describe(self) -> Description:
        return self._ask(Describe(), Description)

    def derive(self, network: str, indexes: Sequence[int]) -> list[str]:
        return self._ask(Derive(network=network, indexes=list(indexes)), Derived).addresses

    def sign_sweep(self, network: str, index: int, contract: str, amount_units: int, terms: Terms) -> Signed:
        call = SignSweep(
            network=network, index=index, contract=contract, amount_units=amount_units, terms=terms
        )
        return self._ask(call, Signed)

    def sign_gas(self, network: str, index: int, amount_units: int, terms: Terms) -> Signed:
        call = SignGas(network=network, index=index, amount_units=amount_units, terms=terms)
        return self._ask(call, Signed)

    def sign_withdrawal(self, payment: Payment, approvals: Sequence[Approval], terms: Terms) -> Signed:
        call = SignWithdrawal(payment=payment, approvals=list(approvals), terms=terms)
        return self._ask(call, Signed)

    def recall(self, network: str, from_nonce: int) -> list[Remembered]:
        return self._ask(Recall(network=network, from_nonce=from_nonce), Recalled).signed

    def close(self) -> None:
        self.store.close()

    def _ask(self, call: AnyCall, kind: type[T]) -> T:
        answer = self._signer.answer(call)
        assert isinstance(answer, kind)
        return answer
