"""Which part gets which, with app_data.py: the only wiring. What runs in which process says
docs/architecture.md.
"""

import asyncio
import logging
import os
import shutil
import signal
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
import uvloop

from cambist import app_data
from cambist.app_data import VIEWS_LOCK, data_server
from cambist.control.client import running
from cambist.control.exchange import Exchange, Report
from cambist.control.sandbox import require_sandbox
from cambist.control.server import ControlServer, require_short
from cambist.control.views import RebuildViews
from cambist.data.child import DataProcess
from cambist.data.projection import Projection
from cambist.demo import setup as demo_setup
from cambist.describe import asyncapi
from cambist.engine.commands import RULES_NEWEST, Role
from cambist.engine.views import MarketView
from cambist.errors import OutcomeUnknown, Refused
from cambist.flow import demo as demo_flow
from cambist.gateway.app import create_app
from cambist.gateway.documents.pages import page_of
from cambist.gateway.fast import trading_protocol
from cambist.gateway.history import History
from cambist.gateway.http import server_config
from cambist.gateway.neighbours import Neighbours
from cambist.log.file import FileLog
from cambist.log.lock import DirectoryLock
from cambist.match import recovery
from cambist.match.disk import LowDiskMark, free_bytes
from cambist.match.queries import Listed
from cambist.match.server import MatchServer
from cambist.match.standby import Led
from cambist.price.server import PriceServer
from cambist.settings import FILE_NAME, Settings, write_default
from cambist.store.records import Records

CONNECTIONS_WAITING = 2_048
DATA_START_S = 20

log = logging.getLogger("cambist")


class AlreadyExists(Refused):
    code = "already_exists"


class StillRunning(Refused):
    code = "still_running"


class HomeOpen(Refused):
    code = "home_open"


class PortTaken(Refused):
    code = "port_taken"


class Listening(NamedTuple):
    """What a newcomer needs to know of an exchange that has started."""

    url: str
    home: str
    sandbox: bool
    demo_users: str | None
    pid: int


def create_exchange(home: Path, *, sandbox: bool) -> Settings:
    """A new, empty exchange. The settings file is written last: where it stands, everything is complete."""
    if (home / FILE_NAME).exists():
        raise AlreadyExists(f"there is an exchange in {home} already; CAMBIST_HOME may name another place")
    settings = Settings.of_new(home, sandbox=sandbox)
    require_short(settings.socket_file)
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    _create_data(settings)
    write_default(home, sandbox=sandbox)
    return Settings.load(home)


def create_demo(home: Path) -> None:
    """A sandbox to run the demo in, unless there is one. Raises NotSandbox if there is a real exchange."""
    if not (home / FILE_NAME).exists():
        create_exchange(home, sandbox=True)
    require_sandbox(Settings.load(home))


def reset_exchange(settings: Settings) -> Path:
    """An empty exchange with the same settings; returns where the old data is now."""
    with running(settings.socket_file) as exchange:
        if exchange is not None:
            raise StillRunning(f"an exchange runs in {settings.home}: stop it first")
    aside = settings.home / f"before-reset-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    with _lock(settings):
        aside.mkdir(mode=0o700)
        for part in (
            settings.log_directory,
            settings.journal_directory,
            settings.snapshots_directory,
            settings.secrets_directory,
            settings.run_directory,
            settings.records_file,
            settings.views_file,
            *settings.home.glob("*.db-*"),  # SQLite's own beside it
            demo_setup.users_file(settings).parent,
        ):
            if part.exists():
                shutil.move(part, aside / part.name)  # snapshots may be on another disk
    _create_data(settings)
    return aside


def open_exchange(settings: Settings, report: Report, *, whole_journal: bool = False) -> Exchange:
    """Takes the lock, reads the log, starts the match server. Raises ExchangeError, LogError or Broken.

    `whole_journal`: all of the event journal is looked at, and not only its end.
    """
    _require_private(settings.home)
    with ExitStack() as undo:
        command_log = FileLog.open(settings.log_directory, segment_bytes=settings.log.segment_bytes)
        undo.callback(command_log.close)
        records = Records.open(settings)
        undo.callback(records.close)
        records.bind_log(command_log.log_id)
        records.bind_mode(sandbox=settings.mode.sandbox)
        journal = recovery.open_journal(settings, command_log.log_id)
        undo.callback(journal.close)
        if whole_journal:
            journal.mend()
        engine = recovery.recover_with(journal, settings, command_log.last_sequence, report)
        exchange = lead(settings, records, Led(command_log, journal, engine))
        undo.callback(exchange.server.stop)
        exchange.courier.resume()
        undo.pop_all()
    return exchange


def lead(settings: Settings, records: Records, led: Led) -> Exchange:
    """Starts the match server on what it leads with."""
    server = MatchServer(
        led.log,
        led.engine,
        led.journal,
        match=settings.match,
        log_settings=settings.log,
        disk=LowDiskMark(settings.log.low_disk_bytes, partial(free_bytes, settings.log_directory)),
    )
    is_new = led.engine.sequence == 0
    server.start()
    if is_new:
        server.activate_rules(RULES_NEWEST)
    return Exchange(settings, records, server)


def serve(exchange: Exchange, *, demo: bool, started: Callable[[Listening], None]) -> BaseException | None:
    """Serves until SIGINT, SIGTERM or a failure; returns what made it stop by itself, if anything did.

    However it ends, what is in flight is answered first, and the log is sealed if it still can be.
    """
    try:
        with _listening_socket(exchange.settings) as listener:
            if demo:
                demo_setup.prepare(exchange)
            control = ControlServer(exchange.settings.socket_file, exchange)
            control.start()
            try:
                uvloop.run(_serve(exchange, listener, demo=demo, started=started))
            finally:
                control.stop()
    finally:
        exchange.close()
    return exchange.server.problem


async def _serve(
    exchange: Exchange, listener: socket.socket, *, demo: bool, started: Callable[[Listening], None]
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    ended = loop.run_in_executor(None, exchange.server.join)
    ended.add_done_callback(lambda _: stop.set())

    port = await asyncio.to_thread(exchange.server.open_port, Role.TRADE, "gateway")
    data_stop = asyncio.Event()
    exchange.data = _data_process(exchange.settings)
    data = asyncio.create_task(exchange.data.run(data_stop))
    history = History(exchange.settings.views_file)
    documents = {"/asyncapi.json": page_of(asyncapi.document)}
    listing = await exchange.server.query(Listed())
    neighbours = Neighbours.join(exchange.settings.run_directory)
    app = create_app(
        exchange.settings, exchange.records, port, listing, history, neighbours, documents=documents
    )
    web = _Uvicorn(server_config(app, exchange.settings, http=trading_protocol(app, exchange.settings)))
    sockets = asyncio.create_task(app.sockets.run())
    sockets.add_done_callback(lambda _: stop.set())
    sequence = await exchange.server.query(lambda engine: engine.sequence)
    await _views_are_level(history, sequence, stop)
    serving = asyncio.create_task(web.serve(sockets=[listener]))
    serving.add_done_callback(lambda _: stop.set())
    flow = asyncio.create_task(_flow(exchange, stop)) if demo else None
    started(_listening(exchange.settings, demo=demo))

    await stop.wait()
    await app.sockets.stop()
    web.should_exit = True
    await serving
    sockets.cancel()
    if flow is not None:
        await flow
    await asyncio.to_thread(exchange.server.stop)
    await ended
    data_stop.set()
    await data
    history.close()
    neighbours.close()


def rebuild_views(settings: Settings, report: Report) -> dict[str, Any]:
    """Drops the views and makes them anew from the event journal, which is completed from the log if need be.

    Records are not touched. Raises RequestFailed, and what `open_exchange` and `serve_data` raise.
    """
    with running(settings.socket_file) as exchange:
        if exchange is not None:
            answer: dict[str, Any] = exchange.perform(RebuildViews(), report)
            return answer
    opened = open_exchange(settings, report, whole_journal=True)
    target = opened.query(lambda engine: engine.sequence)
    opened.close()
    lock = DirectoryLock(settings.home, VIEWS_LOCK)
    try:
        projection = Projection(consumers=[PriceServer(settings.journal_directory)])
        server = data_server(settings, projection, rebuild=True)
        while server.position < target:
            server.catch_up()
            report(server.position, target)
        server.close()
    finally:
        lock.release()
    return {"sequence": target}


def _data_process(settings: Settings) -> DataProcess:
    command = [sys.executable, "-P", "-m", app_data.__name__]
    return DataProcess(command, {**os.environ, "CAMBIST_HOME": str(settings.home)})


async def _views_are_level(history: History, sequence: int, stop: asyncio.Event) -> None:
    """Waits a while for the data server, so that nobody who waited for the start is told to ask again."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + DATA_START_S
    while not stop.is_set() and loop.time() < deadline_s:
        with suppress(OutcomeUnknown):
            return await history.wait(sequence)
    if not stop.is_set():
        log.warning("the data server is late: closed orders and trades are answered -1007 until it is there")


async def _flow(exchange: Exchange, stop: asyncio.Event) -> None:
    """The house's orders. Whatever ends them, the exchange goes on without."""
    server = exchange.server
    try:
        markets = await server.query(lambda engine: [MarketView.of(row) for row in engine.markets()])
        await demo_flow.run(server, exchange.settings, markets, stop)
    except Exception:
        # A play-money generator with a fault must not take the exchange down; the fault is told in full.
        log.exception("the demo's order flow has stopped; the exchange goes on without it")


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals stop the whole exchange, not only its web server: `_serve` handles them."""
        yield


def _listening_socket(settings: Settings) -> socket.socket:
    """Raises PortTaken."""
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=CONNECTIONS_WAITING)
    except OSError as problem:
        raise PortTaken(
            f"{host} port {port} cannot be listened on ({os.strerror(problem.errno or 0)}): "
            "stop what uses it, or choose another with CAMBIST_PORT"
        ) from None


def _listening(settings: Settings, *, demo: bool) -> Listening:
    host, port = settings.server.host, settings.server.port
    return Listening(
        url=f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}",
        home=str(settings.home),
        sandbox=settings.mode.sandbox,
        demo_users=str(demo_setup.users_file(settings)) if demo else None,
        pid=os.getpid(),
    )


def _require_private(home: Path) -> None:
    """Raises HomeOpen. The socket, the log and the demo's keys lie there."""
    mode = stat.S_IMODE(home.stat().st_mode)
    if mode & 0o077:
        raise HomeOpen(f"{home} is open to other users (mode {mode:03o}); run: chmod 700 {home}")


def _create_data(settings: Settings) -> None:
    """Secrets, records and an empty log that belong together."""
    records = Records.create(settings)
    try:
        with _lock(settings) as command_log:
            records.bind_log(command_log.log_id)
            records.bind_mode(sandbox=settings.mode.sandbox)
    finally:
        records.close()


@contextmanager
def _lock(settings: Settings) -> Iterator[FileLog]:
    """The log, so that no exchange runs here meanwhile; it is made if it does not exist."""
    command_log = FileLog.open(settings.log_directory, segment_bytes=settings.log.segment_bytes)
    try:
        yield command_log
    finally:
        command_log.close()
