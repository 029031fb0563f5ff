"""`cambist sandbox`: play money, and starting over."""

from typing import Any

import click

from cambist import app, ids
from cambist.cli.door import ask
from cambist.cli.output import answers
from cambist.control.sandbox import CreditSandbox, require_sandbox
from cambist.settings import Settings


@click.group()
def sandbox() -> None:
    """Play money. Refused on an exchange that is not in sandbox mode."""


@sandbox.command()
@click.argument("email")
@click.argument("asset")
@click.argument("amount")
@click.option("--reference", help="Name of this credit: it is paid once, however often it is asked for.")
@answers
def credit(email: str, asset: str, amount: str, reference: str | None) -> Any:
    """Give EMAIL AMOUNT of ASSET."""
    return ask(
        CreditSandbox(
            email=email, asset=asset, amount=amount, reference=reference or str(ids.new_reference())
        )
    )


@sandbox.command()
@click.option("--yes", is_flag=True, help="Do it; without this nothing happens.")
@answers
def reset(yes: bool) -> Any:
    """Start over with an empty exchange. The old data is moved aside, not deleted; settings stay."""
    settings = Settings.load()
    require_sandbox(settings)
    if not yes:
        raise click.UsageError(f"this empties the exchange in {settings.home}; add --yes to do it")
    return {"home": str(settings.home), "old_data": str(app.reset_exchange(settings))}
