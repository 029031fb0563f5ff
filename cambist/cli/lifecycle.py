"""`cambist init`."""

from typing import Any

import click

from cambist import app
from cambist.cli.output import answers
from cambist.settings import FILE_NAME, home_directory


@click.command()
@click.option("--sandbox", is_flag=True, help="Play money: allows `cambist sandbox`.")
@answers
def init(sandbox: bool) -> Any:
    """Make a new, empty exchange: data directory, settings file, secrets, records and log."""
    settings = app.create_exchange(home_directory(), sandbox=sandbox)
    return {"home": str(settings.home), "settings": str(settings.home / FILE_NAME), "sandbox": sandbox}
