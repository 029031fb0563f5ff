"""Assets on networks, as an operator lists, changes, halts and shows them: amounts are decimal strings here.

What an asset is on a network (contract, decimals) never changes; on what terms it comes in and goes out does.
"""

from typing import Annotated, Any

import msgspec

from cambist.control.exchange import Caller, Exchange, Request
from cambist.engine.commands import AccountClass, AccountCreate, Correction, Permission
from cambist.engine.system_accounts import LOSS
from cambist.money import format_atoms, parse_atoms
from cambist.settings import Settings
from cambist.store.audit import Act
from cambist.wallets import chains, listing, networks, strange
from cambist.wallets.listing import Terms, TokenUnfit
from cambist.wallets.networks import AssetNetwork

_Confirmations = Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class TermChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Amounts in the asset; None leaves a term as it is. 0 is no limit for the daily and the hot maximum.

    Deposits above `large_above` need `large_confirmations`, more than others; at 0 all need the same.
    """

    confirmations: _Confirmations | None = None
    large_above: str | None = None
    large_confirmations: _Confirmations | None = None
    deposit_min: str | None = None
    withdrawal_fee: str | None = None
    withdrawal_min: str | None = None
    withdrawal_daily_max: str | None = None
    review_two_above: str | None = None
    hot_max: str | None = None
    deposits_open: bool | None = None
    withdrawals_open: bool | None = None

    def of(self, terms: Terms, scale: int, decimals: int) -> Terms:
        """Raises AmountInvalid, TermsUnfit."""
        amounts = {
            "large_above_atoms": self.large_above,
            "deposit_min_atoms": self.deposit_min,
            "withdrawal_fee_atoms": self.withdrawal_fee,
            "withdrawal_min_atoms": self.withdrawal_min,
            "withdrawal_daily_max_atoms": self.withdrawal_daily_max,
            "review_two_above_atoms": self.review_two_above,
        }
        changed: dict[str, Any] = {
            name: parse_atoms(text, scale) for name, text in amounts.items() if text is not None
        }
        if self.hot_max is not None:
            changed["hot_max_units"] = parse_atoms(self.hot_max, decimals)
        plain = {
            "confirmations": self.confirmations,
            "large_confirmations": self.large_confirmations,
            "is_deposit_open": self.deposits_open,
            "is_withdrawal_open": self.withdrawals_open,
        }
        changed |= {name: value for name, value in plain.items() if value is not None}
        terms = terms._replace(**changed)
        listing.require_sense(terms)
        return terms


# Of an asset for which nothing else was said. Nothing is paid out before somebody has opened that.
DEFAULT = Terms(
    confirmations=12,
    large_above_atoms=0,
    large_confirmations=0,
    deposit_min_atoms=0,
    withdrawal_fee_atoms=0,
    withdrawal_min_atoms=0,
    withdrawal_daily_max_atoms=0,
    review_two_above_atoms=0,
    hot_max_units=0,
    is_deposit_open=True,
    is_withdrawal_open=False,
)


class AddNetwork(Request, tag="network.add"):
    """`contract` is empty for the network's own coin. The node is asked whether it has these decimals."""

    network: str
    asset: str
    contract: str = ""
    decimals: Annotated[int, msgspec.Meta(ge=0, le=36)] = 18
    terms: TermChanges = TermChanges()

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        asset, contract = exchange.assets().named(self.asset), self.contract.lower()
        terms = self.terms.of(DEFAULT, asset.scale, self.decimals)
        code = _code(exchange.settings, self.network, contract, self.decimals)
        act = caller.act(self)
        mirror = exchange.execute(
            act,
            AccountCreate(
                account_class=AccountClass.MIRROR,
                permissions=Permission.TRADE,
                reference=f"mirror:{self.network}:{asset.name}".encode(),
            ),
        )
        row = {
            "asset": asset.asset,
            "asset_name": asset.name,
            "scale": asset.scale,
            "network": self.network,
            "contract": contract,
            "decimals": self.decimals,
            "mirror": mirror,
            "token_code": code,
        }
        with exchange.records.write() as db:
            return _shown(listing.add(db, row, terms))


class ListNetworks(Request, tag="network.list"):
    def perform(self, exchange: Exchange, caller: Caller) -> list[dict[str, Any]]:
        with exchange.records.read() as db:
            return [_shown(each) for each in networks.every(db)]


class SetNetwork(Request, tag="network.set"):
    network: str
    asset: str
    terms: TermChanges

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        with exchange.records.write() as db:
            asset = listing.find(db, self.network, self.asset)
            listing.change(db, asset, self.terms.of(listing.terms_of(asset), asset.scale, asset.decimals))
            exchange.records.audit.append(db, caller.act(self))
            return _shown(networks.by_id(db, asset.id))


class HaltNetwork(Request, tag="network.halt"):
    """Nothing of the asset is credited or paid out on the network; None: it goes on again."""

    network: str
    asset: str
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=networks.HALTED_LONGEST)] | None

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        with exchange.records.write() as db:
            asset = listing.find(db, self.network, self.asset)
            if self.reason is None:
                listing.resume(db, asset)
            else:
                networks.halt(db, asset, self.reason)
            exchange.records.audit.append(db, caller.act(self))
            return _shown(networks.by_id(db, asset.id))


class ListUnexplained(Request, tag="network.unexplained"):
    def perform(self, exchange: Exchange, caller: Caller) -> list[dict[str, Any]]:
        with exchange.records.read() as db:
            return [each._asdict() for each in strange.unexplained(db)]


class ExplainSend(Request, tag="network.explain"):
    """By two people at the console: what a transaction was that these records have not made.

    The payment of `withdrawal`, or, if that is None, coins that are lost: the loss account pays for them.
    """

    network: str
    txid: str
    withdrawal: Annotated[int, msgspec.Meta(ge=1)] | None

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        act = caller.act(self)
        if self.withdrawal is None:
            self._write_off(exchange, act)
        with exchange.records.write() as db:
            if self.withdrawal is None:
                strange.explain_as_lost(db, self.network, self.txid)
            else:
                strange.explain_as_payment(db, self.network, self.txid, self.withdrawal)
                exchange.records.audit.append(db, act)
            return {"unexplained": len(strange.unexplained(db))}

    def _write_off(self, exchange: Exchange, act: Act) -> None:
        """Done again after whatever came in between, it is the same command and counts once."""
        with exchange.records.read() as db:
            row = strange.waiting(db, self.network, self.txid)
            asset = strange.asset_of(db, row)
        lost_units = strange.lost_units(row)
        if asset is None or not lost_units:
            return
        exchange.execute(
            act,
            Correction(
                account=LOSS,
                market=asset.asset,
                counter_account=asset.mirror,
                amount_atoms=asset.atoms_up(lost_units),
                reference=f"lost:{self.network}:{self.txid}".encode(),
            ),
        )


def _code(settings: Settings, network: str, contract: str, decimals: int) -> str:
    """What stands for the contract as it is now; empty for the network's own coin."""
    with chains.opened(settings, network) as chain:
        if contract:
            return listing.require_fit(chain, contract, decimals).code
    if decimals != chains.NETWORKS[network].coin_decimals:
        raise TokenUnfit(f"the coin of {network} has {chains.NETWORKS[network].coin_decimals} decimals")
    return ""


def _shown(asset: AssetNetwork) -> dict[str, Any]:
    amounts = {
        name: format_atoms(getattr(asset, f"{name}_atoms"), asset.scale)
        for name in (
            "large_above",
            "deposit_min",
            "withdrawal_fee",
            "withdrawal_min",
            "withdrawal_daily_max",
            "review_two_above",
        )
    }
    return {
        "network": asset.network,
        "asset": asset.asset_name,
        "contract": asset.contract,
        "decimals": asset.decimals,
        "mirror": asset.mirror,
        "confirmations": asset.confirmations,
        "large_confirmations": asset.large_confirmations,
        **amounts,
        "hot_max": format_atoms(asset.hot_max_units, asset.decimals),
        "deposits_open": asset.is_deposit_open,
        "withdrawals_open": asset.is_withdrawal_open,
        "halted": asset.halted,
    }
