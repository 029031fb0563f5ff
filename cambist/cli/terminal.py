"""What a command does to its terminal beside its answer: progress on stderr, one sentence when it goes wrong.

Exit status: 0 done; 1 refused, or a check that found something; 2 wrong usage; 69 not available now, try
again; 75 the exchange stopped by itself because its log could not be written.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cambist.errors import Failure

REFUSED, UNAVAILABLE, LOG_FAILED = 1, 69, 75


def fail(failure: Failure, as_json: bool, status: int | None = None) -> NoReturn:
    """Ends the process with what went wrong; its exit status follows from that, unless it is given."""
    if as_json:
        click.echo(json.dumps({"error": {"code": failure.code, "message": failure.message}}))
    else:
        click.echo(f"Error: {failure.message}", err=True)
    if status is None:
        status = UNAVAILABLE if failure.may_retry else REFUSED
    sys.exit(status)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, only where a person watches and only once there is something to report."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(what, total=None, visible=False)

        def report(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total or None, visible=True)

        yield report
