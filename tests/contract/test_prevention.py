"""Self-trade prevention by rules version 2: decrementing both orders, and what is told of it."""

import pytest

from cambist.engine.codes import CloseReason, Status
from cambist.engine.events import OrderClosed, PreventedMatch

from .script import FUNDS, BookScript


def test_decrement_takes_the_match_off_both_and_the_larger_maker_stays(book_v2: BookScript):
    book_v2.run("""
        ann buy 6 @ 20 as m
        ann sell 2 @ 20 decrement
    """)
    assert book_v2.trades() == []
    assert book_v2.prevented() == ["ann loses 2, ann loses 2 @ 20"]
    assert book_v2.closed() == ["ann expired_stp 0/2"]
    assert book_v2.resting() == ["ann buy 4 @ 20"]
    assert book_v2.levels() == ["buy 20: 6", "buy 20: 4"]
    assert book_v2.has("ann") == {"base": (0, 0), "quote": (0, 80)}


def test_decrement_goes_on_behind_a_smaller_maker_and_rests_with_what_is_left(book_v2: BookScript):
    book_v2.run("""
        ann sell 3 @ 100
        bob sell 4 @ 100
        ann buy 10 @ 101 decrement
    """)
    assert book_v2.trades() == ["ann takes 4 from bob @ 100"]
    assert book_v2.closed() == ["ann expired_stp 0/3", "bob filled 4/4"]
    assert book_v2.resting() == ["ann buy 3 @ 101"]
    assert book_v2.has("ann") == {"base": (4, 0), "quote": (-400, 303)}


def test_equal_orders_both_expire(book_v2: BookScript):
    book_v2.run("ann sell 3 @ 100\nann buy 3 @ 100 decrement")
    assert book_v2.closed() == ["ann expired_stp 0/3", "ann expired_stp 0/3"]
    assert book_v2.has("ann") == {"base": (0, 0), "quote": (0, 0)}


def test_a_decremented_maker_keeps_its_place_and_is_filled_by_what_is_left(book_v2: BookScript):
    book_v2.run("""
        ann sell 6 @ 100
        bob sell 1 @ 100
        ann buy 2 @ 100 decrement
        cat buy 5 @ 100
    """)
    assert book_v2.trades() == ["cat takes 4 from ann @ 100", "cat takes 1 from bob @ 100"]
    assert book_v2.closed() == ["ann expired_stp 0/2", "ann filled 4/6", "bob filled 1/1", "cat filled 5/5"]


def test_an_open_order_says_what_of_it_was_prevented(book_v2: BookScript):
    book_v2.run("ann sell 6 @ 100\nann buy 2 @ 100 decrement")
    (order,) = book_v2.venue.picture().orders
    assert (order.quantity_lots, order.executed_lots, order.prevented_lots) == (6, 0, 2)


def test_what_was_prevented_counts_for_an_amend(book_v2: BookScript):
    book_v2.run("""
        ann sell 6 @ 100 as m
        ann buy 2 @ 100 decrement
        ann amend m to 2 -> AMEND_NOT_SMALLER
        ann amend m to 6 -> AMEND_NOT_SMALLER
        ann amend m to 5
    """)
    (order,) = book_v2.venue.picture().orders
    assert (order.quantity_lots, order.prevented_lots) == (5, 2)
    assert book_v2.resting() == ["ann sell 3 @ 100"]
    assert book_v2.has("ann") == {"base": (0, 3), "quote": (0, 0)}


def test_a_market_buy_holds_nothing_for_what_is_prevented(book_v2: BookScript):
    book_v2.run("ann sell 3 @ 100\nbob sell 9 @ 110\nann buy 5 at market decrement")
    assert book_v2.trades() == ["ann takes 2 from bob @ 110"]
    assert book_v2.closed()[-1] == "ann filled 2/5"
    assert book_v2.has("ann") == {"base": (2, 0), "quote": (-220, 0)}


def test_a_budget_loses_the_value_of_what_is_prevented(book_v2: BookScript):
    book_v2.run("ann sell 3 @ 100\nbob sell 9 @ 110\nann buy for 530 at market decrement")
    assert book_v2.prevented() == ["ann loses 3, ann loses 3 @ 100"]
    assert book_v2.trades() == ["ann takes 2 from bob @ 110"]
    assert book_v2.has("ann") == {"base": (2, 0), "quote": (-220, 0)}


def test_a_budget_that_is_used_up_by_prevention_expires(book_v2: BookScript):
    book_v2.run("ann buy 3 @ 100\nann sell for 250 at market decrement")
    assert book_v2.prevented() == ["ann loses 2, ann loses 2 @ 100"]
    assert book_v2.closed() == ["ann expired_stp 0/2"]
    assert book_v2.has("ann") == {"base": (0, 0), "quote": (0, 100)}


def test_fill_or_kill_is_not_filled_by_what_would_be_prevented(book_v2: BookScript):
    book_v2.run("ann sell 3 @ 100\nbob sell 3 @ 100\nann buy 5 @ 100 fok decrement")
    assert book_v2.prevented() == []
    assert book_v2.closed() == ["ann expired 0/5"]


@pytest.mark.parametrize(
    ("mode", "lost"),
    [
        ("expire-taker", "ann loses 5, ann loses 0 @ 100"),
        ("expire-maker", "ann loses 0, ann loses 3 @ 100"),
        ("expire-both", "ann loses 5, ann loses 3 @ 100"),
    ],
)
def test_the_other_modes_tell_what_they_expire(book_v2: BookScript, mode, lost):
    book_v2.run(f"ann sell 3 @ 100\nann buy 5 @ 100 {mode}")
    assert book_v2.prevented() == [lost]


def test_a_budget_is_said_to_lose_what_it_wanted_of_the_maker(book_v2: BookScript):
    book_v2.run(f"ann sell 3 @ 100\nann buy for {FUNDS} at market expire-taker")
    assert book_v2.prevented() == ["ann loses 3, ann loses 0 @ 100"]


def test_prevented_matches_are_numbered_from_one_and_come_before_the_ends(book_v2: BookScript):
    book_v2.run("ann sell 1 @ 100\nann sell 2 @ 100\nann buy 2 @ 100 decrement")
    told = [
        (each.prevented_match_id if isinstance(each, PreventedMatch) else each.reason)
        for each in book_v2.events
        if isinstance(each, PreventedMatch | OrderClosed)
    ]
    ended = CloseReason.EXPIRED_STP
    assert told == [1, ended, 2, ended]
    assert book_v2.resting() == ["ann sell 1 @ 100"]


def test_version_1_knows_neither_decrement_nor_prevented_matches(venue):
    book = BookScript(venue, rules=1)
    book.run("""
        ann sell 1 @ 100 as a
        ann buy 1 @ 100 decrement -> MALFORMED
        ann replace a: sell 1 @ 101 decrement -> MALFORMED
        ann buy 1 @ 100 expire-both
    """)
    assert book.prevented() == []
    assert book.last and book.last.status == Status.OK
