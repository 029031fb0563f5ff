"""`cambist snapshot` and `cambist verify`: the log read again by an engine of their own.

Both run in this process, beside a running exchange as well: they read the log up to what the exchange had
acknowledged when they began, and compare where they arrive with what it says.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import click

from cambist.cli.output import answers
from cambist.cli.terminal import progress
from cambist.control import verify as checks
from cambist.control.client import running
from cambist.control.protocol import ShowPosition
from cambist.control.verify import Position
from cambist.keep.held import files_change, files_stay
from cambist.log.file import FileLog
from cambist.log.leadership import LeaderLock
from cambist.settings import Settings


@click.command()
@answers
def snapshot() -> Any:
    """Replay the log and keep the state it leads to, which makes the next start fast."""
    settings = Settings.load()
    with (
        files_change(settings),
        _settled(settings, synced) as position,
        progress("replaying the log") as report,
    ):
        return checks.make_snapshot(settings, position, report)


@click.command()
@answers
def verify() -> Any:
    """Check every record of the log, the snapshots and the ledger; exit status 1 if anything is off."""
    settings = Settings.load()
    with files_stay(settings), _settled(settings, _untouched) as position, progress("verifying") as report:
        return checks.verify(settings, position, report)


@contextmanager
def _settled(
    settings: Settings, hold: Callable[[Settings], AbstractContextManager[None]]
) -> Iterator[Position | None]:
    """How far the running exchange has come; or None, and the log stays as it is during the block."""
    with running(settings.socket_file) as exchange:
        if exchange is not None:
            yield Position(**exchange.perform(ShowPosition(), lambda done, total: None))
            return
    with hold(settings):
        yield None


@contextmanager
def synced(settings: Settings) -> Iterator[None]:
    """Nobody else has the log, and what a killed process wrote and never synced is durable or cut off."""
    log = FileLog.open(settings.log_directory, segment_bytes=settings.log.segment_bytes)
    try:
        yield
    finally:
        log.close()


@contextmanager
def _untouched(settings: Settings) -> Iterator[None]:
    lock = LeaderLock(settings.log_directory)
    try:
        yield
    finally:
        lock.release()
