"""What an account is told of a command: in the documented words, and the same whenever it is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cambist.data.database import open_views
from cambist.data.orders import Orders
from cambist.data.private import PrivateEvents
from cambist.data.projection import Projection
from cambist.engine.commands import Amend, Cancel, Command, OrderType, Place, Side, StpMode, TimeInForce
from cambist.feed.messages import Private
from cambist.flow.venue import TIME_NS, Listing, Venue
from cambist.log.journal import JournalRecord
from cambist.log.journal_writer import JournalWriter
from tests.journals import LOG_ID

KINDS: dict[type, str] = {bool: "bool", int: "int", str: "str", list: "list", type(None): "null"}


class FakeGateway:
    def __init__(self) -> None:
        self.sent: list[Private] = []

    def send(self, message: Private) -> None:
        self.sent.append(message)


class Exchange:
    """An engine, its journal and views, and the account events that come of them."""

    def __init__(self, directory: Path) -> None:
        self.journal = directory / "journal"
        self._payloads: list[bytes] = []
        self.venue = Venue(Listing(), 3, append=self._payloads.append)
        self.ann, self.bob, _ = self.venue.accounts
        self.market = self.venue.markets[0]
        self._orders = Orders()
        self.private = PrivateEvents(self.journal, self._orders)
        self._projection = Projection(self._orders, [self.private])
        self._engine, _ = open_views(directory / "views.db", LOG_ID)
        self._db = self._engine.connect()
        self._projection.load(self._db, LOG_ID)
        self._replica = type(self.venue.engine)()
        self._writer = JournalWriter(self.journal, LOG_ID, self._replica.event_hash)
        self._time_ns = TIME_NS
        self._catch_up()

    def do(self, *commands: Command) -> None:
        """Each in a batch of its own, a millisecond later than the one before."""
        for command in commands:
            self._time_ns += 1_000_000
            self.venue.trade([command.encode()], time_ns=self._time_ns)
        self._catch_up()

    def watch(self, account: int, after: int | None = None) -> FakeGateway:
        gateway = FakeGateway()
        self.private.watch_account(gateway, account, after)  # type: ignore[arg-type]
        return gateway

    def close(self) -> None:
        self._writer.close()
        self._db.close()
        self._engine.dispose()

    def limit(self, account: int, side: Side, lots: int, ticks: int, **more: Any) -> Place:
        return Place(
            account=account,
            market=self.market,
            side=side,
            order_type=OrderType.LIMIT,
            time_in_force=more.pop("time_in_force", TimeInForce.GTC),
            price_ticks=ticks,
            quantity_lots=lots,
            **more,
        )

    def _catch_up(self) -> None:
        payloads, self._payloads[:] = list(self._payloads), []
        for payload in payloads:
            first = self._replica.sequence + 1
            events = self._replica.apply(payload)
            replica = self._replica
            record = JournalRecord(first, replica.sequence, replica.event_hash, replica.time_ns, events)
            self._writer.append(record)
            self._projection.take([record])


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    exchange = Exchange(tmp_path)
    yield exchange
    exchange.close()


def events(gateway: FakeGateway) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in gateway.sent]


def orders(gateway: FakeGateway) -> list[tuple[str, str, str, str]]:
    """(client id, execution, status, cumulative quantity) of each order report."""
    return [
        (each["c"], each["x"], each["X"], each["z"])
        for each in events(gateway)
        if each["e"] == "executionReport"
    ]


def a_trade(exchange: Exchange) -> None:
    exchange.do(
        exchange.limit(exchange.ann, Side.BUY, 5, 100, client_id=b"bid"),
        exchange.limit(exchange.bob, Side.SELL, 2, 100, client_id=b"hit"),
        exchange.limit(exchange.bob, Side.SELL, 9, 100, client_id=b"ioc", time_in_force=TimeInForce.IOC),
    )


def test_maker_and_taker_are_told_their_sides_of_a_trade(exchange):
    ann, bob = exchange.watch(exchange.ann), exchange.watch(exchange.bob)
    a_trade(exchange)
    assert orders(ann) == [
        ("bid", "NEW", "NEW", "0"),
        ("bid", "TRADE", "PARTIALLY_FILLED", "2"),
        ("bid", "TRADE", "FILLED", "5"),
    ]
    assert orders(bob) == [
        ("hit", "NEW", "NEW", "0"),
        ("hit", "TRADE", "FILLED", "2"),
        ("ioc", "NEW", "NEW", "0"),
        ("ioc", "TRADE", "PARTIALLY_FILLED", "3"),
        ("ioc", "EXPIRED", "EXPIRED", "3"),
    ]
    maker, taker = events(ann)[2], events(bob)[1]
    assert (maker["m"], taker["m"]) == (True, False)
    assert maker["t"] == taker["t"] and maker["Y"] == taker["Y"] == "200"
    assert (maker["N"], taker["N"]) != (None, None)


def test_an_order_by_quote_budget_ends_filled(exchange):
    exchange.do(exchange.limit(exchange.ann, Side.SELL, 10, 100))
    bob = exchange.watch(exchange.bob)
    exchange.do(
        Place(
            account=exchange.bob,
            market=exchange.market,
            side=Side.BUY,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            quote_budget_atoms=350,
            client_id=b"spend",
        )
    )
    assert orders(bob) == [("spend", "NEW", "NEW", "0"), ("spend", "TRADE", "FILLED", "3")]
    assert (events(bob)[1]["q"], events(bob)[1]["Q"], events(bob)[1]["Z"]) == ("3", "350", "300")


def test_a_cancel_names_the_order_and_itself(exchange):
    ann = exchange.watch(exchange.ann)
    bid = exchange.limit(exchange.ann, Side.BUY, 5, 100, client_id=b"bid")
    cancel = Cancel(account=exchange.ann, market=exchange.market, client_id=b"bid", request_id=b"gone")
    exchange.do(bid, cancel)
    last = [each for each in events(ann) if each["e"] == "executionReport"][-1]
    assert (last["x"], last["X"], last["C"], last["c"], last["w"]) == (
        "CANCELED",
        "CANCELED",
        "bid",
        "gone",
        False,
    )
    assert (last["N"], last["n"], last["t"]) == (None, "0", -1)


def test_an_amended_order_is_replaced(exchange):
    ann = exchange.watch(exchange.ann)
    bid = exchange.limit(exchange.ann, Side.BUY, 5, 100, client_id=b"bid")
    amend = Amend(
        account=exchange.ann,
        market=exchange.market,
        order_id=1,
        quantity_lots=3,
        client_id=b"less",
    )
    exchange.do(bid, amend)
    last = [each for each in events(ann) if each["e"] == "executionReport"][-1]
    assert (last["x"], last["X"], last["c"], last["C"], last["q"]) == ("REPLACED", "NEW", "less", "bid", "3")


def test_an_order_that_would_have_met_itself_says_so(exchange):
    ann = exchange.watch(exchange.ann)
    exchange.do(
        exchange.limit(exchange.ann, Side.BUY, 5, 100, client_id=b"bid"),
        exchange.limit(exchange.ann, Side.SELL, 5, 100, client_id=b"ask", stp_mode=StpMode.EXPIRE_TAKER),
    )
    assert orders(ann)[-1] == ("ask", "TRADE_PREVENTION", "EXPIRED_IN_MATCH", "0")


def test_balances_come_last_and_only_those_that_changed(exchange):
    ann = exchange.watch(exchange.ann)
    exchange.do(exchange.limit(exchange.ann, Side.BUY, 5, 100))
    assert [each["e"] for each in events(ann)] == ["executionReport", "outboundAccountPosition"]
    assert len(events(ann)[1]["B"]) == 1 and events(ann)[1]["B"][0]["l"] == "500"


def test_what_is_told_again_is_told_in_the_same_bytes(exchange):
    """From every command on, though the orders have ended since."""
    live = exchange.watch(exchange.ann)
    start = exchange.venue.engine.sequence
    a_trade(exchange)
    exchange.do(
        exchange.limit(exchange.ann, Side.BUY, 4, 90, client_id=b"low"),
        Cancel(account=exchange.ann, market=exchange.market, client_id=b"low", request_id=b"x"),
    )
    for after in range(start, exchange.venue.engine.sequence + 1):
        again = exchange.watch(exchange.ann, after)
        assert again.sent == [each for each in live.sent if each.sequence > after]
    answer = json.loads(exchange.private.questions["account_events"]([exchange.ann, start]))
    assert answer["until"] == exchange.venue.engine.sequence
    assert [json.dumps(each[2]) for each in answer["events"]] == [
        json.dumps(json.loads(each.body)) for each in live.sent
    ]


def test_every_event_has_its_position(exchange):
    ann = exchange.watch(exchange.ann)
    a_trade(exchange)
    for sent, event in zip(ann.sent, events(ann), strict=True):
        assert event["position"] == f"{sent.sequence}.{sent.ordinal}"
    places = [(each.sequence, each.ordinal) for each in ann.sent]
    assert places == sorted(set(places)) and {ordinal for _, ordinal in places} == {0, 1}


def test_nobody_is_told_of_another_s_orders(exchange):
    third = exchange.watch(exchange.venue.accounts[2])
    a_trade(exchange)
    assert third.sent == []


@pytest.mark.parametrize("kind", ["executionReport", "outboundAccountPosition"])
def test_an_event_has_every_documented_field_with_its_type(exchange, shared_data, kind):
    rows = (shared_data / "api/binance_docs_examples.jsonl").read_text().splitlines()
    example = next(
        row["json"]["event"]
        for row in map(json.loads, rows)
        if row["file"] == "user-data-stream.md" and row["json"].get("event", {}).get("e") == kind
    )
    ann = exchange.watch(exchange.ann)
    a_trade(exchange)
    event = next(each for each in events(ann) if each["e"] == kind)
    seen_only_after_self_trade_prevention = {"v"}
    for name, value in example.items():
        if name not in seen_only_after_self_trade_prevention:
            assert KINDS[type(event[name])] == KINDS[type(value)], name
