"""How many blocks a deposit lies under, and under how many it has to lie until it is credited.

What somebody can gain by a branch that dies is all that he was credited with in it. So a deposit is large,
and waits longer, if with those before it that came to the same account and are not as deep yet it exceeds
what the operator has set: who splits an amount into many waits like who sends it at once. What is credited
below that depth never exceeds the amount, and what comes later makes nobody wait longer for what came before.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from cambist.store.wallet_tables import chain_cursors, deposits
from cambist.wallets import networks
from cambist.wallets.deposit_state import State
from cambist.wallets.networks import AssetNetwork


class Depth:
    """Of a network's deposits, as far as it was read; `account` if only that one's are asked for."""

    def __init__(self, db: Connection, network: str, account: int | None = None) -> None:
        height = db.scalar(select(chain_cursors.c.height).where(chain_cursors.c.network == network))
        self._height = -1 if height is None else int(height)
        self._assets = {asset.id: asset for asset in networks.all_of(db, network)}
        self._large = self._found_large(db, network, account)

    def confirmations(self, row: Row[Any]) -> int:
        """Blocks from the deposit's, or the one that was, to the newest that was read, both counted."""
        return max(0, self._height - int(row.height) + 1)

    def needed(self, row: Row[Any]) -> int:
        """0 of a token that is not listed: it is not credited at all."""
        asset = self._assets.get(row.asset_network_id)
        if asset is None:
            return 0
        is_large = row.id in self._large or asset.is_large(int(row.amount_atoms))
        return asset.large_confirmations if is_large else asset.confirmations

    def is_enough(self, row: Row[Any]) -> bool:
        return self.confirmations(row) >= self.needed(row)

    def _found_large(self, db: Connection, network: str, account: int | None) -> set[int]:
        """Of those that are not deep enough for any amount."""
        listed = {number: asset for number, asset in self._assets.items() if asset.large_above_atoms}
        deepest = max((asset.large_confirmations for asset in listed.values()), default=0)
        recent = select(deposits).where(
            deposits.c.network == network,
            deposits.c.height > self._height + 1 - deepest,
            deposits.c.block.is_not(None),
            deposits.c.asset_network_id.in_(listed),
            deposits.c.state.in_((State.SEEN, State.CREDITED)),
        )
        if account is not None:
            recent = recent.where(deposits.c.account == account)
        return self._above(db.execute(recent.order_by(deposits.c.id)).all(), listed) if listed else set()

    def _above(self, rows: Sequence[Row[Any]], listed: Mapping[int, AssetNetwork]) -> set[int]:
        large: set[int] = set()
        at_risk: Counter[tuple[int, int]] = Counter()
        for row in rows:
            asset, whose = listed[row.asset_network_id], (row.account, row.asset_network_id)
            if self.confirmations(row) >= asset.large_confirmations:
                continue
            at_risk[whose] += int(row.amount_atoms)
            if asset.is_large(at_risk[whose]):
                large.add(row.id)
        return large
