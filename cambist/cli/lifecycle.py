"""`cambist init` and `cambist run`."""

import json
import sys
from typing import Any

import click

from cambist import app
from cambist.app_data import log_to_stderr, serve_data
from cambist.cli.output import ANSWERED, LOG_FAILED, answers, fail, failure_of, progress
from cambist.control.protocol import Failure
from cambist.settings import FILE_NAME, Settings, home_directory


@click.command()
@click.option("--sandbox", is_flag=True, help="Play money: allows `cambist sandbox`.")
@answers
def init(sandbox: bool) -> Any:
    """Make a new, empty exchange: data directory, settings file, secrets, records and log."""
    settings = app.create_exchange(home_directory(), sandbox=sandbox)
    return {"home": str(settings.home), "settings": str(settings.home / FILE_NAME), "sandbox": sandbox}


@click.command()
@click.option("--demo", is_flag=True, help="Sandbox with markets, two users and books that live.")
@click.option("--json", "as_json", is_flag=True, help="Say in one line of JSON where it listens.")
def run(demo: bool, as_json: bool) -> None:
    """Start the exchange and stay until it is told to stop (Ctrl-C or SIGTERM)."""

    def started(listening: app.Listening) -> None:
        click.echo(json.dumps(listening._asdict()) if as_json else _welcome(listening))
        sys.stdout.flush()

    log_to_stderr()
    try:
        if demo:
            app.create_demo(home_directory())
        settings = Settings.load()
        with progress("reading the log") as report:
            exchange = app.open_exchange(settings, report)
        problem = app.serve(exchange, demo=demo, started=started)
    except ANSWERED as refused:
        fail(failure_of(refused), as_json)
    if problem is not None:
        message = (
            f"the exchange has stopped by itself: {problem}. Nothing was tried again. "
            "Look at the disk, run `cambist doctor` and `cambist verify`, then start it."
        )
        fail(Failure("stopped_by_itself", message), as_json, LOG_FAILED)


@click.group()
def serve() -> None:
    """Run one service in a process of its own."""


@serve.command()
def data() -> None:
    """The data server: follows the event journal and keeps the SQL views. `run` starts one by itself."""
    log_to_stderr()
    try:
        serve_data(Settings.load(), with_parent=False)
    except ANSWERED as refused:
        fail(failure_of(refused), as_json=False)


def _welcome(listening: app.Listening) -> str:
    lines = [
        f"Cambist listens on {listening.url}"
        + (" (sandbox: play money only)." if listening.sandbox else "."),
        f"Data is in {listening.home}.",
    ]
    if listening.demo_users is not None:
        lines.append(f"Two users with API keys are in {listening.demo_users}.")
    lines.append("Ctrl-C stops it; after the next start everything is where it was.")
    return "\n".join(lines)
