"""Snapshot files: the state after one sequence, so that a start need not replay the whole log.

A snapshot gets its name only after it was read back from the disk and verified. The newest valid one
counts; at least one older generation is kept. A damaged one is reported and left where it is. Format:
docs/formats/snapshots.md.
"""

import os
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import BinaryIO, NamedTuple

from xxhash import xxh3_64_intdigest, xxh3_128_digest

from cambist.log import sealed
from cambist.log.disk import TEMPORARY, Disk, write_all
from cambist.log.errors import LogError

SUFFIX = ".snapshot"
VERSION = 1
SEALED_VERSION = 2  # with pieces in files of their own
GENERATIONS_MIN = 2  # one to fall back on

_MAGIC = b"CbSn"
# magic, version, reserved, sequence, time, event hash, state hash, log id, lengths, checksums
_HEADER = Struct("<4sHHQqQ32s16sQQ16s16s")
_CHECKSUM = Struct("<Q")


class SnapshotDamaged(LogError):
    """The text names the file. An older snapshot, or the log from its beginning, leads to the same state."""


class Snapshot(NamedTuple):
    """State after `sequence`. To restore it, compare `log_id` with the log, the hashes with the engine."""

    sequence: int
    time_ns: int
    event_hash: int
    state_hash: bytes
    log_id: bytes
    engine: bytes


class Newest(NamedTuple):
    """`snapshot` is None if no valid one is there; `damaged` are the newer ones that could not be used."""

    snapshot: Snapshot | None
    damaged: list[SnapshotDamaged]


def save(
    directory: Path,
    snapshot: Snapshot,
    disk: Disk | None = None,
    *,
    keep: int = GENERATIONS_MIN,
    needed: int = 0,
    references: range = range(0),
    piece_bytes: int = sealed.PIECE_BYTES,
) -> Path:
    """Returns the path once the snapshot is durable; the newest `keep` stay, this one counted.

    So does the one at sequence `needed`, behind which a pruned log begins. `references` are the bytes of the
    engine's state that are only ever added to: whole pieces of them are stored once (`log.sealed`).

    Raises OSError, or SnapshotDamaged if it reads back wrong; the older ones are still there then.
    """
    disk = disk or Disk()
    directory.mkdir(parents=True, exist_ok=True)
    disk.sync_directory(directory.parent)
    for leftover in directory.glob("*" + TEMPORARY):
        disk.unlink(leftover)
    path = path_of(directory, snapshot.sequence)
    aside = path.with_name(path.name + TEMPORARY)
    engine, table = sealed.seal(directory, snapshot.log_id, snapshot.engine, references, disk, piece_bytes)
    descriptor = disk.create(aside)
    try:
        write_all(disk, descriptor, [_header(snapshot, engine, table), engine, table], 0)
        disk.fdatasync(descriptor)
        # Without the kernel's copies, what is read back is what the disk holds.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        with suppress(OSError):  # everything is synced, or an error is on its way already
            disk.close(descriptor)
    if load(aside) != snapshot:
        raise SnapshotDamaged(f"{aside} does not read back as it was written")
    disk.rename(aside, path)
    disk.sync_directory(directory)
    for old in _paths(directory)[max(keep, GENERATIONS_MIN) :]:
        if int(old.stem) != needed:
            disk.unlink(old)
    return path


def path_of(directory: Path, sequence: int) -> Path:
    return directory / f"{sequence:020}{SUFFIX}"


def newest(directory: Path, until_sequence: int | None = None) -> Newest:
    """The newest snapshot that is whole, of those at or below `until_sequence`."""
    damaged: list[SnapshotDamaged] = []
    for path in _paths(directory):
        if until_sequence is not None and path.stem > f"{until_sequence:020}":
            continue
        try:
            snapshot = load(path)
            if path.stem != f"{snapshot.sequence:020}":
                raise SnapshotDamaged(f"{path} holds the state after sequence {snapshot.sequence}")
            return Newest(snapshot, damaged)
        except SnapshotDamaged as problem:
            damaged.append(problem)
    return Newest(None, damaged)


def oldest(directory: Path, from_sequence: int) -> Snapshot | None:
    """The oldest snapshot that is whole, of those at or above `from_sequence`."""
    for path in reversed(_paths(directory)):
        if path.stem >= f"{from_sequence:020}":
            with suppress(SnapshotDamaged):
                return load(path)
    return None


def load(path: Path) -> Snapshot:
    """Raises SnapshotDamaged if a single byte is not as it was written."""
    try:
        with path.open("rb") as file:
            return _read(path, file)
    except OSError as problem:
        raise SnapshotDamaged(f"{path}: {problem}") from problem


def _read(path: Path, file: BinaryIO) -> Snapshot:
    fields = file.read(_HEADER.size)
    if len(fields) < _HEADER.size or file.read(_CHECKSUM.size) != _checksum(fields):
        raise SnapshotDamaged(f"{path}: the header is damaged")
    magic, version, reserved, sequence, time_ns, event_hash, state_hash, log_id, *parts = _HEADER.unpack(
        fields
    )
    if (magic, reserved) != (_MAGIC, 0) or version not in (VERSION, SEALED_VERSION):
        raise SnapshotDamaged(
            f"{path}: format version {version}; this release reads versions {VERSION} and {SEALED_VERSION}"
        )
    engine_bytes, table_bytes, engine_checksum, table_checksum = parts
    engine, table, rest = file.read(engine_bytes), file.read(table_bytes), file.read(1)
    if (xxh3_128_digest(engine), xxh3_128_digest(table)) != (engine_checksum, table_checksum) or rest:
        raise SnapshotDamaged(f"{path}: the state is damaged")
    if version == SEALED_VERSION:
        try:
            engine = sealed.unseal(path.parent, log_id, engine, table)
        except sealed.SealedDamaged as problem:
            raise SnapshotDamaged(f"{path}: {problem}") from problem
    return Snapshot(sequence, time_ns, event_hash, state_hash, log_id, engine)


def _header(snapshot: Snapshot, engine: bytes, table: bytes) -> bytes:
    fields = _HEADER.pack(
        _MAGIC,
        SEALED_VERSION if table else VERSION,
        0,
        snapshot.sequence,
        snapshot.time_ns,
        snapshot.event_hash,
        snapshot.state_hash,
        snapshot.log_id,
        len(engine),
        len(table),
        xxh3_128_digest(engine),
        xxh3_128_digest(table),
    )
    return fields + _checksum(fields)


def _checksum(fields: bytes) -> bytes:
    return _CHECKSUM.pack(xxh3_64_intdigest(fields))


def sequences(directory: Path) -> list[int]:
    """Of the snapshots that are there, whole or not; newest first."""
    return [int(path.stem) for path in _paths(directory)]


def _paths(directory: Path) -> list[Path]:
    """Newest first. A file that is not ready for use has another ending."""
    return sorted(directory.glob("*" + SUFFIX), reverse=True)
