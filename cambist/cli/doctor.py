"""`cambist doctor`: is everything there that an exchange needs? Looks only, changes nothing.

Each check answers with what it found, or raises what is wrong (Problem) or will hurt later (Doubt).
"""

import os
import platform
import resource
import socket
import stat
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pysqlite3.dbapi2 as sqlite

from cambist import _matching
from cambist.cli.output import answers
from cambist.cli.status import NotRunning, standing
from cambist.control.client import running
from cambist.control.protocol import ShowPosition
from cambist.control.server import require_short
from cambist.errors import ExchangeError
from cambist.log import snapshots
from cambist.log.errors import LogError
from cambist.log.leadership import LeaderLock
from cambist.match import recovery
from cambist.match.disk import free_bytes
from cambist.settings import FILE_NAME, MIB, Settings, SettingsError, home_directory
from cambist.store.secrets import Vault
from cambist.store.sqlite import VERSION_MIN

OPEN_FILES_WISHED = 4_096
CLOCK_EARLIEST_NS = 1_767_225_600 * 10**9  # 2026-01-01: this release did not exist before
CLOCK_AHEAD_NS = 10 * 10**9
LONGEST_NAME = "snapshotter"  # of a process
SNAPSHOTS_MISSED = 3
LAG_DOUBTFUL = 100_000  # commands


class Problem(Exception):
    """Something the exchange cannot run with; the text says what to do."""


class Doubt(Exception):
    """Something that will hurt under load or later; the text says what to do."""


@click.command()
@answers
def doctor() -> Any:
    """Look at disk, clock, versions, settings, file modes and limits; exit status 1 if anything is wrong."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("python", _python),
        ("sqlite", _sqlite),
        ("engine", _engine),
        ("http server", _http_server),
        ("open files", _open_files),
        ("settings", lambda: _settings(Settings.load())),
    ]
    try:
        settings = Settings.load()
    except SettingsError:
        pass  # said by the check above; the others below have nothing to look at
    else:
        checks += [
            ("data directory", lambda: _private(settings.home)),
            ("secrets", lambda: _secrets(settings)),
            ("records", lambda: _private(settings.records_file)),
            ("disk", lambda: _disk(settings)),
            ("clock", lambda: _clock(settings)),
            ("sockets", lambda: _sockets(settings)),
            ("snapshots", lambda: _snapshots(settings)),
            ("history", lambda: _history(settings)),
            ("exchange", lambda: _exchange(settings)),
            ("processes", lambda: _processes(settings)),
        ]
    found = [_examined(name, check) for name, check in checks]
    return {
        "home": str(home_directory()),
        "checks": found,
        "problems": [f"{each['check']}: {each['finding']}" for each in found if each["state"] == "problem"],
    }


def _examined(name: str, check: Callable[[], str]) -> dict[str, str]:
    try:
        state, finding = "ok", check()
    except Doubt as doubt:
        state, finding = "doubt", str(doubt)
    except (Problem, ExchangeError, LogError, SettingsError, OSError) as problem:
        state, finding = "problem", str(problem)
    return {"check": name, "state": state, "finding": finding}


def _python() -> str:
    return platform.python_version()


def _sqlite() -> str:
    if sqlite.sqlite_version_info < VERSION_MIN:
        raise Problem(f"SQLite {sqlite.sqlite_version} can corrupt the records; run `make setup`")
    return str(sqlite.sqlite_version)


def _engine() -> str:
    return f"rules version {_matching.Engine().rules}"


def _http_server() -> str:
    """Without these two uvicorn falls back to parsers and loops that are several times slower."""
    try:
        import httptools
        import uvloop
    except ImportError as missing:
        raise Problem(f"{missing.name} is missing; run `make setup`") from None
    return ", ".join(f"{module.__name__} {version(module.__name__)}" for module in (uvloop, httptools))


def _open_files() -> str:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < OPEN_FILES_WISHED:
        raise Doubt(f"{soft} open files allow few connections; raise it with: ulimit -n {OPEN_FILES_WISHED}")
    return f"limit {soft}"


def _settings(settings: Settings) -> str:
    kind = "sandbox" if settings.mode.sandbox else "real money"
    return f"{settings.home / FILE_NAME}, {kind}"


def _private(path: Path) -> str:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        wanted = "700" if path.is_dir() else "600"
        raise Problem(f"{path} is open to other users (mode {mode:03o}); run: chmod {wanted} {path}")
    return f"{path}, mode {mode:03o}"


def _secrets(settings: Settings) -> str:
    Vault.open(settings.secrets_directory)
    return str(settings.secrets_directory)


def _disk(settings: Settings) -> str:
    free, mark = free_bytes(settings.home), settings.log.low_disk_bytes
    if free < mark:
        raise Problem(
            f"{free // MIB} MiB free, below the mark of {mark // MIB}: new orders are refused; make room"
        )
    return f"{free // MIB} MiB free, low mark {mark // MIB}"


def _clock(settings: Settings) -> str:
    """Order times come from this clock; it must not stand before what is in the log already."""
    now_ns = time.time_ns()
    newest_ns = max((file.stat().st_mtime_ns for file in settings.log_directory.iterdir()), default=0)
    if now_ns < CLOCK_EARLIEST_NS or newest_ns > now_ns + CLOCK_AHEAD_NS:
        raise Problem("the clock is behind; set it (for example with chrony) before starting the exchange")
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_ns // 10**9))


def _sockets(settings: Settings) -> str:
    """The kernel takes only short paths, and the owner's alone may be connected to."""
    paths = [
        settings.socket_file,
        settings.supervisor_file,
        settings.feed_file,
        settings.ops_file(LONGEST_NAME),
    ]
    for path in paths:
        require_short(path)
        if path.exists():
            _private(path)
    return f"{len(paths)} paths, short and private"


def _snapshots(settings: Settings) -> str:
    """How much log a start has to read: an old snapshot means a long start."""
    every, found = settings.snapshots, snapshots.sequences(settings.snapshots_directory)
    if not found:
        return "none yet: a start reads the whole log"
    made_s = snapshots.path_of(settings.snapshots_directory, found[0]).stat().st_mtime
    hours = (time.time() - made_s) / 3_600
    finding = f"{len(found)}, the newest at sequence {found[0]}, {hours:.1f} hours old"
    with running(settings.socket_file) as exchange:
        if exchange is None:
            return finding
        behind: int = exchange.perform(ShowPosition(), lambda done, total: None)["sequence"] - found[0]
    if behind > SNAPSHOTS_MISSED * (every.every_commands or behind):
        raise Doubt(f"{finding}; {behind} commands behind it: a start takes long. Does the snapshotter run?")
    return f"{finding}, {behind} commands behind it"


def _history(settings: Settings) -> str:
    """Whether the past can be told again: log and journal, and what was pruned of them."""
    archive = settings.archive_directory
    if archive is None:
        if settings.keep.prune and not settings.mode.sandbox:
            raise Doubt("keep.prune without keep.archive: what goes is gone, the views cannot be made anew")
        where = "pruned without an archive" if settings.keep.prune else "never pruned"
    elif not archive.is_dir():
        where = f"{archive} will be made by the first pruning"
    elif archive.stat().st_dev == settings.home.stat().st_dev:
        raise Doubt(f"{archive} is on the exchange's own disk: it frees no space and is lost with it")
    elif (free := free_bytes(archive)) < settings.log.low_disk_bytes:
        raise Doubt(f"{archive} has {free // MIB} MiB left: pruning stops when it is full")
    else:
        where = f"archived in {archive}, {free // MIB} MiB left"
    try:
        recovery.require_history(settings)
    except recovery.HistoryMissing as gone:
        raise Doubt(str(gone)) from None
    return where


def _processes(settings: Settings) -> str:
    """Those that the supervisor keeps: at work, and not far behind."""
    try:
        found = standing(settings)
    except NotRunning:
        return "none run"
    if found["problems"]:
        raise Problem("; ".join(found["problems"]))
    late = [row for row in found["processes"] if (row["lag"] or 0) > LAG_DOUBTFUL]
    if late:
        raise Doubt("; ".join(f"{row['process']} is {row['lag']} commands behind" for row in late))
    return ", ".join(f"{row['process']} {row['pid']}" for row in found["processes"])


def _exchange(settings: Settings) -> str:
    """Whether one runs, or could be started."""
    with running(settings.socket_file) as exchange:
        if exchange is not None:
            return "running"
    LeaderLock(settings.log_directory).release()
    server = settings.server
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    try:
        socket.create_server((server.host, server.port), family=family).close()
    except OSError as problem:
        raise Problem(
            f"{server.host} port {server.port} cannot be listened on ({os.strerror(problem.errno or 0)}); "
            "stop what uses it, or choose another with CAMBIST_PORT"
        ) from None
    return "not running; its lock and its port are free"
