"""The operator's commands while an exchange runs in another process: they reach it through its socket."""

import json
import os
import resource
import signal
import stat
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from cambist.control.client import running as listening
from cambist.supervisor.client import supervisor
from tests.integration.operator import Operator
from tests.leading import holder_of

ANN = "ann@example.org"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    operator = Operator(tmp_path_factory.mktemp("running") / "home")
    operator.ask("init", "--sandbox")
    with operator.exchange():
        yield operator


@pytest.fixture
def stopped(tmp_path):
    operator = Operator(tmp_path / "home")
    operator.ask("init", "--sandbox")
    return operator


def get(operator, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{operator.port}{path}", timeout=120) as answer:
        return json.load(answer)


def test_what_is_listed_at_run_time_is_public_at_once(running):
    running.ask("asset", "add", "BTC")
    running.ask("asset", "add", "USDT")
    running.ask("market", "add", "BTC", "USDT", "--tick", "0.01", "--lot", "0.00001")
    assert [each["symbol"] for each in get(running, "/api/v3/exchangeInfo")["symbols"]] == ["BTCUSDT"]


def test_users_keys_and_credits_go_through_the_socket(running):
    running.ask("asset", "add", "EUR", "--scale", "2")
    running.ask("user", "create", ANN)
    running.ask("api-key", "create", ANN)
    assert running.ask("sandbox", "credit", ANN, "EUR", "12.34")["amount"] == "12.34"
    assert running.call("sandbox", "credit", ANN, "EUR", "0.001").status == 1
    assert running.ask("verify")["trial_balance"]["EUR"]["user"] == "12.34"


def test_verify_and_snapshot_agree_with_the_running_exchange(running):
    found = running.ask("verify")
    assert found["problems"] == []
    kept = running.ask("snapshot")
    assert (kept["sequence"], kept["event_hash"]) == (found["sequence"], found["event_hash"])
    assert running.ask("verify")["snapshots"] == [kept["sequence"]]


def test_doctor_sees_that_it_runs(running):
    found = running.ask("doctor")
    assert {each["check"]: each["finding"] for each in found["checks"]}["exchange"] == "running"


def test_the_socket_is_its_owners_alone(running):
    assert stat.S_IMODE((running.home / "operator.sock").stat().st_mode) == 0o600


def test_a_second_exchange_on_the_same_data_is_refused(running):
    answer = running.call("run")
    assert answer.status == 69
    assert "in use by another process" in answer.stderr


def test_a_reset_needs_the_exchange_to_stop_first(running):
    answer = running.call("sandbox", "reset", "--yes")
    assert answer.status == 1
    assert "stop it first" in answer.stderr


def test_a_port_that_is_taken_is_named(running, stopped):
    stopped.port = running.port
    answer = stopped.call("run")
    assert answer.status == 1
    assert f"port {running.port} cannot be listened on" in answer.stderr
    assert stopped.ask("user", "list") == []  # the lock was given back


def wait_for_the_end_of(pids):
    deadline_s = time.monotonic() + 120
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline_s, "a killed process is still there"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order(stopped, number):
    with stopped.exchange() as process:
        process.send_signal(number)
        assert process.wait(timeout=120) == 0
    with listening(stopped.home / "operator.sock") as exchange:
        assert exchange is None


def test_after_a_kill_the_left_over_socket_is_in_nobodys_way(stopped):
    with stopped.exchange(ends_with=-signal.SIGKILL) as process:
        stopped.ask("user", "create", ANN)
        with supervisor(stopped.home / "supervisor.sock") as keeper:
            kept = [each.pid for each in keeper.status().processes]
        process.kill()  # first, or it would start the others again
        for pid in filter(None, kept):
            os.kill(pid, signal.SIGKILL)
        process.wait(timeout=120)
        wait_for_the_end_of(kept)
    assert (stopped.home / "operator.sock").exists()
    assert [each["email"] for each in stopped.ask("user", "list")] == [ANN]
    with stopped.exchange():
        assert [each["email"] for each in stopped.ask("user", "list")] == [ANN]


def write_no_more(pid):
    """To files; as if its disk were full."""
    _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))


def test_a_log_that_fails_ends_the_process_with_its_own_status(stopped, monkeypatch):
    monkeypatch.setenv("CAMBIST_LOG_SEAL_IDLE_MS", "60000")  # or a seal might find the full disk first
    with stopped.exchange(ends_with=75) as process:
        assert process.stdout is not None
        write_no_more(holder_of(stopped.home / "log" / "LOCK"))
        answer = stopped.call("user", "create", ANN, "--json")
        assert answer.status == 69
        assert answer.document["error"]["code"] == "outcome_unknown"
        process.wait(timeout=120)
        why = json.loads(process.stdout.readline())["error"]["message"]
    assert "stopped by itself" in why and "`cambist verify`" in why
    with pytest.raises(urllib.error.URLError):
        get(stopped, "/api/v3/ping")


def test_below_the_low_disk_mark_it_starts_and_doctor_says_why_orders_are_refused(stopped, monkeypatch):
    monkeypatch.setenv("CAMBIST_LOG_LOW_DISK_BYTES", str(1 << 50))
    with stopped.exchange():
        answer = stopped.call("doctor", "--json")
        assert answer.status == 1
        assert any("new orders are refused" in problem for problem in answer.document["problems"])
        stopped.ask("user", "create", ANN)
