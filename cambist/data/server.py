"""Follows the event journal and keeps the views: one transaction for all that a poll gives.

It can be killed at any moment. What it has not committed it reads again, and whatever goes wrong ends the
process, which `cambist run` starts again: memory never runs ahead of the tables.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cambist.data.database import open_views
from cambist.data.projection import Projection
from cambist.log.journal import Follower, JournalForeign

IDLE_S = 0.005
GROUP_BYTES = 1 << 19  # about a thousand commands: then other tasks of the loop have their turn


class ViewsForeign(JournalForeign):
    """The views hold what this journal does not say. They must be made anew."""


class DataServer:
    """`position` is the last sequence that the views hold."""

    def __init__(
        self,
        journal: Path,
        views: Path,
        log_id: bytes,
        projection: Projection,
        *,
        rebuild: bool = False,
        archive: Path | None = None,
        require_history: Callable[[], None] | None = None,
        group_bytes: int = GROUP_BYTES,
    ) -> None:
        """`archive` is the pruned journal's; for `require_history` see `open_views`."""
        self._projection = projection
        self._group_bytes = group_bytes
        engine, place = open_views(views, log_id, rebuild=rebuild, require_history=require_history)
        self._db = engine.connect()
        event_hash = place.event_hash if place.sequence else None
        self._follower = Follower(journal, place.sequence, event_hash, archive=archive)
        self._opened_at = self.position = place.sequence
        projection.load(self._db, log_id)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. Raises ViewsForeign, JournalDamaged, and what a consumer or SQL raises."""
        while not stop.is_set():
            await _sleep(stop, IDLE_S if self.catch_up() < self._group_bytes // 2 else 0)

    def catch_up(self) -> int:
        """Takes what has been written since, a group at most; returns how many bytes of events that were.

        Raises as `run` does.
        """
        try:
            records = self._follower.poll(self._group_bytes)
        except JournalForeign as problem:
            if self.position > self._opened_at:
                raise
            raise ViewsForeign(str(problem)) from problem
        if records:
            self.position = self._projection.take(records)
        return sum(len(record.events) for record in records)

    def close(self) -> None:
        self._follower.close()
        self._db.close()
        self._db.engine.dispose()


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
