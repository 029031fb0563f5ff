"""A disk that knows what a power cut would leave of it, and the way each process writes to it.

The files are real ones in memory, so that the product's readers find there what the kernel would show them.
Beside them the disk keeps what is durable: sectors and names that were synced. The event journal is never
synced, so of it a power cut leaves whatever it likes.
"""

import errno
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from typing_extensions import Buffer

from cambist.log.disk import Disk

from .world import Crash, Process, World

SECTOR = 512

T = TypeVar("T")


class File:
    """What is on the disk for certain, what the kernel shows, and the versions of each sector in between."""

    def __init__(self, content: bytes = b"") -> None:
        self.restart(content)

    def restart(self, content: bytes) -> None:
        self.durable = content
        self.shown = bytearray(content)
        self.pending: dict[int, list[bytes]] = {}

    def write(self, data: bytes, offset: int) -> None:
        end = offset + len(data)
        if end > len(self.shown):
            self.shown.extend(bytes(end - len(self.shown)))
        self.shown[offset:end] = data
        for sector in range(offset // SECTOR, (end - 1) // SECTOR + 1):
            version = bytes(self.shown[sector * SECTOR : (sector + 1) * SECTOR])
            self.pending.setdefault(sector, []).append(version)

    def sync(self) -> None:
        self.durable = bytes(self.shown)
        self.pending.clear()

    def after_cut(self, choose: Callable[[list[bytes]], bytes | None]) -> bytes:
        content = bytearray(self.durable)
        for sector, versions in self.pending.items():
            if (version := choose(versions)) is not None:
                start = sector * SECTOR
                content.extend(bytes(max(0, start + len(version) - len(content))))
                content[start : start + len(version)] = version
        return bytes(content)


class Machine:
    """One computer's disk. `synced` are the directories whose writers sync what they write."""

    def __init__(self, world: World, synced: Sequence[Path], unsynced: Sequence[Path]) -> None:
        self._dice = world.dice("disk")
        self._synced = [str(path) for path in synced]
        self._unsynced = unsynced
        self._shown: dict[str, File] = {}
        self._durable: dict[str, File] = {}
        self._renamed: list[dict[str, File | None]] = []
        self.lost_share = 0.5  # of unsynced sectors, at a power cut
        self.free_bytes = 1 << 40
        self.when_synced: dict[str, Callable[[], None]] = {}  # of files that others write

    def is_synced(self, path: Path) -> bool:
        return str(path.parent) in self._synced

    def file(self, path: Path) -> File:
        return self._shown[str(path)]

    def survives(self, file: File) -> bytes:
        return file.after_cut(lambda versions: _survivor(self._dice, versions, self.lost_share))

    def name(self, changes: dict[str, File | None]) -> None:
        self._renamed.append(changes)
        for path, file in changes.items():
            if file is None:
                self._shown.pop(path, None)
            else:
                self._shown[path] = file

    def sync_names(self, directory: Path) -> None:
        inside = {path: file for path, file in self._shown.items() if Path(path).parent == directory}
        outside = {path: file for path, file in self._durable.items() if Path(path).parent != directory}
        self._durable = outside | inside
        self._renamed = [each for each in self._renamed if not _is_in(each, directory)]

    def cut_power(self, *, garbage: bool = False) -> list[tuple[Path, int]]:
        """Leaves on the real files what the disk holds. Returns the places where it put noise."""
        dice = self._dice
        names: dict[str, File | None] = dict(self._durable)
        for change in self._renamed:
            if dice.random() >= self.lost_share:
                names.update(change)
        kept = {path: self.survives(file) for path, file in names.items() if file is not None}
        noise = self._garble(kept, names) if garbage else []
        for path in self._shown.keys() | self._durable.keys():
            Path(path).unlink(missing_ok=True)
        for path, content in kept.items():
            Path(path).write_bytes(content)
        self._shown = {path: File(content) for path, content in kept.items()}
        self._durable = dict(self._shown)
        self._renamed.clear()
        for directory in self._unsynced:
            _maul(dice, directory)
        return noise

    def put(self, path: Path, content: bytes) -> None:
        """What an operator or a bad medium writes: durable at once."""
        path.write_bytes(content)
        if self.is_synced(path):
            self._shown[str(path)] = self._durable[str(path)] = File(content)

    def _garble(self, kept: dict[str, bytes], names: dict[str, File | None]) -> list[tuple[Path, int]]:
        """One sector that was being written is neither what it was nor what it should be."""
        places = [
            (path, sector)
            for path, content in kept.items()
            if (file := names[path]) is not None and path.endswith(".log")
            for sector in file.pending
            if file.durable[sector * SECTOR : (sector + 1) * SECTOR]
            == bytes(SECTOR)  # else old records suffer
        ]
        if not places:
            return []
        path, sector = self._dice.choice(places)
        content = bytearray(kept[path])
        at = sector * SECTOR
        content[at : at + SECTOR] = self._dice.randbytes(len(content[at : at + SECTOR]))
        kept[path] = bytes(content)
        return [(Path(path), at)]


@dataclass
class DiskFault:
    """Happens at the step that comes after `in_steps` others: to the log's or the journal's files alike."""

    kind: str  # "kill", "power", "EIO", "ENOSPC", "short", "torn", "sync", "pause"
    in_steps: int
    act: Callable[[], None] = field(default=lambda: None)  # what happens to the machine, or to the process


class ProcessDisk(Disk):
    """How one process writes. A process that is gone writes nothing more, whatever its code still tries."""

    def __init__(self, machine: Machine, process: Process) -> None:
        self._machine = machine
        self._process = process
        self._open: dict[int, File | None] = {}  # None: of what is never synced
        self._when_synced: dict[int, Callable[[], None]] = {}
        self.faults: list[DiskFault] = []
        self.steps = 0

    def create(self, path: Path) -> int:
        self._step()
        return self._made(super().create(path), path)

    def create_new(self, path: Path) -> int:
        self._step()
        return self._made(super().create_new(path), path)

    def open(self, path: Path) -> int:
        self._step()
        descriptor = self._opened(super().open(path), path)
        if (when_synced := self._machine.when_synced.get(str(path))) is not None:
            self._when_synced[descriptor] = when_synced
        return descriptor

    def open_or_create(self, path: Path) -> int:
        self._step()
        was_there = path.exists()
        descriptor = super().open_or_create(path)
        return self._opened(descriptor, path) if was_there else self._made(descriptor, path)

    def _made(self, descriptor: int, path: Path) -> int:
        self._open[descriptor] = file = File() if self._machine.is_synced(path) else None
        if file is not None:
            self._machine.name({str(path): file})
        return descriptor

    def _opened(self, descriptor: int, path: Path) -> int:
        self._open[descriptor] = self._machine.file(path) if self._machine.is_synced(path) else None
        return descriptor

    def pwritev(self, descriptor: int, buffers: Sequence[Buffer], offset: int) -> int:
        data = b"".join(buffers)
        fault = self._step(takes_part=("short", "torn"))
        if fault is not None:  # a write ends early where a sector ends
            part = max(0, len(data) // 3 - (offset + len(data) // 3) % SECTOR)
            if part or fault.kind == "torn":
                data = data[:part]
        self._write(descriptor, data, offset)
        if fault is not None and fault.kind == "torn":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return len(data)

    def fdatasync(self, descriptor: int) -> None:
        fault = self._step(takes_part=("sync",))
        file = self._open[descriptor]
        if file is None:
            if descriptor in self._when_synced:
                self._when_synced[descriptor]()
            return
        if fault is None:
            file.sync()
            return
        # The kernel drops what it could not write, and shows it no more once its copies are gone: a later
        # sync succeeds without it.
        content = self._machine.survives(file)
        file.restart(content)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, content, 0)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def close(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        self._when_synced.pop(descriptor, None)
        super().close(descriptor)

    def rename(self, path: Path, to: Path) -> None:
        self._step()
        super().rename(path, to)
        self._machine.name({str(to): self._machine.file(path), str(path): None})

    def unlink(self, path: Path) -> None:
        self._step()
        super().unlink(path)
        if self._machine.is_synced(path):
            self._machine.name({str(path): None})

    def sync_directory(self, directory: Path) -> None:
        self._step()
        self._machine.sync_names(directory)

    def exists(self, path: Path) -> bool:
        self._step()
        return super().exists(path)

    def _write(self, descriptor: int, data: bytes, offset: int) -> None:
        super().pwritev(descriptor, [data], offset)
        if data and (file := self._open[descriptor]) is not None:
            file.write(data, offset)

    def _step(self, takes_part: tuple[str, ...] = ()) -> DiskFault | None:
        """Counts, and lets happen what is due. Returns a fault that the caller carries out itself."""
        if not self._process.is_alive:
            raise OSError(errno.EIO, "the process is gone")
        self.steps += 1
        for fault in self.faults:
            fault.in_steps -= 1
        due = next((fault for fault in self.faults if fault.in_steps < 0), None)
        if due is None:
            return None
        if due.kind in ("short", "torn", "sync"):
            if due.kind not in takes_part:
                return None  # waits for a step of its kind
            self.faults.remove(due)
            return due
        self.faults.remove(due)
        due.act()
        if not self._process.is_alive:
            raise Crash
        if due.kind in ("EIO", "ENOSPC"):
            code = getattr(errno, due.kind)
            raise OSError(code, os.strerror(code))
        return None


class SlowFill(Executor):
    """Fills the next segment some time later, or at once if somebody cannot wait."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        future: Later[T] = Later(lambda: fn(*args, **kwargs))
        delay_ns = self._process.world.dice("fill").randrange(50_000_000)
        self._process.later(delay_ns, future.run)
        return future


class Later(Future[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__()
        self._work: Callable[[], T] | None = work

    def run(self) -> None:
        if self.done():
            return
        if self._work is None:  # its process is killed in the middle of it
            self.set_exception(OSError(errno.EIO, "the process is gone"))
            return
        work, self._work = self._work, None
        try:
            done = work()
        except (OSError, Crash) as problem:
            if not self.done():
                self.set_exception(problem)
        else:
            self.set_result(done)

    def result(self, timeout: float | None = None) -> T:
        self.run()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self.run()
        return super().exception(timeout)


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _survivor(dice: Random, versions: list[bytes], lost_share: float) -> bytes | None:
    return None if dice.random() < lost_share else dice.choice(versions)


def _is_in(changes: dict[str, File | None], directory: Path) -> bool:
    return all(Path(path).parent == directory for path in changes)


def _maul(dice: Random, directory: Path) -> None:
    """The newest file of a directory that nobody syncs: cut, holed, or gone."""
    files = sorted(directory.glob("*.journal"))
    if not files or dice.random() < 0.3:
        return
    newest = files[-1]
    content = bytearray(newest.read_bytes())
    if dice.random() < 0.15 or not content:
        newest.unlink()
        return
    start = dice.randrange(len(content)) // SECTOR * SECTOR
    for at in range(start, len(content), SECTOR):
        if dice.random() < 0.5:
            end = min(at + SECTOR, len(content))
            content[at:end] = bytes(end - at)
    if dice.random() < 0.5:
        del content[dice.randrange(start, len(content) + 1) :]
    newest.write_bytes(content)
