"""The trial balance: every asset's balances by account class, whose sum must be zero.

What users own stands here with a plus, what the outside (a mirror) has paid in with a minus.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from cambist._matching import Engine
from cambist.engine.commands import AccountClass


@dataclass
class AssetTotals:
    """Atoms, available and held together, by account class."""

    name: str
    scale: int
    by_class: dict[AccountClass, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def sum_atoms(self) -> int:
        return sum(self.by_class.values())


def trial_balance(engine: Engine) -> list[AssetTotals]:
    """All assets in the order of their listing, also those that nobody owns."""
    assets = {asset: AssetTotals(name, scale) for asset, name, scale, _ in engine.assets()}
    for asset, account_class, available_atoms, held_atoms in engine.trial_balance():
        assets[asset].by_class[AccountClass(account_class)] += available_atoms + held_atoms
    return list(assets.values())


def is_balanced(totals: list[AssetTotals]) -> bool:
    return all(asset.sum_atoms == 0 for asset in totals)
