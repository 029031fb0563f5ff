"""Keeps two processes from starting on one data directory.

The kernel drops the lock with the process, so none is ever left behind. It does not protect from a process
that was replaced while it was stopped; the epoch does (docs/formats/log.md).
"""

import fcntl
import os
from pathlib import Path

from cambist.log.errors import LogInUse

NAME = "LOCK"


class DirectoryLock:
    """Held from construction until `release`. Raises LogInUse if another process (or this one) holds it.

    Several may hold it `shared`, and nobody alone meanwhile.
    """

    def __init__(self, directory: Path, name: str = NAME, *, shared: bool = False) -> None:
        self._descriptor = os.open(directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise LogInUse(f"{directory} is in use by another process") from None

    def release(self) -> None:
        """Safe to repeat."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
