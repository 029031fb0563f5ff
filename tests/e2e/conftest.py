"""What only some machines allow."""

import os
import shutil
import subprocess

import pytest


@pytest.fixture(scope="session")
def can_trace() -> None:
    """Skips the test where strace is missing or not permitted."""
    # What is traced is the real process; without root neither the tool nor the permission can be arranged.
    if shutil.which("strace") is None:
        pytest.skip("strace is missing: `make setup` installs it when run as root")
    probe = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip(f"strace may not trace here: {probe.stderr.strip()}")
