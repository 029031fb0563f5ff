"""The snapshotter's process: makes snapshots beside the leader, and prunes behind them."""

from typing import TYPE_CHECKING

from cambist.keep.snapshotter import Snapshotter
from cambist.log.journal import JournalDamaged

from .disk import ProcessDisk
from .world import MS, Crash, Process

if TYPE_CHECKING:
    from .site import Site

REST_MAX_NS = 500 * MS


class Keeper(Process):
    def __init__(self, site: "Site") -> None:
        super().__init__(site.world, "snapshotter")
        self.site = site
        self.disk = ProcessDisk(site.machine, self)
        self._snapshotter: Snapshotter | None = None

    def start(self) -> None:
        try:
            self._snapshotter = Snapshotter(self.site.settings, self.disk, lambda: self.loop.time() + 100.0)
        except JournalDamaged:
            self.site.keeper_ended(self)
            return
        self.later(1, self._step)

    def kill(self) -> None:
        super().kill()
        if self._snapshotter is not None:
            self._snapshotter._follower.close()

    def _step(self) -> None:
        assert self._snapshotter is not None
        try:
            self._snapshotter.step()
        except (JournalDamaged, Crash):
            self.site.keeper_ended(self)
            return
        self.site.history.must(
            self._snapshotter.position <= self.site.history.sequence,
            "15: a snapshot is ahead of the log",
        )
        self.later(self.world.dice("keeper").randrange(1, REST_MAX_NS), self._step)
