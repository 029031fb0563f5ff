"""What a backup says about itself: every file with its size and digest, and where its log leads to.

Written last, so a backup that has a manifest is complete. The manifest's own digest stands beside it.
Format: docs/formats/backup.md.
"""

import hashlib
from pathlib import Path

import msgspec

from cambist.errors import Refused
from cambist.keep.archive import digest
from cambist.log.disk import Disk, write_file
from cambist.match.recovery import Report

MANIFEST, SUM = "manifest.json", "manifest.json.sha256"
FORMAT = 1


class BackupDamaged(Refused):
    """The text names the file. Nothing was changed anywhere."""

    code = "backup_damaged"


class BackedUpFile(msgspec.Struct, frozen=True):
    """`name` is the path inside the backup, with `/`."""

    name: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Hashes are hexadecimal. `views_sequence` is None where the log alone leads to the views."""

    format: int
    release: str  # of Cambist, that made it
    made_at_ns: int
    log_id: str
    epoch: int
    rules: int
    sandbox: bool
    sequence: int
    time_ns: int  # of that command
    event_hash: str
    state_hash: str
    log_begins: int
    views_sequence: int | None
    files: list[BackedUpFile]


def write(directory: Path, manifest: Manifest, disk: Disk) -> None:
    raw = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    write_file(disk, directory / SUM, [f"{hashlib.sha256(raw).hexdigest()}  {MANIFEST}\n".encode()])
    write_file(disk, directory / MANIFEST, [raw])


def read(directory: Path) -> Manifest:
    """Raises BackupDamaged."""
    try:
        raw, wanted = (directory / MANIFEST).read_bytes(), (directory / SUM).read_bytes()
    except FileNotFoundError as missing:
        raise BackupDamaged(f"{missing.filename} is missing: this is no backup, or not all of one") from None
    if f"{hashlib.sha256(raw).hexdigest()}  {MANIFEST}\n".encode() != wanted:
        raise BackupDamaged(f"{directory / MANIFEST} or {SUM} is damaged: they do not agree")
    version = msgspec.json.decode(raw, type=_Version).format
    if version != FORMAT:
        raise BackupDamaged(f"{directory / MANIFEST}: format {version}; this release reads format {FORMAT}")
    manifest = msgspec.json.decode(raw, type=Manifest)
    for file in manifest.files:
        if file.name.startswith("/") or ".." in file.name.split("/"):
            raise BackupDamaged(f"{directory / MANIFEST} names a file outside the backup: {file.name}")
    return manifest


class _Version(msgspec.Struct):
    format: int


def check(directory: Path, manifest: Manifest, report: Report) -> None:
    """Every file is there and is what the manifest says; `report` counts bytes. Raises BackupDamaged."""
    done, total = 0, sum(file.bytes for file in manifest.files)
    for file in manifest.files:
        path = directory / file.name
        if not path.is_file():
            raise BackupDamaged(f"{path} is missing")
        if (size := path.stat().st_size) != file.bytes:
            raise BackupDamaged(f"{path} has {size} bytes instead of {file.bytes}")
        if digest(path) != file.sha256:
            raise BackupDamaged(f"{path} is damaged: its digest is not the manifest's")
        done += file.bytes
        report(done, total)
