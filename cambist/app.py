"""The wiring of what is done to an exchange as a whole: made, opened, emptied, its views made anew.

With the app_*.py beside it, one for each process, this is the only wiring. What runs in which process says
docs/architecture.md.
"""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from cambist.app_data import VIEWS_LOCK, data_server
from cambist.control.client import running
from cambist.control.exchange import Exchange, Report
from cambist.control.sandbox import require_sandbox
from cambist.control.server import require_short
from cambist.control.views import RebuildViews
from cambist.data.projection import Projection
from cambist.demo import anvil
from cambist.demo import setup as demo_setup
from cambist.engine.commands import RULES_NEWEST
from cambist.errors import Refused
from cambist.intake.listener import EPOCH_MAX, socket_path
from cambist.log.file import FileLog
from cambist.log.lock import DirectoryLock
from cambist.match import recovery
from cambist.match.disk import LowDiskMark, free_bytes
from cambist.match.server import MatchServer
from cambist.match.standby import Led
from cambist.price.server import PriceServer
from cambist.settings import FILE_NAME, Settings, write_default
from cambist.store.records import Records


class AlreadyExists(Refused):
    code = "already_exists"


class StillRunning(Refused):
    code = "still_running"


class HomeOpen(Refused):
    code = "home_open"


def create_exchange(home: Path, *, sandbox: bool) -> Settings:
    """A new, empty exchange. The settings file is written last: where it stands, everything is complete."""
    if (home / FILE_NAME).exists():
        raise AlreadyExists(f"there is an exchange in {home} already; CAMBIST_HOME may name another place")
    settings = Settings.of_new(home, sandbox=sandbox)
    require_short(socket_path(settings.run_directory, EPOCH_MAX))
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    _create_data(settings)
    write_default(home, sandbox=sandbox)
    return Settings.load(home)


def create_demo(home: Path) -> None:
    """A sandbox to run the demo in, unless there is one. Raises NotSandbox if there is a real exchange.

    With a signer, where the demo can have a chain of its own.
    """
    if not (home / FILE_NAME).exists():
        create_exchange(home, sandbox=True)
    settings = Settings.load(home)
    require_sandbox(settings)
    if settings.mode.demo_chain and not anvil.missing() and not settings.signer_directory.exists():
        # A process of its own: the signer may have a user of its own, which it becomes for good.
        command = [sys.executable, "-P", "-m", "cambist.demo.signer"]
        subprocess.run(command, env={**os.environ, "CAMBIST_HOME": str(home)}, check=True)


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
