"""The data process of an exchange that runs in the test's own process, in a thread."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

from cambist.data.orders import Orders
from cambist.data.private import PrivateEvents
from cambist.data.projection import Projection
from cambist.data.server import DataServer
from cambist.feed.server import FeedServer
from cambist.price.server import PriceServer

POLL_S = 0.001
WITHIN_S = 120


class DataThread:
    """Runs until `close`; between `pause` and `resume` its views stand still."""

    def __init__(
        self, journal: Path, views: Path, feed: Path, log_id: bytes, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._price = PriceServer(journal, clock)
        orders = Orders()
        private = PrivateEvents(journal, orders)
        self._feed = FeedServer(feed, self._price, private, self._price.questions | private.questions)
        self._server = DataServer(journal, views, log_id, Projection(orders, [private, self._price]))
        self._clock = clock
        self._may_run = threading.Event()
        self._may_run.set()
        self._is_closing = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="data")
        self._thread.start()

    @property
    def position(self) -> int:
        return self._server.position

    def pause(self) -> None:
        self._may_run.clear()
        with self._lock:
            pass  # what was going on has ended

    def resume(self) -> None:
        self._may_run.set()

    def wait_for(self, sequence: int) -> None:
        """Returns when the views hold everything up to there."""
        deadline_s = time.monotonic() + WITHIN_S
        while self.position < sequence and self._may_run.is_set():
            assert self._thread.is_alive(), "the data server has failed"
            assert time.monotonic() < deadline_s, f"the views stand at {self.position}, not at {sequence}"
            time.sleep(POLL_S)

    def close(self) -> None:
        self._is_closing = True
        self._thread.join()
        self._server.close()

    async def _run(self) -> None:
        await self._feed.start()
        while not self._is_closing:
            with self._lock:
                has_more = self._may_run.is_set() and self._server.catch_up()
            self._price.tick(self._clock())
            await asyncio.sleep(0 if has_more else POLL_S)
        await self._feed.stop()
