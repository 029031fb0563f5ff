"""Disks for tests of the log: one never syncs, one fails at a chosen step, one knows what a power cut leaves.

The unit of all of them is the sector: a disk writes it whole or not at all.
"""

import errno
import os
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from struct import Struct
from typing import Any

from typing_extensions import Buffer

from cambist.log.disk import Disk

SECTOR = 512
_BATCH = Struct("<QqIII4x")


def batch(first_sequence: int, commands: int = 1, command_bytes: int = 48, epoch: int = 1) -> bytes:
    """As docs/formats/commands.md frames it; the commands themselves are not looked at by the log."""
    command = Struct("<HBBIQ").pack(command_bytes, 1, 0, 1, first_sequence).ljust(command_bytes, b"\x2a")
    return _BATCH.pack(first_sequence, 7, epoch, commands, commands * command_bytes) + commands * command


class AtOnce(Executor):
    """Runs what is submitted before it returns, so that every run of a workload takes the same steps."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except OSError as problem:
            future.set_exception(problem)
        return future


class QuickDisk(Disk):
    """Leaves out the syncs: the kernel does not die in these tests. Remembers which files are open."""

    has_failed = False

    def __init__(self) -> None:
        self.opened: dict[int, Path] = {}

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        self.opened[descriptor] = path
        return descriptor

    def create_new(self, path: Path) -> int:
        descriptor = super().create_new(path)
        self.opened[descriptor] = path
        return descriptor

    def open(self, path: Path) -> int:
        descriptor = super().open(path)
        self.opened[descriptor] = path
        return descriptor

    def open_or_create(self, path: Path) -> int:
        descriptor = super().open_or_create(path)
        self.opened[descriptor] = path
        return descriptor

    def close(self, descriptor: int) -> None:
        del self.opened[descriptor]
        super().close(descriptor)

    def fdatasync(self, descriptor: int) -> None:
        pass

    def sync_directory(self, directory: Path) -> None:
        pass

    def process_ends(self) -> None:
        for descriptor in list(self.opened):
            os.close(descriptor)
        self.opened.clear()


class FaultyDisk(QuickDisk):
    """Fails at step number `fails_at` in the way `fault`, and counts what is asked of it afterwards."""

    WRITE_FAULTS = ("EIO", "ENOSPC", "short write", "torn write")
    OTHER_FAULTS = ("EIO", "ENOSPC")

    def __init__(self, fails_at: int = -1, fault: str = "EIO") -> None:
        super().__init__()
        self.steps: list[str] = []
        self.asked_afterwards: list[str] = []
        self._fails_at = fails_at
        self._fault = fault

    def create(self, path: Path) -> int:
        self._step("create")
        return super().create(path)

    def create_new(self, path: Path) -> int:
        self._step("create_new")
        return super().create_new(path)

    def open_or_create(self, path: Path) -> int:
        self._step("open_or_create")
        return super().open_or_create(path)

    def open(self, path: Path) -> int:
        self._step("open")
        return super().open(path)

    def fdatasync(self, descriptor: int) -> None:
        self._step("fdatasync")

    def rename(self, path: Path, to: Path) -> None:
        self._step("rename")
        super().rename(path, to)

    def unlink(self, path: Path) -> None:
        self._step("unlink")
        super().unlink(path)

    def sync_directory(self, directory: Path) -> None:
        self._step("sync_directory")

    def exists(self, path: Path) -> bool:
        self._step("exists")
        return super().exists(path)

    def pwritev(self, descriptor: int, buffers: Sequence[Buffer], offset: int) -> int:
        if len(self.steps) == self._fails_at and self._fault in ("short write", "torn write"):
            data = b"".join(buffers)
            half = len(data) // 2
            if self._fault == "torn write":
                half = max(0, half - (offset + half) % SECTOR)
            written = super().pwritev(descriptor, [data[:half]], offset)
            if self._fault == "short write":
                self._fails_at = -1
                self.steps.append("pwritev")
                return written
        self._step("pwritev")
        return super().pwritev(descriptor, buffers, offset)

    def _step(self, name: str) -> None:
        if self.has_failed:
            self.asked_afterwards.append(name)
        if len(self.steps) == self._fails_at:
            self.has_failed = True
            code = errno.ENOSPC if self._fault == "ENOSPC" else errno.EIO
            self.steps.append(name)
            raise OSError(code, os.strerror(code))
        self.steps.append(name)


class _File:
    """What is on the disk for certain, what the kernel shows, and the sectors written in between."""

    def __init__(self, content: bytes = b"") -> None:
        self.durable = content
        self.shown = bytearray(content)
        self.pending: dict[int, list[bytes]] = {}

    def write(self, data: bytes, offset: int) -> None:
        self.shown.extend(bytes(max(0, offset + len(data) - len(self.shown))))
        self.shown[offset : offset + len(data)] = data
        for sector in range(offset // SECTOR, (offset + len(data) - 1) // SECTOR + 1):
            now = bytes(self.shown[sector * SECTOR : (sector + 1) * SECTOR])
            self.pending.setdefault(sector, []).append(now)

    def sync(self) -> None:
        self.durable = bytes(self.shown)
        self.pending.clear()

    def with_sectors(self, choose: Callable[[list[bytes]], bytes | None]) -> bytes:
        """After a power cut: of every unsynced sector the version that `choose` names, or (None) the old."""
        content = bytearray(self.durable)
        for sector, versions in self.pending.items():
            version = choose(versions)
            if version is not None:
                start = sector * SECTOR
                content.extend(bytes(max(0, start + len(version) - len(content))))
                content[start : start + len(version)] = version
        return bytes(content)


class PowerCutDisk(QuickDisk):
    """Works on real files and knows what a power cut now could leave of them.

    Unsynced sectors and unsynced changes of names are kept or lost each by itself. `before_step` is called
    before every call that changes something.
    """

    def __init__(self, directory: Path, before_step: Callable[[], None]) -> None:
        super().__init__()
        self._before_step = before_step
        self._shown = {path.name: _File(path.read_bytes()) for path in directory.iterdir() if path.is_file()}
        self._durable = dict(self._shown)
        self._pending: list[dict[str, _File | None]] = []  # changes of names
        self._files: dict[int, _File] = {}

    def create(self, path: Path) -> int:
        self._before_step()
        return self._new(path, super().create(path))

    def create_new(self, path: Path) -> int:
        self._before_step()
        return self._new(path, super().create_new(path))

    def open(self, path: Path) -> int:
        descriptor = super().open(path)
        self._files[descriptor] = self._shown[path.name]
        return descriptor

    def pwritev(self, descriptor: int, buffers: Sequence[Buffer], offset: int) -> int:
        self._before_step()
        data = b"".join(buffers)
        self._files[descriptor].write(data, offset)
        return super().pwritev(descriptor, [data], offset)

    def fdatasync(self, descriptor: int) -> None:
        self._before_step()
        self._files[descriptor].sync()

    def rename(self, path: Path, to: Path) -> None:
        self._before_step()
        super().rename(path, to)
        self._name({to.name: self._shown[path.name], path.name: None})

    def unlink(self, path: Path) -> None:
        self._before_step()
        super().unlink(path)
        self._name({path.name: None})

    def sync_directory(self, directory: Path) -> None:
        self._before_step()
        self._durable = dict(self._shown)
        self._pending.clear()

    def power_cuts(self, seed: int, count: int) -> Iterator[dict[str, bytes]]:
        """Name and content of every file: with everything lost, everything kept, and `count` mixtures."""
        dice = random.Random(seed)
        yield self._after_cut(lambda versions: None, lambda: False)
        yield self._after_cut(lambda versions: versions[-1], lambda: True)
        for _ in range(count):
            yield self._after_cut(
                lambda versions: dice.choice([None, *versions]), lambda: dice.random() < 0.5
            )

    def _after_cut(
        self, choose: Callable[[list[bytes]], bytes | None], keep: Callable[[], bool]
    ) -> dict[str, bytes]:
        names: dict[str, _File | None] = dict(self._durable)
        for change in self._pending:
            if keep():
                names.update(change)
        return {name: file.with_sectors(choose) for name, file in names.items() if file is not None}

    def _new(self, path: Path, descriptor: int) -> int:
        self._files[descriptor] = _File()
        self._name({path.name: self._files[descriptor]})
        return descriptor

    def _name(self, change: dict[str, _File | None]) -> None:
        self._pending.append(change)
        for name, file in change.items():
            if file is None:
                del self._shown[name]
            else:
                self._shown[name] = file
