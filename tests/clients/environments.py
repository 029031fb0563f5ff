"""Other people's clients in processes of their own, which can speak to this machine only.

`make setup` makes their environments; a test whose environment is missing fails, or it would show nothing.
"""

import json
import os
import subprocess
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cambist.flow.rest import Credentials
from tests.conftest import CHECKOUT
from tests.e2e.harness import HOST, Exchange

CLIENTS = CHECKOUT / ".venv" / "clients"
SOURCES = CLIENTS / "sources"
SCRIPTS = Path(__file__).parent
GUARD = SCRIPTS / "guard"


class Finished(NamedTuple):
    status: int
    output: str


class Place(NamedTuple):
    """Where a client finds the exchange, and as whom."""

    authority: str
    user: Credentials

    @classmethod
    def of(cls, exchange: Exchange, user: str) -> "Place":
        return cls(f"{HOST}:{exchange.port}", exchange.users()[user])

    @property
    def http(self) -> str:
        return f"http://{self.authority}"

    @property
    def ws(self) -> str:
        return f"ws://{self.authority}"

    def environment(self) -> dict[str, str]:
        return {
            "EXCHANGE_HTTP": self.http,
            "EXCHANGE_WS": self.ws,
            "EXCHANGE_API_KEY": self.user.api_key,
            "EXCHANGE_SECRET_KEY": self.user.secret_key,
        }


def run(
    environment: str,
    folder: Path,
    *arguments: str | Path,
    variables: Mapping[str, str] | None = None,
    timeout: int = 120,
) -> Finished:
    """Runs the environment's Python; fails if anything in there looked for another machine.

    The interpreter, the standard streams and the working directory are the test's, the rest is the client's.
    """
    python = CLIENTS / environment / "bin" / "python"
    assert python.exists(), f"{python} is missing: run `make setup`"
    elsewhere = folder / "elsewhere"
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    try:
        done = subprocess.run(
            [python, *arguments],
            cwd=folder,
            env={
                **inherited,
                "PYTHONPATH": f"{GUARD}{os.pathsep}{CHECKOUT}",
                "PYTHONUNBUFFERED": "1",  # so that what was said until a time-out is known
                "CAMBIST_TEST_ELSEWHERE": str(elsewhere),
                **(variables or {}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as late:
        said = (late.output or b"")[-2_000:].decode(errors="replace")
        raise AssertionError(f"not done after {timeout} s; said at last:\n{said}") from late
    assert not elsewhere.exists(), f"looked for another machine: {elsewhere.read_text()}"
    return Finished(done.returncode, done.stdout)


@cache
def skipped() -> dict[str, dict[str, str]]:
    """Why, by client and item: everything that these tests leave out of a client's own suite."""
    with (SCRIPTS / "skipped.toml").open("rb") as file:
        return tomllib.load(file)


def problems_of(folder: Path, script: str, skips: str, variables: Mapping[str, str]) -> dict[str, list[str]]:
    """By operation, what a report of binance-sdk says is wrong.

    The list of the skipped ones is wrong when it names one that works.
    """
    report_file = folder / "report.json"
    done = run("clients", folder, SCRIPTS / script, report_file, variables=variables)
    assert done.status == 0, done.output
    report = json.loads(report_file.read_text())
    found = {name: each for name, each in report["problems"].items() if each}
    found |= {name: ["not asked"] for name in report["unasked"]}
    reasons = skipped()[skips]
    needless = reasons.keys() - found.keys()
    return {name: each for name, each in found.items() if name not in reasons} | {
        name: ["works, and is skipped all the same"] for name in needless
    }
