"""Icebergs show a part of themselves at a time."""

from cambist.engine.events import Level

from .script import BookScript


def depth(book: BookScript) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    _, bids, asks = book.venue.queries.depth(1, 10)
    return bids, asks


def test_the_book_shows_only_the_visible_part_and_all_of_it_is_held(book_v2: BookScript):
    book_v2.run("ann sell 10 @ 100 showing 3")
    assert depth(book_v2) == ([], [(100, 3)])
    assert book_v2.levels() == ["sell 100: 3"]
    assert book_v2.has("ann")["base"] == (0, 10)
    (order,) = book_v2.venue.picture().orders
    assert (order.quantity_lots, order.visible_lots, order.iceberg_lots) == (10, 3, 3)


def test_the_next_part_stands_behind_everybody_else(book_v2: BookScript):
    book_v2.run("""
        ann sell 7 @ 100 showing 3
        bob sell 4 @ 100
        cat buy 5 @ 100
        dan buy 4 @ 100
        eve buy 9 @ 100
    """)
    assert book_v2.trades() == [
        "cat takes 3 from ann @ 100",
        "cat takes 2 from bob @ 100",
        "dan takes 2 from bob @ 100",
        "dan takes 2 from ann @ 100",
        "eve takes 1 from ann @ 100",
        "eve takes 1 from ann @ 100",
    ]
    assert book_v2.closed()[-1] == "ann filled 7/7"
    assert book_v2.resting() == ["eve buy 7 @ 100"]


def test_a_level_is_told_once_with_what_it_shows_after_the_taker(book_v2: BookScript):
    book_v2.run("""
        ann sell 10 @ 100 showing 3
        bob buy 7 @ 100
    """)
    assert book_v2.levels() == ["sell 100: 3", "sell 100: 2"]
    book_v2.run("cat buy 2 @ 100")
    assert book_v2.levels()[2:] == ["sell 100: 1"]


def test_a_level_that_shows_the_same_again_is_not_told(book_v2: BookScript):
    book_v2.run("ann sell 9 @ 100 showing 3")
    before = sum(isinstance(event, Level) for event in book_v2.events)
    book_v2.run("bob buy 3 @ 100")
    assert sum(isinstance(event, Level) for event in book_v2.events) == before
    assert depth(book_v2) == ([], [(100, 3)])


def test_a_market_order_and_a_fill_or_kill_find_what_is_hidden(book_v2: BookScript):
    book_v2.run("""
        ann sell 10 @ 100 showing 2
        bob buy 6 at market
        cat buy 4 @ 100 fok
    """)
    assert book_v2.closed()[-1] == "cat filled 4/4"
    assert book_v2.has("bob") == {"base": (6, 0), "quote": (-600, 0)}


def test_an_iceberg_takes_whole_and_hides_only_what_rests(book_v2: BookScript):
    book_v2.run("""
        ann sell 4 @ 100
        bob buy 10 @ 100 showing 2
    """)
    assert book_v2.trades() == ["bob takes 4 from ann @ 100"]
    assert depth(book_v2) == ([(100, 2)], [])
    assert book_v2.has("bob") == {"base": (4, 0), "quote": (-400, 600)}


def test_an_amend_lessens_what_is_hidden_first(book_v2: BookScript):
    book_v2.run("""
        ann sell 10 @ 100 showing 3 as a
        ann amend a to 5
    """)
    assert depth(book_v2) == ([], [(100, 3)])
    assert book_v2.has("ann")["base"] == (0, 5)
    book_v2.run("ann amend a to 2")
    assert depth(book_v2) == ([], [(100, 2)])
    assert book_v2.levels() == ["sell 100: 3", "sell 100: 2"]


def test_a_cancel_frees_the_hidden_part_too(book_v2: BookScript):
    book_v2.run("""
        ann sell 10 @ 100 showing 3 as a
        bob buy 4 @ 100
        ann cancel a
    """)
    assert book_v2.closed()[-1] == "ann cancelled 4/10"
    assert book_v2.has("ann") == {"base": (-4, 0), "quote": (400, 0)}
    assert depth(book_v2) == ([], [])


def test_self_trade_prevention_ends_the_whole_iceberg(book_v2: BookScript):
    book_v2.run("""
        ann sell 10 @ 100 showing 3
        bob sell 5 @ 100
        ann buy 6 @ 100 expire-maker
    """)
    assert book_v2.trades() == ["ann takes 5 from bob @ 100"]
    assert book_v2.prevented() == ["ann loses 0, ann loses 10 @ 100"]


def test_the_visible_part_keeps_the_lot_size(book_v2: BookScript):
    book_v2.filters(lot_min=2)
    book_v2.run("""
        ann sell 10 @ 100 showing 1 -> LOT_SIZE
        ann sell 10 @ 100 showing 2
    """)
