"""Many histories with coins: nothing is paid twice, credited without coins, or lost."""

import os
import subprocess
import sys
import time
from itertools import count

import pytest

from tests.simulation.chain.fleet import outcome_of, tell
from tests.simulation.chain.oracle import Oracle
from tests.simulation.chain.programme import KINDS, Programme
from tests.simulation.chain.shrink import how_to_replay, shrink
from tests.simulation.chain.simulation import Failure, simulate
from tests.simulation.fleet import outcomes

SEEDS = 150
LONG_S = float(os.environ.get("CAMBIST_SIMULATE_S", "1800"))  # time budget of the long variant


@pytest.mark.timeout(1_800)
def test_many_histories_with_coins(capsys):
    started_s = time.monotonic()
    found = list(outcomes(iter(range(SEEDS)), outcome_of))
    with capsys.disabled():
        print(f"\n{tell(found, time.monotonic() - started_s)}", file=sys.stderr)
    assert all(outcome.deposits for outcome in found), "a history in which nothing happens"
    for what in ("withdrawals", "given_back", "sent", "trades", "reorgs", "lies"):
        assert sum(getattr(outcome, what) for outcome in found) >= SEEDS // 25, f"hardly any {what}"
    assert any(outcome.reversed for outcome in found), "no credit is ever taken back"
    struck = set().union(*(outcome.faults for outcome in found))
    assert struck == set(KINDS), "a kind of fault never strikes"


@pytest.mark.long
@pytest.mark.timeout(LONG_S + 900)
def test_histories_with_coins_until_the_time_is_over(capsys):
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
def test_a_seed_is_one_history_with_coins_byte_for_byte(seed):
    """Also in another process, which hashes strings differently."""
    here = simulate(Programme.of(seed))
    again = subprocess.run(
        [sys.executable, "-m", "tests.simulation.chain", str(seed)],
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    assert here.digest in again.stdout
    assert simulate(Programme.of(seed + 1)).digest != here.digest


def test_a_failure_with_coins_is_shrunk_to_what_leads_to_it(monkeypatch):
    def breaks_late(self: Oracle) -> None:
        self.must(self.place.chain.height < 7, "it breaks here")

    monkeypatch.setattr(Oracle, "check", breaks_late)
    with pytest.raises(Failure, match="it breaks here") as failed:
        simulate(Programme.of(3, 12, only=["reorg", "kill the wallets"]))
    assert len(failed.value.programme.faults) > 1
    found = shrink(failed.value).programme
    assert found.faults == ()
    replay = how_to_replay(found)
    assert replay.startswith("python -m tests.simulation.chain 3 --blocks 12 ")
    assert '--only "reorg" --only "kill the wallets"' in replay and replay.endswith("--faults ,")
