"""The wiring of the data process: apart from app.py, so that it starts without what only a gateway needs.

`cambist run` starts it as `python -m cambist.app_data`; `cambist serve data` runs it alone.
"""

import asyncio
import logging
import signal
import sys
from contextlib import suppress
from functools import partial

import uvloop

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
from cambist.price.server import PriceServer
from cambist.settings import Settings, SettingsError

VIEWS_LOCK = "views.lock"

log = logging.getLogger("cambist")


def main() -> None:
    """The child of `cambist run`. What it cannot go on with is one line of its log, and its status."""
    log_to_stderr()
    try:
        serve_data(Settings.load(), with_parent=True)
    except (ExchangeError, SettingsError, LogError, JournalDamaged, Broken, OSError) as problem:
        log.error("the data server cannot go on: %s", problem)
        sys.exit(1)


def log_to_stderr() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


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
        uvloop.run(_follow(server, price, feed, with_parent=with_parent))
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


async def _follow(server: DataServer, price: PriceServer, feed: FeedServer, *, with_parent: bool) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if with_parent:
        loop.add_reader(sys.stdin, stop.set)  # nothing is ever sent: it can only end
    await feed.start()
    ticks = asyncio.create_task(price.run())
    ticks.add_done_callback(lambda _: stop.set())  # they end only by a fault, which is raised below
    try:
        await server.run(stop)
    finally:
        await feed.stop()
        ticks.cancel()
        with suppress(asyncio.CancelledError):
            await ticks


if __name__ == "__main__":
    main()
