"""Copies files to another disk so that the originals may go: whole, durable and read back, or not at all."""

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from cambist.log.disk import TEMPORARY, Disk, write_all
from cambist.log.errors import LogError

_CHUNK_BYTES = 1 << 20


class ArchiveRefused(LogError):
    """Something else is there under a name that is needed, or what was written does not read back."""


def store(paths: Iterable[Path], directory: Path, disk: Disk) -> None:
    """Returns when all are there under their names. Raises OSError or ArchiveRefused; nothing is replaced."""
    _make(directory, disk)
    for path in paths:
        target = directory / path.name
        if not target.exists():
            copy(path, target, disk)
        elif digest(target) != digest(path):
            raise ArchiveRefused(
                f"{target} differs from {path}, which was to be archived: an exchange that was restored "
                "needs an archive of its own"
            )


def copy(path: Path, target: Path, disk: Disk, *, until: int | None = None) -> str:
    """A durable copy that reads back as the original; returns the digest. Raises OSError, ArchiveRefused.

    From the byte `until` on it holds zeros: what is there is still being written.
    """
    aside = target.with_name(target.name + TEMPORARY)
    hashed = hashlib.sha256()
    descriptor = disk.create(aside)
    try:
        with path.open("rb") as source:
            offset = 0
            while chunk := source.read(_CHUNK_BYTES):
                if until is not None and offset + len(chunk) > until:
                    chunk = chunk[: max(0, until - offset)].ljust(len(chunk), b"\0")
                write_all(disk, descriptor, [chunk], offset)
                hashed.update(chunk)
                offset += len(chunk)
        disk.fdatasync(descriptor)
        # Without the kernel's copies, what is read back is what the disk holds.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        with suppress(OSError):  # everything is synced, or an error is on its way already
            disk.close(descriptor)
    if digest(aside) != hashed.hexdigest():
        raise ArchiveRefused(f"{aside} does not read back as {path}")
    disk.rename(aside, target)
    disk.sync_directory(target.parent)
    return hashed.hexdigest()


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _make(directory: Path, disk: Disk) -> None:
    if directory.exists():
        return
    directory.mkdir(mode=0o700, parents=True)
    for parent in (directory.parent, directory.parent.parent):
        disk.sync_directory(parent)
