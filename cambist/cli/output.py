"""How commands answer: a document as JSON or for people, progress on stderr, one sentence when it goes wrong.

Exit status: 0 done; 1 refused, or a check that found something; 2 wrong usage; 69 not available now, try
again; 75 the exchange stopped by itself because its log could not be written.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy.exc import DBAPIError

from cambist.control.client import RequestFailed
from cambist.control.exchange import Report
from cambist.control.protocol import Failure
from cambist.errors import Broken, ExchangeError
from cambist.log.errors import LogError, LogInUse
from cambist.log.journal import JournalDamaged
from cambist.settings import SettingsError

# What becomes a sentence; anything else is a bug and shows itself.
ANSWERED = (
    RequestFailed,
    ExchangeError,
    SettingsError,
    LogError,
    JournalDamaged,
    Broken,
    OSError,
    DBAPIError,
)
REFUSED, UNAVAILABLE, LOG_FAILED = 1, 69, 75


def answers(command: Callable[..., Any]) -> Callable[..., None]:
    """Gives a command `--json` and shows the document that it returns; its errors become one sentence.

    A document with `problems` in it is shown, and then the exit status is that of a refusal.
    """

    @click.option("--json", "as_json", is_flag=True, help="Answer with one line of JSON.")
    @wraps(command)
    def answering(*args: Any, as_json: bool, **kwargs: Any) -> None:
        try:
            document = command(*args, **kwargs)
        except ANSWERED as problem:
            fail(failure_of(problem), as_json)
        if as_json:
            click.echo(json.dumps(document))
        else:
            show(document)
        if isinstance(document, Mapping) and document.get("problems"):
            sys.exit(REFUSED)

    return answering


def failure_of(problem: BaseException) -> Failure:
    match problem:
        case RequestFailed():
            return problem.failure
        case ExchangeError():
            return Failure.of(problem)
        case SettingsError():
            return Failure("settings_invalid", str(problem))
        case LogInUse():
            hint = "an exchange that runs there answers no operator, or another `cambist` is at work"
            return Failure("log_in_use", f"{problem}: {hint}", may_retry=True)
        case LogError():
            return Failure("log_error", str(problem))
        case JournalDamaged():
            hint = "stop the exchange and run `cambist rebuild`; the log says it all again"
            return Failure("journal_damaged", f"{problem}: {hint}")
        case Broken():
            return Failure("broken", str(problem))
        case DBAPIError():
            return Failure("records_error", f"the records database cannot be used: {problem.orig}")
    return Failure("system_error", str(problem))


def fail(failure: Failure, as_json: bool, status: int | None = None) -> NoReturn:
    """Ends the process with what went wrong; its exit status follows from that, unless it is given."""
    if as_json:
        click.echo(json.dumps({"error": {"code": failure.code, "message": failure.message}}))
    else:
        click.echo(f"Error: {failure.message}", err=True)
    if status is None:
        status = UNAVAILABLE if failure.may_retry else REFUSED
    sys.exit(status)


def show(document: Any) -> None:
    """A table for a list of records, else a line per field; nested fields are indented."""
    if isinstance(document, list):
        _show_table(document)
    elif isinstance(document, Mapping):
        _show_fields(document, indent="")
    elif document is not None:
        click.echo(document)


def _show_table(rows: list[Mapping[str, Any]]) -> None:
    if not rows:
        click.echo("none")
        return
    flat = {name for name, value in rows[0].items() if not isinstance(value, Mapping)}
    names = [name for name in rows[0] if name in flat]
    table = Table(*[_words(name) for name in names], box=None, header_style="bold")
    for row in rows:
        table.add_row(*[_text(row[name]) for name in names])
    # Never folded to a terminal's width: keys and addresses are copied from here.
    width = None if sys.stdout.isatty() else 1_000
    Console(soft_wrap=True, width=width, highlight=False, markup=False, emoji=False).print(table)


def _show_fields(fields: Mapping[str, Any], indent: str) -> None:
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        if isinstance(value, Mapping):
            click.echo(f"{indent}{_words(name)}")
            _show_fields(value, indent + "  ")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            click.echo(f"{indent}{_words(name)}")
            _show_table(value)
        else:
            click.echo(f"{indent}{_words(name):<{width}}  {_text(value)}")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _text(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value)) or "-"
    return str(value)


@contextmanager
def progress(what: str) -> Iterator[Report]:
    """A bar on stderr, only where a person watches and only once there is something to report."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(what, total=None, visible=False)

        def report(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total or None, visible=True)

        yield report
