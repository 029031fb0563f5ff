"""A copy of the product with one fault in it, and whether anything there notices.

A patch begins with what is wrong, then "Caught by: " and either the file of tests that fails, or `simulation`
(`coins`: the one with coins) with the seed that showed it and the kinds of faults under which it shows
soonest. Where that seed no longer does (the simulation draws other histories when it changes) others
are tried.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, Self

ROOT = Path(__file__).parents[2]
PATCHES = Path(__file__).parent
COPIED = ("cambist", "engine/src", "tests", "tools")
FILES = ("engine/Cargo.toml", "engine/Cargo.lock", "pyproject.toml")
SEEDS = 100  # that are tried where the named one shows nothing
COMMANDS = 600
WITHIN_S = 1_500
SIMULATIONS = {
    "simulation": ["tests.simulation", f"--commands={COMMANDS}"],
    "coins": ["tests.simulation.chain"],
}

# The crate built for a test run: quick to compile; arithmetic is checked as it is in a release.
QUICK_BUILD = {
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
    "CARGO_PROFILE_RELEASE_DEBUG": "0",
    "CARGO_TARGET_DIR": str(ROOT / "engine" / "target" / "planted"),
    "PYO3_PYTHON": sys.executable,
}


class Planted(NamedTuple):
    name: str
    what: str
    caught_by: str
    file: Path

    @classmethod
    def of(cls, file: Path) -> Self:
        what, caught_by, *_ = file.read_text().splitlines()
        return cls(file.stem, what, caught_by.removeprefix("Caught by: "), file)

    @property
    def is_rust(self) -> bool:
        return "+++ b/engine/" in self.file.read_text()


def all_planted() -> list[Planted]:
    return [Planted.of(file) for file in sorted(PATCHES.glob("*.patch"))]


def copy_product(to: Path) -> None:
    for part in COPIED:
        shutil.copytree(ROOT / part, to / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in FILES:
        shutil.copy(ROOT / part, to / part)


def plant(fault: Planted, product: Path) -> None:
    """Raises CalledProcessError if the patch does not apply any more, or what it makes does not compile."""
    _run(["patch", "--strip=1", "--quiet", "--no-backup-if-mismatch", f"--input={fault.file}"], product)
    if fault.is_rust:
        manifest = str(product / "engine" / "Cargo.toml")
        features = "--features=python,pyo3/extension-module"
        build = ["cargo", "build", "--quiet", "--locked", "--release", "--lib", features]
        _run([*build, f"--manifest-path={manifest}"], product, QUICK_BUILD)
        built = Path(QUICK_BUILD["CARGO_TARGET_DIR"]) / "release" / "lib_matching.so"
        for extension in (product / "cambist").glob("_matching*.so"):
            extension.unlink()
        shutil.copy(built, product / "cambist" / "_matching.abi3.so")


def caught_by(fault: Planted, product: Path, more_seeds: int = SEEDS) -> str | None:
    """What noticed it, in words; None if nothing did."""
    checker, _, hint = fault.caught_by.partition(" ")
    if checker not in SIMULATIONS:
        return _by_tests(checker, product)
    simulation = SIMULATIONS[checker]
    seed, _, kinds = hint.partition(": ")
    only = [f"--only={kind}" for kind in kinds.split(", ") if kind]
    noticed = _by_simulation(simulation, int(seed), 1, only, product)
    return noticed or (_by_simulation(simulation, 0, more_seeds, only, product) if more_seeds else None)


def _by_tests(checker: str, product: Path) -> str | None:
    command = [sys.executable, "-m", "pytest", "--quiet", "-x", "-p", "no:cacheprovider", checker]
    done = _run(command, product, check=False)
    if done.returncode == 0:
        return None
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert failed, done.stdout + done.stderr
    return failed[0]


def _by_simulation(
    simulation: list[str], first: int, seeds: int, only: list[str], product: Path
) -> str | None:
    command = [sys.executable, "-m", *simulation, str(first), f"--seeds={seeds}", *only]
    done = _run(command, product, check=False)
    if done.returncode == 0:
        return None
    found = [line for line in done.stdout.splitlines() if line.startswith("seed ")]
    assert found, done.stdout + done.stderr  # it failed in another way
    return f"simulation, {found[-1]}"


def _run(
    command: list[str], product: Path, more: dict[str, str] | None = None, *, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, **(more or {}), "PYTHONPATH": str(product), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=product, env=environment, check=check, capture_output=True, text=True, timeout=WITHIN_S
    )
