"""Thirty recorded minutes of BTC/USD through log, engine and REST: the trades must be the recorded ones."""

import json

import pytest
from click.testing import CliRunner

from cambist.cli.flow import replay_flow


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


def test_a_replay_is_the_same_every_time(bitstamp):
    first, second = (replayed(bitstamp, "--in-process", "--limit", "5000", "--json") for _ in range(2))
    assert first["event_hash"] == second["event_hash"]
    assert first["state_hash"] == second["state_hash"]
