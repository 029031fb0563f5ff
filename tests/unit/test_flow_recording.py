"""Reading the optional demo recording; the rows here are made up in its format."""

import gzip

import pytest

from cambist.engine.commands import Side
from cambist.flow import recording
from cambist.flow.file import Add, AddType, Cancel

ROWS = """id,timestamp,exchange_timestamp,price,volume,action,direction
11,1007,1000,78318.0,1.5,created,bid
12,1008,1001,78319.5,0.00000001,created,ask
13,1009,1002,78320.0,0.25,created,bid
13,1009,1002,78319.5,0.24999999,changed,bid
12,1009,1002,78319.5,0.0,deleted,ask
13,1010,1003,78320.0,0.24999999,deleted,bid
11,1011,1004,78318.0,1.5,deleted,bid
14,1012,1005,0.0,0.5,created,ask
14,1012,1005,78318.0,0.0,deleted,ask
15,1013,1006,0.0,2500.0,created,bid
"""


@pytest.fixture
def data(tmp_path):
    file = tmp_path / ".demo" / recording.DATA
    file.parent.mkdir(parents=True)
    file.write_bytes(gzip.compress(ROWS.encode()))
    return file


def types(data):
    rows = recording.read(data, recording.traded_orders(data))
    return {row.order: row.type for row in rows if isinstance(row, Add)}


def test_only_orders_that_traded_in_the_recording_may_trade_again(data):
    assert types(data).items() >= {"11": AddType.POST_ONLY, "12": AddType.LIMIT, "13": AddType.LIMIT}.items()


def test_an_order_without_a_price_is_a_market_order_if_it_traded_and_left_out_if_not(data):
    assert types(data)["14"] == AddType.MARKET
    assert "15" not in types(data)


def test_prices_and_quantities_are_exact(data):
    rows = list(recording.read(data, set()))
    assert rows[0] == Add(1_000_000_000, "11", AddType.POST_ONLY, Side.BUY, 7_831_800, 150_000_000)
    assert rows[1] == Add(1_001_000_000, "12", AddType.POST_ONLY, Side.SELL, 7_831_950, 1)
    assert rows[5] == Cancel(1_004_000_000, "11")


def test_it_is_found_where_the_demo_data_is_installed(data, tmp_path):
    assert recording.find(tmp_path) == data
    assert recording.find(tmp_path / "elsewhere") is None
