"""Cancelling, replacing and amending orders that are open, and those that are not."""

from typing import Any

import pytest

from cambist.engine import commands
from cambist.engine.codes import OrderType, Side, Status, TimeInForce
from cambist.engine.events import OrderAmended, OrderClosed

from .script import MARKET, BookScript


def test_a_cancel_releases_what_the_order_still_held(book: BookScript):
    book.run("""
        ann buy 5 @ 100 as a
        bob sell 2 @ 100
        ann cancel a
    """)
    assert book.closed() == ["bob filled 2/2", "ann cancelled 2/5"]
    assert book.has("ann") == {"base": (2, 0), "quote": (-200, 0)}
    assert book.levels()[-1] == "buy 100: 0"


def test_a_cancel_names_its_request(book: BookScript):
    book.run("ann sell 5 @ 100 as a")
    cancel = commands.Cancel(account=book.account("ann"), market=MARKET, client_id=b"a", request_id=b"req-1")
    book.send(cancel)
    closed = [event for event in book.events if isinstance(event, OrderClosed)]
    assert [(event.client_id, event.request_id) for event in closed] == [(b"a", b"req-1")]


@pytest.mark.parametrize(
    ("order_id", "client_id", "owner", "market", "status"),
    [
        (1, b"", "ann", 1, Status.OK),
        (1, b"a", "ann", 1, Status.OK),
        (0, b"a", "ann", 1, Status.OK),
        (1, b"b", "ann", 1, Status.UNKNOWN_ORDER),
        (2, b"a", "ann", 1, Status.UNKNOWN_ORDER),
        (1, b"", "bob", 1, Status.UNKNOWN_ORDER),
        (0, b"a", "bob", 1, Status.UNKNOWN_ORDER),
        (1, b"", "ann", 2, Status.UNKNOWN_ORDER),
        (3, b"", "ann", 1, Status.UNKNOWN_ORDER),
        (0, b"", "ann", 1, Status.MALFORMED),
    ],
)
def test_an_order_is_named_by_id_or_client_id_within_its_account_and_market(
    book: BookScript, order_id, client_id, owner, market, status
):
    book.run("ann sell 5 @ 100 as a\nann sell 5 @ 101 as b")
    account = book.account(owner)
    cancel = commands.Cancel(account=account, market=market, order_id=order_id, client_id=client_id)
    assert book.send(cancel) == status


def test_what_has_ended_cannot_be_cancelled(book: BookScript):
    book.run("""
        ann sell 5 @ 100 as a
        bob buy 5 @ 100
        ann cancel a -> UNKNOWN_ORDER
    """)


class TestAmend:
    def test_it_lessens_an_order_in_its_place(self, book: BookScript):
        book.run("""
            ann sell 5 @ 100 as a
            bob sell 5 @ 100
            ann amend a to 3
            cat buy 4 @ 100
        """)
        assert book.trades() == ["cat takes 3 from ann @ 100", "cat takes 1 from bob @ 100"]
        assert book.levels()[2] == "sell 100: 8"

    def test_it_releases_the_difference(self, book: BookScript):
        book.run("ann buy 5 @ 100 as a\nann amend a to 3")
        assert book.has("ann") == {"base": (0, 0), "quote": (0, 300)}

    def test_the_new_quantity_lies_between_the_executed_and_the_present_one(self, book: BookScript):
        book.run("""
            ann sell 5 @ 100 as a
            bob buy 2 @ 100
            ann amend a to 5 -> AMEND_NOT_SMALLER
            ann amend a to 2 -> AMEND_NOT_SMALLER
            ann amend a to 4
            ann amend a to 3
        """)
        assert book.resting() == ["ann sell 1 @ 100"]

    def test_it_may_give_a_new_client_id(self, book: BookScript):
        book.run("""
            ann sell 5 @ 100 as a
            ann sell 5 @ 101 as taken
            ann amend a to 4 as taken -> DUPLICATE_CLIENT_ID
            ann amend a to 4 as a2
            ann cancel a -> UNKNOWN_ORDER
            ann sell 1 @ 100 as a
            ann amend a2 to 3
            ann cancel a2
        """)
        amended = [event for event in book.events if isinstance(event, OrderAmended)]
        assert [(e.client_id, e.old_client_id) for e in amended] == [(b"a2", b"a"), (b"a2", b"a2")]

    def test_it_keeps_the_filters_minimum(self, book: BookScript):
        book.run("ann sell 9 @ 100 as a")
        book.filters(lot_min=3, notional_min_atoms=500)
        book.run("""
            ann amend a to 2 -> LOT_SIZE
            ann amend a to 4 -> NOTIONAL
            ann amend a to 5
        """)


class TestCancelReplace:
    def test_the_new_order_goes_to_the_end_of_the_queue(self, book: BookScript):
        book.run("""
            ann sell 5 @ 100 as a
            bob sell 5 @ 100
            ann replace a: sell 5 @ 100 as a
            cat buy 6 @ 100
        """)
        assert book.closed()[0] == "ann replaced 0/5"
        assert book.trades() == ["cat takes 5 from bob @ 100", "cat takes 1 from ann @ 100"]

    def test_the_new_order_may_trade(self, book: BookScript):
        book.run("""
            ann buy 5 @ 90 as a
            bob sell 5 @ 100
            ann replace a: buy 5 @ 100
        """)
        assert book.trades() == ["ann takes 5 from bob @ 100"]

    def test_the_money_of_the_old_order_pays_for_the_new_one(self, book: BookScript):
        book.run("""
            ann buy 1000 @ 1000 as a
            ann replace a: buy 500 @ 2000 as a
        """)
        assert book.resting() == ["ann buy 500 @ 2000"]

    def test_quantity_0_means_what_was_left(self, book: BookScript):
        book.run("""
            ann sell 5 @ 100 as a
            bob buy 2 @ 100
            ann replace a: sell 0 @ 110
        """)
        assert book.resting() == ["ann sell 3 @ 110"]

    def test_a_refused_new_order_leaves_the_old_one_cancelled(self, book: BookScript):
        book.run("""
            ann buy 5 @ 100 as a
            ann replace a: buy 1000 @ 10000 -> REPLACE_REFUSED
        """)
        assert book.last is not None
        assert book.last.value == Status.INSUFFICIENT_BALANCE
        assert book.resting() == []
        assert book.has("ann") == {"base": (0, 0), "quote": (0, 0)}

    def test_stop_on_failure_does_nothing_without_the_old_order(self, book: BookScript):
        book.run("ann replace a: buy 5 @ 100 -> UNKNOWN_ORDER")
        assert book.resting() == []

    def test_allow_failure_places_the_new_order_anyway(self, book: BookScript):
        book.run("""
            ann replace a: buy 5 @ 100 or place it anyway -> REPLACED_WITHOUT_CANCEL
            ann replace b: buy 1000 @ 10000 or place it anyway -> INSUFFICIENT_BALANCE
            ann replace b: buy 0 @ 100 or place it anyway -> UNKNOWN_ORDER
        """)
        assert book.resting() == ["ann buy 5 @ 100"]


class TestCancelAll:
    def test_it_closes_the_accounts_orders_oldest_first(self, book: BookScript):
        book.run("""
            ann sell 1 @ 102
            bob sell 1 @ 100
            ann buy 2 @ 90
            ann sell 3 @ 101
            ann cancel all
        """)
        assert book.closed() == ["ann cancelled 0/1", "ann cancelled 0/2", "ann cancelled 0/3"]
        assert book.resting() == ["bob sell 1 @ 100"]
        assert book.last is not None
        assert (book.last.value, book.last.more) == (3, False)

    @pytest.mark.parametrize(("orders", "more"), [(64, False), (65, True)])
    def test_one_command_closes_64(self, book: BookScript, orders, more):
        for _ in range(orders):
            book.run("ann sell 1 @ 100")
        book.run("ann cancel all")
        assert book.last is not None
        assert (book.last.value, book.last.more) == (64, more)
        assert len(book.resting()) == orders - 64

    def test_continue_goes_on_until_nothing_is_left_and_spares_what_came_later(self, book: BookScript):
        for _ in range(130):
            book.run("ann sell 1 @ 100")
        book.run("ann cancel all")
        assert book.last is not None
        started = book.last.sequence
        book.run("ann sell 7 @ 200")
        answers = []
        for _ in range(3):
            book.send(commands.Continue())
            answers.append((book.last.value, book.last.more))
        assert answers == [(started, True), (started, False), (0, False)]
        assert book.resting() == ["ann sell 7 @ 200"]

    def test_two_accounts_wait_for_each_other(self, book: BookScript):
        for _ in range(70):
            book.run("ann sell 1 @ 100\nbob sell 1 @ 100")
        book.run("ann cancel all\nbob cancel all")
        book.send(commands.Continue())
        assert set(book.resting()) == {"bob sell 1 @ 100"}
        book.send(commands.Continue())
        assert book.resting() == []

    def test_an_unknown_account_or_market_is_refused(self, book: BookScript):
        ann = book.account("ann")
        assert book.send(commands.CancelAll(account=999)) == Status.UNKNOWN_ACCOUNT
        assert book.send(commands.CancelAll(account=ann, market=2)) == Status.UNKNOWN_MARKET


@pytest.mark.parametrize(
    "terms",
    [
        {"price_ticks": 0},
        {"quantity_lots": 0},
        {"quote_budget_atoms": 1},
        {"order_type": OrderType.MARKET},
        {"order_type": OrderType.MARKET, "price_ticks": 0, "time_in_force": TimeInForce.GTC},
        {"order_type": OrderType.LIMIT_MAKER, "time_in_force": TimeInForce.IOC},
        {"client_id": b"a" * 37},
        {"client_id": b"a b"},
        {"client_id": b"\xc3\xa9"},
    ],
    ids=repr,
)
def test_an_order_that_means_nothing_is_malformed(book: BookScript, terms):
    sound: dict[str, Any] = {
        "account": book.account("ann"),
        "market": MARKET,
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "price_ticks": 100,
        "quantity_lots": 1,
        "client_id": b"a" * 36,
    }
    assert book.send(commands.Place(**{**sound, **terms})) == Status.MALFORMED
    assert book.send(commands.Place(**sound)) == Status.OK


@pytest.mark.parametrize("at", range(64, 96), ids=lambda at: f"byte {at}")
def test_the_reserved_fields_of_the_extension_block_must_be_zero(book: BookScript, at):
    order = commands.Place(
        account=book.account("ann"),
        market=MARKET,
        side=Side.BUY,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quote_budget_atoms=100,
    )
    raw = bytearray(book.venue.stamped(order))
    raw[at] = 1
    assert book.venue.send_bytes(bytes(raw)).result.status == Status.MALFORMED
    assert book.send(order) == Status.OK
