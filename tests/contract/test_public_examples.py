"""Worked examples of the public API's FAQ pages come out the same.

Numbers are typed in from binance/binance-spot-api-docs, faqs/; each test names page and section. A lot is a
tenth of the base asset and a tick a tenth of the quote where the examples have one decimal.
"""

import pytest
from msgspec.structs import replace

from cambist.engine import commands
from cambist.engine.codes import (
    AccountClass,
    CloseReason,
    FeeComponent,
    MarketStatus,
    OrderType,
    Side,
    TimeInForce,
)
from cambist.engine.events import OrderAmended, OrderClosed, PreventedMatch, Trade

from .script import EVERYTHING, FILTERS, QUOTE, BookScript
from .venues import Venue

BIDS = """
    you buy 12 @ 12
    you buy 13 @ 11
    you buy 81 @ 10
"""


class TestSelfTradePrevention:
    """stp_faq.md, "STP Examples"; all orders are of the same account."""

    def test_scenario_a_none(self, book_v2: BookScript):
        book_v2.run("you buy 1 @ 1\nyou sell 1 @ 1")
        assert book_v2.trades() == ["you takes 1 from you @ 1"]
        assert book_v2.closed() == ["you filled 1/1", "you filled 1/1"]
        assert book_v2.prevented() == []

    def test_scenario_b_expire_maker(self, book_v2: BookScript):
        """Makers of 1.2, 1.3 and 8.1 expire; the taker of 3 goes on the book."""
        book_v2.run(BIDS + "you sell 30 @ 10 expire-maker")
        assert book_v2.prevented() == [
            "you loses 0, you loses 12 @ 12",
            "you loses 0, you loses 13 @ 11",
            "you loses 0, you loses 81 @ 10",
        ]
        assert book_v2.closed() == ["you expired_stp 0/12", "you expired_stp 0/13", "you expired_stp 0/81"]
        assert book_v2.resting() == ["you sell 30 @ 10"]

    def test_scenario_c_expire_taker(self, book_v2: BookScript):
        book_v2.run(BIDS + "you sell 30 @ 10 expire-taker")
        assert book_v2.prevented() == ["you loses 30, you loses 0 @ 12"]
        assert book_v2.closed() == ["you expired_stp 0/30"]
        assert book_v2.resting() == ["you buy 12 @ 12", "you buy 13 @ 11", "you buy 81 @ 10"]

    def test_scenario_d_expire_both(self, book_v2: BookScript):
        book_v2.run("you buy 1 @ 1\nyou sell 3 @ 1 expire-both")
        assert book_v2.prevented() == ["you loses 3, you loses 1 @ 1"]
        assert book_v2.closed() == ["you expired_stp 0/1", "you expired_stp 0/3"]

    def test_scenario_e_the_mode_of_the_taker_counts(self, book_v2: BookScript):
        book_v2.run("you buy 1 @ 1 expire-maker\nyou sell 1 @ 1 expire-taker")
        assert book_v2.prevented() == ["you loses 1, you loses 0 @ 1"]
        assert book_v2.closed() == ["you expired_stp 0/1"]
        assert book_v2.resting() == ["you buy 1 @ 1"]

    def test_scenario_f_a_market_order_expires_for_want_of_makers(self, book_v2: BookScript):
        book_v2.run("you buy 1 @ 1\nyou sell 1 at market expire-maker")
        assert book_v2.prevented() == ["you loses 0, you loses 1 @ 1"]
        assert book_v2.closed() == ["you expired_stp 0/1", "you expired 0/1"]

    def test_scenario_g_decrement(self, book_v2: BookScript):
        """Of 6 and 2, both lose 2; the taker expires, the maker stays with what it asked for: 6."""
        book_v2.run("you buy 6 @ 2\nyou sell 2 @ 2 decrement")
        assert book_v2.prevented() == ["you loses 2, you loses 2 @ 2"]
        assert book_v2.closed() == ["you expired_stp 0/2"]
        (maker,) = book_v2.venue.picture().orders
        assert (maker.quantity_lots, maker.executed_lots, maker.prevented_lots) == (6, 0, 2)

    def test_what_a_prevented_match_says(self, book_v2: BookScript):
        """ "What is a Prevented Match?": the sample's EXPIRE_BOTH of 1 and 10 at 50."""
        book_v2.run("you sell 100 @ 500\nyou buy 10 @ 500 expire-both")
        (match,) = (event for event in book_v2.events if isinstance(event, PreventedMatch))
        assert (match.maker_order, match.taker_order) == (1, 2)
        assert (match.price_ticks, match.taker_prevented_lots, match.maker_prevented_lots) == (500, 10, 100)


class TestAmendKeepingPriority:
    """order_amend_keep_priority.md, "What is the difference ...": quantities in tenths."""

    @pytest.fixture
    def queue(self, book_v2: BookScript) -> BookScript:
        book_v2.filters(price_max_ticks=100_000, notional_max_atoms=10**9)
        for name in ("a", "you", "b", "c", "seller"):
            book_v2.credit(name, QUOTE, 10**9)
        book_v2.run("""
            a buy 10 @ 87000
            you buy 55 @ 87000 as mine
            b buy 40 @ 87000
            c buy 20 @ 86999
        """)
        return book_v2

    def test_cancel_replace_goes_behind_the_queue(self, queue: BookScript):
        queue.run("you replace mine: buy 50 @ 87000")
        assert queue.resting() == [
            "a buy 10 @ 87000",
            "b buy 40 @ 87000",
            "you buy 50 @ 87000",
            "c buy 20 @ 86999",
        ]

    def test_an_amend_keeps_its_place_and_its_id(self, queue: BookScript):
        queue.run("you amend mine to 50")
        assert queue.resting() == [
            "a buy 10 @ 87000",
            "you buy 50 @ 87000",
            "b buy 40 @ 87000",
            "c buy 20 @ 86999",
        ]
        (amended,) = (event for event in queue.events if isinstance(event, OrderAmended))
        assert (amended.order_id, amended.old_quantity_lots, amended.quantity_lots) == (2, 55, 50)
        queue.run("seller sell 65 at market")
        assert queue.trades() == [
            "seller takes 10 from a @ 87000",
            "seller takes 50 from you @ 87000",
            "seller takes 5 from b @ 87000",
        ]

    def test_the_client_id_may_stay_or_change(self, queue: BookScript):
        queue.run("you amend mine to 50 as mine\nyou amend mine to 45 as new\nyou cancel new")


def test_market_orders_sample_answer(book_v2: BookScript):
    """market_orders_faq.md: of 6 wanted, 2 + 2 are there at 1; the rest expires."""
    book_v2.run("""
        ann sell 2 @ 1
        bob sell 2 @ 1
        you buy 6 at market
    """)
    assert book_v2.trades() == ["you takes 2 from ann @ 1", "you takes 2 from bob @ 1"]
    closed = [event for event in book_v2.events if isinstance(event, OrderClosed)][-1]
    told = (closed.quantity_lots, closed.executed_lots, closed.executed_quote_atoms, closed.reason)
    assert told == (6, 4, 4, CloseReason.EXPIRED)


def test_market_orders_without_the_balance_are_rejected(book_v2: BookScript):
    """market_orders_faq.md, second paragraph."""
    book_v2.run("ann sell 1000 @ 10000\nyou buy 1000 at market -> INSUFFICIENT_BALANCE")


class TestCommission:
    """commission_faq.md, "How is the commission calculated?": rates in parts of 10^8."""

    RATES = (  # maker, taker, buyer, seller
        (FeeComponent.STANDARD, (10, 20, 30, 40)),
        (FeeComponent.SPECIAL, (1_000_000, 2_000_000, 3_000_000, 4_000_000)),
        (FeeComponent.TAX, (112, 114, 118, 116)),
    )

    def test_of_a_market_sell_of_0_49975_at_35000(self, venue: Venue):
        btc, usdt, market = self.listed(venue)
        buyer = self.account(venue, b"buyer", usdt, 10**13)
        you = self.account(venue, b"you", btc, 10**8)
        bid = commands.Place(
            account=buyer,
            market=market,
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            price_ticks=3_500_000,
            quantity_lots=49_975,
        )
        venue.send(bid)
        sell = replace(bid, account=you, side=Side.SELL, order_type=OrderType.MARKET, price_ticks=0)
        sold = venue.send(replace(sell, time_in_force=TimeInForce.IOC))
        (trade,) = (event for event in sold.events if isinstance(event, Trade))
        standard, tax, special = 1_049_475, 4_022_988, 104_947_500_000  # 0.01049475, 0.04022988, 1049.475
        assert trade.quote_atoms == 1_749_125_000_000  # 17491.25
        assert trade.taker_fee_atoms == standard + tax + special
        assert venue.balance(you, usdt)[0] == trade.quote_atoms - trade.taker_fee_atoms

    def listed(self, venue: Venue) -> tuple[int, int, int]:
        """BTC, USDT and their market, of 8 decimals each."""
        btc, usdt = (
            venue.send(commands.AssetList(scale=8, name=name)).result.value for name in (b"BTC", b"USDT")
        )
        listing = commands.MarketList(
            base=btc,
            quote=usdt,
            tick_atoms=10**6,
            lot_atoms=10**3,
            filters=FILTERS._replace(
                price_max_ticks=10**9, lot_max=10**9, market_lot_max=10**9, notional_max_atoms=10**20
            ),
            state=MarketStatus.TRADING,
            symbol=b"BTCUSDT",
        )
        market = venue.send(listing).result.value
        for component, (maker, taker, buyer, seller) in self.RATES:
            venue.send(
                commands.MarketFees(
                    market=market, component=component, maker=maker, taker=taker, buyer=buyer, seller=seller
                )
            )
        return btc, usdt, market

    def account(self, venue: Venue, name: bytes, asset: int, funds_atoms: int) -> int:
        mirror, account = (
            venue.send(
                commands.AccountCreate(account_class=kind, permissions=EVERYTHING, reference=reference)
            ).result.value
            for kind, reference in ((AccountClass.MIRROR, b"mirror-" + name), (AccountClass.USER, name))
        )
        venue.send(
            commands.Credit(
                account=account,
                market=asset,
                counter_account=mirror,
                amount_atoms=funds_atoms,
                reference=b"funds-" + name,
            )
        )
        return account
