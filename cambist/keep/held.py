"""Who may remove snapshots, log and journal files now, and who counts on their staying where they are."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from cambist.errors import Unavailable
from cambist.log.errors import LogInUse
from cambist.log.lock import DirectoryLock
from cambist.settings import Settings

KEEP_LOCK = "keep.lock"

_WITHIN_S = 120.0
_LOOK_EVERY_S = 0.1


class FilesHeld(Unavailable):
    code = "files_held"


@contextmanager
def files_stay(settings: Settings) -> Iterator[None]:
    """No snapshot is made and nothing is pruned during the block. Raises FilesHeld after a long wait."""
    with _held(settings, shared=True):
        yield


@contextmanager
def files_change(settings: Settings) -> Iterator[None]:
    """Nobody counts on the files during the block. Raises FilesHeld after a long wait."""
    with _held(settings, shared=False):
        yield


@contextmanager
def _held(settings: Settings, *, shared: bool) -> Iterator[None]:
    deadline_s = time.monotonic() + _WITHIN_S
    while True:
        try:
            lock = DirectoryLock(settings.home, KEEP_LOCK, shared=shared)
            break
        except LogInUse:
            if time.monotonic() > deadline_s:
                raise FilesHeld("a backup, a check or a snapshot of this exchange is at work") from None
            time.sleep(_LOOK_EVERY_S)
    try:
        yield
    finally:
        lock.release()
