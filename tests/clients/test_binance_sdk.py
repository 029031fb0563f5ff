"""binance-sdk-spot and -wallet: every operation that is offered answers in the types that they declare."""

import json
from pathlib import Path

from tests.clients import environments
from tests.clients.environments import SCRIPTS, Place, skipped
from tests.e2e.harness import Exchange


def test_every_rest_operation_answers_in_the_declared_types(exchange: Exchange, tmp_path: Path) -> None:
    assert problems(exchange, tmp_path, "sdk_rest.py", "binance-sdk-rest") == {}


def test_every_method_and_stream_answers_in_the_declared_types(exchange: Exchange, tmp_path: Path) -> None:
    assert problems(exchange, tmp_path, "sdk_websocket.py", "binance-sdk-websocket") == {}


def problems(exchange: Exchange, folder: Path, script: str, skips: str) -> dict[str, list[str]]:
    """By operation, what is wrong; the list of the skipped ones is wrong when it names one that works."""
    done = environments.run(
        "clients",
        folder,
        SCRIPTS / script,
        folder / "report.json",
        variables=Place.of(exchange, "alice").environment(),
    )
    assert done.status == 0, done.output
    report = json.loads((folder / "report.json").read_text())
    found = {name: each for name, each in report["problems"].items() if each}
    found |= {name: ["not asked"] for name in report["unasked"]}
    reasons = skipped()[skips]
    needless = reasons.keys() - found.keys()
    return {name: each for name, each in found.items() if name not in reasons} | {
        name: ["works, and is skipped all the same"] for name in needless
    }
