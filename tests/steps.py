"""Processes that share a directory and are stopped between any two steps on the disk, in one test process.

Each is a thread that waits before every step until it is told to go on, so that a test decides the order of
all steps. Locks are the kernel's own: they belong to open files, not to processes.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from typing_extensions import Buffer

from tests.log_disks import SECTOR, QuickDisk

WAIT_S = 120


class Killed(BaseException):
    """What a process that was killed sees at its next step."""


class Process:
    """Runs `work(self)` step by step. `disk` is the one it works with."""

    def __init__(self, name: str, work: Callable[["Process"], None]) -> None:
        self.disk = SteppedDisk(self._step)
        self.problem: BaseException | None = None
        self.has_ended = False
        self.steps = 0
        self._may_go = threading.Semaphore(0)
        self._stands = threading.Semaphore(0)
        self._is_killed = False
        self._thread = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
        self._thread.start()
        self._wait()

    def go(self, steps: int = 1) -> None:
        """So many steps, or to its end."""
        for _ in range(steps):
            if self.has_ended:
                return
            self.steps += 1
            self._may_go.release()
            self._wait()

    def finish(self) -> None:
        while not self.has_ended:
            self.go()

    def kill(self) -> None:
        """Between two steps. Its files are closed, and with them its locks."""
        self._is_killed = True
        self.finish()

    def _wait(self) -> None:
        assert self._stands.acquire(timeout=WAIT_S), "it neither takes a step nor ends"

    def _run(self, work: Callable[["Process"], None]) -> None:
        try:
            self._step()
            work(self)
        except Killed:
            pass
        except BaseException as problem:  # noqa: BLE001  the test looks at it
            self.problem = problem
        finally:
            self.disk.process_ends()
            self.has_ended = True
            self._stands.release()

    def _step(self) -> None:
        if self._is_killed:
            raise Killed
        self._stands.release()
        self._may_go.acquire()
        if self._is_killed:
            raise Killed


class SteppedDisk(QuickDisk):
    """Asks before every step; a write of several sectors is two steps."""

    def __init__(self, step: Callable[[], None]) -> None:
        super().__init__()
        self._step = step

    def create(self, path: Path) -> int:
        self._step()
        return super().create(path)

    def create_new(self, path: Path) -> int:
        self._step()
        return super().create_new(path)

    def open_or_create(self, path: Path) -> int:
        self._step()
        return super().open_or_create(path)

    def open(self, path: Path) -> int:
        self._step()
        return super().open(path)

    def pwritev(self, descriptor: int, buffers: Sequence[Buffer], offset: int) -> int:
        self._step()
        data = b"".join(buffers)
        half = len(data) // 2 - (offset + len(data) // 2) % SECTOR
        if half > 0:
            super().pwritev(descriptor, [data[:half]], offset)
            self._step()
            return half + super().pwritev(descriptor, [data[half:]], offset + half)
        return super().pwritev(descriptor, [data], offset)

    def fdatasync(self, descriptor: int) -> None:
        self._step()

    def rename(self, path: Path, to: Path) -> None:
        self._step()
        super().rename(path, to)

    def unlink(self, path: Path) -> None:
        self._step()
        super().unlink(path)

    def sync_directory(self, directory: Path) -> None:
        self._step()

    def exists(self, path: Path) -> bool:
        self._step()
        return super().exists(path)
