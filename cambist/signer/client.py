"""How the rest of the exchange asks the signer. Blocks, with a bound; usable from every thread."""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from cambist.errors import Refused, Unavailable
from cambist.frames import LENGTH
from cambist.signer.calls import (
    FRAME_MAX_BYTES,
    Answer,
    AnyCall,
    Declined,
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
    encode,
    read_answer,
)
from cambist.signer.payment import Approval, Payment

ANSWERED_WITHIN_S = 20.0

T = TypeVar("T", bound=Answer)


class SignerAway(Unavailable):
    """It does not run, or does not answer; it may have signed."""

    code = "signer_away"


class SignerDeclined(Refused):
    """It does not sign this; `reason` is its own code for why."""

    code = "signer_declined"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SignerClient:
    def __init__(self, path: Path) -> None:
        self._path = path

    def describe(self) -> Description:
        """Raises SignerAway, as every call."""
        return self._ask(Describe(), Description)

    def derive(self, network: str, indexes: Sequence[int]) -> list[str]:
        """Raises SignerDeclined for a network that it does not know."""
        return self._ask(Derive(network=network, indexes=list(indexes)), Derived).addresses

    def sign_withdrawal(self, payment: Payment, approvals: Sequence[Approval], terms: Terms) -> Signed:
        """Raises SignerDeclined."""
        return self._ask(SignWithdrawal(payment=payment, approvals=list(approvals), terms=terms), Signed)

    def sign_sweep(self, network: str, index: int, contract: str, amount_units: int, terms: Terms) -> Signed:
        """From a deposit address to the hot address. Raises SignerDeclined."""
        call = SignSweep(
            network=network, index=index, contract=contract, amount_units=amount_units, terms=terms
        )
        return self._ask(call, Signed)

    def sign_gas(self, network: str, index: int, amount_units: int, terms: Terms) -> Signed:
        """From the hot address to a deposit address. Raises SignerDeclined."""
        return self._ask(
            SignGas(network=network, index=index, amount_units=amount_units, terms=terms), Signed
        )

    def recall(self, network: str, from_nonce: int) -> list[Remembered]:
        """What was signed for the hot address at this nonce and behind, in order."""
        return self._ask(Recall(network=network, from_nonce=from_nonce), Recalled).signed

    def _ask(self, call: AnyCall, kind: type[T]) -> T:
        try:
            answer = read_answer(self._exchange(encode(call)))
        except (OSError, msgspec.DecodeError) as problem:
            raise SignerAway(f"the signer does not answer: {problem}") from None
        if isinstance(answer, Declined):
            if answer.may_retry:
                raise SignerAway(answer.message)
            raise SignerDeclined(answer.code, answer.message)
        if not isinstance(answer, kind):
            raise SignerAway(f"the signer answered {type(answer).__name__}")
        return answer

    def _exchange(self, call: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWERED_WITHIN_S)
            connection.connect(str(self._path))
            connection.sendall(LENGTH.pack(len(call)) + call)
            (length,) = LENGTH.unpack(_exactly(connection, LENGTH.size))
            if length > FRAME_MAX_BYTES:
                raise OSError("its answer is too long")
            return _exactly(connection, length)


def _exactly(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            raise OSError("it hung up")
        received += part
    return received
