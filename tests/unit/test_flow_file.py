"""Reading recorded order flow."""

import gzip
from pathlib import Path

import pytest
import zstandard

from cambist.engine.commands import Side
from cambist.flow.file import Add, AddType, BadFlow, Cancel, Execution, Reduce, read

HEADING = "ts_ns,op,side,price,qty,order_id,type,peer_id,phase\n"
ROWS = HEADING + (
    "1000,add,S,101,5,ask-1,G,,seed\n"
    "2000,reduce,S,101,4,ask-1,,,live\n"
    "3000,add,B,101,3,bid-1,I,,live\n"
    "3000,execute,B,101,3,ask-1,,bid-1,live\n"
    "4000,cancel,S,101,1,ask-1,,,end\n"
)


def flow_file(folder: Path, text: str) -> Path:
    file = folder / "flow.csv"
    file.write_text(text)
    return file


def test_every_kind_of_row_is_read_in_order(tmp_path):
    assert list(read(flow_file(tmp_path, ROWS))) == [
        Add(1000, "ask-1", AddType.LIMIT, Side.SELL, 101, 5),
        Reduce(2000, "ask-1", 4),
        Add(3000, "bid-1", AddType.IMMEDIATE, Side.BUY, 101, 3),
        Execution(101, 3, maker="ask-1", taker="bid-1"),
        Cancel(4000, "ask-1"),
    ]


def test_a_limit_counts_commands_and_keeps_what_the_last_one_traded(tmp_path):
    rows = list(read(flow_file(tmp_path, ROWS), limit=3))
    assert rows[-1] == Execution(101, 3, maker="ask-1", taker="bid-1")
    assert len(rows) == 4


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".zst", zstandard.ZstdCompressor().compress)]
)
def test_compressed_files_read_the_same(tmp_path, suffix, compress):
    file = tmp_path / f"flow.csv{suffix}"
    file.write_bytes(compress(ROWS.encode()))
    assert list(read(file)) == list(read(flow_file(tmp_path, ROWS)))


@pytest.mark.parametrize(
    "row",
    [
        "1000,trade,S,101,5,ask-1,G,,live",
        "1000,add,X,101,5,ask-1,G,,live",
        "1000,add,S,101,5,ask-1,Q,,live",
        "1000,add,S,1.5,5,ask-1,G,,live",
        "1000,add,S",
    ],
)
def test_a_row_that_makes_no_sense_is_refused_with_its_line(tmp_path, row):
    with pytest.raises(BadFlow, match="line 2"):
        list(read(flow_file(tmp_path, f"{HEADING}{row}\n")))


def test_a_file_of_another_format_is_refused(tmp_path):
    with pytest.raises(BadFlow, match="first line"):
        list(read(flow_file(tmp_path, "time,price\n1,2\n")))
