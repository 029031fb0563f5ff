"""Play money, in sandbox mode only. Every credit is balanced against one mirror that stands for nothing."""

from typing import Any

from cambist.accounts import users
from cambist.control.exchange import SANDBOX_MIRROR, Caller, Exchange, Request
from cambist.control.users import account_of
from cambist.engine.commands import Credit
from cambist.errors import Refused
from cambist.money import format_atoms, parse_atoms
from cambist.settings import Settings


class NotSandbox(Refused):
    code = "not_sandbox"

    def __init__(self) -> None:
        super().__init__("this exchange is not a sandbox (mode.sandbox is false): it has no play money")


class CreditSandbox(Request, tag="sandbox.credit"):
    """`reference` names the credit: asked for again with the same content, nothing more is paid."""

    email: str
    asset: str
    amount: str
    reference: str

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        require_sandbox(exchange.settings)
        user, asset = users.get(exchange.records, self.email), exchange.assets().named(self.asset)
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
