"""The part of a state that is only ever added to, stored once: references of money commands, 32 bytes each.

They are kept for ever, so a snapshot that held them all would in the end be mostly what the one before held.
Whole pieces of them lie in files of their own, which snapshots name and do not rewrite. Since all snapshots
count on the same pieces, each is there twice. Format: docs/formats/snapshots.md.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import Struct

from xxhash import xxh3_128_digest

from cambist.log.disk import Disk, write_file

SUFFIX = ".references"
REFERENCE_BYTES = 32
PIECE_BYTES = REFERENCE_BYTES << 16
COPIES = (1, 2)

_TABLE = Struct("<QQ")  # offset in the state, bytes of a piece; then 16 bytes for each piece
_DIGEST_BYTES = 16


class SealedDamaged(Exception):
    """A piece is in neither of its files as it was; the text names it."""


def seal(
    directory: Path,
    log_id: bytes,
    state: bytes,
    references: range,
    disk: Disk,
    piece_bytes: int = PIECE_BYTES,
) -> tuple[bytes, bytes]:
    """What is left of the state without its whole pieces, and the table that names them (empty for none).

    `references` are bytes of the state. Returns when both files of every piece are durable; a damaged one is
    written again. Raises OSError.
    """
    start, pieces = references.start, len(references) // piece_bytes
    if not pieces:
        return state, b""
    digests = []
    for nth in range(pieces):
        at = start + nth * piece_bytes
        piece = state[at : at + piece_bytes]
        digests.append(xxh3_128_digest(piece))
        for path in _paths(directory, log_id, nth, piece_bytes):
            if not _holds(path, digests[-1]):
                write_file(disk, path, [piece])
                _forget(path)
    end = start + pieces * piece_bytes
    return state[:start] + state[end:], _TABLE.pack(start, piece_bytes) + b"".join(digests)


def unseal(directory: Path, log_id: bytes, rest: bytes, table: bytes) -> bytes:
    """The whole state again. Raises SealedDamaged."""
    start, piece_bytes = _TABLE.unpack_from(table)
    digests = table[_TABLE.size :]
    pieces = [
        _read(_paths(directory, log_id, at // _DIGEST_BYTES, piece_bytes), digests[at : at + _DIGEST_BYTES])
        for at in range(0, len(digests), _DIGEST_BYTES)
    ]
    return b"".join([rest[:start], *pieces, rest[start:]])


def files(directory: Path, log_id: bytes) -> Iterator[Path]:
    """All pieces of a log."""
    return directory.glob(f"{log_id.hex()}-*{SUFFIX}")


def _paths(directory: Path, log_id: bytes, nth: int, piece_bytes: int) -> list[Path]:
    count = piece_bytes // REFERENCE_BYTES
    name = f"{log_id.hex()}-{nth * count:020}-{count}"
    return [directory / f"{name}-{copy}{SUFFIX}" for copy in COPIES]


def _read(paths: Sequence[Path], digest: bytes) -> bytes:
    for path in paths:
        try:
            piece = path.read_bytes()
        except OSError:
            continue  # the other one may do
        if xxh3_128_digest(piece) == digest:
            return piece
    raise SealedDamaged(f"neither {paths[0]} nor {paths[1].name} is there as it was written")


def _holds(path: Path, digest: bytes) -> bool:
    try:
        return xxh3_128_digest(path.read_bytes()) == digest
    except OSError:
        return False


def _forget(path: Path) -> None:
    """Without the kernel's copy, what is read back is what the disk holds."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
