"""Health, readiness, metrics and logs: what those see who watch over the exchange."""

import asyncio
import json
import logging
import socket
import stat
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cambist.gateway.counts import RequestCounts
from cambist.histogram import BUCKETS, Histogram
from cambist.ops.all import AllWatched
from cambist.ops.client import ask, ask_document
from cambist.ops.endpoint import Endpoint, watching
from cambist.ops.logs import log_to_stderr
from cambist.ops.metrics import Metrics, merged
from cambist.ops.watched import Watched
from cambist.settings import Logging


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    """Value by name and label values."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_a_histogram_counts_by_powers_of_two():
    counted = Histogram()
    for size in (0, 1, 2, 3, 4, (1 << 63) - 1):
        counted.add(size)
    assert counted.buckets[:4] == [1, 1, 2, 1]
    assert counted.buckets[BUCKETS - 1] == 1
    assert counted.sum == 10 + (1 << 63) - 1


def test_metrics_are_read_when_they_are_asked_for():
    metrics, queue, waited = Metrics(), [1], Histogram()
    metrics.gauge("queue", "Waiting.", lambda: len(queue))
    metrics.counters("answers", "By status.", ("status",), lambda: [(("2xx",), 7), (("4xx",), 1)])
    metrics.histogram("wait_seconds", "Waited.", waited, per_unit=1_000)
    queue.append(2)
    waited.add(3)
    waited.add(1 << 40)
    found = samples(metrics.text())
    assert found["queue",] == 2
    assert (found["answers_total", "2xx"], found["answers_total", "4xx"]) == (7, 1)
    assert [found["wait_seconds_bucket", le] for le in ("0.002", "0.004", "+Inf")] == [0, 1, 2]
    assert (found["wait_seconds_count",], found["wait_seconds_sum",]) == (2, (3 + (1 << 40)) / 1_000)
    assert found["process_open_fds",] > 0


def test_metrics_of_several_processes_are_one_document():
    def text(value: int) -> bytes:
        metrics = Metrics()
        metrics.counter("orders", "Placed.", lambda: value)
        return metrics.text()

    own = Metrics()
    own.counters("restarts", "Of each.", ("process",), lambda: [(("data",), 4)])
    whole = merged({"one": text(1), "two": text(2), "supervisor": own.text()})
    found = samples(whole)
    assert (found["orders_total", "one"], found["orders_total", "two"]) == (1, 2)
    assert found["restarts_total", "data"] == 4
    assert whole.decode().count("# TYPE orders_total counter") == 1


def looked_at(watched: Watched, path: Path, what: str) -> dict[str, Any]:
    async def scene() -> dict[str, Any]:
        with watching(watched, path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            return await asyncio.to_thread(ask_document, path, what)

    return asyncio.run(scene())


def test_a_process_is_ready_when_it_says_so_and_tells_where_it_stands(tmp_path):
    watched = Watched("data")
    watched.facts["position"] = lambda: 12
    before = looked_at(watched, tmp_path / "one.sock", "/ready")
    assert before == {"process": "data", "problems": ["it has not come to its work yet"], "position": 12}
    watched.is_ready = True
    assert looked_at(watched, tmp_path / "two.sock", "/ready")["problems"] == []


def test_a_process_is_well_unless_a_check_says_otherwise(tmp_path):
    well, ill = Watched("exchange"), Watched("exchange")
    ill.checks.append(lambda: "the log failed")
    assert looked_at(well, tmp_path / "well.sock", "/health")["problems"] == []
    assert looked_at(ill, tmp_path / "ill.sock", "/health")["problems"] == ["the log failed"]


def test_a_loop_that_hangs_is_no_healthy_process(tmp_path, monkeypatch):
    monkeypatch.setattr("cambist.ops.watched.LOOP_ANSWERS_WITHIN_S", 0.05)
    path, watched = tmp_path / "hung.sock", Watched("exchange")

    async def scene() -> dict[str, Any]:
        with watching(watched, path):
            return ask_document(path, "/health")  # the loop waits for the answer, and so it hangs

    assert asyncio.run(scene())["problems"] == ["its event loop does not answer within 0.05 s"]


def test_nobody_there_is_a_problem(tmp_path):
    assert ask(tmp_path / "none.sock", "/metrics") is None
    assert ask_document(tmp_path / "none.sock", "/ready")["problems"] == ["it does not answer"]


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_all_processes_are_seen_on_one_port(tmp_path):
    watched, path, own = Watched("data"), tmp_path / "data.sock", Metrics()
    watched.is_ready = True
    watched.metrics.gauge("cambist_views_sequence", "Held.", lambda: 5)
    processes = [("data", path)]
    troubles: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def look() -> None:
        assert get(port, "/ready")[0] == get(port, "/health")[0] == 200
        assert samples(get(port, "/metrics")[1])["cambist_views_sequence", "data"] == 5
        assert get(port, "/")[0] == 404
        processes.append(("exchange", tmp_path / "exchange.sock"))
        status, body = get(port, "/ready")
        assert (status, json.loads(body)["problems"]) == (503, ["exchange: it does not answer"])
        assert samples(get(port, "/metrics")[1])["cambist_views_sequence", "data"] == 5
        processes.pop()
        troubles.append("data ends again and again: why")
        assert json.loads(get(port, "/ready")[1])["problems"] == troubles

    async def scene() -> None:
        endpoint = Endpoint(listener, AllWatched(lambda: processes, own, lambda: troubles))
        endpoint.start()
        try:
            with watching(watched, path):
                await asyncio.to_thread(look)
        finally:
            endpoint.close()

    asyncio.run(scene())


def test_requests_are_counted_by_endpoint_and_class_of_status():
    counts = RequestCounts()
    for status in (200, 400, 401, 429, 418):
        counts.count("POST", "/api/v3/order", status, 3_000)
    counts.count("GET", "/api/v3/time", 200, 1)
    assert counts.by_class() == {
        ("POST", "/api/v3/order", "2xx"): 1,
        ("POST", "/api/v3/order", "4xx"): 4,
        ("GET", "/api/v3/time", "2xx"): 1,
    }
    assert counts.limited() == {("418",): 1, ("429",): 1}
    assert (sum(counts.orders_us.buckets), counts.orders_us.sum) == (5, 15)


@pytest.fixture
def root_logger():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield root
    root.handlers[:], root.level = before


def test_log_lines_are_json_with_the_process_and_the_request(root_logger, capsys):
    log_to_stderr("gateway-1", Logging(json=True, level="info"))
    logging.getLogger("cambist.gateway").error("request %s", "ab-1", extra={"request": "ab-1"})
    try:
        raise ValueError("no such thing")
    except ValueError:
        logging.getLogger("cambist").exception("it failed")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    time = first.pop("time")
    assert time.endswith("Z") and len(time) == len("2026-01-01T00:00:00.000Z")
    assert first == {
        "level": "error",
        "process": "gateway-1",
        "logger": "cambist.gateway",
        "message": "request ab-1",
        "request": "ab-1",
    }
    assert "ValueError: no such thing" in second["trace"]


def test_log_lines_for_people_name_the_process_and_keep_to_the_level(root_logger, capsys):
    log_to_stderr("data", Logging(level="error"))
    logging.getLogger("cambist").warning("unheard")
    logging.getLogger("cambist").error("heard")
    said = capsys.readouterr().err
    assert "data ERROR cambist: heard" in said and "unheard" not in said
