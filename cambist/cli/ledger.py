"""`cambist rebuild` and `cambist ledger check`: the SQL views made anew, and held against the engine."""

from typing import Any

import click

from cambist.app import rebuild_views
from cambist.cli.output import answers
from cambist.cli.terminal import progress
from cambist.control.ledger import check as check_ledger
from cambist.keep.held import files_stay
from cambist.settings import Settings


@click.command()
@answers
def rebuild() -> Any:
    """Make the SQL views anew from the event journal, or from the log where the journal is damaged.

    Users, keys and everything else that only records hold stay as they are. The exchange may run.
    """
    settings = Settings.load()
    with progress("rebuilding the views") as report:
        return rebuild_views(settings, report)


@click.group()
def ledger() -> None:
    """The double-entry ledger in SQL."""


@ledger.command()
@answers
def check() -> Any:
    """Trial balance per asset; exit status 1 unless all sum to zero and SQL and engine agree."""
    settings = Settings.load()
    with files_stay(settings), progress("replaying the log") as report:
        return check_ledger(settings, report)
