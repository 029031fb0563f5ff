"""Coins and the ledger: deposits, what was put aside, wallets and nodes, fees, and whether it adds up."""

from typing import Annotated

from msgspec import Meta
from sqlalchemy import Connection, select

from cambist.account_api.bodies import Body, Shown
from cambist.account_api.shown import milliseconds
from cambist.console.call import Call
from cambist.console.shown import ROWS_MAX, Reason, ms_or_none
from cambist.control.networks import HaltNetwork
from cambist.control.protocol import ShowTrialBalance
from cambist.engine.commands import AccountClass
from cambist.money import format_atoms
from cambist.store.views import accounts, assets, balances
from cambist.store.wallet_tables import (
    asset_networks,
    chain_balances,
    chain_cursors,
    chain_sends,
    deposits,
    networks,
    reconciliations,
)
from cambist.wallets import networks as wallet_networks
from cambist.wallets.networks import AssetNetwork

OWN_CLASSES = (
    AccountClass.FEES,
    AccountClass.WITHDRAWAL_FEES,
    AccountClass.NETWORK_FEES,
    AccountClass.HOUSE,
    AccountClass.LOSS,
    AccountClass.SUSPENSE,
)


class WantedDeposits(Body):
    """The newest, of one state, one user or one transaction."""

    state: Annotated[str, Meta(max_length=16)] = ""
    user: int | None = None
    txid: Annotated[str, Meta(max_length=80)] = ""


class Deposit(Shown):
    """`amount` in the asset, or in the chain's units where no asset of ours came."""

    id: int
    network: str
    asset: str | None
    contract: str
    address: str
    user: int | None
    amount: str
    state: str
    reason: str
    height: int
    txid: str
    seen_at: int
    credited_at: int | None


class Send(Shown):
    id: int
    network: str
    kind: str
    subject: int
    nonce: int
    state: str
    txid: str


class NetworkShown(Shown):
    """`hot` is what the hot address holds, in units of the chain by contract."""

    name: str
    chain_id: int
    hot_address: str
    height: int | None
    halted: str
    hot: dict[str, str]
    under_way: list[Send]


class Compared(Shown):
    """Chain and ledger, in units of the chain. A drift that is not zero stops the asset's payouts."""

    on_chain_units: str
    ledger_units: str
    under_way_units: str
    drift_units: str
    height: int
    time: int


class AssetOnNetwork(Shown):
    """`compared` is the newest comparison; null before the first."""

    asset: str
    network: str
    contract: str
    confirmations: int
    large_above: str
    large_confirmations: int
    deposit_min: str
    withdrawal_fee: str
    withdrawal_min: str
    withdrawal_daily_max: str
    review_two_above: str
    is_deposit_open: bool
    is_withdrawal_open: bool
    halted: str
    compared: Compared | None


class Wallets(Shown):
    networks: list[NetworkShown]
    assets: list[AssetOnNetwork]


class OwnBalance(Shown):
    """Of an account of the exchange's own."""

    kind: str
    asset: str
    amount: str


class Ledger(Shown):
    """By asset: what each class of accounts has, and the sum, which is zero."""

    by_class: dict[str, dict[str, str]]
    is_balanced: bool


class HaltAsset(Reason):
    network: str
    asset: str


def list_deposits(call: Call, wanted: WantedDeposits) -> list[Deposit]:
    joined = select(deposits, asset_networks.c.asset_name, asset_networks.c.scale).outerjoin(
        asset_networks, asset_networks.c.id == deposits.c.asset_network_id
    )
    if wanted.state:
        joined = joined.where(deposits.c.state == wanted.state)
    if wanted.user is not None:
        joined = joined.where(deposits.c.user_id == wanted.user)
    if wanted.txid:
        joined = joined.where(deposits.c.txid == wanted.txid.lower())
    with call.console.records.read() as db:
        rows = db.execute(joined.order_by(deposits.c.id.desc()).limit(ROWS_MAX)).all()
    return [
        Deposit(
            id=row.id,
            network=row.network,
            asset=row.asset_name,
            contract=row.contract,
            address=row.address,
            user=row.user_id,
            amount=row.amount_units
            if row.asset_name is None
            else format_atoms(int(row.amount_atoms), row.scale),
            state=row.state,
            reason=row.reason,
            height=row.height,
            txid=row.txid,
            seen_at=milliseconds(row.seen_at_ns),
            credited_at=ms_or_none(row.credited_at_ns),
        )
        for row in rows
    ]


def show_wallets(call: Call) -> Wallets:
    with call.console.records.read() as db:
        cursors = {row.network: row for row in db.execute(select(chain_cursors))}
        hot: dict[str, dict[str, str]] = {}
        joined = select(chain_balances).join(networks, networks.c.hot_address == chain_balances.c.address)
        for row in db.execute(joined.where(networks.c.name == chain_balances.c.network)):
            hot.setdefault(row.network, {})[row.contract] = row.amount_units
        pending = select(chain_sends).where(chain_sends.c.state.in_(("signed", "sent")))
        sends = [
            Send(row.id, row.network, row.kind, row.subject, row.nonce, row.state, row.txid)
            for row in db.execute(pending.order_by(chain_sends.c.id).limit(ROWS_MAX))
        ]
        shown = [
            NetworkShown(
                name=row.name,
                chain_id=row.chain_id,
                hot_address=row.hot_address,
                height=cursors[row.name].height if row.name in cursors else None,
                halted=cursors[row.name].halted if row.name in cursors else "not read yet",
                hot=hot.get(row.name, {}),
                under_way=[each for each in sends if each.network == row.name],
            )
            for row in db.execute(select(networks).order_by(networks.c.name))
        ]
        return Wallets(shown, [_asset(db, each) for each in wallet_networks.every(db)])


def halt_asset(call: Call, sent: HaltAsset) -> Wallets:
    """Nothing of it is credited or paid out. Going on takes two people (a proposal)."""
    call.ask(HaltNetwork(network=sent.network, asset=sent.asset, reason=sent.reason[:255]), sent.reason)
    return show_wallets(call)


def list_own(call: Call) -> list[OwnBalance]:
    """Fees earned, and the exchange's other accounts."""
    found = (
        select(
            accounts.c.account_class,
            assets.c.name,
            assets.c.scale,
            balances.c.available_atoms,
            balances.c.held_atoms,
        )
        .join(balances, balances.c.account == accounts.c.account)
        .join(assets, assets.c.asset == balances.c.asset)
        .where(accounts.c.account_class.in_([each.value for each in OWN_CLASSES]))
        .order_by(accounts.c.account_class, assets.c.name)
    )
    with call.console.views() as db:
        return [
            OwnBalance(AccountClass(kind).name.lower(), name, format_atoms(available + held, scale))
            for kind, name, scale, available, held in db.execute(found)
        ]


def show_ledger(call: Call) -> Ledger:
    answer = call.ask(ShowTrialBalance(), "")
    return Ledger(answer["by_class"], answer["ledger_balanced"])


def _asset(db: Connection, asset: AssetNetwork) -> AssetOnNetwork:
    mine = select(reconciliations).where(reconciliations.c.asset_network_id == asset.id)
    found = db.execute(mine.order_by(reconciliations.c.id.desc()).limit(1)).one_or_none()

    def amount(atoms: int) -> str:
        return format_atoms(atoms, asset.scale)

    return AssetOnNetwork(
        asset=asset.asset_name,
        network=asset.network,
        contract=asset.contract,
        confirmations=asset.confirmations,
        large_above=amount(asset.large_above_atoms),
        large_confirmations=asset.large_confirmations,
        deposit_min=amount(asset.deposit_min_atoms),
        withdrawal_fee=amount(asset.withdrawal_fee_atoms),
        withdrawal_min=amount(asset.withdrawal_min_atoms),
        withdrawal_daily_max=amount(asset.withdrawal_daily_max_atoms),
        review_two_above=amount(asset.review_two_above_atoms),
        is_deposit_open=asset.is_deposit_open,
        is_withdrawal_open=asset.is_withdrawal_open,
        halted=asset.halted,
        compared=None
        if found is None
        else Compared(
            on_chain_units=found.on_chain_units,
            ledger_units=found.ledger_units,
            under_way_units=found.under_way_units,
            drift_units=found.drift_units,
            height=found.height,
            time=milliseconds(found.time_ns),
        ),
    )
