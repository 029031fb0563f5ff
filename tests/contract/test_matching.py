"""Who trades with whom, at which price, and what is left."""

import pytest

from cambist.engine import commands
from cambist.engine.events import Level, OrderAccepted, OrderClosed, Trade

from .script import FUNDS, MARKET, BookScript
from .venues import RustVenue


def test_orders_at_one_price_fill_oldest_first(book: BookScript):
    book.run("""
        ann sell 5 @ 100
        bob sell 5 @ 100
        cat buy 7 @ 100
    """)
    assert book.trades() == ["cat takes 5 from ann @ 100", "cat takes 2 from bob @ 100"]
    assert book.resting() == ["bob sell 3 @ 100"]


def test_the_best_price_fills_first_and_the_price_is_the_makers(book: BookScript):
    book.run("""
        ann sell 5 @ 102
        bob sell 5 @ 100
        cat sell 5 @ 101
        dan buy 12 @ 105
    """)
    assert book.trades() == [
        "dan takes 5 from bob @ 100",
        "dan takes 5 from cat @ 101",
        "dan takes 2 from ann @ 102",
    ]


def test_a_seller_meets_the_highest_bid_first(book: BookScript):
    book.run("""
        ann buy 5 @ 98
        bob buy 5 @ 99
        cat sell 6 @ 98
    """)
    assert book.trades() == ["cat takes 5 from bob @ 99", "cat takes 1 from ann @ 98"]
    assert book.resting() == ["ann buy 4 @ 98"]


def test_a_limit_one_tick_short_does_not_trade(book: BookScript):
    book.run("""
        ann sell 5 @ 100
        bob buy 5 @ 99
    """)
    assert book.trades() == []
    assert book.resting() == ["ann sell 5 @ 100", "bob buy 5 @ 99"]


def test_what_a_limit_order_leaves_rests_behind_its_level(book: BookScript):
    book.run("""
        ann sell 3 @ 100
        bob buy 2 @ 101
        cat buy 5 @ 101
        dan sell 3 @ 101
    """)
    assert book.trades()[-2:] == ["cat takes 1 from ann @ 100", "dan takes 3 from cat @ 101"]
    assert book.resting() == ["cat buy 1 @ 101"]


def test_a_buyer_holds_its_limit_and_gets_the_better_price_back_at_once(book: BookScript):
    book.run("bob buy 10 @ 101")
    assert book.has("bob") == {"base": (0, 0), "quote": (0, 1_010)}
    book.run("""
        bob cancel missing -> UNKNOWN_ORDER
        ann sell 4 @ 90
    """)
    assert book.has("bob") == {"base": (4, 0), "quote": (-404, 606)}
    book.run("""
        cat sell 5 @ 90
        dan buy 20 @ 95
    """)
    assert book.has("dan") == {"base": (0, 0), "quote": (0, 20 * 95)}
    book.run("eve sell 1 @ 101")
    assert book.trades()[-1] == "eve takes 1 from bob @ 101"


def test_a_taker_that_improves_keeps_the_difference(book: BookScript):
    book.run("""
        ann sell 5 @ 100
        bob buy 5 @ 110
    """)
    assert book.has("bob") == {"base": (5, 0), "quote": (-500, 0)}
    assert book.has("ann") == {"base": (-5, 0), "quote": (500, 0)}


def test_an_ioc_order_takes_what_is_there_and_expires(book: BookScript):
    book.run("""
        ann sell 5 @ 100
        bob buy 8 @ 100 ioc
    """)
    assert book.trades() == ["bob takes 5 from ann @ 100"]
    assert book.closed() == ["ann filled 5/5", "bob expired 5/8"]
    assert book.has("bob") == {"base": (5, 0), "quote": (-500, 0)}


def test_a_fok_order_is_filled_whole_or_not_at_all(book: BookScript):
    book.run("""
        ann sell 5 @ 100
        bob buy 6 @ 100 fok
    """)
    assert book.trades() == []
    assert book.closed() == ["bob expired 0/6"]
    assert book.has("bob") == {"base": (0, 0), "quote": (0, 0)}
    book.run("bob buy 5 @ 100 fok")
    assert book.closed()[1:] == ["ann filled 5/5", "bob filled 5/5"]


def test_a_post_only_order_never_takes(book: BookScript):
    book.run("""
        ann sell 5 @ 100
        bob buy 5 @ 100 post-only -> WOULD_TAKE
        bob buy 5 @ 99 post-only
        ann sell 5 @ 99 post-only -> WOULD_TAKE
    """)
    assert book.trades() == []


def test_a_post_only_order_does_not_meet_its_own_account_either(book: BookScript):
    book.run("""
        ann sell 5 @ 100
        ann buy 5 @ 100 post-only -> WOULD_TAKE
    """)


def test_a_market_order_walks_the_book_and_expires_when_it_ends(book: BookScript):
    book.run("""
        ann sell 5 @ 100
        bob sell 5 @ 200
        cat buy 12 at market
    """)
    assert book.trades() == ["cat takes 5 from ann @ 100", "cat takes 5 from bob @ 200"]
    assert book.closed()[-1] == "cat expired 10/12"
    assert book.has("cat") == {"base": (10, 0), "quote": (-1_500, 0)}


def test_a_market_order_in_an_empty_book_expires_with_nothing(book: BookScript):
    book.run("ann sell 5 at market")
    assert book.closed() == ["ann expired 0/5"]
    assert book.has("ann") == {"base": (0, 0), "quote": (0, 0)}


@pytest.mark.parametrize(
    ("budget", "trades", "closed"),
    [
        (99, [], "bob expired 0/0"),
        (100, ["bob takes 1 from ann @ 100"], "bob filled 1/1"),
        (199, ["bob takes 1 from ann @ 100"], "bob filled 1/1"),
        (500, ["bob takes 5 from ann @ 100"], "bob filled 5/5"),
        (609, ["bob takes 5 from ann @ 100"], "bob filled 5/5"),
        (610, ["bob takes 5 from ann @ 100", "bob takes 1 from cat @ 110"], "bob filled 6/6"),
        (720, ["bob takes 5 from ann @ 100", "bob takes 2 from cat @ 110"], "bob filled 7/7"),
        (721, ["bob takes 5 from ann @ 100", "bob takes 2 from cat @ 110"], "bob expired 7/7"),
    ],
)
def test_a_budget_buys_whole_lots_until_the_next_one_is_too_dear(book: BookScript, budget, trades, closed):
    book.run(f"""
        ann sell 5 @ 100
        cat sell 2 @ 110
        bob buy for {budget} at market
    """)
    assert book.trades() == trades
    assert book.closed()[-1] == closed
    assert book.has("bob")["quote"][1] == 0


def test_a_sell_by_budget_holds_only_what_it_will_sell(book: BookScript):
    book.run("ann buy 5 @ 100")
    book.run(f"bob sell {FUNDS // 1_000} @ 9000")
    book.run("bob sell for 250 at market")
    assert book.trades() == ["bob takes 2 from ann @ 100"]
    assert book.has("bob") == {"base": (-2, 1_000), "quote": (200, 0)}


def test_a_market_buy_needs_exactly_what_it_will_pay(book: BookScript):
    assert FUNDS == 100 * 10_000
    book.run("""
        ann sell 101 @ 10000
        bob buy 101 at market -> INSUFFICIENT_BALANCE
        bob buy 100 at market
    """)
    assert book.has("bob") == {"base": (100, 0), "quote": (-FUNDS, 0)}


def test_events_come_in_the_order_in_which_things_happen(book: BookScript):
    book.run("""
        ann sell 5 @ 100
        bob sell 5 @ 101
    """)
    book.events.clear()
    book.run("cat buy 7 @ 101")
    kinds = [type(event) for event in book.events][:7]
    assert kinds == [OrderAccepted, Trade, OrderClosed, Level, Trade, Level, OrderClosed]
    assert book.levels() == ["sell 100: 0", "sell 101: 3"]


def test_every_level_event_has_the_next_update_id(book: BookScript):
    book.run("""
        ann sell 5 @ 100
        ann sell 5 @ 101 as a
        bob buy 12 @ 101
        bob buy 1 @ 50
        bob cancel all
    """)
    ids = [event.update_id for event in book.events if isinstance(event, Level)]
    assert ids == list(range(1, len(ids) + 1))
    assert book.venue.picture().depths[MARKET] == (len(ids), [], [])


def test_order_ids_are_counted_and_a_refusal_takes_none(book: BookScript):
    book.run("""
        ann sell 5 @ 100
        bob buy 5 @ 100 post-only -> WOULD_TAKE
        bob buy 5 @ 99
    """)
    assert book.accepted() == [1, 2]


def test_one_command_touches_at_most_20_000_makers():
    """On the engine alone: the model sorts the whole book for each of these orders."""
    book = BookScript(RustVenue())
    book.filters(max_orders=30_000, lot_max=30_000)
    for _ in range(20_001):
        book.run("ann sell 1 @ 10")
    book.run("bob buy 20001 @ 10")
    assert len(book.trades()) == 20_000
    assert book.closed()[-1] == "bob expired 20000/20001"
    assert book.resting() == ["ann sell 1 @ 10"]


class TestSelfTradePrevention:
    """The taker's mode decides; accounts of one group count as one."""

    def test_without_a_mode_an_account_trades_with_itself(self, book: BookScript):
        book.run("""
            ann sell 5 @ 100
            ann buy 5 @ 100
        """)
        assert book.trades() == ["ann takes 5 from ann @ 100"]
        assert book.has("ann") == {"base": (0, 0), "quote": (0, 0)}

    def test_expire_taker_stops_the_taker_at_its_own_order(self, book: BookScript):
        book.run("""
            bob sell 2 @ 99
            ann sell 5 @ 100
            ann buy 9 @ 101 expire-taker
        """)
        assert book.trades() == ["ann takes 2 from bob @ 99"]
        assert book.closed()[-1] == "ann expired_stp 2/9"
        assert book.resting() == ["ann sell 5 @ 100"]

    def test_expire_maker_removes_own_orders_and_goes_on(self, book: BookScript):
        book.run("""
            ann sell 5 @ 100
            bob sell 2 @ 100
            ann buy 9 @ 100 expire-maker
        """)
        assert book.trades() == ["ann takes 2 from bob @ 100"]
        assert book.closed() == ["ann expired_stp 0/5", "bob filled 2/2"]
        assert book.resting() == ["ann buy 7 @ 100"]
        assert book.has("ann") == {"base": (2, 0), "quote": (-200, 700)}

    def test_expire_both_ends_both(self, book: BookScript):
        book.run("""
            ann sell 5 @ 100
            bob sell 2 @ 100
            ann buy 9 @ 100 expire-both
        """)
        assert book.trades() == []
        assert book.closed() == ["ann expired_stp 0/5", "ann expired_stp 0/9"]
        assert book.resting() == ["bob sell 2 @ 100"]

    def test_the_makers_mode_does_not_matter(self, book: BookScript):
        book.run("""
            ann sell 5 @ 100 expire-both
            ann buy 5 @ 100
        """)
        assert book.trades() == ["ann takes 5 from ann @ 100"]

    def test_accounts_of_one_group_do_not_trade(self, book: BookScript):
        ann, bob = book.account("ann"), book.account("bob")
        permissions = commands.Permission(7)
        book.send(commands.AccountSet(account=bob, tier=0, permissions=permissions, stp_group=ann))
        book.run("""
            ann sell 5 @ 100
            bob buy 5 @ 100 expire-taker
        """)
        assert book.closed() == ["bob expired_stp 0/5"]

    def test_fill_or_kill_does_not_count_own_orders(self, book: BookScript):
        book.run("""
            ann sell 5 @ 100
            bob sell 5 @ 100
            ann buy 6 @ 100 fok expire-maker
            ann buy 5 @ 100 fok expire-maker
        """)
        assert book.closed() == ["ann expired 0/6", "ann expired_stp 0/5", "bob filled 5/5", "ann filled 5/5"]
