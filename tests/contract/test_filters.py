"""Every filter at its bounds: the last value that passes and the first that does not."""

import pytest

from cambist.engine import commands
from cambist.engine.codes import MarketStatus, Permission, Status

from .script import FUNDS, MARKET, BookScript


@pytest.mark.parametrize(
    ("filters", "passes", "fails"),
    [
        ({"price_min_ticks": 50}, "ann buy 1 @ 50", "ann buy 1 @ 49 -> PRICE_FILTER"),
        ({"price_max_ticks": 50}, "ann buy 1 @ 50", "ann buy 1 @ 51 -> PRICE_FILTER"),
        ({"lot_min": 5}, "ann buy 5 @ 50", "ann buy 4 @ 50 -> LOT_SIZE"),
        ({"lot_max": 5}, "ann buy 5 @ 50", "ann buy 6 @ 50 -> LOT_SIZE"),
        ({"lot_max": 5}, "ann sell 5 at market", "ann sell 6 at market -> LOT_SIZE"),
        ({"market_lot_min": 5}, "ann sell 5 at market", "ann sell 4 at market -> MARKET_LOT_SIZE"),
        ({"market_lot_max": 5}, "ann sell 5 at market", "ann sell 6 at market -> MARKET_LOT_SIZE"),
        ({"market_lot_max": 5}, "ann sell 6 @ 50", "ann sell 6 at market -> MARKET_LOT_SIZE"),
        ({"notional_min_atoms": 500}, "ann buy 10 @ 50", "ann buy 10 @ 49 -> NOTIONAL"),
        ({"notional_max_atoms": 500}, "ann buy 10 @ 50", "ann buy 10 @ 51 -> NOTIONAL"),
        ({"notional_min_atoms": 500}, "ann buy for 500 at market", "ann buy for 499 at market -> NOTIONAL"),
        ({"notional_max_atoms": 500}, "ann buy for 500 at market", "ann buy for 501 at market -> NOTIONAL"),
    ],
)
def test_a_filter_passes_its_bound_and_refuses_one_step_more(book: BookScript, filters, passes, fails):
    book.account("ann")
    book.filters(**filters)
    before = book.venue.picture(), book.venue.business()
    book.run(fails)
    assert (book.venue.picture(), book.venue.business()) == before
    book.run(passes)


@pytest.mark.parametrize(
    ("flags", "below", "above"),
    [
        (0, "ann buy for 499 at market", "ann buy for 601 at market"),
        (1, "ann buy for 499 at market -> NOTIONAL", "ann buy for 601 at market"),
        (2, "ann buy for 499 at market", "ann buy for 601 at market -> NOTIONAL"),
        (3, "ann buy for 499 at market -> NOTIONAL", "ann buy for 601 at market -> NOTIONAL"),
    ],
)
def test_the_flags_say_which_notional_bound_market_orders_keep(book: BookScript, flags, below, above):
    book.filters(notional_min_atoms=500, notional_max_atoms=600, notional_flags=flags)
    book.run(below)
    book.run(above)


def test_a_market_order_by_quantity_is_valued_at_the_last_price(book: BookScript):
    book.filters(notional_min_atoms=500)
    book.run("""
        cat sell 1 at market
        ann sell 9 @ 100
        bob buy 5 @ 100
        cat buy 4 at market -> NOTIONAL
        cat buy 5 at market
    """)


def test_the_number_of_open_orders_is_bounded_per_account_and_market(book: BookScript):
    book.filters(max_orders=2)
    book.run("""
        ann sell 1 @ 100
        ann sell 1 @ 101 as a
        ann sell 1 @ 102 -> MAX_NUM_ORDERS
        ann buy 1 at market -> MAX_NUM_ORDERS
        bob sell 1 @ 100
        ann cancel a
        ann sell 1 @ 102
    """)


def test_an_order_may_hold_everything_and_not_one_atom_more(book: BookScript):
    book.run("""
        ann buy 1001 @ 1000 -> INSUFFICIENT_BALANCE
        ann buy 1000 @ 1000
        ann buy 1 @ 1 -> INSUFFICIENT_BALANCE
    """)
    assert book.has("ann") == {"base": (0, 0), "quote": (0, FUNDS)}


def test_a_client_id_is_free_again_when_its_order_ends(book: BookScript):
    book.run("""
        ann sell 1 @ 100 as a
        ann sell 1 @ 101 as a -> DUPLICATE_CLIENT_ID
        bob sell 1 @ 101 as a
        ann cancel a
        ann sell 1 @ 101 as a
        cat buy 2 at market
        ann sell 1 @ 101 as a
    """)


@pytest.mark.parametrize("state", [MarketStatus.CANCEL_ONLY, MarketStatus.HALTED])
def test_a_market_that_does_not_trade_takes_cancels_only(book: BookScript, state):
    book.run("ann sell 5 @ 100 as a\nann sell 5 @ 101 as b")
    book.send(commands.MarketState(market=MARKET, state=state))
    book.run("""
        bob buy 1 @ 100 -> MARKET_CLOSED
        ann amend a to 3 -> MARKET_CLOSED
        ann cancel a
        ann cancel all
    """)
    assert book.resting() == []


def test_a_frozen_account_may_only_cancel(book: BookScript):
    book.run("ann sell 5 @ 100 as a\nann sell 5 @ 101 as b")
    book.send(commands.AccountFreeze(account=book.account("ann"), frozen=True))
    book.run("""
        ann sell 1 @ 100 -> ACCOUNT_FROZEN
        ann amend a to 3 -> ACCOUNT_FROZEN
        ann replace a: sell 5 @ 101 -> ACCOUNT_FROZEN
        ann cancel a
        ann cancel all
    """)
    book.send(commands.AccountFreeze(account=book.account("ann"), frozen=False))
    book.run("ann sell 1 @ 100")


def test_the_orders_of_a_frozen_account_still_fill(book: BookScript):
    book.run("ann sell 5 @ 100")
    book.send(commands.AccountFreeze(account=book.account("ann"), frozen=True))
    book.run("bob buy 5 @ 100")
    assert book.trades() == ["bob takes 5 from ann @ 100"]


def test_trading_needs_its_permission(book: BookScript):
    ann = book.account("ann")
    others = Permission.DEPOSIT | Permission.WITHDRAW
    book.send(commands.AccountSet(account=ann, tier=0, permissions=others))
    book.run("ann sell 1 @ 100 -> ACCOUNT_MAY_NOT")
    book.send(commands.AccountSet(account=ann, tier=0, permissions=Permission.TRADE))
    book.run("ann sell 1 @ 100")


@pytest.mark.parametrize(
    ("account", "status"),
    [(999, Status.UNKNOWN_ACCOUNT), (1, Status.WRONG_ACCOUNT_CLASS), (2, Status.INSUFFICIENT_BALANCE)],
    ids=["nobody", "fees", "house"],
)
def test_only_users_and_the_house_trade(book: BookScript, account, status):
    order = commands.Place(
        account=account,
        market=MARKET,
        side=commands.Side.SELL,
        order_type=commands.OrderType.LIMIT,
        time_in_force=commands.TimeInForce.GTC,
        price_ticks=1,
        quantity_lots=1,
    )
    assert book.send(order) == status


class TestGuardsComeInOrder:
    """Each order is wrong in two ways and is told of the first."""

    def test_price_before_quantity_before_value(self, book: BookScript):
        book.filters(price_max_ticks=100, lot_max=10, notional_max_atoms=500)
        book.run("""
            ann buy 11 @ 101 -> PRICE_FILTER
            ann buy 11 @ 100 -> LOT_SIZE
            ann buy 10 @ 100 -> NOTIONAL
        """)

    def test_number_of_orders_before_client_id_before_taking_before_balance(self, book: BookScript):
        book.run("ann sell 1 @ 100 as a")
        book.filters(max_orders=1)
        book.run("ann buy 1000 @ 10000 post-only as a -> MAX_NUM_ORDERS")
        book.filters(max_orders=2)
        book.run("""
            ann buy 1000 @ 10000 post-only as a -> DUPLICATE_CLIENT_ID
            ann buy 1000 @ 10000 post-only as b -> WOULD_TAKE
            ann buy 1000 @ 10000 as b -> INSUFFICIENT_BALANCE
        """)
