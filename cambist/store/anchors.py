"""Where the audit trail stood from time to time, told to places outside the database that holds it.

Whoever has the master key can write another trail that holds together, and anybody can cut rows off its end.
Neither fits a head that was written down before. Each anchor is a line of JSON, appended to a file and given
to a command, which takes it where nobody who owns this machine can change it.
"""

import os
import shlex
import subprocess
from collections.abc import Iterable
from pathlib import Path

import msgspec
from sqlalchemy import Connection, select

from cambist.settings import Settings
from cambist.store.audit import AuditBroken, Trail
from cambist.store.tables import audit

COMMAND_ENDS_WITHIN_S = 60


class Anchor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest row of the trail at a time; `hash` in hexadecimal. It stands for all rows before it."""

    row: int
    hash: str
    time_ns: int


def head(db: Connection, now_ns: int) -> Anchor | None:
    """None of a trail without rows."""
    newest = db.execute(select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)).one_or_none()
    return None if newest is None else Anchor(newest.id, newest.hash.hex(), now_ns)


def read(file: Path) -> list[Anchor]:
    """Empty if there is no file. Raises AuditBroken for a line that nobody has written here."""
    raw = file.read_bytes() if file.exists() else b""
    whole, _, _ = raw.rpartition(b"\n")  # behind it: what a crash has cut off
    found = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            found.append(msgspec.json.decode(line, type=Anchor))
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise AuditBroken(f"line {number} of {file} is no anchor of the audit trail") from None
    return found


def keep(settings: Settings, anchor: Anchor) -> None:
    """Raises OSError, or subprocess.SubprocessError if the command fails; the line is in the file by then."""
    line = msgspec.json.encode(anchor) + b"\n"
    _append(settings.anchors_file, line)
    if settings.audit.anchor_command:
        command = shlex.split(settings.audit.anchor_command)
        subprocess.run(command, input=line, check=True, timeout=COMMAND_ENDS_WITHIN_S)


def compare(db: Connection, anchors: Iterable[Anchor]) -> None:
    """Raises AuditBroken, naming the first anchor that the trail does not have."""
    for anchor in anchors:
        found = db.scalar(select(audit.c.hash).where(audit.c.id == anchor.row))
        if found is None:
            raise AuditBroken(f"the audit trail is broken: row {anchor.row}, which was anchored, is missing")
        if found.hex() != anchor.hash:
            raise AuditBroken(f"the audit trail is broken: row {anchor.row} is not the one that was anchored")


def check(db: Connection, trail: Trail, settings: Settings) -> int:
    """How many rows there are, all of them looked at and compared with the anchors. Raises AuditBroken."""
    rows = sum(1 for _ in trail.read(db))
    compare(db, read(settings.anchors_file))
    return rows


def _append(file: Path, line: bytes) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            os.ftruncate(descriptor, _whole(descriptor, size))
        os.write(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _whole(descriptor: int, size: int) -> int:
    """Where the last whole line ends, of a file whose last line was cut off."""
    return os.pread(descriptor, size, 0).rfind(b"\n") + 1
