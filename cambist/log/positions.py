"""How far each reader of the log has come, and from where on the log is kept for them.

A reader's position is a file `position-NAME` in the exchange's `run` directory; its time says when the reader
was last there. The place from which log and journal are kept is the name of an empty file in the log's
directory, made before anything is removed, so that what is missing by intent is never taken for a loss.
"""

import re
import time
from pathlib import Path
from typing import NamedTuple

from cambist.log.disk import TEMPORARY, Disk

_POSITION = "position-"
_PRUNED = re.compile(r"pruned-(\d{20})")


class ReaderPosition(NamedTuple):
    """`sequence` is the last one that the reader needs no more."""

    name: str
    sequence: int
    age_s: float


def store_position(run_directory: Path, name: str, sequence: int) -> None:
    """Not synced: one that is lost or old only keeps files longer. Repeat it while the reader lives."""
    run_directory.mkdir(mode=0o700, exist_ok=True)
    path = run_directory / f"{_POSITION}{name}"
    aside = path.with_name(path.name + TEMPORARY)
    aside.write_text(f"{sequence}\n")
    aside.replace(path)


def reader_positions(run_directory: Path) -> list[ReaderPosition]:
    """Raises ValueError for a file that holds no position: better to keep everything than to guess."""
    found = [path for path in run_directory.glob(_POSITION + "*") if path.suffix != TEMPORARY]
    now_s = time.time()
    return [
        ReaderPosition(path.name.removeprefix(_POSITION), int(path.read_text()), now_s - path.stat().st_mtime)
        for path in sorted(found)
    ]


def pruned_through(log_directory: Path) -> int:
    """Log and journal are whole behind this sequence, and a snapshot stands at it; 0: nothing was pruned."""
    return max(_pruned(log_directory).values(), default=0)


def mark_pruned(log_directory: Path, sequence: int, disk: Disk) -> None:
    """What lies at or before `sequence` may be removed, once this has returned."""
    older = _pruned(log_directory)
    disk.close(disk.create(log_directory / f"pruned-{sequence:020}"))
    disk.sync_directory(log_directory)
    for path, before in older.items():
        if before < sequence:
            disk.unlink(path)


def _pruned(log_directory: Path) -> dict[Path, int]:
    found = {path: _PRUNED.fullmatch(path.name) for path in log_directory.glob("pruned-*")}
    return {path: int(name[1]) for path, name in found.items() if name is not None}
