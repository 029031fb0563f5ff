"""Thirty recorded minutes of BTC/USD through log, engine and REST: the trades must be the recorded ones."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from cambist.cli.flow import replay_flow
from tests.ports import free_port

CAMBIST = Path(sys.executable).with_name("cambist")
UNLIMITED = {
    f"CAMBIST_LIMITS_{name}": "0"
    for name in ("REQUEST_WEIGHT_1M", "RAW_REQUESTS_5M", "ORDERS_10S", "ORDERS_1D")
}


@pytest.fixture
def bitstamp(shared_data):
    return shared_data / "order_flow" / "bitstamp_btcusd_2026.csv.zst"


def replayed(*arguments):
    """The JSON line that the command ends with."""
    done = CliRunner().invoke(replay_flow, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout.splitlines()[-1])


def test_the_whole_recording_gives_its_trades_and_ends_empty(bitstamp, tmp_path):
    found = replayed(bitstamp, "--in-process", "--json")
    assert found["recorded_trades"] == found["printed_trades"] == found["reproduced_trades"] == 284
    assert found["post_only_rejected"] == 100_518
    assert found["commands"] - found["cancels_not_found"] == 313_439 - 100_531
    assert found["refusals"] == {}
    assert found["resting_at_end"] == 0
    assert found["ledger_balanced"]


def test_the_first_twenty_thousand_commands_leave_their_book(bitstamp):
    found = replayed(bitstamp, "--in-process", "--limit", "20000", "--json")
    assert found["reproduced_trades"] == found["recorded_trades"] == 21
    assert found["post_only_rejected"] == 5_676
    assert found["resting_at_end"] == 6_495
    assert found["ledger_balanced"]


def test_a_recording_with_reductions_gives_its_trades_too(shared_data):
    binance = shared_data / "order_flow" / "binance_btcusdt_2024.csv.zst"
    found = replayed(
        binance, "--in-process", "--tick", "0.01", "--lot", "0.000001", "--limit", "50000", "--json"
    )
    assert found["reproduced_trades"] == found["printed_trades"] == found["recorded_trades"] == 3_026
    assert found["refusals"] == {}
    assert found["cancels_not_found"] == 0


def test_a_replay_is_the_same_every_time(bitstamp):
    first, second = (replayed(bitstamp, "--in-process", "--limit", "5000", "--json") for _ in range(2))
    assert first["event_hash"] == second["event_hash"]
    assert first["state_hash"] == second["state_hash"]


@contextmanager
def running_sandbox(home):
    """`cambist run` on an exchange of its own; the environment in which others find it."""
    environment = {**os.environ, **UNLIMITED, "CAMBIST_HOME": str(home), "CAMBIST_PORT": str(free_port())}
    environment["CAMBIST_OPS_PORT"] = "0"  # it would be the same one for all
    subprocess.run([CAMBIST, "init", "--sandbox"], env=environment, check=True)
    exchange = subprocess.Popen([CAMBIST, "run", "--json"], env=environment, stdout=subprocess.PIPE)
    try:
        assert exchange.stdout is not None
        assert json.loads(exchange.stdout.readline())["pid"] == exchange.pid
        yield environment
    finally:
        exchange.send_signal(signal.SIGTERM)
        assert exchange.wait(120) == 0


def cambist(environment, *arguments):
    done = subprocess.run(
        [CAMBIST, *map(str, arguments), "--json"], env=environment, check=True, stdout=subprocess.PIPE
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_the_first_twenty_thousand_commands_do_the_same_through_rest(bitstamp, tmp_path):
    with running_sandbox(tmp_path / "home") as environment:
        found = cambist(environment, "replay-flow", bitstamp, "--limit", 20_000)
    assert found["reproduced_trades"] == found["printed_trades"] == found["recorded_trades"] == 21
    assert found["post_only_rejected"] == 5_676
    assert found["resting_at_end"] == 6_495
    assert found["ledger_balanced"]
    cambist(environment, "verify")  # log, ledger and hashes: it exits with 1 if anything is off


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_the_whole_recording_does_the_same_through_rest(bitstamp, tmp_path):
    with running_sandbox(tmp_path / "home") as environment:
        found = cambist(environment, "replay-flow", bitstamp)
    assert found["reproduced_trades"] == found["printed_trades"] == found["recorded_trades"] == 284
    assert found["post_only_rejected"] == 100_518
    assert found["resting_at_end"] == 0
    assert found["ledger_balanced"]
    cambist(environment, "verify")  # log, ledger and hashes: it exits with 1 if anything is off
