"""`cambist serve NAME`: one service in a process of its own, in the foreground and kept by nobody."""

from collections.abc import Callable
from functools import partial

import click

from cambist.app import open_exchange
from cambist.app_data import serve_data
from cambist.app_exchange import serve as serve_exchange
from cambist.app_gateway import serve as serve_gateway
from cambist.app_match import serve_match
from cambist.app_office import serve_office
from cambist.app_signer import serve_signer
from cambist.app_snapshotter import serve_snapshotter
from cambist.app_wallets import serve_wallets
from cambist.cli.terminal import LOG_FAILED, fail, progress
from cambist.control.failures import ANSWERED, failure_of, stopped_by_itself
from cambist.ops.logs import log_to_stderr
from cambist.settings import Settings


@click.group()
def serve() -> None:
    """Run one service in a process of its own."""


@serve.command()
def exchange() -> None:
    """Match server and gateway. `run` starts it by itself, with all that belongs to an exchange."""
    _in_the_foreground("exchange", _exchange)


@serve.command()
@click.option("--standby", is_flag=True, help="Where another one leads, wait until it is gone.")
def match(standby: bool) -> None:
    """The match server alone; gateways reach it over intake."""
    _in_the_foreground("match", partial(_match, standby))


@serve.command()
def gateway() -> None:
    """A further gateway, on CAMBIST_PORT, before the match server that leads."""
    _in_the_foreground("gateway", lambda settings: serve_gateway(settings, "gateway", with_parent=False))


@serve.command()
def office() -> None:
    """The office: accounts, sign-in and what belongs to it. `run` starts one by itself."""
    _in_the_foreground("office", lambda settings: serve_office(settings, with_parent=False))


@serve.command()
def signer() -> None:
    """The signer, as the user whose its directory is. `run` starts one by itself where there is one."""
    _in_the_foreground("signer", lambda settings: serve_signer(settings, with_parent=False))


@serve.command()
def wallets() -> None:
    """The wallets: what comes in and goes out on chains. `run` starts them by itself where a node is set."""
    _in_the_foreground("wallets", lambda settings: serve_wallets(settings, with_parent=False))


@serve.command()
def data() -> None:
    """The data server: follows the event journal and keeps the SQL views. `run` starts one by itself."""
    _in_the_foreground("data", lambda settings: serve_data(settings, with_parent=False))


@serve.command()
def snapshotter() -> None:
    """Makes snapshots while the exchange runs, and prunes behind them. `run` starts one by itself."""
    _in_the_foreground("snapshotter", lambda settings: serve_snapshotter(settings, with_parent=False))


def _in_the_foreground(name: str, service: Callable[[Settings], None]) -> None:
    try:
        settings = Settings.load()
        log_to_stderr(name, settings.logging)
        service(settings)
    except ANSWERED as refused:
        fail(failure_of(refused), as_json=False)


def _exchange(settings: Settings) -> None:
    with progress("reading the log") as report:
        opened = open_exchange(settings, report)
    problem = serve_exchange(opened, demo=False, with_parent=False, started=lambda document: None)
    if problem is not None:
        fail(stopped_by_itself("the exchange", problem), as_json=False, status=LOG_FAILED)


def _match(standby: bool, settings: Settings) -> None:
    problem = serve_match(settings, "match", standby=standby, with_parent=False, say=lambda _: None)
    if problem is not None:
        fail(stopped_by_itself("the match server", problem), as_json=False, status=LOG_FAILED)
