"""Puts an asset on a network, and changes on what terms: what an operator decides.

A token is listed only as its contract is: the decimals that are given must be the contract's own, and
balances must not change without a transfer. What is said of it here never changes; terms and halts do.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, update

from cambist.errors import Refused
from cambist.store.records import Records
from cambist.store.wallet_tables import asset_networks
from cambist.wallets import networks
from cambist.wallets.chain import Chain, Token
from cambist.wallets.networks import AssetNetwork

# Where nothing is deposited, nobody can look: any address does for what a token says of itself.
_NOBODY = "0x" + "0" * 39 + "1"


class TokenUnfit(Refused):
    """The contract is not what it was said to be, or of a kind that is not listed."""

    code = "token_unfit"


class TermsUnfit(Refused):
    """Terms of which one leaves another without effect."""

    code = "terms_unfit"


class NotListed(Refused):
    code = "asset_not_on_network"


class Terms(NamedTuple):
    """Amounts in atoms, but `hot_max_units` in the chain's units. A daily limit of 0 is none.

    Deposits above `large_above_atoms` need `large_confirmations`; if it is 0, none does.
    """

    confirmations: int
    large_above_atoms: int
    large_confirmations: int
    deposit_min_atoms: int
    withdrawal_fee_atoms: int
    withdrawal_min_atoms: int
    withdrawal_daily_max_atoms: int
    review_two_above_atoms: int
    hot_max_units: int
    is_deposit_open: bool
    is_withdrawal_open: bool


def require_sense(terms: Terms) -> None:
    """Raises TermsUnfit."""
    if terms.large_above_atoms and terms.large_confirmations <= terms.confirmations:
        raise TermsUnfit(
            f"large deposits need more confirmations than the {terms.confirmations} of the others,"
            f" not {terms.large_confirmations}"
        )


def require_fit(chain: Chain, contract: str, decimals: int) -> Token:
    """Raises TokenUnfit; NodeFailed."""
    if not chain.is_address(contract):
        raise TokenUnfit(f"{contract} is no address of {chain.network}")
    token = chain.token(contract, _NOBODY, chain.tip().height)
    if token.decimals != decimals:
        raise TokenUnfit(f"the contract has {token.decimals} decimals, not {decimals}")
    if token.is_stopped:
        raise TokenUnfit("the contract is stopped")
    if token.is_rebasing:
        raise TokenUnfit("the token's balances change without a transfer: deposits could not be told")
    return token


def halt_changed(records: Records, chain: Chain, holder: str, height: int) -> None:
    """Halts what is no longer the token that was listed. Raises NodeFailed."""
    with records.read() as db:
        listed = [each for each in networks.all_of(db, chain.network) if each.contract and not each.halted]
    for asset in listed:
        if reason := _changed(chain, asset, holder, height):
            with records.write() as db:
                networks.halt(db, asset, reason)


def add(db: Connection, asset: Mapping[str, Any], terms: Terms) -> AssetNetwork:
    """`asset`: what never changes of the row. Raises TokenUnfit if it is listed already as something else."""
    of_it = (asset_networks.c.network == asset["network"], asset_networks.c.asset == asset["asset"])
    known = db.execute(select(asset_networks).where(*of_it)).one_or_none()
    if known is not None and any(getattr(known, name) != value for name, value in asset.items()):
        raise TokenUnfit(
            f"{asset['asset_name']} is on {asset['network']} already, and what it is never changes"
        )
    if known is None:
        db.execute(insert(asset_networks).values(dict(asset) | _columns(terms) | {"halted": ""}))
    return find(db, asset["network"], asset["asset_name"])


def change(db: Connection, asset: AssetNetwork, terms: Terms) -> None:
    db.execute(update(asset_networks).where(asset_networks.c.id == asset.id).values(_columns(terms)))


def resume(db: Connection, asset: AssetNetwork) -> None:
    """A person has looked."""
    db.execute(update(asset_networks).where(asset_networks.c.id == asset.id).values(halted=""))


def find(db: Connection, network: str, asset_name: str) -> AssetNetwork:
    """Raises NotListed."""
    for each in networks.all_of(db, network):
        if each.asset_name == asset_name:
            return each
    raise NotListed(f"{asset_name} is not on {network}; `cambist network list` shows what is")


def terms_of(asset: AssetNetwork) -> Terms:
    return Terms(**{name: getattr(asset, name) for name in Terms._fields})


def _changed(chain: Chain, asset: AssetNetwork, holder: str, height: int) -> str:
    """Why it is not what it was; empty if it is."""
    try:
        token = chain.token(asset.contract, holder, height)
    except Refused as problem:
        return f"the contract is no token any more: {problem}"
    if token.decimals != asset.decimals:
        return f"the contract has {token.decimals} decimals instead of {asset.decimals}"
    if token.code != asset.token_code:
        return "the contract runs other code than when it was listed"
    return "the contract is stopped, or closed to us" if token.is_stopped else ""


def _columns(terms: Terms) -> dict[str, Any]:
    return {
        name: str(value) if name.endswith(("_atoms", "_units")) else value
        for name, value in terms._asdict().items()
    }
