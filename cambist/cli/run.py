"""`cambist run`: the supervisor of an exchange, in the foreground."""

import json
import sys
from contextlib import ExitStack
from typing import NoReturn

import click

from cambist import app_run
from cambist.cli.terminal import LOG_FAILED, fail, progress
from cambist.errors import ExchangeError
from cambist.log.errors import LogError
from cambist.ops.logs import log_to_stderr
from cambist.settings import Settings, SettingsError, home_directory
from cambist.supervisor.messages import STOPPED_BY_ITSELF


@click.command()
@click.option("--demo", is_flag=True, help="Sandbox with markets, two users and books that live.")
@click.option("--json", "as_json", is_flag=True, help="Say in one line of JSON where it listens.")
def run(demo: bool, as_json: bool) -> None:
    """Start the exchange and stay until it is told to stop (Ctrl-C or SIGTERM)."""
    if demo:
        _make_demo(as_json)
    with ExitStack() as bar:

        def started(listening: app_run.Listening) -> None:
            bar.close()
            click.echo(json.dumps(listening._asdict()) if as_json else _welcome(listening))
            sys.stdout.flush()

        try:
            settings = Settings.load()
            log_to_stderr("supervisor", settings.logging)
            report = bar.enter_context(progress("reading the log"))
            failure = app_run.run(settings, demo=demo, started=started, report=report)
        except (ExchangeError, SettingsError, LogError, OSError) as refused:
            _refuse(refused, as_json)
    if failure is not None:
        fail(failure, as_json, LOG_FAILED if failure.code == STOPPED_BY_ITSELF else None)


# What a start that goes well does not need is loaded where it is needed: it would double the time of a start.


def _make_demo(as_json: bool) -> None:
    from cambist.app import create_demo
    from cambist.control.failures import ANSWERED

    try:
        create_demo(home_directory())
    except ANSWERED as refused:
        _refuse(refused, as_json)


def _refuse(problem: BaseException, as_json: bool) -> NoReturn:
    from cambist.control.failures import failure_of

    fail(failure_of(problem), as_json)


def _welcome(listening: app_run.Listening) -> str:
    lines = [
        f"Cambist listens on {listening.url}"
        + (" (sandbox: play money only)." if listening.sandbox else "."),
        f"Data is in {listening.home}.",
    ]
    if listening.demo_users is not None:
        lines.append(f"Two users with API keys are in {listening.demo_users}.")
        if listening.no_chain is None:
            lines.append("ETH and ETP are held on a chain of its own; what users start with comes in now.")
        else:
            lines.append(f"There is no chain, so no deposits and withdrawals: {listening.no_chain}.")
    if listening.console_link is not None:
        lines.append(f"The operators' console, first sign-in: {listening.console_link}")
    lines.append("Ctrl-C stops it; after the next start everything is where it was.")
    return "\n".join(lines)
