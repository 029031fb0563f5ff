"""`cambist run` and its data process: stopped, killed, orphaned, and the views made anew beside it."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from cambist.cli.status import standing
from cambist.flow.rest import ApiError, Client, Credentials
from cambist.supervisor.client import supervisor
from tests.e2e.harness import HOST, OUTCOME_UNKNOWN, WAIT_SECONDS, cambist, running
from tests.e2e.market import SYMBOL, create_exchange, place, settings_of


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def ann_and_bob(home):
    return [owner.credentials for owner in create_exchange(home)]


def status(client: Client, owner: Credentials, order_id: int) -> str:
    found = client.signed(owner, "GET", "/api/v3/order", symbol=SYMBOL, orderId=order_id)
    return str(found["status"])


def test_a_filled_order_is_found_while_the_data_process_stands_still_and_is_never_missing(home, ann_and_bob):
    ann, bob = ann_and_bob
    with running(home) as exchange:
        client = exchange.client()
        first = place(client, ann, "BUY")
        place(client, bob, "SELL")
        assert status(client, ann, first) == "FILLED"
        data = exchange.process("data")

        place(client, bob, "SELL")
        os.kill(data, signal.SIGSTOP)
        order_id = place(client, ann, "BUY")
        threading.Timer(0.1, os.kill, (data, signal.SIGCONT)).start()
        assert status(client, ann, order_id) == "FILLED"  # at once, unless the machine is slow

        place(client, bob, "SELL")
        os.kill(data, signal.SIGSTOP)
        order_id = place(client, ann, "BUY")
        for _ in range(3):
            with pytest.raises(ApiError) as refused:
                status(Client(HOST, exchange.port), ann, order_id)
            assert refused.value.reason[0] == OUTCOME_UNKNOWN
            assert "HTTP 504" in str(refused.value)
        assert status(client, ann, place(client, ann, "BUY")) == "NEW"  # commands and open orders go on
        os.kill(data, signal.SIGCONT)
        assert status(client, ann, order_id) == "FILLED"


def test_a_killed_data_process_comes_back_and_has_missed_nothing(home, ann_and_bob):
    ann, bob = ann_and_bob
    with running(home) as exchange:
        client = exchange.client()
        for _ in range(2):
            data = exchange.process("data")
            os.kill(data, signal.SIGKILL)
            order_id = place(client, ann, "BUY")
            place(client, bob, "SELL")
            assert status(client, ann, order_id) == "FILLED"
            assert exchange.process("data") != data
        trades = client.signed(ann, "GET", "/api/v3/myTrades", symbol=SYMBOL)
        assert [each["id"] for each in trades] == [1, 2]
        assert "data has ended (killed by SIGKILL)" in exchange.output.read_text()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_its_supervisor(home, ann_and_bob, how):
    with running(home) as exchange:
        kept = [exchange.process(name) for name in ("exchange", "data")]
        os.kill(exchange.pid, how)
        exchange.wait()
        deadline_s = time.monotonic() + WAIT_SECONDS
        while any(Path(f"/proc/{pid}").exists() for pid in kept):
            assert time.monotonic() < deadline_s, "a process goes on"
            time.sleep(0.05)


def test_views_are_checked_and_made_anew_beside_a_running_exchange(home, ann_and_bob):
    ann, bob = ann_and_bob
    with running(home) as exchange:
        client = exchange.client()
        order_id = place(client, ann, "BUY")
        place(client, bob, "SELL")
        assert status(client, ann, order_id) == "FILLED"
        assert cambist(home, "ledger", "check")["problems"] == []
        assert cambist(home, "rebuild")["sequence"] > 0
        assert status(client, ann, order_id) == "FILLED"
        assert cambist(home, "ledger", "check")["problems"] == []


def test_a_damaged_journal_is_said_until_it_is_made_anew(home, ann_and_bob):
    """The exchange trades on, and history stands still: nobody notices that by himself."""
    ann, bob = ann_and_bob
    settings = settings_of(home)
    with running(home) as exchange:
        for _ in range(5):
            place(exchange.client(), ann, "BUY")
            order_id = place(exchange.client(), bob, "SELL")
        assert status(exchange.client(), bob, order_id) == "FILLED"
        with supervisor(settings.supervisor_file) as keeper, keeper.paused("data"):
            flip_a_bit(next(settings.journal_directory.glob("*.journal")))
            settings.views_file.unlink()  # so that the journal is read from its begin
        deadline_s = time.monotonic() + WAIT_SECONDS
        while not any("cambist rebuild" in problem for problem in standing(settings)["problems"]):
            assert time.monotonic() < deadline_s, "it is in vain that one looks at `cambist status`"
            time.sleep(0.1)
        assert place(exchange.client(), ann, "BUY") > order_id
        assert exchange.stop() == 0
    assert cambist(home, "rebuild")["sequence"] > 0
    with running(home) as exchange:
        assert status(exchange.client(), bob, order_id) == "FILLED"


def flip_a_bit(file: Path) -> None:
    """Of a record in the middle."""
    with file.open("r+b") as journal:
        journal.seek(file.stat().st_size // 2)
        byte = journal.read(1)[0]
        journal.seek(-1, os.SEEK_CUR)
        journal.write(bytes([byte ^ 1]))
