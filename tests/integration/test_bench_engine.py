"""`cambist bench engine` on a file small enough to know every trade of it."""

import pytest

from cambist.bench.cmdfile import (
    CANCEL,
    HEADER,
    MOVE,
    NEW_GTC,
    NEW_IOC,
    RECORD,
    BadCommandFile,
    load,
    trade_hash,
)
from cambist.bench.engine import measure

BUY, SELL = 0, 1
PREFILL = [
    (NEW_GTC, SELL, 0, 1, 1, 101, 5),
    (NEW_GTC, SELL, 0, 2, 2, 102, 5),
    (NEW_GTC, BUY, 0, 3, 3, 99, 4),
]
TIMED = [
    (NEW_IOC, BUY, 0, 3, 4, 101, 7),  # takes the 5 of order 1, the rest expires
    (MOVE, SELL, 0, 2, 2, 99, 0),  # takes the 4 of order 3, and rests with 1
    (NEW_GTC, BUY, 0, 1, 5, 98, 2),
    (CANCEL, BUY, 0, 1, 5, 0, 0),
]
TRADES = [(101, 5, 1, 4), (99, 4, 3, 2)]  # price, quantity, maker, taker


def command_file(folder, records, prefill):
    file = folder / "small.cmd"
    header = HEADER.pack(b"CMD1", 1, len(records), prefill, 3, 2, 5, 1, 1, 200)
    file.write_bytes(header + b"".join(RECORD.pack(*record) for record in records))
    return file


def test_it_prints_the_trades_of_the_timed_part_and_a_closed_ledger(tmp_path):
    found = measure(command_file(tmp_path, PREFILL + TIMED, len(PREFILL)))
    assert found["commands"] == len(TIMED)
    assert found["trade_hash"] == f"{trade_hash(TRADES):016x}"
    assert found["resting_after_prefill"] == 3
    assert found["ledger_balanced"]
    assert found.keys() >= {"cpu_mops", "p50", "p99", "p999", "bytes_per_order", "replay_ratio", "event_hash"}


def test_a_file_with_an_order_that_is_gone_is_refused(tmp_path):
    gone = (CANCEL, SELL, 0, 1, 1, 0, 0)
    with pytest.raises(ValueError, match="refused"):
        measure(command_file(tmp_path, [*PREFILL, *TIMED, gone], len(PREFILL)))


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    file = command_file(tmp_path, PREFILL, 0)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BadCommandFile):
        load(file)
