"""A disk that is full, and one that does not sync: either ends an exchange until somebody has looked."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.harness import WAIT_SECONDS

FILLER = "filler"
_PIECE = bytes(1 << 16)


@contextmanager
def small_disk(directory: Path, size_bytes: int) -> Iterator[str | None]:
    """A disk of its own at `directory` during the block, or why there is none."""
    if os.geteuid() != 0:
        yield "only root can mount a disk"
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(directory)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        yield f"a disk cannot be mounted here: {mounted.stderr.strip()}"
        return
    try:
        yield None
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def fill(directory: Path) -> None:
    """Not one more byte can be written there until `free`."""
    with (directory / FILLER).open("wb", buffering=0) as filler:
        for piece in (_PIECE, b"\0"):
            try:
                while True:
                    filler.write(piece)
            except OSError as problem:
                if problem.errno != errno.ENOSPC:
                    raise


def free(directory: Path) -> None:
    (directory / FILLER).unlink()


def why_no_tracing() -> str | None:
    if shutil.which("strace") is None:
        return "strace is missing"
    probe = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True)
    return f"strace may not trace here: {probe.stderr.strip()}" if probe.returncode else None


def fail_syncs(pid: int) -> None:
    """From now on every fdatasync of a process fails with EIO; returns when it has ended of that."""
    inject = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO"]
    subprocess.run(
        ["strace", "-f", "-o", os.devnull, *inject, "-p", str(pid)],
        capture_output=True,
        timeout=WAIT_SECONDS,
        check=False,  # its status is that of what it traced
    )
