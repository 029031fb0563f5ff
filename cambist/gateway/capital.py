"""Deposits and withdrawals as wallets of trading programs ask for them; the office answers.

A withdrawal's `amount` leaves the account; the fee is taken off it and the rest arrives. Only addresses of
the owner's address book can be paid to, and only by keys that may withdraw, from the addresses they are
bound to.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import UNSET, UnsetType

from cambist import wallet_calls
from cambist.gateway import errors
from cambist.gateway.calls import NS_PER_MS, Call
from cambist.gateway.errors import ApiError
from cambist.gateway.schemas import Answer, encode
from cambist.wallet_calls import (
    ROWS_MAX,
    AddressOfAccount,
    DepositShown,
    Everything,
    HistoryOfAccount,
    NetworkShown,
    WithdrawalOfAccount,
    WithdrawalShown,
)

_ID = re.compile("[0-9]{1,18}")
_IDS_MAX = 45
# docs of `capital/deposit/hisrec` and `capital/withdraw/history`, "status". An orphaned deposit is none.
_DEPOSIT_STATUS = {"seen": 0, "credited": 1, "reversed": 7, "quarantined": 7, "suspense": 7}
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


async def networks(call: Call) -> list[NetworkShown]:
    """All assets on all networks; none while the office is away, so that clients can start."""
    try:
        return await call.services.office.ask("networks", Everything(), list[NetworkShown])
    except ApiError:
        return []


async def deposit_address(call: Call) -> bytes:
    coin = call.params.require("coin")
    network = await _network(call, coin)
    if not network.is_deposit_open:
        raise ApiError(errors.NO_DEPOSITS)
    question = AddressOfAccount(call.account, network.network)
    given = await call.services.office.ask("deposit-address", question, wallet_calls.DepositAddress)
    return encode(DepositAddress(coin, given.address, given.tag, ""))


async def deposit_history(call: Call) -> bytes:
    wanted = _wanted(call, _DEPOSIT_STATUS, "txId")
    found = await call.services.office.ask("deposits", wanted, list[DepositShown])
    return encode([_deposit_row(call, each) for each in found])


async def withdrawal_history(call: Call) -> bytes:
    wanted = _wanted(call, _WITHDRAWAL_STATUS, "withdrawOrderId")
    ids = call.params.get("idList")
    if ids is not None:
        wanted.ids = _ids(ids)
    found = await call.services.office.ask("withdrawals", wanted, list[WithdrawalShown])
    return encode([_withdrawal_row(each) for each in found])


async def withdraw(call: Call) -> bytes:
    if call.key is None or not call.key.ip_allow:
        raise ApiError(errors.KEY_REJECTED)
    coin = call.params.require("coin")
    question = WithdrawalOfAccount(
        account=call.account,
        scopes=call.key.scopes.value,
        asset=coin,
        address=call.params.require("address"),
        tag=call.params.get("addressTag") or "",
        amount=call.params.require("amount"),
        name=call.params.get("withdrawOrderId"),
        network=(await _network(call, coin)).network,
    )
    made = await call.services.office.ask("withdraw", question, WithdrawalShown)
    if made.state == "refused":
        is_short = made.reason == "insufficient balance"
        raise ApiError(errors.INSUFFICIENT_FOR_WITHDRAWAL if is_short else errors.NO_WITHDRAWALS)
    return encode(Applied(str(made.id)))


async def _network(call: Call, coin: str) -> NetworkShown:
    """The one that is named, or the asset's first. Raises ApiError."""
    wanted = call.params.get("network")
    for each in await call.services.office.ask("networks", Everything(), list[NetworkShown]):
        if each.asset == coin and wanted in (None, each.network):
            return each
    raise ApiError(errors.NO_SUCH_ASSET)


def _wanted(call: Call, statuses: Mapping[str, int], name: str) -> HistoryOfAccount:
    """What the parameters ask for. What is in no status is not shown."""
    params = call.params
    status, limit = params.integer("status"), params.integer("limit")
    since_ns, until_ns = params.time_ns("startTime"), params.time_ns("endTime")
    return HistoryOfAccount(
        account=call.account,
        states=[state for state, number in statuses.items() if status in (None, number)],
        asset=params.get("coin"),
        name=params.get(name),
        since_ms=None if since_ns is None else -(-since_ns // NS_PER_MS),
        until_ms=None if until_ns is None else until_ns // NS_PER_MS,
        offset=params.integer("offset") or 0,
        limit=ROWS_MAX if limit is None else min(limit, ROWS_MAX),
    )


def _ids(text: str) -> list[int]:
    """What is no id is nobody's. Raises ApiError for more than may be asked at once."""
    ids = text.split(",")
    if len(ids) > _IDS_MAX:
        raise ApiError(errors.invalid("idList"))
    return [int(each) for each in ids if _ID.fullmatch(each)]


def _deposit_row(call: Call, row: DepositShown) -> DepositRow:
    credited_at = row.credited_at
    return DepositRow(
        id=str(row.id),
        amount=row.amount,
        coin=row.asset,
        network=row.network,
        status=_DEPOSIT_STATUS[row.state],
        address=row.address,
        tx_id=row.txid,
        insert_time=row.time * NS_PER_MS // call.unit_ns,
        complete_time=UNSET if credited_at is None else credited_at * NS_PER_MS // call.unit_ns,
        confirm_times=f"{min(row.confirmations, row.confirmations_needed)}/{row.confirmations_needed}",
        unlock_confirm=row.confirmations_needed,
    )


def _withdrawal_row(row: WithdrawalShown) -> WithdrawalRow:
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
