"""`cambist rules`: which version of the rules the engine decides by."""

from typing import Any

import click

from cambist.cli.door import ask
from cambist.cli.output import answers
from cambist.control.protocol import ActivateRules, ShowRules


@click.command()
@click.option("--activate-newest", is_flag=True, help="From now on, and for good.")
@answers
def rules(activate_newest: bool) -> Any:
    """Show the rules that are active. A new exchange begins with the newest, an older one keeps its own."""
    return ask(ActivateRules() if activate_newest else ShowRules())
