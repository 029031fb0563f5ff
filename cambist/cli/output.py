"""How commands answer: a document, as JSON or for people."""

import json
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cambist.cli.terminal import REFUSED, fail
from cambist.control.failures import ANSWERED, failure_of


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
