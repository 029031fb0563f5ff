"""Is there room for more orders? A disk that fills up stops new orders long before it could stop cancels."""

import os
import time
from collections.abc import Callable
from pathlib import Path

_CHECK_EVERY_NS = 1_000_000_000


class LowDiskMark:
    """Compares free space with a mark, once a second at most; in between it answers from memory."""

    def __init__(
        self,
        mark_bytes: int,
        free_bytes: Callable[[], int],
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._mark_bytes = mark_bytes
        self._free_bytes = free_bytes
        self._monotonic_ns = monotonic_ns
        self._next_check_ns = 0
        self.is_low = False

    def check(self) -> None:
        now_ns = self._monotonic_ns()
        if now_ns >= self._next_check_ns:
            self._next_check_ns = now_ns + _CHECK_EVERY_NS
            self.is_low = self._free_bytes() < self._mark_bytes


def free_bytes(directory: Path) -> int:
    """What an ordinary process may still write to the disk that holds `directory`."""
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize
