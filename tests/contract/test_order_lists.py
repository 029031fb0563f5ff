"""Order lists: OCO, OTO, OTOCO."""

import pytest

from cambist.engine import commands
from cambist.engine.codes import CloseReason, Status
from cambist.engine.events import OrderClosed, OrderList

from .script import MARKET, BookScript

OCO = "ann oco l: sell 5 stop 98 as s, sell 5 @ 105 post-only as m"
OTO = "ann oto l: buy 5 @ 99 as w, sell 5 @ 105 as p"
OTOCO = "ann otoco l: buy 5 @ 99 as w, sell 5 stop 95 as s, sell 5 @ 105 post-only as m"


@pytest.fixture
def traded(book_v2: BookScript) -> BookScript:
    book_v2.trade_at(100)
    return book_v2


def test_an_oco_rests_with_one_leg_waits_with_the_other_and_holds_once(traded: BookScript):
    traded.run(OCO)
    assert traded.resting() == ["ann sell 5 @ 105"]
    assert traded.waiting() == ["ann sell 5 waiting"]
    assert traded.has("ann")["base"] == (0, 5)
    assert traded.lists() == ["oco exec_started"]


def test_an_oco_of_buys_holds_the_larger_need_of_the_two(traded: BookScript):
    traded.run("ann oco: buy 5 @ 110 stop 102, buy 5 @ 95 post-only as m")
    assert traded.has("ann")["quote"] == (0, 550)
    traded.run("bob sell 2 @ 95")
    assert traded.has("ann") == {"base": (2, 0), "quote": (-190, 285)}


def test_when_the_limit_leg_executes_in_part_the_stop_leg_ends(traded: BookScript):
    traded.run(OCO)
    traded.run("bob buy 2 @ 105")
    assert traded.closed()[-2:] == ["ann list 0/5", "bob filled 2/2"]
    assert traded.resting() == ["ann sell 3 @ 105"]
    assert traded.lists() == ["oco exec_started"]
    traded.run("bob buy 3 @ 105")
    assert traded.lists() == ["oco exec_started", "oco all_done"]
    assert traded.has("ann") == {"base": (-5, 0), "quote": (525, 0)}


def test_when_the_stop_leg_is_triggered_the_limit_leg_ends_first(traded: BookScript):
    traded.run(OCO)
    traded.run("bob buy 9 @ 97")
    traded.trade_at(98)
    assert traded.trades()[-1] == "ann takes 5 from bob @ 97"
    assert traded.closed()[-2:] == ["ann list 0/5", "ann filled 5/5"]
    assert traded.lists() == ["oco exec_started", "oco all_done"]
    assert traded.has("ann") == {"base": (-5, 0), "quote": (485, 0)}


@pytest.mark.parametrize("cancel", ["cancel s", "cancel m", "cancel list l", "cancel all"])
def test_a_cancel_of_one_ends_the_whole_list(traded: BookScript, cancel: str):
    traded.run(OCO)
    traded.run(f"ann {cancel}")
    assert traded.closed()[-2:] == ["ann cancelled 0/5", "ann cancelled 0/5"]
    assert traded.lists() == ["oco exec_started", "oco all_done"]
    assert traded.has("ann")["base"] == (0, 0)
    assert traded.resting() == traded.waiting() == []


def test_the_request_of_a_cancel_comes_back_in_every_order_that_it_ends(traded: BookScript):
    traded.run(OCO)
    cancel = commands.ListCancel(account=traded.account("ann"), market=MARKET, list_id=1, request_id=b"r1")
    assert traded.send(cancel) == Status.OK
    closed = [each for each in traded.events if isinstance(each, OrderClosed)][-2:]
    assert [each.request_id for each in closed] == [b"r1", b"r1"]
    assert {each.reason for each in closed} == {CloseReason.CANCELLED}
    assert traded.send(cancel) == Status.UNKNOWN_LIST


@pytest.mark.parametrize(
    ("legs", "status"),
    [
        ("sell 5 stop 98, sell 5 @ 101 post-only", "OK"),
        ("sell 5 stop 98, sell 5 @ 100 post-only", "BAD_LIST_PRICES"),
        ("sell 5 stop 100, sell 5 @ 101 post-only", "WOULD_TRIGGER"),
        ("buy 5 stop 102, buy 5 @ 99 post-only", "OK"),
        ("buy 5 stop 102, buy 5 @ 100 post-only", "BAD_LIST_PRICES"),
        ("sell 5 stop 98, sell 5 profit 102", "OK"),
        ("sell 5 stop 98, sell 5 @ 100 profit 102", "BAD_LIST_PRICES"),
        ("sell 5 stop 98, sell 4 @ 105 post-only", "MALFORMED"),
        ("sell 5 stop 98, buy 5 @ 95 post-only", "MALFORMED"),
        ("sell 5 @ 105 post-only, sell 5 stop 98", "MALFORMED"),
        ("sell 5 stop 98, sell 5 @ 105", "MALFORMED"),
    ],
)
def test_the_prices_of_an_oco_lie_on_both_sides_of_the_last_one(traded: BookScript, legs: str, status: str):
    traded.run(f"ann oco: {legs} -> {status}")


def test_an_oco_leg_that_would_take_refuses_the_list(traded: BookScript):
    traded.run("""
        bob buy 5 @ 101
        ann oco: sell 5 stop 98, sell 5 @ 101 post-only -> WOULD_TAKE
    """)
    assert traded.has("ann")["base"] == (0, 0)


def test_names_of_lists_and_their_orders_are_unique_among_open_ones(traded: BookScript):
    traded.run("""
        ann oco l: sell 5 stop 98 as x, sell 5 @ 105 post-only as x -> DUPLICATE_CLIENT_ID
        ann oco l: sell 5 stop 98 as x, sell 5 @ 105 post-only as y
        ann oco l: sell 5 stop 98, sell 5 @ 105 post-only -> DUPLICATE_CLIENT_ID
        ann oco k: sell 5 stop 98 as y, sell 5 @ 105 post-only -> DUPLICATE_CLIENT_ID
        ann cancel list l
        ann oco l: sell 5 stop 98 as x, sell 5 @ 105 post-only as y
    """)


def test_every_order_of_a_list_counts_as_open(traded: BookScript):
    traded.filters(max_orders=2)
    traded.run(f"{OTOCO} -> MAX_NUM_ORDERS")
    traded.run(OTO)
    traded.run("ann sell 1 @ 110 -> MAX_NUM_ORDERS")


def test_a_pending_order_holds_nothing_until_the_working_order_is_filled_completely(traded: BookScript):
    traded.run(OTO)
    assert traded.has("ann") == {"base": (0, 0), "quote": (0, 495)}
    traded.run("bob sell 4 @ 99")
    assert traded.waiting() == ["ann sell 5 pending"]
    traded.run("bob sell 1 @ 99")
    assert traded.waiting() == []
    assert traded.resting() == ["ann sell 5 @ 105"]
    assert traded.has("ann") == {"base": (5, 5), "quote": (-495, 0)}
    assert traded.lists() == ["oto exec_started", "oto exec_started"]
    traded.run("bob buy 5 @ 105")
    assert traded.lists()[-1] == "oto all_done"


def test_a_working_order_that_is_filled_at_once_starts_the_pending_one_in_the_same_command(
    traded: BookScript,
):
    traded.run("""
        bob sell 5 @ 99
        cat buy 5 @ 98
    """)
    traded.run("ann oto: buy 5 @ 99, sell 5 at market")
    assert traded.trades()[-2:] == ["ann takes 5 from bob @ 99", "ann takes 5 from cat @ 98"]
    assert traded.lists() == ["oto exec_started", "oto exec_started", "oto all_done"]


@pytest.mark.parametrize("cancel", ["cancel w", "cancel p"])
def test_cancelling_one_of_an_oto_ends_both(traded: BookScript, cancel: str):
    traded.run(OTO)
    traded.run(f"ann {cancel}")
    assert traded.closed()[-2:] == ["ann cancelled 0/5"] * 2
    assert traded.has("ann")["quote"] == (0, 0)
    assert traded.resting() == traded.waiting() == []


def test_a_working_order_that_expires_takes_the_pending_one_with_it(traded: BookScript):
    traded.run("ann oto: buy 5 @ 99 ioc, sell 5 @ 105")
    assert traded.closed()[-2:] == ["ann expired 0/5", "ann list 0/5"]
    assert traded.lists() == ["oto exec_started", "oto all_done"]


def test_a_pending_order_without_funds_ends_unfunded(traded: BookScript):
    traded.run("""
        ann oto: buy 1 @ 99, buy 9000 @ 105
        ann buy 9000 @ 50
        ann buy 9000 @ 51
        bob sell 1 @ 99
    """)
    assert traded.closed()[-1] == "ann unfunded 0/9000"
    assert traded.lists()[-1] == "oto all_done"


def test_a_pending_limit_maker_that_would_take_expires(traded: BookScript):
    traded.run("""
        ann oto: sell 5 @ 101, buy 5 @ 103 post-only
        bob sell 9 @ 102
        cat buy 5 @ 101
    """)
    assert traded.closed()[-1] == "ann expired 0/5"


def test_an_otoco_becomes_an_oco_when_its_working_order_is_filled(traded: BookScript):
    traded.run(OTOCO)
    assert traded.waiting() == ["ann sell 5 pending", "ann sell 5 pending"]
    traded.run("bob sell 5 @ 99")
    assert traded.waiting() == ["ann sell 5 waiting"]
    assert traded.resting() == ["ann sell 5 @ 105"]
    assert traded.has("ann")["base"] == (5, 5)
    traded.run("bob buy 1 @ 105")
    assert traded.waiting() == []
    traded.run("ann cancel m")
    assert traded.lists() == ["otoco exec_started", "otoco exec_started", "otoco all_done"]


def test_a_pending_stop_whose_price_is_reached_already_is_triggered_at_once(traded: BookScript):
    traded.run("ann otoco: buy 5 @ 90, sell 5 stop 95, sell 5 @ 105 post-only")
    traded.run("""
        bob buy 9 @ 89
        cat sell 5 @ 90
    """)
    assert traded.trades()[-2:] == ["cat takes 5 from ann @ 90", "ann takes 5 from bob @ 89"]
    assert traded.lists()[-1] == "otoco all_done"
    assert traded.has("ann") == {"base": (0, 0), "quote": (-5, 0)}


def test_list_ids_count_over_all_markets_and_orders_have_consecutive_ones(traded: BookScript):
    traded.run(OCO)
    traded.run("bob oto: buy 5 @ 99, sell 5 @ 105")
    told = [each for each in traded.events if isinstance(each, OrderList)]
    assert [each.list_id for each in told] == [1, 2]
    assert all(first + 1 == second for first, second in (each.order_ids for each in told))
    assert traded.last is not None and traded.last.value == 2


def test_self_trade_prevention_that_ends_a_leg_ends_the_list(traded: BookScript):
    traded.run(OCO)
    traded.run("ann buy 1 @ 105 expire-maker")
    assert "ann list 0/5" in traded.closed()
    assert traded.lists() == ["oco exec_started", "oco all_done"]
    assert traded.has("ann")["base"] == (0, 0)


def test_amending_a_leg_frees_only_what_neither_needs(traded: BookScript):
    traded.run(OCO)
    traded.run("ann amend s to 3")
    assert traded.has("ann")["base"] == (0, 5)
    traded.run("ann amend m to 4")
    assert traded.has("ann")["base"] == (0, 4)
    traded.run("ann cancel list l")
    assert traded.has("ann")["base"] == (0, 0)
