"""Three hundred histories: no fault may lose, double or forget anything, and all of them must end well."""

import os
import subprocess
import sys
import time
from itertools import count

import pytest

from cambist.log.journal import JournalRecord
from tests.simulation.fleet import outcome_of, outcomes, tell
from tests.simulation.history import History
from tests.simulation.programme import COMMANDS, KINDS, Programme
from tests.simulation.shrink import how_to_replay, shrink
from tests.simulation.simulation import Failure, simulate

SEEDS = 300
LONG_S = float(os.environ.get("CAMBIST_SIMULATE_S", "1800"))  # time budget of the long variant


@pytest.mark.timeout(1_800)
def test_three_hundred_histories(capsys):
    started_s = time.monotonic()
    found = list(outcomes(iter(range(SEEDS)), outcome_of))
    with capsys.disabled():
        print(f"\n{tell(found, time.monotonic() - started_s)}", file=sys.stderr)
    assert sum(outcome.commands for outcome in found) >= SEEDS * COMMANDS
    struck = set().union(*(outcome.faults for outcome in found))
    assert struck == set(KINDS), "a kind of fault never strikes"


@pytest.mark.long
@pytest.mark.timeout(LONG_S + 900)
def test_histories_until_the_time_is_over(capsys):
    started_s = time.monotonic()
    found = []
    for outcome in outcomes(count(SEEDS), outcome_of):
        found.append(outcome)
        if time.monotonic() - started_s > LONG_S:
            break
    with capsys.disabled():
        print(f"\n{tell(found, time.monotonic() - started_s)}", file=sys.stderr)
    assert found


@pytest.mark.parametrize("seed", [3, 8])
def test_a_seed_is_one_history_byte_for_byte(seed):
    """Also in another process, which hashes strings differently."""
    commands = 600
    here = simulate(Programme.of(seed, commands))
    again = subprocess.run(
        [sys.executable, "-m", "tests.simulation", str(seed), "--commands", str(commands)],
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    assert here.digest in again.stdout
    assert simulate(Programme.of(seed + 1, commands)).digest != here.digest


def test_a_failure_is_shrunk_to_what_leads_to_it(monkeypatch):
    def breaks_late(self: History, record: JournalRecord) -> None:
        self.must(record.last_sequence < 150, "it breaks here")

    monkeypatch.setattr(History, "said", breaks_late)
    with pytest.raises(Failure, match="it breaks here") as failed:
        simulate(Programme.of(3, 400, only=["kill data", "pause data"]))
    assert len(failed.value.programme.faults) > 1
    found = shrink(failed.value).programme
    assert found.faults == ()
    assert found.commands < 250
    replay = how_to_replay(found)
    assert replay.startswith(f"python -m tests.simulation 3 --commands {found.commands} ")
    assert '--only "kill data" --only "pause data"' in replay and replay.endswith("--faults ,")
