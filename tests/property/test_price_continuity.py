"""A client's book from one snapshot and the depth updates is the engine's, whatever ends or starts meanwhile.

Random orders and cancels run through an engine; a data process follows the journal, is killed, loses its
views, and its gateway reconnects, at random moments.
"""

from random import Random
from typing import Any

import pytest

from cambist._matching import Engine
from cambist.feed.messages import Published
from cambist.flow.venue import TIME_NS
from tests.journals import busy_batches, records_of
from tests.prices import Stage

MARKET, SYMBOL = 1, "base1quote"
FAST, SLOW = f"{SYMBOL}@depth@100ms", f"{SYMBOL}@depth"
TRADES, AGGREGATES = f"{SYMBOL}@trade", f"{SYMBOL}@aggTrade"

Book = tuple[dict[str, str], dict[str, str]]


def text(lots: int) -> str:
    return str(lots)  # the venue's scales are 0


def engine_book(engine: Engine) -> tuple[int, Book]:
    update_id, bids, asks = engine.depth(MARKET, 5_000)
    return update_id, (
        {text(price): text(lots) for price, lots in bids},
        {text(price): text(lots) for price, lots in asks},
    )


class Client:
    """The documented recipe for a local book; every update is checked to follow the one before."""

    def __init__(self, update_id: int, book: Book) -> None:
        self.update_id = update_id
        self.book: Book = (dict(book[0]), dict(book[1]))
        self._last: int | None = None

    def take(self, update: dict[str, Any]) -> None:
        if self._last is not None:
            assert update["U"] == self._last + 1
        self._last = update["u"]
        if update["u"] <= self.update_id:
            return
        assert update["U"] <= self.update_id + 1
        for side, levels in zip(self.book, (update["b"], update["a"]), strict=True):
            for price, quantity in levels:
                if quantity == "0":
                    side.pop(price, None)
                else:
                    side[price] = quantity
        self.update_id = update["u"]


def test_at_1000_random_update_ids_snapshot_and_updates_give_the_engines_book(tmp_path):
    dice = Random(11)
    engine = Engine()
    stage = Stage(tmp_path, TIME_NS)
    records = list(records_of(busy_batches(seed=11, orders=2_000, batch=1), engine=None))
    stage.write(records[0])
    stage.start()
    stage.watch(FAST)
    books: dict[int, Book] = {}
    updates: list[dict[str, Any]] = []
    for payload, record in zip(busy_batches(seed=11, orders=2_000, batch=1), records, strict=True):
        engine.apply(payload)
        update_id, book = engine_book(engine) if engine.market_count else (0, ({}, {}))
        books[update_id] = book
        if record is not records[0]:
            stage.write(record)
        stage.catch_up()
        if dice.random() < 0.5:
            stage.tick()
            updates += stage.gateway.take(FAST)
    assert sum(update["u"] - update["U"] + 1 for update in updates) > 1_000
    known = sorted(books)
    checked = 0
    for snapshot_id in dice.choices(known, k=1_000):
        client = Client(snapshot_id, books[snapshot_id])
        behind = [update for update in updates if update["u"] > snapshot_id][: dice.randint(1, 12)]
        for update in behind:
            client.take(update)
            assert client.book == books[client.update_id]
            checked += 1
    assert checked > 3_000


@pytest.mark.parametrize("seed", range(2))
def test_depth_and_trades_have_no_gap_and_nothing_twice_over_kills_rebuilds_and_reconnects(tmp_path, seed):
    dice = Random(seed)
    payloads = busy_batches(seed=100 + seed, orders=1_200, batch=3)
    engine = Engine()
    records = iter(records_of(payloads, engine))
    stage = Stage(tmp_path, TIME_NS)
    for _ in range(12):  # until there is a market
        stage.write(next(records))
    stage.start()
    stage.catch_up()
    stage.watch(FAST, SLOW, TRADES, AGGREGATES)
    clients = {name: Client(*engine_book(engine)) for name in (FAST, SLOW)}
    trades: list[dict[str, Any]] = []
    aggregates: list[dict[str, Any]] = []
    kills = rebuilds = reconnects = 0

    def read() -> None:
        for name, client in clients.items():
            for update in stage.gateway.take(name):
                client.take(update)
        trades.extend(stage.gateway.take(TRADES))
        aggregates.extend(stage.gateway.take(AGGREGATES))

    for record in records:
        stage.write(record)
        chance = dice.random()
        if chance < 0.02:
            stage.kill()
            stage.start(rebuild=(rebuild := dice.random() < 0.3))
            kills += 1
            rebuilds += rebuild
        elif chance < 0.04:
            stage.reconnect()
            reconnects += 1
        if dice.random() < 0.6:
            stage.catch_up()
        if dice.random() < 0.5:
            stage.tick()
        read()
    stage.catch_up()
    stage.tick(1.0)
    read()

    assert kills > 3 and rebuilds and reconnects > 3 and not stage.gateway.gaps
    update_id, book = engine_book(engine)
    for client in clients.values():
        assert (client.update_id, client.book) == (update_id, book)
    ids = [trade["t"] for trade in trades]
    assert ids == list(range(ids[0], ids[0] + len(ids))) and len(ids) > 100
    assert [each["a"] for each in aggregates] == list(
        range(aggregates[0]["a"], aggregates[0]["a"] + len(aggregates))
    )
    assert (aggregates[0]["f"], aggregates[-1]["l"]) == (ids[0], ids[-1])

    candles = stage.candles()
    stage.kill()
    stage.start(rebuild=True)
    stage.catch_up()
    assert stage.candles() == candles and len(candles) > 32


def test_a_gateway_from_before_the_journal_is_told_of_the_gap(tmp_path):
    stage = Stage(tmp_path, TIME_NS)
    records = list(records_of(busy_batches(seed=5, orders=200, batch=4)))
    for record in records[:30]:
        stage.write(record)
    stage.start()
    stage.catch_up()
    stage.watch(FAST)
    # No record ends there: the journal is another one.
    at = stage.gateway.published.sequence - 1
    stage.gateway.published = Published(at, at, at)
    stage.reconnect()
    assert stage.gateway.gaps == 1
    for record in records[30:]:
        stage.write(record)
    stage.catch_up()
    stage.tick()
    assert stage.gateway.take(FAST)
