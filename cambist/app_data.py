"""The wiring of the data process: apart from app.py, so that it starts without what only a gateway needs.

`cambist run` starts it as `python -m cambist.app_data`; `cambist serve data` runs it alone.
"""

import asyncio
import logging
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import uvloop

from cambist.app_watch import watch_data
from cambist.control.failures import failure_of
from cambist.data.orders import Orders
from cambist.data.private import PrivateEvents
from cambist.data.projection import Projection
from cambist.data.server import DataServer, ViewsForeign
from cambist.errors import Broken, ExchangeError
from cambist.feed.server import FeedServer
from cambist.log.errors import LogError
from cambist.log.journal import JournalDamaged
from cambist.log.lock import DirectoryLock
from cambist.match import recovery
from cambist.ops.endpoint import watching
from cambist.ops.logs import log_to_stderr
from cambist.ops.watched import Watched
from cambist.price.server import PriceServer
from cambist.settings import Settings, SettingsError
from cambist.supervisor.messages import Ready
from cambist.supervisor.service import report, stop_event

VIEWS_LOCK = "views.lock"

log = logging.getLogger("cambist")


def main() -> None:
    """The child of `cambist run`. What it cannot go on with is one line of its log, and reported."""
    try:
        settings = Settings.load()
        log_to_stderr("data", settings.logging)
        serve_data(settings, with_parent=True)
    except (ExchangeError, SettingsError, LogError, JournalDamaged, Broken, OSError) as problem:
        log.error("the data server cannot go on: %s", problem)
        report(failure_of(problem))
        sys.exit(1)


def serve_data(settings: Settings, *, with_parent: bool) -> None:
    """The data process: follows the event journal until SIGINT or SIGTERM, or what it cannot go on with.

    `with_parent`: also until its standard input ends. Raises LogInUse if another one follows, JournalDamaged.
    """
    lock = DirectoryLock(settings.home, VIEWS_LOCK)
    try:
        try:
            _run_data(settings, with_parent=with_parent, rebuild=False)
        except ViewsForeign as problem:
            log.warning("%s; the views are made anew", problem)
            _run_data(settings, with_parent=with_parent, rebuild=True)
    finally:
        lock.release()


def _run_data(settings: Settings, *, with_parent: bool, rebuild: bool) -> None:
    price = PriceServer(settings.journal_directory)
    orders = Orders()
    private = PrivateEvents(settings.journal_directory, orders)
    feed = FeedServer(settings.feed_file, price, private, price.questions | private.questions)
    server = data_server(settings, Projection(orders, [private, price]), rebuild=rebuild)
    try:
        uvloop.run(_follow(server, price, feed, settings.ops_file("data"), with_parent=with_parent))
    finally:
        server.close()


def data_server(settings: Settings, projection: Projection, *, rebuild: bool) -> DataServer:
    return DataServer(
        settings.journal_directory,
        settings.views_file,
        recovery.log_id(settings.log_directory),
        projection,
        rebuild=rebuild,
        archive=recovery.journal_in(recovery.archive_of(settings)),
        require_history=partial(recovery.require_history, settings),
    )


async def _follow(
    server: DataServer, price: PriceServer, feed: FeedServer, ops_file: Path, *, with_parent: bool
) -> None:
    stop = stop_event(with_parent=with_parent)
    await feed.start()
    ticks = asyncio.create_task(price.run())
    ticks.add_done_callback(lambda _: stop.set())  # they end only by a fault, which is raised below
    watched = Watched("data")
    watch_data(watched, server, feed)
    try:
        with watching(watched, ops_file):
            watched.is_ready = True
            report(Ready())
            await server.run(stop)
    finally:
        await feed.stop()
        ticks.cancel()
        with suppress(asyncio.CancelledError):
            await ticks


if __name__ == "__main__":
    main()
