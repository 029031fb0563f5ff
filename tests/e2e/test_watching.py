"""`cambist run` as those see it who watch over it: status, metrics, restarts, a stop under load."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cambist.flow.rest import ApiError, Client, Credentials
from tests.conftest import CHECKOUT
from tests.e2e.harness import (
    CAMBIST,
    HOST,
    WAIT_SECONDS,
    Exchange,
    cambist,
    environment,
    running,
)
from tests.e2e.market import SYMBOL, create_exchange
from tests.ports import free_port

PROCESSES = ["exchange", "data", "snapshotter"]
TRADERS = 4
APART = {
    "CAMBIST_PROCESSES_MATCH_APART": "true",
    "CAMBIST_PROCESSES_GATEWAYS": "1",
    "CAMBIST_PROCESSES_STANDBY": "true",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("watched") / "home"


@pytest.fixture(scope="module")
def owner(home: Path) -> Credentials:
    return create_exchange(home)[0].credentials


class Watched:
    def __init__(self, exchange: Exchange, ops_port: int) -> None:
        self.exchange = exchange
        self._url = f"http://{HOST}:{ops_port}"

    def problems(self) -> list[str]:
        """Of those who are not ready."""
        try:
            answer = urlopen(self._url + "/ready", timeout=WAIT_SECONDS)
        except HTTPError as not_ready:
            answer = not_ready
        with answer:
            found: list[str] = json.load(answer)["problems"]
        return found

    def metrics(self) -> dict[str, float]:
        """Sums over their labels."""
        with urlopen(self._url + "/metrics", timeout=WAIT_SECONDS) as answer:
            text = answer.read().decode()
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0) + sample.value
        return found


@pytest.fixture(scope="module")
def watched(home: Path, owner: Credentials) -> Iterator[Watched]:
    ops_port = free_port()
    settings = {"CAMBIST_OPS_PORT": str(ops_port), "CAMBIST_SNAPSHOTS_EVERY_MINUTES": "60"}
    with running(home, settings=settings) as exchange:
        wait_for("the snapshotter", lambda: exchange.process_now("snapshotter"))
        yield Watched(exchange, ops_port)


def wait_for(what: str, seen: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + WAIT_SECONDS
    while not seen():
        assert time.monotonic() < deadline_s, f"waited in vain for {what}"
        time.sleep(0.1)


def place(client: Client, owner: Credentials, name: str) -> str:
    """Returns the name when the order is acknowledged."""
    answer = client.signed(
        owner,
        "POST",
        "/api/v3/order",
        symbol=SYMBOL,
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        quantity=1,
        price=100,
        newClientOrderId=name,
    )
    assert answer["clientOrderId"] == name
    return name


def documented() -> set[str]:
    """Metrics of the table in docs/operating.md that this exchange has; a histogram by its first name."""
    text = (CHECKOUT / "docs" / "operating.md").read_text()
    rows = re.findall(r"^\| (`cambist_[^|]*) \| (?!standby|gateway-N|wallets)", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(cambist_\w+)`", row)}


def test_every_metric_is_documented_and_every_documented_one_is_there(watched, owner):
    wait_for("all of them", lambda: not watched.problems())
    place(watched.exchange.client(), owner, "seen")
    found = {re.sub(r"_(bucket|count|sum)$", "", name) for name in watched.metrics()}
    assert {name for name in found if name.startswith("cambist_")} == documented()


def test_what_was_asked_is_counted_and_lags_fall_to_zero(watched, owner):
    before, client = watched.metrics(), watched.exchange.client()
    for number in range(5):
        place(client, owner, f"counted-{number}")
    now = watched.metrics()

    def grown(name: str) -> float:
        """Since `before`."""
        return float(now[name] - before[name])

    assert grown("cambist_requests_total") == grown("cambist_order_seconds_count") == 5
    assert grown("cambist_match_commands_total") == grown("cambist_sequence") == 5
    assert grown("cambist_log_sync_seconds_count") == 5
    assert grown("cambist_log_sync_seconds_sum") > 0
    lags = ("cambist_views_lag_commands", "cambist_feed_lag_commands", "cambist_match_queue")
    wait_for("all lags to fall", lambda: all(watched.metrics()[lag] == 0 for lag in lags))


def test_status_shows_processes_positions_and_markets(watched, home):
    def level() -> bool:
        return all(row["lag"] == 0 for row in cambist(home, "status")["processes"])

    wait_for("everybody to be level", level)
    found = cambist(home, "status")
    assert [row["process"] for row in found["processes"]] == PROCESSES
    assert all(
        row["ready"] and row["pid"] == watched.exchange.process(row["process"]) for row in found["processes"]
    )
    assert (found["mode"], found["durability"], found["epoch"]) == ("sandbox", "fsync", 1)
    assert found["markets"] == [{"symbol": SYMBOL, "state": "trading"}]
    assert (found["problems"], cambist(home, "doctor")["problems"]) == ([], [])


def test_a_process_that_stands_still_is_a_problem_until_it_goes_on(watched, home):
    data = watched.exchange.process("data")
    os.kill(data, signal.SIGSTOP)
    try:
        command = [str(CAMBIST), "status", "--json"]
        done = subprocess.run(command, env=environment(home, free_port()), capture_output=True, text=True)
        assert done.returncode == 1
        assert json.loads(done.stdout)["problems"] == ["data: it does not answer"]
        assert watched.problems() == ["data: it does not answer"]
    finally:
        os.kill(data, signal.SIGCONT)
    wait_for("it to go on", lambda: not watched.problems())


def test_a_request_made_while_the_exchange_is_dead_is_answered_by_the_next_one(watched, home, owner):
    exchange = watched.exchange
    first = exchange.process("exchange")
    os.kill(first, signal.SIGKILL)
    assert place(exchange.client(), owner, "patient") == "patient"
    assert exchange.process("exchange") != first
    assert watched.metrics()["cambist_restarts_total"] >= 1
    orders = exchange.client().signed(owner, "GET", "/api/v3/openOrders", symbol=SYMBOL)
    assert {"seen", "patient"} <= {order["clientOrderId"] for order in orders}
    assert "exchange has ended (killed by SIGKILL)" in exchange.output.read_text()


def test_a_start_waits_for_what_a_killed_supervisor_has_left(tmp_path):
    home = tmp_path / "home"
    owner = create_exchange(home)[0].credentials
    with running(home) as exchange:
        place(exchange.client(), owner, "before")
        os.kill(exchange.pid, signal.SIGKILL)
        exchange.wait()
        with running(home) as following:
            orders = following.client().signed(owner, "GET", "/api/v3/openOrders", symbol=SYMBOL)
    assert [order["clientOrderId"] for order in orders] == ["before"]


def test_each_process_apart_is_watched_too(tmp_path):
    home, ops_port = tmp_path / "home", free_port()
    owner = create_exchange(home)[0].credentials
    settings = {**APART, "CAMBIST_OPS_PORT": str(ops_port)}
    with running(home, settings=settings) as exchange:
        watched = Watched(exchange, ops_port)
        wait_for("all of them", lambda: not watched.problems())
        place(exchange.client(), owner, "seen")
        found = watched.metrics()
        assert found["cambist_order_seconds_count"] == 1
        wait_for("the standby", lambda: sequence_of_standby(watched) == found["cambist_sequence"])
        rows = cambist(home, "status")["processes"]
    assert [row["process"] for row in rows] == ["match", "standby", "gateway-1", "data"]
    assert all(row["ready"] for row in rows)


def sequence_of_standby(watched: Watched) -> float:
    return watched.metrics()["cambist_standby_sequence"]


def test_status_of_nothing_is_an_exit_status_of_its_own(tmp_path):
    create_exchange(tmp_path / "home")
    with pytest.raises(AssertionError, match="no exchange runs in"):
        cambist(tmp_path / "home", "status")


def place_until_it_stops(
    exchange: Exchange, owner: Credentials, trader: int, acknowledged: list[str]
) -> None:
    client = exchange.client()
    try:
        for number in range(1_000_000):
            acknowledged.append(place(client, owner, f"load-{trader}-{number}"))
    except (ApiError, OSError, HTTPException):
        return  # refused, hung up on, or nobody listens: it stops


def test_a_stop_under_load_leaves_nothing_that_was_executed_unanswered(tmp_path):
    home = tmp_path / "home"
    owner = create_exchange(home)[0].credentials
    acknowledged: list[list[str]] = [[] for _ in range(TRADERS)]
    with running(home) as exchange:
        traders = [
            threading.Thread(
                target=place_until_it_stops, args=(exchange, owner, number, acknowledged[number])
            )
            for number in range(TRADERS)
        ]
        for trader in traders:
            trader.start()
        wait_for("orders of everybody", lambda: all(len(each) > 5 for each in acknowledged))
        assert exchange.stop() == 0
        for trader in traders:
            trader.join(WAIT_SECONDS)
    with running(home) as exchange:
        orders = exchange.client().signed(owner, "GET", "/api/v3/openOrders", symbol=SYMBOL)
    assert {order["clientOrderId"] for order in orders} == {name for each in acknowledged for name in each}
