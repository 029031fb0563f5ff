"""The few calls by which the log changes a disk, in one place so that tests can let each of them fail.

Nothing is retried here or above, except that a short write goes on behind what was written. (Python itself
repeats a call that a signal interrupted.)
"""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from typing_extensions import Buffer

FILL_CHUNK_BYTES = 1 << 20
TEMPORARY = ".tmp"  # ends the name of every file that is not ready for use


class Disk:
    """Every method raises OSError when it fails."""

    def create(self, path: Path) -> int:
        """A new empty file, in place of any old one; returns its descriptor."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def create_new(self, path: Path) -> int:
        """The same, but FileExistsError if there is one."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def open(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def open_or_create(self, path: Path) -> int:
        """The file as it is, or a new empty one."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def pwritev(self, descriptor: int, buffers: Sequence[Buffer], offset: int) -> int:
        """Returns the bytes written, which may be fewer than given."""
        return os.pwritev(descriptor, buffers, offset)

    def fdatasync(self, descriptor: int) -> None:
        os.fdatasync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def rename(self, path: Path, to: Path) -> None:
        os.rename(path, to)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def sync_directory(self, directory: Path) -> None:
        """Makes names in it durable."""
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def exists(self, path: Path) -> bool:
        """Unlike Path.exists this raises when the disk cannot say."""
        try:
            os.stat(path)
        except FileNotFoundError:
            return False
        return True


def write_all(disk: Disk, descriptor: int, buffers: Sequence[Buffer], offset: int) -> None:
    """One call as a rule; after a short write the rest follows in further ones."""
    total = sum(len(memoryview(buffer)) for buffer in buffers)
    written = disk.pwritev(descriptor, buffers, offset)
    if written == total:
        return
    rest = memoryview(b"".join(buffers))[written:]
    while rest:
        written = disk.pwritev(descriptor, [rest], offset + total - len(rest))
        if written == 0:
            raise OSError(errno.EIO, "the disk takes no more bytes")
        rest = rest[written:]


def zero_fill(disk: Disk, path: Path, size: int) -> int:
    """Creates a file of `size` zero bytes; returns its descriptor.

    Writing over bytes that exist needs no change of the file's metadata, which halves the time of a sync. The
    zeros are synced here, in the background, so that no record has to wait for them.
    """
    descriptor = disk.create(path)
    try:
        zeros = bytes(min(size, FILL_CHUNK_BYTES))
        for offset in range(0, size, len(zeros)):
            write_all(disk, descriptor, [memoryview(zeros)[: size - offset]], offset)
        disk.fdatasync(descriptor)
    except BaseException:
        disk.close(descriptor)
        raise
    return descriptor


def write_file(disk: Disk, path: Path, buffers: Sequence[Buffer]) -> None:
    """A whole new file, in place and durable, or not there at all under its name."""
    aside = path.with_name(path.name + TEMPORARY)
    descriptor = disk.create(aside)
    try:
        write_all(disk, descriptor, buffers, 0)
        disk.fdatasync(descriptor)
    finally:
        disk.close(descriptor)
    disk.rename(aside, path)
    disk.sync_directory(path.parent)
