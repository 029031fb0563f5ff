"""What a block of an EVM chain has brought to addresses of ours, read from block, receipts and traces.

Coins come by transactions and by calls inside them: every call that carries value counts, unless it was
undone or is part of one that was. Tokens come by the standard's Transfer event (EIP-20) of a contract, whose
address, and nothing else, says which token it is. An output's name says where in its transaction it is, so it
is the same in whichever block that is mined: `c` and the number of the call, or `l` and that of the log.
Calls of what is built into the chain have no number: nodes differ in whether they show them.
"""

from collections.abc import Container, Iterator, Sequence
from typing import Annotated

from msgspec import Meta, Struct, field

from cambist.wallets.chain import Mined, NodeFailed, Output, Strange
from cambist.wallets.evm.rpc import Address, Bytes, Hash, Quantity, number

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
COIN = ""
_OK = "0x1"
# transfer(address,uint256), EIP-20, to an address without anything in its padding.
_TRANSFER_CALL = "0xa9059cbb" + "0" * 24
_WORD = 64  # hexadecimal digits
# Above the addresses of all that is built in (RIP-7212 took 0x100).
_BUILT_IN_END = 0x200
_PADDING = "0x" + "0" * 24


class Transaction(Struct):
    hash: Hash
    sender: Address = field(name="from")
    nonce: Quantity
    value: Quantity
    input: Bytes
    to: Address | None = None


class FullBlock(Struct, rename="camel"):
    number: Quantity
    hash: Hash
    parent_hash: Hash
    timestamp: Quantity
    transactions: list[Transaction]


class Log(Struct):
    address: Address
    topics: list[Hash]
    data: Bytes


class Receipt(Struct, rename="camel"):
    """`effective_gas_price` in the coin's smallest unit for each unit of gas."""

    transaction_hash: Hash
    block_hash: Hash
    status: Quantity
    gas_used: Quantity
    effective_gas_price: Quantity
    logs: list[Log]


class Action(Struct, rename="camel"):
    call_type: str = ""
    to: Address | None = None
    value: Quantity = "0x0"
    refund_address: Address | None = None
    balance: Quantity = "0x0"


class Created(Struct):
    address: Address | None = None


class Trace(Struct, rename="camel"):
    """One call of a transaction; the `trace_address` of what it is part of is the beginning of its own."""

    action: Action
    type: str
    trace_address: list[Annotated[int, Meta(ge=0)]]
    block_hash: Hash
    transaction_hash: Hash | None = None
    error: str | None = None
    result: Created | None = None


class Traced(Struct):
    """The calls of one transaction."""

    result: list[Trace]


def require_whole(block: FullBlock, receipts: Sequence[Receipt]) -> None:
    """Raises NodeFailed unless these are the receipts of exactly this block."""
    if [receipt.transaction_hash for receipt in receipts] != [each.hash for each in block.transactions]:
        raise NodeFailed(f"block {number(block.number)}: the receipts are not those of its transactions")
    if any(receipt.block_hash != block.hash for receipt in receipts):
        raise NodeFailed(f"block {number(block.number)}: a receipt is of another block")


def coins(block: FullBlock, traces: Sequence[Trace], watched: Container[str]) -> Iterator[Output]:
    """Raises NodeFailed unless these are the traces of exactly this block."""
    if any(trace.block_hash != block.hash for trace in traces):
        raise NodeFailed(f"block {number(block.number)}: a trace is of another block")
    of_transactions: dict[str, list[Trace]] = {each.hash: [] for each in block.transactions}
    for trace in traces:
        if trace.transaction_hash is not None:  # else it is a reward of the block itself
            of_transactions.setdefault(trace.transaction_hash, []).append(trace)
    if len(of_transactions) != len(block.transactions) or not all(of_transactions.values()):
        raise NodeFailed(f"block {number(block.number)}: the traces are not those of its transactions")
    for txid, calls in of_transactions.items():
        for place, address, units in _paid(calls):
            if address in watched:
                yield Output(txid, f"c{place}", COIN, address, units)


def tokens(receipts: Sequence[Receipt], watched: Container[str]) -> Iterator[Output]:
    """Amounts as the contracts say them, which need not be what has arrived."""
    for receipt in receipts:
        for place, log in enumerate(receipt.logs):
            transfer = _transfer(log)
            if transfer is not None and transfer[1] in watched and transfer[2]:
                contract = log.address.lower()
                yield Output(receipt.transaction_hash, f"l{place}", contract, transfer[1], transfer[2])


def sent(receipts: Sequence[Receipt], contract: str, address: str) -> int:
    """How much of the token has left the address by these."""
    transfers = (_transfer(log) for receipt in receipts for log in receipt.logs if log.address == contract)
    return sum(each[2] for each in transfers if each is not None and each[0] == address)


def outcome(receipt: Receipt) -> Mined:
    fee_units = number(receipt.gas_used) * number(receipt.effective_gas_price)
    return Mined(receipt.status == _OK, fee_units)


def strange(
    block: FullBlock, receipts: Sequence[Receipt], watched: Container[str], own: Container[str]
) -> Iterator[Strange]:
    """What a watched address has signed and is none of our own. The receipts are those of this block."""
    for each, receipt in zip(block.transactions, receipts, strict=True):
        sender = each.sender.lower()
        if sender in watched and each.hash not in own:
            contract, receiver, units = _payment(each)
            nonce = number(each.nonce)
            yield Strange(each.hash, sender, nonce, contract, receiver, units, outcome(receipt))


def _payment(transaction: Transaction) -> tuple[str, str, int]:
    """Contract, receiver, amount."""
    to, call = (transaction.to or "").lower(), transaction.input.lower()
    if call.startswith(_TRANSFER_CALL) and len(call) == len(_TRANSFER_CALL) + 40 + _WORD:
        return to, "0x" + call[-_WORD - 40 : -_WORD], int(call[-_WORD:], 16)
    return COIN, to, number(transaction.value)


def _transfer(log: Log) -> tuple[str, str, int] | None:
    """From, to, amount. A token with numbered pieces (EIP-721) has a fourth topic and no amount."""
    if len(log.topics) != 3 or log.topics[0] != TRANSFER or len(log.data) != 2 + _WORD:
        return None
    sender, receiver = log.topics[1], log.topics[2]
    if not (sender.startswith(_PADDING) and receiver.startswith(_PADDING)):
        return None
    return "0x" + sender[26:].lower(), "0x" + receiver[26:].lower(), int(log.data, 16)


def _paid(calls: Sequence[Trace]) -> Iterator[tuple[int, str, int]]:
    """Number of the call, to whom coins go by it, and how many; in the order of the calls."""
    undone: list[int] | None = None  # the address of the call whose parts follow
    for place, trace in enumerate(each for each in calls if not _is_built_in(each)):
        if undone is not None and trace.trace_address[: len(undone)] == undone:
            continue
        if trace.error is not None:
            undone = trace.trace_address
            continue
        address, units = _moved(trace)
        if units:
            yield place, address.lower(), units


def _is_built_in(trace: Trace) -> bool:
    to = trace.action.to
    is_inner_call = trace.type == "call" and bool(trace.trace_address)
    return is_inner_call and to is not None and 0 < int(to, 16) < _BUILT_IN_END


def _moved(trace: Trace) -> tuple[str, int]:
    action = trace.action
    if trace.type == "suicide":
        return action.refund_address or "", number(action.balance)
    if trace.type == "create":
        return (trace.result and trace.result.address) or "", number(action.value)
    if trace.type == "call" and action.call_type == "call":  # the others only borrow code
        return action.to or "", number(action.value)
    return "", 0
