"""Play money, in sandbox mode only. Every credit is balanced against one mirror that stands for nothing.

An asset that is held on a chain takes none: who withdraws it there must get what somebody has deposited.
"""

from typing import Any

from cambist.accounts import users
from cambist.control.exchange import SANDBOX_MIRROR, Caller, Exchange, Request
from cambist.control.users import account_of
from cambist.engine.commands import Credit
from cambist.errors import Refused
from cambist.money import format_atoms, parse_atoms
from cambist.settings import Settings
from cambist.wallets import networks


class NotSandbox(Refused):
    code = "not_sandbox"

    def __init__(self) -> None:
        super().__init__("this exchange is not a sandbox (mode.sandbox is false): it has no play money")


class HeldOnChain(Refused):
    code = "held_on_chain"

    def __init__(self, asset: str, network: str) -> None:
        super().__init__(f"{asset} is held on {network}: deposit it there, there is no play money of it")


class CreditSandbox(Request, tag="sandbox.credit"):
    """`reference` names the credit: asked for again with the same content, nothing more is paid."""

    email: str
    asset: str
    amount: str
    reference: str

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        require_sandbox(exchange.settings)
        user, asset = users.get(exchange.records, self.email), exchange.assets().named(self.asset)
        with exchange.records.read() as db:
            held = next((each for each in networks.every(db) if each.asset == asset.asset), None)
        if held is not None:
            raise HeldOnChain(asset.name, held.network)
        amount_atoms = parse_atoms(self.amount, asset.scale)
        act = caller.act(self)
        sequence = exchange.execute(
            act,
            Credit(
                market=asset.asset,
                account=account_of(user),
                counter_account=exchange.execute(act, SANDBOX_MIRROR),
                amount_atoms=amount_atoms,
                reference=f"sandbox:{self.reference}".encode(),
            ),
        )
        return {
            "email": user.email,
            "asset": asset.name,
            "amount": format_atoms(amount_atoms, asset.scale),
            "reference": self.reference,
            "sequence": sequence,
        }


def require_sandbox(settings: Settings) -> None:
    """Raises NotSandbox."""
    if not settings.mode.sandbox:
        raise NotSandbox
