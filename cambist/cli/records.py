"""`cambist audit` and `cambist records`: who did what, and whether the records are as new as the log."""

import os
import time
from contextlib import closing
from typing import Any

import click

from cambist.cli.door import ask
from cambist.cli.output import answers
from cambist.control.records import AUDIT_LIMIT, ShowAudit, ShowRecords
from cambist.settings import Settings
from cambist.store.audit import Act
from cambist.store.records import Records


@click.command()
@click.option("--after", default=0, show_default=True, help="Only rows behind this one.")
@click.option("--limit", default=AUDIT_LIMIT, show_default=True, help="At most so many rows.")
@answers
def audit(after: int, limit: int) -> Any:
    """Show who changed what and when, oldest first. A trail that something else wrote to is refused."""
    return ask(ShowAudit(after=after, limit=limit))


@click.group()
def records() -> None:
    """The records database: users, keys, the audit trail, and commands on their way to the engine."""


@records.command()
@answers
def show() -> Any:
    """How far the records have the engine's answers, and whether payouts are stopped."""
    return ask(ShowRecords())


@records.command()
@click.option("--reason", required=True, help="What is wrong.")
@answers
def stop_payouts(reason: str) -> Any:
    """Stop all payouts, now, whatever else works. Two people at the console let them go on."""
    opened = Records.open(Settings.load(), is_shared=True)
    act = Act(f"operator, user id {os.getuid()}", "payouts.stop", {"reason": reason}, time.time_ns())
    with closing(opened):
        with opened.write() as db:
            opened.stop_payouts(db, reason)
            opened.audit.append(db, act)
        return {"payouts_stopped": opened.payouts_stopped()}
