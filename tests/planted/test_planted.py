"""Each planted fault is caught; so a check that says nothing has looked."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.planted.plant import ROOT, Planted, all_planted, caught_by, copy_product, plant

# Shown in every run: one each of durability, fencing, resending, views and damage. They need no compiler.
QUICK = {
    "ack-before-sync",
    "fence-not-looked-at",
    "resend-is-executed-anew",
    "position-before-the-rows",
    "damage-passes-for-a-crash",
}
PLANTED = all_planted()


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Path]:
    copy_product(tmp_path)
    yield tmp_path


def marked(fault: Planted) -> object:
    return pytest.param(fault, id=fault.name, marks=[] if fault.name in QUICK else [pytest.mark.long])


@pytest.mark.timeout(2_400)
@pytest.mark.parametrize("fault", map(marked, PLANTED))
def test_a_planted_fault_is_caught(fault: Planted, product: Path, capsys):
    try:
        plant(fault, product)
    except subprocess.CalledProcessError as problem:
        pytest.fail(f"{fault.name} does not apply or compile:\n{problem.stdout}{problem.stderr}")
    noticed = caught_by(fault, product)
    assert noticed, f"nobody notices: {fault.what}"
    with capsys.disabled():
        print(f"\nplanted: {fault.name}: caught by {noticed[:160]}", file=sys.stderr)


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(
    "fault", [each for each in PLANTED if each.name in QUICK], ids=lambda each: each.name
)
def test_without_the_fault_nothing_is_noticed(fault: Planted):
    assert caught_by(fault, ROOT, more_seeds=0) is None


def test_there_are_thirty_of_them_and_five_are_quick():
    assert len(PLANTED) >= 30
    assert {fault.name for fault in PLANTED} > QUICK
