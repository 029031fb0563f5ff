"""Account events for whoever watches an account, from now on or from a position in the past.

What is past is read from the event journal again and told in the same words as it was, with the orders as
they stood then. Known limits: an order that was amended since is reported with its present quantity and
client id; what lies too far back is refused.
"""

import logging
from collections.abc import Callable, Iterator
from copy import copy
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, case, func, or_, select

from cambist.data.orders import Order, Orders
from cambist.data.reports import Asset, Market, Report, Reporter
from cambist.engine import events as codec
from cambist.engine.events import (
    AssetEvent,
    Balance,
    Event,
    MarketEvent,
    OrderAccepted,
    OrderAmended,
    OrderClosed,
    OrderList,
    OrderTriggered,
    PreventedMatch,
    Trade,
)
from cambist.errors import Refused
from cambist.feed.messages import Private
from cambist.feed.server import Connection as Gateway
from cambist.feed.server import Question
from cambist.log import journal
from cambist.log.journal import JournalDamaged
from cambist.store import views

PAST_COMMANDS_MAX = 200_000
PAST_EVENTS_MAX = 20_000
QUESTION = "account_events"

_OF_ACCOUNT = (OrderAccepted, OrderClosed, OrderAmended, OrderTriggered, OrderList, Balance)

log = logging.getLogger(__name__)


class TooFarBack(Refused):
    code = "too_far_back"


class PastEvents(msgspec.Struct):
    until: int
    events: list[tuple[int, int, msgspec.Raw]]


class PrivateEvents:
    """A consumer of the projection, and the side of the feed that publishes account events."""

    def __init__(self, directory: Path, orders: Orders) -> None:
        """`directory` is the journal's."""
        self.questions: dict[str, Question] = {QUESTION: self._answer}
        self._directory = directory
        self._orders = orders
        self._markets: dict[int, Market] = {}
        self._assets: dict[int, Asset] = {}
        self._reporter = Reporter(self._markets, self._assets)
        self._watchers: dict[int, dict[Gateway, int]] = {}  # account -> gateway -> events after this command
        self._ready: list[tuple[int, int, list[Report]]] = []  # account, sequence
        self._applied = 0

    # The projection's consumer

    def load(self, db: Connection) -> None:
        self._db = db
        self._applied = db.scalar(select(views.positions.c.sequence)) or 0
        for row in db.execute(select(views.assets)):
            self._assets[row.asset] = Asset(row.name, row.scale)
        for row in db.execute(select(views.markets)):
            self._market(row.market, row.symbol, row.base, row.quote, row.tick_atoms, row.lot_atoms)

    def apply(self, sequence: int, time_ns: int, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, AssetEvent):
                self._assets[event.asset] = Asset(event.name.decode(), event.scale)
            elif isinstance(event, MarketEvent):
                symbol = event.symbol.decode()
                self._market(event.market, symbol, event.base, event.quote, event.tick_atoms, event.lot_atoms)
        if not self._watchers:
            return
        for account in self._watchers.keys() & concerned(events):
            reports = self._reporter.of(account, sequence, time_ns, events, self._orders.get)
            self._ready.append((account, sequence, reports))

    def flush(self, db: Connection) -> None:
        """There is nothing to store: the journal has it all."""

    def committed(self, sequence: int) -> None:
        self._applied = sequence
        for account, at, reports in self._ready:
            for gateway, after in self._watchers.get(account, {}).items():
                if at > after:
                    _send(gateway, account, at, reports)
        self._ready.clear()

    # The feed's side

    def watch_account(self, gateway: Gateway, account: int, after_sequence: int | None) -> None:
        """If what is past cannot be told any more, what comes is told all the same; asking says so first."""
        after = self._applied if after_sequence is None else after_sequence
        self._watchers.setdefault(account, {})[gateway] = after
        if after >= self._applied:
            return
        try:
            for sequence, reports in self._past(account, after):
                _send(gateway, account, sequence, reports)
        except TooFarBack as problem:
            log.warning("account events: %s", problem)

    def unwatch_account(self, gateway: Gateway, account: int) -> None:
        watchers = self._watchers.get(account, {})
        watchers.pop(gateway, None)
        if not watchers:
            self._watchers.pop(account, None)

    def gone(self, gateway: Gateway) -> None:
        for account in list(self._watchers):
            self.unwatch_account(gateway, account)

    def _answer(self, params: Any) -> bytes:
        """[account, after_sequence]: the events of all commands after that one. Raises TooFarBack."""
        account, after = params
        events = [
            (sequence, report.ordinal, msgspec.Raw(report.body))
            for sequence, reports in self._past(account, after)
            for report in reports
        ]
        return msgspec.json.encode(PastEvents(self._applied, events))

    def _past(self, account: int, after: int) -> list[tuple[int, list[Report]]]:
        """Raises TooFarBack."""
        past: list[tuple[int, list[Report]]] = []
        count = 0
        with self._db.begin():
            for sequence, time_ns, events in self._commands(account, after):
                before = _before(self._db, self._orders, sequence)
                reports = self._reporter.of(account, sequence, time_ns, events, before)
                past.append((sequence, reports))
                count += len(reports)
                if count > PAST_EVENTS_MAX:
                    raise TooFarBack(f"account {account} had over {PAST_EVENTS_MAX} events since")
        return past

    def _commands(self, account: int, after: int) -> Iterator[tuple[int, int, list[Event]]]:
        """Commands that concern the account, up to the last one that was applied."""
        until = self._applied
        if until - after > PAST_COMMANDS_MAX:
            raise TooFarBack(f"{until - after} commands came since")
        if after >= until:
            return
        starts = [first for first, _ in journal.segments(self._directory) if first <= after + 1]
        if not starts:
            raise TooFarBack(f"the journal begins behind sequence {after}")
        named = account.to_bytes(4, "little")
        try:
            for record in journal.read(self._directory, starts[-1] - 1):
                if record.first_sequence > until:
                    return
                if record.last_sequence > after and named in record.events:
                    yield from _of_record(record.events, named, after)
        except JournalDamaged as problem:
            raise TooFarBack(str(problem)) from problem

    def _market(self, market: int, symbol: str, base: int, quote: int, tick: int, lot: int) -> None:
        self._markets[market] = Market(symbol, self._assets[base], self._assets[quote], tick, lot)


def concerned(events: list[Event]) -> set[int]:
    """The accounts that a command's events are about."""
    accounts: set[int] = set()
    for event in events:
        if isinstance(event, Trade | PreventedMatch):
            accounts.update((event.maker_account, event.taker_account))
        elif isinstance(event, _OF_ACCOUNT):
            accounts.add(event.account)
    return accounts


def _of_record(output: bytes, named: bytes, after: int) -> Iterator[tuple[int, int, list[Event]]]:
    account = int.from_bytes(named, "little")
    for command in codec.split(output):
        sequence, time_ns = codec.place(command)
        if sequence > after and named in command:
            events = codec.decode(command)
            if account in concerned(events):
                yield sequence, time_ns, events


def _before(db: Connection, orders: Orders, sequence: int) -> Callable[[int], Order]:
    """Orders as they stood before a command of the past."""
    trades = views.trades

    def read(order_id: int) -> Order:
        order = copy(orders.get(order_id))
        rows = db.execute(
            select(trades.c.quantity_lots, trades.c.quote_atoms).where(
                or_(trades.c.maker_order == order_id, trades.c.taker_order == order_id),
                trades.c.sequence < sequence,
            )
        ).all()
        order.executed_lots = sum(row.quantity_lots for row in rows)
        order.executed_quote_atoms = sum(row.quote_atoms for row in rows)
        order.prevented_lots = _prevented_lots(db, order, sequence)
        return order

    return read


def _prevented_lots(db: Connection, order: Order, sequence: int) -> int:
    """What self-trade prevention had taken from it before a command."""
    matches = views.prevented_matches
    is_taker = and_(matches.c.taker_account == order.account, matches.c.taker_order == order.order_id)
    is_maker = and_(matches.c.maker_account == order.account, matches.c.maker_order == order.order_id)
    taken = case((is_taker, matches.c.taker_prevented_lots), else_=matches.c.maker_prevented_lots)
    query = select(func.sum(taken)).where(
        matches.c.market == order.market, matches.c.sequence < sequence, or_(is_taker, is_maker)
    )
    return db.scalar(query) or 0


def _send(gateway: Gateway, account: int, sequence: int, reports: list[Report]) -> None:
    for report in reports:
        gateway.send(Private(account, sequence, report.ordinal, report.body))
