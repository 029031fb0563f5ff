"""The engine's matching against the public matching benchmark: its report streams, byte for byte."""

import hashlib
import json
from itertools import chain

import pytest

from cambist.bench.closing import closing
from cambist.bench.conform import Conformance, conform
from cambist.flow.compressed import open_binary


@pytest.fixture
def matching(shared_data):
    return shared_data / "matching"


def edge_cases(matching):
    for case in json.loads((matching / "edge_cases.json").read_text()):
        commands = case["commands"]
        if "..." in commands:  # abridged in the file: 5,000 sells, then one order that takes them all
            commands = [f"N,{seq},1,{seq + 1},100,1,0" for seq in range(5_000)]
            commands.append("N,5000,0,5001,100,5000,1")
        yield case, [command.encode() for command in commands]


def test_every_edge_case_gives_its_reports(matching):
    count = 0
    for case, commands in edge_cases(matching):
        reports = list(chain.from_iterable(Conformance().reports(commands)))
        if case["expected"] is not None:
            assert [report.decode() for report in reports] == case["expected"], case["name"]
        assert hashlib.sha256(b"\n".join(reports)).hexdigest() == case["expected_sha256"], case["name"]
        count += 1
    assert count == 17


def test_the_static_stream_gives_its_reports_line_by_line(matching):
    with (
        open_binary(matching / "static_seed7_100k.commands.csv.zst") as commands,
        open_binary(matching / "static_seed7_100k.reports.csv.zst") as expected,
    ):
        run = Conformance()
        reports = chain.from_iterable(run.reports(commands))
        for nth, (report, line) in enumerate(zip(reports, expected, strict=True), 1):
            assert report == line.rstrip(b"\n"), f"report {nth}"
    assert closing(run.venue.engine)["ledger_balanced"]


def test_two_million_messages_give_the_published_hash(matching):
    with open_binary(matching / "normal_seed23_full.commands.csv.zst") as commands:
        found = conform(commands)
    published = json.loads((matching / "meta.json").read_text())["normal_seed23_full"]
    assert found["messages"] == published["messages"]
    assert found["reports_sha256"] == published["reports_sha256"]
    assert found["ledger_balanced"]
