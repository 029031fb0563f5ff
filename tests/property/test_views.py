"""Random histories folded into SQL: the views hold what the engine answers, and the postings balance.

The journal's records are cut at random, the data server is started anew at random between them, and it
remembers few orders, so that most are found in the table again.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Connection, Table, select

from cambist._matching import Engine
from cambist.data.database import open_views
from cambist.data.orders import Orders
from cambist.data.projection import Projection, read_position
from cambist.engine import commands
from cambist.engine import events as codec
from cambist.engine.events import OrderClosed, Trade
from cambist.engine.views import MarketView, OrderView
from cambist.log.journal import JournalRecord
from cambist.store import views
from tests.contract.venues import ModelVenue, Sent
from tests.journals import LOG_ID, records_of

from .mixes import Mix
from .pair import ADMIN, SETUP, TRADE, WALLET, batches

COMMANDS = 400
LONGEST_BATCH = 6
REMEMBERED_MAX = 5


def history(seed: int) -> list[Sent]:
    """Every kind of command and every type of order, mostly ones that hit something."""
    venue, dice = ModelVenue(), Random(seed)
    for command in [commands.Rules(version=2), *SETUP]:
        venue.send(command)
    for _ in range(COMMANDS):
        venue.time_ns += dice.choice([0, 1, 1_000_000, 1_000_000_000])
        mix = Mix(dice.getrandbits(64), venue.model.state)
        if dice.random() < 0.8:
            venue.send(mix.order(), TRADE)
        elif dice.random() < 0.1:
            venue.send(commands.Continue())
        else:
            venue.send(mix.any(), dice.choice([ADMIN, WALLET]))
    return venue.log


class Followed:
    """A history, what an engine said to it, and the views that were made of that."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.engine = Engine()
        self.records = list(records_of(list(batches(history(seed), LONGEST_BATCH)), self.engine))
        dice = Random(seed)
        database, _ = open_views(directory / "views.db", LOG_ID)
        self.db: Connection = database.connect()
        projection = self._started()
        rest = self.records
        while rest:
            count = dice.randint(1, 12)
            projection.take(rest[:count])
            rest = rest[count:]
            if dice.random() < 0.2:
                projection = self._started()

    def _started(self) -> Projection:
        projection = Projection(Orders(REMEMBERED_MAX))
        projection.load(self.db, LOG_ID)
        return projection

    def rows(self, table: Table, **values: int) -> list[dict[str, int]]:
        """As they are in the table, in the order of their keys."""
        query = select(table).order_by(*table.primary_key)
        for name, value in values.items():
            query = query.where(table.c[name] == value)
        with self.db.begin():
            return [dict(row) for row in self.db.execute(query).mappings()]


@pytest.fixture(scope="module", params=range(12))
def followed(request, tmp_path_factory) -> Iterator[Followed]:
    followed = Followed(tmp_path_factory.mktemp("views"), seed=request.param)
    yield followed
    followed.db.close()
    followed.db.engine.dispose()


def test_the_position_is_that_of_the_engine(followed):
    with followed.db.begin():
        position = read_position(followed.db)
    engine = followed.engine
    assert position == (LOG_ID, engine.sequence, engine.event_hash, engine.time_ns)


def test_balances_are_the_engines(followed):
    engine = followed.engine
    assert {
        (row["account"], row["asset"], row["available_atoms"], row["held_atoms"])
        for row in followed.rows(views.balances)
        if row["available_atoms"] or row["held_atoms"]
    } == {
        (account, *balance)
        for account in engine.account_ids()
        for balance in engine.balances(account)
        if any(balance[1:])
    }


def test_postings_sum_to_zero_and_to_the_balances(followed):
    entries: dict[tuple[int, int], int] = defaultdict(int)
    sums: dict[tuple[int, int], int] = defaultdict(int)
    for row in followed.rows(views.postings):
        entries[row["sequence"], row["asset"]] += row["posting_atoms"]
        sums[row["account"], row["asset"]] += row["posting_atoms"]
    assert set(entries.values()) <= {0}
    balances = {
        (row["account"], row["asset"]): row["available_atoms"] + row["held_atoms"]
        for row in followed.rows(views.balances)
    }
    assert {key: total for key, total in sums.items() if total} == {
        key: total for key, total in balances.items() if total
    }


def test_open_orders_are_the_engines(followed):
    def shown(order: dict[str, object]) -> dict[str, object]:
        kept = {*views.orders.c.keys()} & {*OrderView._fields} - {"updated_ns"}
        return {name: order[name] for name in sorted(kept)}

    engine = followed.engine
    held = [
        OrderView(*row)._asdict() for account in engine.account_ids() for row in engine.open_orders(account)
    ]
    for order in held:
        order["client_id"] = order["client_id"].decode()
    found = followed.rows(views.orders, reason=0)
    assert len(held) > 0
    assert sorted(map(repr, map(shown, found))) == sorted(map(repr, map(shown, held)))


def test_closed_orders_have_what_was_said_when_they_closed_and_what_their_trades_add_up_to(followed):
    closed = [event for event in said(followed.records) if isinstance(event, OrderClosed)]
    executed: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for trade in (event for event in said(followed.records) if isinstance(event, Trade)):
        for order_id in (trade.maker_order, trade.taker_order):
            executed[order_id][0] += trade.quantity_lots
            executed[order_id][1] += trade.quote_atoms
    assert len(closed) > 20
    for event in closed:
        (row,) = followed.rows(views.orders, order_id=event.order_id)
        assert (row["account"], row["market"], row["reason"]) == (event.account, event.market, event.reason)
        assert (row["quantity_lots"], row["client_id"]) == (event.quantity_lots, event.client_id.decode())
        assert [row["executed_lots"], row["executed_quote_atoms"]] == executed[event.order_id]
        assert row["accepted_ns"] == event.accepted_ns


def test_books_and_the_last_trades_are_the_engines(followed):
    for market in (MarketView.of(row) for row in followed.engine.markets()):
        update_id, bids, asks = followed.engine.depth(market.market, 5_000)
        levels = [
            (row["side"], row["price_ticks"], row["quantity_lots"])
            for row in followed.rows(views.levels, market=market.market)
        ]
        assert sorted(levels) == sorted(
            [(0, *level) for level in bids] + [(1, *level) for level in asks],
        )
        assert [row["update_id"] for row in followed.rows(views.books, market=market.market)] in (
            [update_id],
            [] if update_id == 0 else None,
        )
        ids = [row["trade_id"] for row in followed.rows(views.trades, market=market.market)]
        assert ids == list(range(1, market.last_trade_id + 1))


def test_aggregate_ids_have_no_gaps_and_stand_for_one_order_at_one_price_in_one_command(followed):
    for market in (1, 2, 3):
        known: dict[int, tuple[int, ...]] = {}
        for row in followed.rows(views.trades, market=market):
            meant = (row["sequence"], row["taker_order"], row["price_ticks"])
            assert known.setdefault(row["aggregate_id"], meant) == meant
        assert list(known) == list(range(1, len(known) + 1))


def test_accounts_assets_and_markets_are_the_engines(followed):
    engine = followed.engine
    for row in followed.rows(views.accounts):
        names = ("account_class", "tier", "permissions", "frozen", "stp_group", "owner")
        assert tuple(row[name] for name in names) == engine.account(row["account"])
    assert [tuple(row.values()) for row in followed.rows(views.assets)] == engine.assets()
    assert [(row["market"], row["symbol"], row["state"]) for row in followed.rows(views.markets)] == [
        (view.market, view.symbol, view.state) for view in map(MarketView.of, engine.markets())
    ]


def said(records: list[JournalRecord]) -> Iterator[codec.Event]:
    for record in records:
        for command in codec.split(record.events):
            yield from codec.decode(command)
