"""From events to rows: every command once, in order, with its rows and the position in one transaction.

What is kept in memory between two transactions says the same as the tables. Whoever sees `take` raise must
drop the projection and load another: memory may then be ahead of the tables.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection, func, select

from cambist.data.orders import Orders
from cambist.data.rows import Row, delete_rows, insert_rows, replace_rows
from cambist.engine import events as codec
from cambist.engine.aggregates import AggregateIds
from cambist.engine.events import (
    AccountEvent,
    AssetEvent,
    Balance,
    Event,
    Level,
    MarketEvent,
    OrderAccepted,
    OrderAmended,
    OrderClosed,
    OrderList,
    OrderTriggered,
    PreventedMatch,
    Trade,
)
from cambist.log.journal import JournalRecord
from cambist.store import views
from cambist.store.views import POSITION


class Consumer(Protocol):
    """What else learns of every command in the same pass. It is told before the tables here change."""

    def load(self, db: Connection) -> None:
        """Once, before the first event: the state from the tables, which stand at the same position."""

    def apply(self, sequence: int, time_ns: int, events: list[Event]) -> None:
        """A command that caused events."""

    def flush(self, db: Connection) -> None:
        """Inside the transaction, behind the projection's own rows."""

    def committed(self, sequence: int) -> None:
        """Everything up to here is in the tables."""


class Position(NamedTuple):
    """Where the views stand: after the command `sequence` of the log `log_id`."""

    log_id: bytes
    sequence: int
    event_hash: int
    time_ns: int


def read_position(db: Connection) -> Position | None:
    """None before the first event."""
    table = views.positions
    row = db.execute(select(table).where(table.c.name == POSITION)).first()
    if row is None:
        return None
    return Position(bytes.fromhex(row.log_id), row.sequence, int(row.event_hash, 16), row.time_ns)


class Projection:
    def __init__(self, orders: Orders | None = None, consumers: Sequence[Consumer] = ()) -> None:
        self.orders = Orders() if orders is None else orders
        self._consumers = consumers
        self._trades: list[Row] = []
        self._postings: list[Row] = []
        self._matches: list[Row] = []
        self._amendments: list[Row] = []
        self._lists: dict[int, Row] = {}
        self._balances: dict[tuple[int, int], tuple[Balance, int]] = {}
        self._levels: dict[tuple[int, int, int], int] = {}
        self._books: dict[int, int] = {}
        self._assets: dict[int, Row] = {}
        self._markets: dict[int, Row] = {}
        self._accounts: dict[int, Row] = {}
        self._apply: dict[type, Callable[[int, int, Any], None]] = {
            OrderAccepted: self._accepted,
            Trade: self._traded,
            OrderClosed: self._closed,
            OrderAmended: self._amended,
            OrderTriggered: self._triggered,
            OrderList: self._listed,
            PreventedMatch: self._prevented,
            Level: self._level,
            Balance: self._balance,
            AccountEvent: self._account,
            AssetEvent: self._asset,
            MarketEvent: self._market,
        }

    def load(self, db: Connection, log_id: bytes) -> None:
        """`db` is the connection on which every `take` will be made."""
        self._db = db
        self._log_id = log_id.hex()
        self._aggregates = AggregateIds(self._last_aggregate)
        with db.begin():
            self.orders.load(db)
            for consumer in self._consumers:
                consumer.load(db)

    def take(self, records: Iterable[JournalRecord]) -> int:
        """One transaction; returns the sequence that the views have reached."""
        with self._db.begin():
            for record in records:
                self._take(record)
            self._flush(record)
        for consumer in self._consumers:
            consumer.committed(record.last_sequence)
        return record.last_sequence

    def _take(self, record: JournalRecord) -> None:
        apply, consumers = self._apply, self._consumers
        for command in codec.split(record.events):
            events = codec.decode(command)
            if not events:
                continue
            sequence, time_ns = codec.place(command)
            for consumer in consumers:
                consumer.apply(sequence, time_ns, events)
            for event in events:
                handle = apply.get(event.__class__)
                if handle is not None:
                    handle(sequence, time_ns, event)

    def _flush(self, last: JournalRecord) -> None:
        db = self._db
        self.orders.flush(db)
        insert_rows(db, views.trades, self._trades)
        insert_rows(db, views.postings, self._postings)
        insert_rows(db, views.prevented_matches, self._matches)
        insert_rows(db, views.amendments, self._amendments)
        replace_rows(db, views.order_lists, list(self._lists.values()))
        replace_rows(db, views.balances, [_balance_row(*last) for last in self._balances.values()])
        gone = [key for key, lots in self._levels.items() if not lots]
        delete_rows(db, views.levels, gone)
        replace_rows(db, views.levels, [(*key, lots) for key, lots in self._levels.items() if lots])
        replace_rows(db, views.books, list(self._books.items()))
        for table, rows in (
            (views.assets, self._assets),
            (views.markets, self._markets),
            (views.accounts, self._accounts),
        ):
            replace_rows(db, table, list(rows.values()))
            rows.clear()
        for consumer in self._consumers:
            consumer.flush(db)
        position = (POSITION, self._log_id, last.last_sequence, f"{last.event_hash:016x}", last.time_ns)
        replace_rows(db, views.positions, [position])
        for pending in (self._trades, self._postings, self._matches, self._amendments):
            pending.clear()
        for latest in (self._balances, self._levels, self._books, self._lists):
            latest.clear()

    def _last_aggregate(self, market: int) -> int:
        trades = views.trades
        newest = select(func.max(trades.c.trade_id)).where(trades.c.market == market).scalar_subquery()
        query = select(trades.c.aggregate_id).where(trades.c.market == market, trades.c.trade_id == newest)
        return self._db.scalar(query) or 0

    def _accepted(self, sequence: int, time_ns: int, event: OrderAccepted) -> None:
        self.orders.accept(event, sequence, time_ns)

    def _traded(self, sequence: int, time_ns: int, trade: Trade) -> None:
        for order in (trade.maker_order, trade.taker_order):
            self.orders.fill(order, trade.quantity_lots, trade.quote_atoms, sequence, time_ns)
        self._trades.append(
            (
                trade.market,
                trade.trade_id,
                self._aggregates.of(sequence, trade),
                time_ns,
                int(trade.taker_side),
                trade.price_ticks,
                trade.quantity_lots,
                str(trade.quote_atoms),
                trade.maker_order,
                trade.taker_order,
                trade.maker_account,
                trade.taker_account,
                str(trade.maker_fee_atoms),
                str(trade.taker_fee_atoms),
                sequence,
            )
        )

    def _closed(self, sequence: int, time_ns: int, event: OrderClosed) -> None:
        self.orders.close(event, sequence, time_ns)

    def _amended(self, sequence: int, time_ns: int, event: OrderAmended) -> None:
        self.orders.amend(event, sequence, time_ns)
        self._amendments.append(
            (
                event.order_id,
                sequence,
                event.account,
                event.market,
                event.old_client_id.decode("ascii"),
                event.client_id.decode("ascii"),
                event.old_quantity_lots,
                event.quantity_lots,
                time_ns,
            )
        )

    def _triggered(self, sequence: int, time_ns: int, event: OrderTriggered) -> None:
        self.orders.trigger(event, sequence, time_ns)

    def _listed(self, sequence: int, time_ns: int, event: OrderList) -> None:
        """Placed, going on, or done; the time of the first is kept."""
        key = event.list_id
        placed_ns = self._lists[key][-2] if key in self._lists else self._list_placed_ns(key, time_ns)
        order_ids = " ".join(map(str, event.order_ids))
        self._lists[key] = (
            key,
            event.account,
            event.market,
            int(event.contingency),
            int(event.status),
            event.client_id.decode("ascii"),
            order_ids,
            placed_ns,
            time_ns,
        )

    def _list_placed_ns(self, list_id: int, time_ns: int) -> int:
        lists = views.order_lists
        placed_ns = self._db.scalar(select(lists.c.placed_ns).where(lists.c.list_id == list_id))
        return time_ns if placed_ns is None else placed_ns

    def _prevented(self, sequence: int, time_ns: int, match: PreventedMatch) -> None:
        self.orders.prevent(match.taker_order, match.taker_prevented_lots, sequence, time_ns)
        self.orders.prevent(match.maker_order, match.maker_prevented_lots, sequence, time_ns)
        self._matches.append(
            (
                match.market,
                match.prevented_match_id,
                time_ns,
                int(match.taker_side),
                match.price_ticks,
                match.taker_order,
                match.maker_order,
                match.taker_account,
                match.maker_account,
                match.taker_prevented_lots,
                match.maker_prevented_lots,
                match.stp_group,
                int(match.stp_mode),
                sequence,
            )
        )

    def _level(self, sequence: int, time_ns: int, level: Level) -> None:
        self._levels[level.market, int(level.side), level.price_ticks] = level.quantity_lots
        self._books[level.market] = level.update_id

    def _balance(self, sequence: int, time_ns: int, balance: Balance) -> None:
        self._balances[balance.account, balance.asset] = (balance, sequence)
        if balance.posting_atoms:
            self._postings.append((sequence, balance.account, balance.asset, str(balance.posting_atoms)))

    def _account(self, sequence: int, time_ns: int, event: AccountEvent) -> None:
        self._accounts[event.account] = (
            event.account,
            int(event.account_class),
            event.tier,
            int(event.permissions),
            int(event.frozen),
            event.stp_group,
            str(event.owner),
        )

    def _asset(self, sequence: int, time_ns: int, event: AssetEvent) -> None:
        self._assets[event.asset] = (event.asset, event.name.decode("ascii"), event.scale, int(event.state))

    def _market(self, sequence: int, time_ns: int, event: MarketEvent) -> None:
        self._markets[event.market] = (
            event.market,
            event.symbol.decode("ascii"),
            event.base,
            event.quote,
            str(event.tick_atoms),
            str(event.lot_atoms),
            int(event.state),
        )


def _balance_row(balance: Balance, sequence: int) -> Row:
    available, held = str(balance.available_atoms), str(balance.held_atoms)
    return (balance.account, balance.asset, available, held, sequence)
