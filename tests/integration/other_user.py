"""Tests that act as another user of the machine."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65_534

# The kernel lets nobody but root become another user, and what it then forbids is what these tests look at.
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@contextmanager
def open_place(mode: int) -> Iterator[Path]:
    """A directory that other users can reach, as pytest's own cannot be."""
    place = Path(tempfile.mkdtemp(prefix="cambist-signer-", dir="/tmp"))
    try:
        place.chmod(mode)
        yield place
    finally:
        shutil.rmtree(place)


@contextmanager
def somebody_else() -> Iterator[None]:
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
