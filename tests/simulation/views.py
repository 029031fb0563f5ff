"""The data process."""

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from cambist.data.orders import Orders
from cambist.data.private import PrivateEvents
from cambist.data.projection import Projection
from cambist.data.server import DataServer, ViewsForeign
from cambist.engine.events import Event
from cambist.errors import Broken
from cambist.log.journal import JournalDamaged
from cambist.match import recovery
from cambist.price.server import PriceServer

from .world import NS_PER_S, Crash, Process, Violation

if TYPE_CHECKING:
    from .site import Site


class Data(Process):
    def __init__(self, site: "Site") -> None:
        super().__init__(site.world, "data")
        self.site = site
        self.server: DataServer | None = None
        self.switch = Switch(self)

    def start(self) -> None:
        self.spawn(self._serve())

    @property
    def position(self) -> int:
        return self.server.position if self.server is not None else 0

    def kill(self) -> None:
        super().kill()
        if self.server is not None:
            self.server.close()
            self.server = None

    async def _serve(self) -> None:
        """As the wiring of the data process does it."""
        try:
            try:
                await self._run(rebuild=False)
            except ViewsForeign:
                assert self.server is not None or not self.is_alive
                self._close()
                self.world.note("the views are made anew")
                await self._run(rebuild=True)
        except Crash:
            if self.is_alive:
                self.kill()
            self.site.start_data_soon()
        except JournalDamaged as problem:
            self.site.data_ended(self, problem)
        except (Exception, Broken) as problem:
            if self.is_alive:
                raise Violation(f"the data process fails: {problem!r}") from problem

    async def _run(self, *, rebuild: bool) -> None:
        settings, site = self.site.settings, self.site
        price = PriceServer(settings.journal_directory, site.world.wall_ns)
        orders = Orders()
        private = PrivateEvents(settings.journal_directory, orders)
        projection = Projection(orders, [private, price, self.switch])
        log_id = recovery.log_id(settings.log_directory)
        self.server = DataServer(
            settings.journal_directory, settings.views_file, log_id, projection, rebuild=rebuild
        )
        self.world.note(f"data begins at {self.position}")
        dice, rest_max_ns = self.world.dice("data"), self.site.programme.poll_max_ns
        while True:
            self.server.catch_up()
            await asyncio.sleep(dice.randrange(rest_max_ns) / NS_PER_S)

    def _close(self) -> None:
        if self.server is not None:
            self.server.close()
            self.server = None


class Switch:
    """A consumer of the projection that can end the process in the middle of a transaction."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self.strikes_at_flush = False
        self.strikes_when_committed = False

    def load(self, db: Connection) -> None:
        pass

    def apply(self, sequence: int, time_ns: int, events: list[Event]) -> None:
        pass

    def flush(self, db: Connection) -> None:
        if self.strikes_at_flush:
            raise Crash

    def committed(self, sequence: int) -> None:
        site = self._data.site
        site.history.must(sequence <= site.history.sequence, "16: the views are ahead of the log")
        if self.strikes_when_committed:
            raise Crash
