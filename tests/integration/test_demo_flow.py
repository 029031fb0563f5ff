"""The sandbox's house flow on a match server: books on the demo markets, none on ETP/BTC, again after a
restart."""

import asyncio
import contextlib
import gzip

import pytest

from cambist._matching import Engine
from cambist.engine import commands
from cambist.engine.commands import (
    AssetList,
    Filters,
    MarketList,
    MarketStatus,
    Role,
)
from cambist.engine.events import Status, Trade, decode, result, split
from cambist.engine.views import MarketView
from cambist.flow import demo, recording
from cambist.flow.generator import RESTING_PER_SIDE
from cambist.log.file import FileLog, read
from cambist.match.disk import LowDiskMark
from cambist.match.server import MatchServer
from cambist.settings import Log, Match, Mode, Settings
from tests.journals import NoJournal

ASSETS = {"BTC": 8, "USDT": 8, "ETH": 8, "ETP": 8}
# symbol: base, quote, tick and lot in atoms
MARKETS = {
    "BTCUSDT": ("BTC", "USDT", 10**6, 10**3),
    "ETHUSDT": ("ETH", "USDT", 10**6, 10**4),
    "ETHBTC": ("ETH", "BTC", 10**3, 10**5),
    "ETPBTC": ("ETP", "BTC", 10**2, 10**6),
}
FILTERS = Filters(1, 10**9, 1, 10**9, 1, 10**8, 1, 10**20, 200, 1)


@contextlib.contextmanager
def exchange(folder):
    """A match server over the log in `folder`, whatever is in it already."""
    engine = Engine()
    log = FileLog.open(folder)
    for payload in read(folder):
        engine.apply(payload)
    server = MatchServer(
        log,
        engine,
        NoJournal(),
        match=Match(),
        log_settings=Log(),
        disk=LowDiskMark(0, lambda: 1 << 40),
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()
    assert server.problem is None


def all_events(output):
    return [event for record in split(output) for event in decode(record)]


def list_markets(server):
    port = server.open_port(Role.ADMIN, "listing")

    def value(command):
        answer = result(port.call(command.encode()))
        assert answer.status == Status.OK, command
        return answer.value

    assets = {name: value(AssetList(name=name.encode(), scale=scale)) for name, scale in ASSETS.items()}
    for symbol, (base, quote, tick, lot) in MARKETS.items():
        value(
            MarketList(
                base=assets[base],
                quote=assets[quote],
                tick_atoms=tick,
                lot_atoms=lot,
                filters=FILTERS,
                state=MarketStatus.TRADING,
                symbol=symbol.encode(),
            )
        )


def run_demo(server, home, seconds):
    async def running():
        stop = asyncio.Event()
        markets = await server.query(lambda engine: [MarketView.of(row) for row in engine.markets()])
        settings = Settings(home=home, mode=Mode(sandbox=True))
        flow = asyncio.create_task(demo.run(server, settings, markets, stop))
        done, _ = await asyncio.wait([flow], timeout=seconds)
        assert not done, flow.exception()
        stop.set()
        await flow

    asyncio.run(running())


def books(server):
    """Best bid and best ask by symbol, None for a side without orders."""

    def best(engine):
        found = {}
        for row in engine.markets():
            market = MarketView.of(row)
            _, bids, asks = engine.depth(market.market, 1)
            found[market.symbol] = tuple(
                levels[0][0] * market.tick_atoms / 1e8 if levels else None for levels in (bids, asks)
            )
        return found

    return server.query_blocking(best)


def open_orders(server):
    return server.query_blocking(lambda engine: engine.open_order_count)


@pytest.fixture(autouse=True)
def no_recording(monkeypatch):
    """The generator only, also where the optional data is installed."""
    monkeypatch.setattr(recording, "find", lambda checkout: None)


@pytest.fixture
def listed(tmp_path):
    folder = tmp_path / "log"
    with exchange(folder) as server:
        list_markets(server)
    return folder


def test_the_demo_books_have_two_sides_and_agree_with_each_other(listed, tmp_path):
    with exchange(listed) as server:
        run_demo(server, tmp_path, seconds=2)
        found = books(server)
    assert found.pop("ETPBTC") == (None, None)
    middle = {symbol: (bid + ask) / 2 for symbol, (bid, ask) in found.items()}
    assert all(bid < ask for bid, ask in found.values())
    assert middle["ETHBTC"] == pytest.approx(middle["ETHUSDT"] / middle["BTCUSDT"], rel=0.01)


RECORDED = """id,timestamp,exchange_timestamp,price,volume,action,direction
11,1007,1000,78330.0,0.5,created,ask
12,1007,1000,78310.0,0.5,created,bid
13,1107,1100,78330.0,0.2,created,bid
11,1107,1100,78330.0,0.3,changed,ask
13,1107,1100,78330.0,0.0,deleted,bid
14,1207,1200,78330.0,9.0,created,bid
14,1207,1200,78330.0,9.0,deleted,bid
15,99207,99200,78310.0,9.0,created,bid
"""


def test_the_recording_plays_on_btc_usdt_if_it_is_there(listed, tmp_path, monkeypatch):
    data = tmp_path / "orders.csv.gz"
    data.write_bytes(gzip.compress(RECORDED.encode()))
    monkeypatch.setattr(recording, "find", lambda checkout: data)
    with exchange(listed) as server:
        run_demo(server, tmp_path, seconds=2)
        found = books(server)
    assert found["BTCUSDT"] == (78_310, 78_330)
    engine = Engine()
    told = [event for payload in read(listed) for event in all_events(engine.apply(payload))]
    trades = [event for event in told if isinstance(event, Trade) and event.market == 1]
    assert [(trade.price_ticks, trade.quantity_lots) for trade in trades] == [(7_833_000, 20_000)]
    assert None not in found["ETHUSDT"] + found["ETHBTC"]


def test_a_restarted_demo_takes_its_old_orders_back_and_pays_itself_nothing_more(listed, tmp_path):
    with exchange(listed) as server:
        run_demo(server, tmp_path, seconds=2)
        before = open_orders(server)
        paid_in = mirror_balances(server)
    with exchange(listed) as server:
        assert open_orders(server) == before
        run_demo(server, tmp_path, seconds=2)
        assert open_orders(server) <= 3 * 2 * RESTING_PER_SIDE
        assert mirror_balances(server) == paid_in


def mirror_balances(server):
    def mirrors(engine):
        return [row for row in engine.trial_balance() if row[1] == commands.AccountClass.MIRROR]

    return server.query_blocking(mirrors)


def test_house_flow_refuses_an_exchange_that_is_no_sandbox(listed, tmp_path):
    with exchange(listed) as server, pytest.raises(ValueError, match="sandbox"):
        asyncio.run(demo.run(server, Settings(home=tmp_path), [], asyncio.Event()))
