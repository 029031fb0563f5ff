"""The wiring of the snapshotter: a process of its own, at the lowest priority.

`cambist run` starts it as `python -m cambist.app_snapshotter`.
"""

import asyncio
import logging
import os
import shutil
import subprocess
import sys

from cambist.app_watch import watch_snapshotter
from cambist.control.failures import failure_of
from cambist.errors import Broken, ExchangeError
from cambist.keep.snapshotter import Snapshotter
from cambist.log.errors import LogError
from cambist.log.journal import JournalDamaged
from cambist.log.lock import DirectoryLock
from cambist.ops.endpoint import watching
from cambist.ops.logs import log_to_stderr
from cambist.ops.watched import Watched
from cambist.settings import Settings, SettingsError
from cambist.supervisor.messages import Ready
from cambist.supervisor.service import report, stop_event

SNAPSHOTTER_LOCK = "snapshotter.lock"
_LOWEST = 19

log = logging.getLogger("cambist")


def main() -> None:
    """The child of `cambist run`. What it cannot go on with is one line of its log, and reported."""
    try:
        settings = Settings.load()
        log_to_stderr("snapshotter", settings.logging)
        serve_snapshotter(settings, with_parent=True)
    except (ExchangeError, SettingsError, LogError, JournalDamaged, Broken, OSError) as problem:
        log.error("the snapshotter cannot go on: %s", problem)
        report(failure_of(problem))
        sys.exit(1)


def serve_snapshotter(settings: Settings, *, with_parent: bool) -> None:
    """Follows the log until SIGINT or SIGTERM, or what it cannot go on with.

    `with_parent`: also until its standard input ends. Raises LogInUse if another one is at it.
    """
    lock = DirectoryLock(settings.home, SNAPSHOTTER_LOCK)
    try:
        _stand_back()
        asyncio.run(_follow(Snapshotter(settings), settings, with_parent=with_parent))
    finally:
        lock.release()


async def _follow(snapshotter: Snapshotter, settings: Settings, *, with_parent: bool) -> None:
    stop = stop_event(with_parent=with_parent)
    watched = Watched("snapshotter")
    watch_snapshotter(watched, snapshotter)
    with watching(watched, settings.ops_file("snapshotter")):
        watched.is_ready = True
        report(Ready())
        await snapshotter.run(stop)


def _stand_back() -> None:
    """Processor and disk are for the exchange first. Without `ionice` the kernel goes by niceness alone."""
    os.nice(_LOWEST)
    if ionice := shutil.which("ionice"):
        subprocess.run([ionice, "--class", "idle", "--pid", str(os.getpid())], check=False)


if __name__ == "__main__":
    main()
