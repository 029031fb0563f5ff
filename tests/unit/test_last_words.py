"""However a test run ends, its last lines name what failed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

# What is left behind is found at the end: in the midst of parsing, CPython 3.11 may break of it.
TESTS = """
import gc

import pytest

gc.disable()

class Late:
    def __del__(self):
        raise RuntimeError("said when everything is over")

def test_sum():
    assert 1 + 1 == 3, "two\\nlines"

@pytest.fixture
def lost():
    raise OSError("gone")

def test_of_what_is_lost(lost):
    late = Late()

def test_that_leaves_something():
    late = Late()
    late.itself = late
"""
BREAKS = """
def pytest_runtest_makereport(item, call):
    if item.name == "test_that_leaves_something":
        raise SystemError("the printer of failures failed")
"""

in_one_or_two_processes = pytest.mark.parametrize(
    "options", [(), ("-p", "xdist", "-n", "2", "--dist", "loadfile")], ids=["one", "two"]
)


def last_lines(folder: Path, count: int, options: tuple[str, ...]) -> list[str]:
    (folder / "test_it.py").write_text(TESTS)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", os.devnull, *options, folder],
        cwd=CHECKOUT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,  # it fails: that is what is looked at
    )
    return run.stdout.splitlines()[-count:]


@in_one_or_two_processes
def test_what_failed_is_said_last_in_a_line_each(tmp_path, options):
    summed, lost = last_lines(tmp_path, 2, options)
    assert summed.startswith("FAILED ") and "test_it.py::test_sum (call): line 13: " in summed
    assert "AssertionError: two lines" in summed
    assert lost.startswith("FAILED ") and lost.endswith(
        "test_of_what_is_lost (setup): line 17: OSError: gone"
    )


@in_one_or_two_processes
def test_a_run_that_breaks_says_so_behind_what_had_failed(tmp_path, options):
    (tmp_path / "conftest.py").write_text(BREAKS)
    summed, lost, broken = last_lines(tmp_path, 3, options)
    assert "test_sum" in summed and "test_of_what_is_lost" in lost
    assert broken.startswith("BROKEN ") and "test_that_leaves_something: " in broken
    assert "SystemError: the printer of failures failed" in broken
