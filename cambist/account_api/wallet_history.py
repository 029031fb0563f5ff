"""The deposits and withdrawals of a user as pages and programs see them, the newest first."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, select

from cambist.account_api.shown import milliseconds
from cambist.money import format_atoms
from cambist.store.wallet_tables import deposits, withdrawals
from cambist.wallet_calls import ROWS_MAX, DepositShown, HistoryOfAccount, WithdrawalShown
from cambist.wallets import networks
from cambist.wallets.depth import Depth
from cambist.wallets.networks import AssetNetwork
from cambist.wallets.withdrawals import State

# How many rows a page gets.
NEWEST = 200
_NS_PER_MS = 1_000_000
# SQLite counts no further, and nothing has as many rows.
_OFFSET_MAX = 2**53
_DECIDED = (State.REFUSED, State.REJECTED, State.FAILED)


def newest_deposits(db: Connection, user_id: int) -> list[DepositShown]:
    return _deposits(db, _of_user(deposits, user_id).limit(NEWEST))


def newest_withdrawals(db: Connection, user_id: int) -> list[WithdrawalShown]:
    return _withdrawals(db, _of_user(withdrawals, user_id).limit(NEWEST))


def deposits_like(db: Connection, user_id: int, wanted: HistoryOfAccount) -> list[DepositShown]:
    """Of listed assets."""
    chosen = _chosen(db, deposits, wanted, named=deposits.c.txid, time=deposits.c.seen_at_ns)
    listed = deposits.c.asset_network_id.is_not(None)
    return _deposits(db, _of_user(deposits, user_id).where(listed, *chosen).slice(*_rows(wanted)))


def withdrawals_like(db: Connection, user_id: int, wanted: HistoryOfAccount) -> list[WithdrawalShown]:
    chosen = _chosen(
        db, withdrawals, wanted, named=withdrawals.c.client_id, time=withdrawals.c.requested_at_ns
    )
    return _withdrawals(db, _of_user(withdrawals, user_id).where(*chosen).slice(*_rows(wanted)))


def withdrawal(row: Row[Any], asset: AssetNetwork) -> WithdrawalShown:
    return WithdrawalShown(
        id=row.id,
        asset=asset.asset_name,
        network=asset.network,
        amount=format_atoms(int(row.amount_atoms), asset.scale),
        fee=format_atoms(int(row.fee_atoms), asset.scale),
        address=row.address,
        tag=row.tag,
        state=row.state,
        # While it is under way a reason is for the operator: which cap it waits for is nobody's business.
        reason=row.reason if row.ended_at_ns is not None or row.state in _DECIDED else "",
        txid=row.txid,
        requested_at=milliseconds(row.requested_at_ns),
        settled_at=None if row.ended_at_ns is None else milliseconds(row.ended_at_ns),
        name=row.client_id,
        confirmations=asset.confirmations,
    )


def _of_user(table: Table, user_id: int) -> Select[Any]:
    return select(table).where(table.c.user_id == user_id).order_by(table.c.id.desc())


def _chosen(
    db: Connection,
    table: Table,
    wanted: HistoryOfAccount,
    *,
    named: ColumnElement[Any],
    time: ColumnElement[Any],
) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = []
    if wanted.states is not None:
        chosen.append(table.c.state.in_(wanted.states))
    if wanted.asset is not None:
        of_asset = [each.id for each in networks.every(db) if each.asset_name == wanted.asset]
        chosen.append(table.c.asset_network_id.in_(of_asset))
    if wanted.name is not None:
        chosen.append(named == wanted.name)
    if wanted.ids is not None:
        chosen.append(table.c.id.in_(wanted.ids))
    if wanted.since_ms is not None:
        chosen.append(time >= wanted.since_ms * _NS_PER_MS)
    if wanted.until_ms is not None:
        # Times are told in whole milliseconds, so what is told as this one is all of it.
        chosen.append(time < (wanted.until_ms + 1) * _NS_PER_MS)
    return chosen


def _rows(wanted: HistoryOfAccount) -> tuple[int, int]:
    offset = min(wanted.offset, _OFFSET_MAX)
    return offset, offset + min(wanted.limit, ROWS_MAX)


def _deposits(db: Connection, wanted: Select[Any]) -> list[DepositShown]:
    """Of one user."""
    assets, rows = _assets(db), db.execute(wanted).all()
    depths = {
        name: Depth(db, name, account) for name, account in {(row.network, row.account) for row in rows}
    }
    return [_deposit(row, assets.get(row.asset_network_id), depths[row.network]) for row in rows]


def _withdrawals(db: Connection, wanted: Select[Any]) -> list[WithdrawalShown]:
    assets = _assets(db)
    return [withdrawal(row, assets[row.asset_network_id]) for row in db.execute(wanted)]


def _assets(db: Connection) -> Mapping[int | None, AssetNetwork]:
    return {each.id: each for each in networks.every(db)}


def _deposit(row: Row[Any], asset: AssetNetwork | None, depth: Depth) -> DepositShown:
    return DepositShown(
        id=row.id,
        asset="" if asset is None else asset.asset_name,
        network=row.network,
        amount=row.amount_units if asset is None else format_atoms(int(row.amount_atoms), asset.scale),
        address=row.address,
        txid=row.txid,
        state=row.state,
        confirmations=0 if row.block is None else depth.confirmations(row),
        confirmations_needed=depth.needed(row),
        time=milliseconds(row.seen_at_ns),
        credited_at=None if row.credited_at_ns is None else milliseconds(row.credited_at_ns),
    )
