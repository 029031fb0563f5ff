"""Deposits and withdrawals as wallets of trading programs ask for them; the office answers.

A withdrawal's `amount` leaves the account; the fee is taken off it and the rest arrives. Only addresses of
the owner's address book can be paid to, and only by keys that may withdraw, from the addresses they are
bound to.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

from msgspec import UNSET, UnsetType

from cambist.gateway import errors
from cambist.gateway.calls import NS_PER_MS, Call
from cambist.gateway.errors import ApiError
from cambist.gateway.schemas import Answer, encode

ROWS_DEFAULT, ROWS_MAX = 1_000, 1_000
_PENDING, _DONE = 0, 1
# docs of `capital/deposit/hisrec` and `capital/withdraw/history`, "status".
_DEPOSIT_STATUS = {"credited": _DONE, "reversed": 7, "quarantined": 7, "suspense": 7}
_WITHDRAWAL_STATUS = {
    "cancelled": 1,
    "requested": 2,
    "held": 2,
    "rejected": 3,
    "refused": 3,
    "approved": 4,
    "signed": 4,
    "sent": 4,
    "confirmed": 4,
    "failed": 5,
    "settled": 6,
}


class Network(Answer):
    """What the office says of an asset on a network."""

    asset: str
    network: str
    contract: str
    confirmations: int
    deposit_min: str
    withdrawal_fee: str
    withdrawal_min: str
    withdrawal_daily_max: str | None
    is_deposit_open: bool
    is_withdrawal_open: bool
    decimals: int


class _Address(Answer):
    address: str
    tag: str


class _Deposit(Answer):
    id: int
    asset: str
    network: str
    amount: str
    address: str
    txid: str
    state: str
    confirmations: int
    confirmations_needed: int
    time: int
    credited_at: int | None


class _Withdrawal(Answer):
    id: int
    asset: str
    network: str
    amount: str
    fee: str
    address: str
    tag: str
    state: str
    reason: str
    txid: str | None
    requested_at: int
    settled_at: int | None
    name: str | None
    confirmations: int


class DepositAddress(Answer):
    coin: str
    address: str
    tag: str
    url: str


class DepositRow(Answer, kw_only=True):
    id: str
    amount: str
    coin: str
    network: str
    status: int
    address: str
    address_tag: str = ""
    tx_id: str
    insert_time: int
    complete_time: int | UnsetType = UNSET
    transfer_type: int = 0
    confirm_times: str
    unlock_confirm: int
    wallet_type: int = 0
    travel_rule_status: int = 0


class WithdrawalRow(Answer, kw_only=True):
    id: str
    amount: str
    transaction_fee: str
    coin: str
    status: int
    address: str
    address_tag: str
    tx_id: str
    apply_time: str
    complete_time: str | UnsetType = UNSET
    network: str
    transfer_type: int = 0
    withdraw_order_id: str | UnsetType = UNSET
    info: str
    confirm_no: int
    wallet_type: int = 0
    tx_key: str = ""


class Applied(Answer):
    id: str


T = TypeVar("T", DepositRow, WithdrawalRow)


async def networks(call: Call) -> list[Network]:
    """All assets on all networks; none while the office is away, so that clients can start."""
    try:
        return await call.services.office.ask("networks", {}, list[Network])
    except ApiError:
        return []


async def deposit_address(call: Call) -> bytes:
    coin = call.params.require("coin")
    network = await _network(call, coin)
    if not network.is_deposit_open:
        raise ApiError(errors.NO_DEPOSITS)
    question = {"account": call.account, "network": network.network}
    given = await call.services.office.ask("deposit-address", question, _Address)
    return encode(DepositAddress(coin, given.address, given.tag, ""))


async def deposit_history(call: Call) -> bytes:
    found = await call.services.office.ask("deposits", {"account": call.account}, list[_Deposit])
    rows = [_deposit_row(call, each) for each in found if each.state != "orphaned" and each.asset]
    return encode(_chosen(call, rows, lambda row: row.insert_time, lambda row: row.tx_id, "txId"))


async def withdrawal_history(call: Call) -> bytes:
    found = await call.services.office.ask("withdrawals", {"account": call.account}, list[_Withdrawal])
    asked_at = {str(each.id): each.requested_at for each in found}
    ids = call.params.get("idList")
    wanted = None if ids is None else ids.split(",")
    rows = [_withdrawal_row(each) for each in found if wanted is None or str(each.id) in wanted]
    chosen = _chosen(
        call,
        rows,
        lambda row: asked_at[row.id] * NS_PER_MS // call.unit_ns,
        lambda row: row.withdraw_order_id or "",
        "withdrawOrderId",
    )
    return encode(chosen)


async def withdraw(call: Call) -> bytes:
    if call.key is None or not call.key.ip_allow:
        raise ApiError(errors.KEY_REJECTED)
    coin = call.params.require("coin")
    question = {
        "account": call.account,
        "scopes": call.key.scopes.value,
        "asset": coin,
        "address": call.params.require("address"),
        "amount": call.params.require("amount"),
        "tag": call.params.get("addressTag") or "",
        "name": call.params.get("withdrawOrderId"),
        "network": (await _network(call, coin)).network,
    }
    made = await call.services.office.ask("withdraw", question, _Withdrawal)
    if made.state == "refused":
        is_short = made.reason == "insufficient balance"
        raise ApiError(errors.INSUFFICIENT_FOR_WITHDRAWAL if is_short else errors.NO_WITHDRAWALS)
    return encode(Applied(str(made.id)))


async def _network(call: Call, coin: str) -> Network:
    """The one that is named, or the asset's first. Raises ApiError."""
    wanted = call.params.get("network")
    for each in await call.services.office.ask("networks", {}, list[Network]):
        if each.asset == coin and wanted in (None, each.network):
            return each
    raise ApiError(errors.NO_SUCH_ASSET)


def _chosen(
    call: Call,
    rows: Iterable[T],
    time_of: Callable[[T], int],
    name_of: Callable[[T], str],
    name: str,
) -> list[T]:
    """Newest first, as the parameters want them."""
    params = call.params
    coin, status, named = params.get("coin"), params.integer("status"), params.get(name)
    since_ns, until_ns = params.time_ns("startTime"), params.time_ns("endTime")
    found = [
        row
        for row in rows
        if (coin is None or row.coin == coin)
        and (status is None or row.status == status)
        and (named is None or name_of(row) == named)
        and (since_ns is None or time_of(row) * call.unit_ns >= since_ns)
        and (until_ns is None or time_of(row) * call.unit_ns <= until_ns)
    ]
    offset, limit = params.integer("offset") or 0, params.integer("limit")
    return found[offset:][: ROWS_DEFAULT if limit is None else min(limit, ROWS_MAX)]


def _deposit_row(call: Call, row: _Deposit) -> DepositRow:
    credited_at = row.credited_at
    return DepositRow(
        id=str(row.id),
        amount=row.amount,
        coin=row.asset,
        network=row.network,
        status=_DEPOSIT_STATUS.get(row.state, _PENDING),
        address=row.address,
        tx_id=row.txid,
        insert_time=row.time * NS_PER_MS // call.unit_ns,
        complete_time=UNSET if credited_at is None else credited_at * NS_PER_MS // call.unit_ns,
        confirm_times=f"{min(row.confirmations, row.confirmations_needed)}/{row.confirmations_needed}",
        unlock_confirm=row.confirmations_needed,
    )


def _withdrawal_row(row: _Withdrawal) -> WithdrawalRow:
    return WithdrawalRow(
        id=str(row.id),
        amount=row.amount,
        transaction_fee=row.fee,
        coin=row.asset,
        status=_WITHDRAWAL_STATUS[row.state],
        address=row.address,
        address_tag=row.tag,
        tx_id=row.txid or "",
        apply_time=_day_and_time(row.requested_at),
        complete_time=UNSET if row.settled_at is None else _day_and_time(row.settled_at),
        network=row.network,
        withdraw_order_id=UNSET if row.name is None else row.name,
        info=row.reason,
        confirm_no=row.confirmations if row.state in ("confirmed", "settled") else 0,
    )


def _day_and_time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
