"""Closed orders and trades: read from the SQL views, in threads, once they have come far enough.

The views are written by another process, a few milliseconds behind the engine as a rule. A reader says how
far they must have come, and both are looked at in one transaction; so a rebuild cannot hide anything.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, select
from sqlalchemy.exc import DatabaseError

from cambist.errors import OutcomeUnknown
from cambist.store.sqlite import open_database
from cambist.store.views import POSITION, positions

WAIT_S = 0.8  # client libraries give up after a second
THREADS = 2
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.05
_REACHED = select(positions.c.sequence).where(positions.c.name == POSITION)

T = TypeVar("T")


class History:
    def __init__(self, views: Path) -> None:
        self._database = open_database(views, read_only=True)
        self._threads = ThreadPoolExecutor(THREADS, "history")

    async def read(self, query: Callable[[Connection], T], *, after: int) -> T:
        """What `query` gives, once the views hold everything up to the sequence `after`.

        Raises OutcomeUnknown (-1007) if they do not within WAIT_S.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + WAIT_S
        pause_s = _FIRST_PAUSE_S
        while True:
            found = await loop.run_in_executor(self._threads, self._try, query, after)
            if found is not None:
                return found[0]
            if loop.time() + pause_s > deadline_s:
                raise OutcomeUnknown(f"the views do not hold sequence {after} yet")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def lacks(self, sequence: int) -> int | None:
        """How many sequences up to there the views do not hold; None while there are no views."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._try, lambda db: db.scalar(_REACHED), 0)
        return None if found is None else max(0, sequence - found[0])

    def close(self) -> None:
        self._threads.shutdown()
        self._database.dispose()

    def _try(self, query: Callable[[Connection], T], after: int) -> tuple[T] | None:
        try:
            with self._database.begin() as db:
                reached = db.scalar(_REACHED)
                return None if reached is None or reached < after else (query(db),)
        except DatabaseError:
            # Not there yet, or damaged and to be made anew: either way there may soon be another file.
            self._database.dispose()
            return None
