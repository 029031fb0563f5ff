"""What the signer can be asked over its socket, and how it answers: frames of JSON.

Nothing here carries calldata, a destination of a sweep, or a key: what is not in a call cannot be forged.
Amounts are whole numbers in the chain's smallest unit.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from cambist.signer.payment import Approval, Payment

FRAME_MAX_BYTES = 1 << 20
INDEXES_MAX = 1_000
INPUTS_MAX = 500

UINT256_MAX = (1 << 256) - 1
_Nonce = Annotated[int, Meta(ge=0, le=(1 << 62))]
_Network = Annotated[str, Meta(min_length=1, max_length=16)]
_Input = Annotated[str, Meta(min_length=1, max_length=128)]
_Index = Annotated[int, Meta(ge=0, lt=1 << 31)]


class Call(Struct, frozen=True, kw_only=True, tag_field="call", forbid_unknown_fields=True):
    """One thing to ask for."""


class Terms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a transaction is to be made. It costs at most `gas` times `max_fee`.

    `inputs` are the outputs that it spends, as the family of the chain writes them; none where addresses have
    balances. `nonce` is the next of the sender's: of all transactions at one nonce a chain takes one at most.
    """

    nonce: _Nonce
    gas: _Nonce
    max_fee: _Nonce
    priority_fee: _Nonce
    inputs: Annotated[tuple[_Input, ...], Meta(max_length=INPUTS_MAX)] = ()

    @property
    def fee_max_units(self) -> int:
        return self.gas * self.max_fee


class Describe(Call, frozen=True, kw_only=True, tag="describe", forbid_unknown_fields=True):
    """Whom the signer works for, and its addresses."""


class Derive(Call, frozen=True, kw_only=True, tag="derive", forbid_unknown_fields=True):
    """The deposit addresses of these indexes."""

    network: _Network
    indexes: Annotated[list[_Index], Meta(max_length=INDEXES_MAX)]


class SignWithdrawal(Call, frozen=True, kw_only=True, tag="sign_withdrawal", forbid_unknown_fields=True):
    payment: Payment
    approvals: Annotated[list[Approval], Meta(max_length=16)]
    terms: Terms


class SignSweep(Call, frozen=True, kw_only=True, tag="sign_sweep", forbid_unknown_fields=True):
    """From the deposit address of this index to the hot address."""

    network: _Network
    index: _Index
    contract: str
    amount_units: int
    terms: Terms


class SignGas(Call, frozen=True, kw_only=True, tag="sign_gas", forbid_unknown_fields=True):
    """From the hot address to the deposit address of this index, in the network's own coin."""

    network: _Network
    index: _Index
    amount_units: int
    terms: Terms


class Recall(Call, frozen=True, kw_only=True, tag="recall", forbid_unknown_fields=True):
    """What was signed for the hot address, from a nonce on."""

    network: _Network
    from_nonce: _Nonce


AnyCall = Describe | Derive | SignWithdrawal | SignSweep | SignGas | Recall


class Answer(Struct, frozen=True, kw_only=True, tag_field="answer"):
    """What comes back."""


class NetworkInfo(Struct, frozen=True, kw_only=True):
    """`xpub` gives the deposit addresses: its children, without any step between."""

    chain_id: int
    xpub: str
    hot_address: str


class Description(Answer, frozen=True, kw_only=True, tag="description"):
    exchange: str
    networks: dict[str, NetworkInfo]


class Derived(Answer, frozen=True, kw_only=True, tag="derived"):
    addresses: list[str]


class Signed(Answer, frozen=True, kw_only=True, tag="signed"):
    raw: bytes
    txid: str


class Remembered(Struct, frozen=True, kw_only=True):
    """`kind` and `subject`: `withdrawal` and its id, or `gas` and the index of the address that got it."""

    kind: str
    subject: int
    sender: str
    contract: str
    amount_units: int
    terms: Terms
    raw: bytes
    txid: str


class Recalled(Answer, frozen=True, kw_only=True, tag="recalled"):
    signed: list[Remembered]


class Declined(Answer, frozen=True, kw_only=True, tag="declined"):
    """`may_retry`: the same call may succeed later."""

    code: str
    message: str
    may_retry: bool = False


AnyAnswer = Description | Derived | Signed | Recalled | Declined

encode = msgspec.json.Encoder().encode
_calls = msgspec.json.Decoder(AnyCall)
_answers = msgspec.json.Decoder(AnyAnswer)


def read_call(frame: bytes) -> AnyCall:
    """Raises msgspec.ValidationError or DecodeError for anything that is not a call."""
    call: AnyCall = _calls.decode(frame)
    return call


def read_answer(frame: bytes) -> AnyAnswer:
    """Raises msgspec.ValidationError or DecodeError."""
    answer: AnyAnswer = _answers.decode(frame)
    return answer
