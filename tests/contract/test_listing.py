"""Accounts, assets, markets and fees: made and changed by commands while the exchange runs."""

from typing import Any

import pytest

from cambist.engine import commands
from cambist.engine.codes import (
    AccountClass,
    AssetStatus,
    FeeComponent,
    MarketStatus,
    Permission,
    Status,
)
from cambist.engine.events import AccountEvent, AssetEvent, Balance, FeesEvent, MarketEvent, Trade
from cambist.engine.views import FiltersView

from .script import BASE, FILTERS, MARKET, QUOTE, BookScript
from .venues import Venue

FEES, HOUSE = 1, 2
TRADE = Permission.TRADE


def user(**changes: Any) -> commands.AccountCreate:
    fields = {"account_class": AccountClass.USER, "permissions": TRADE, "reference": b"user"}
    return commands.AccountCreate(**{**fields, **changes})


def market(**changes: Any) -> commands.MarketList:
    fields = {
        "base": BASE,
        "quote": QUOTE,
        "tick_atoms": 1,
        "lot_atoms": 1,
        "filters": FILTERS,
        "state": MarketStatus.TRADING,
        "symbol": b"OTHER",
    }
    return commands.MarketList(**{**fields, **changes})


ACCOUNT_FIELD, MARKET_FIELD = 16, 20  # offsets in a command


class TestUnusedFields:
    @pytest.mark.parametrize(
        ("command", "field"),
        [
            (commands.AccountSet(account=1_002, tier=0, permissions=Permission.TRADE), MARKET_FIELD),
            (commands.AccountFreeze(account=1_002, frozen=True), MARKET_FIELD),
            (commands.AssetList(scale=2, name=b"NEW"), ACCOUNT_FIELD),
            (commands.AssetList(scale=2, name=b"NEW"), MARKET_FIELD),
            (commands.AssetState(market=BASE, state=AssetStatus.SUSPENDED), ACCOUNT_FIELD),
            (commands.MarketState(market=MARKET, state=MarketStatus.HALTED), ACCOUNT_FIELD),
            (commands.Time(), ACCOUNT_FIELD),
            (commands.Continue(), MARKET_FIELD),
        ],
        ids=repr,
    )
    def test_an_account_or_market_that_a_kind_does_not_concern_is_malformed(
        self, book: BookScript, command, field
    ):
        book.account("ann")
        wrong = bytearray(book.venue.stamped(command))
        wrong[field] = 1
        assert book.venue.send_bytes(bytes(wrong)).result.status == Status.MALFORMED
        assert book.venue.send(command).result.status == Status.OK


class TestAccounts:
    def test_system_accounts_are_there_from_the_start(self, venue: Venue):
        classes = [row.account_class for row in venue.picture().accounts.values()]
        assert list(venue.picture().accounts) == [1, 2, 3, 4, 5, 6]
        assert classes == [
            AccountClass.FEES,
            AccountClass.HOUSE,
            AccountClass.LOSS,
            AccountClass.SUSPENSE,
            AccountClass.NETWORK_FEES,
            AccountClass.WITHDRAWAL_FEES,
        ]

    def test_accounts_are_numbered_from_1001_and_are_a_group_of_their_own(self, venue: Venue):
        first = venue.send(user(tier=3, owner=9, reference=b"a"))
        second = venue.send(user(stp_group=1001, reference=b"b"))
        assert (first.result.value, second.result.value) == (1001, 1002)
        assert first.events == [AccountEvent(1001, AccountClass.USER, 3, TRADE, False, 1001, 9)]
        assert second.events == [AccountEvent(1002, AccountClass.USER, 0, TRADE, False, 1001, 0)]

    def test_a_reference_makes_one_account(self, venue: Venue):
        venue.send(user())
        again = venue.send(user())
        assert (again.result.value, again.result.repeat, again.events) == (1001, True, [])
        assert venue.send(user(tier=1)).result.status == Status.REFERENCE_CONFLICT

    @pytest.mark.parametrize(
        "change",
        [
            {"account_class": AccountClass.FEES},
            {"account_class": AccountClass.HOUSE},
            {"tier": 16},
            {"permissions": Permission(8)},
            {"reference": b""},
            {"reference": b"r" * 121},
        ],
        ids=repr,
    )
    def test_what_no_account_can_be_is_malformed(self, venue: Venue, change):
        assert venue.send(user(**change)).result.status == Status.MALFORMED

    def test_a_setting_replaces_tier_permissions_and_group(self, venue: Venue):
        venue.send(user(tier=1, stp_group=7))
        answer = venue.send(commands.AccountSet(account=1001, tier=15, permissions=Permission.DEPOSIT))
        assert answer.events == [
            AccountEvent(1001, AccountClass.USER, 15, Permission.DEPOSIT, False, 1001, 0)
        ]
        assert answer.result.value == 1001

    @pytest.mark.parametrize(
        ("account", "status"),
        [(999, Status.UNKNOWN_ACCOUNT), (0, Status.UNKNOWN_ACCOUNT), (FEES, Status.WRONG_ACCOUNT_CLASS)],
    )
    def test_only_users_and_the_house_are_set_and_frozen(self, venue: Venue, account, status):
        setting = commands.AccountSet(account=account, tier=0, permissions=TRADE)
        assert venue.send(setting).result.status == status
        assert venue.send(commands.AccountFreeze(account=account, frozen=True)).result.status == status
        assert venue.send(commands.AccountFreeze(account=HOUSE, frozen=True)).result.status == Status.OK


class TestAssets:
    def test_assets_are_numbered_from_1(self, venue: Venue):
        answer = venue.send(commands.AssetList(scale=18, name=b"A" * 16))
        assert answer.result.value == 1
        assert answer.events == [AssetEvent(1, 18, AssetStatus.ACTIVE, b"A" * 16)]
        assert venue.send(commands.AssetList(scale=0, name=b"B")).result.value == 2

    @pytest.mark.parametrize(
        ("scale", "name", "status"),
        [
            (8, b"BASE", Status.ALREADY_LISTED),
            (19, b"NEW", Status.MALFORMED),
            (8, b"", Status.MALFORMED),
            (8, b"A" * 17, Status.MALFORMED),
            (8, b"btc", Status.MALFORMED),
            (8, b"A-B", Status.MALFORMED),
        ],
    )
    def test_what_cannot_be_listed_is_refused(self, book: BookScript, scale, name, status):
        assert book.send(commands.AssetList(scale=scale, name=name)) == status

    def test_an_asset_is_suspended_and_active_again(self, book: BookScript):
        book.send(commands.AssetState(market=QUOTE, state=AssetStatus.SUSPENDED))
        book.send(commands.AssetState(market=QUOTE, state=AssetStatus.ACTIVE))
        states = [event.state for event in book.events if isinstance(event, AssetEvent)]
        assert states == [AssetStatus.SUSPENDED, AssetStatus.ACTIVE]
        unknown = commands.AssetState(market=3, state=AssetStatus.ACTIVE)
        assert book.send(unknown) == Status.UNKNOWN_ASSET


class TestMarkets:
    def test_a_listing_tells_everything(self, book: BookScript):
        assert book.send(market(symbol=b"S" * 32)) == Status.OK
        assert book.events == [MarketEvent(2, BASE, QUOTE, 1, 1, FILTERS, MarketStatus.TRADING, b"S" * 32)]

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({"symbol": b""}, Status.MALFORMED),
            ({"symbol": b"S" * 33}, Status.MALFORMED),
            ({"symbol": b"lower"}, Status.MALFORMED),
            ({"base": 9}, Status.UNKNOWN_ASSET),
            ({"quote": 0}, Status.UNKNOWN_ASSET),
            ({"symbol": b"BASEQUOTE"}, Status.ALREADY_LISTED),
            ({"quote": BASE}, Status.BAD_LISTING),
            ({"tick_atoms": 0}, Status.BAD_LISTING),
            ({"lot_atoms": 0}, Status.BAD_LISTING),
            ({"tick_atoms": 1 << 32, "lot_atoms": 1 << 32}, Status.BAD_LISTING),
            ({"filters": FILTERS._replace(max_orders=0)}, Status.BAD_FILTERS),
            ({"state": MarketStatus.DELISTED}, Status.BAD_STATE),
        ],
        ids=repr,
    )
    def test_what_cannot_be_listed_is_refused(self, book: BookScript, change, status):
        assert book.send(market(**change)) == status
        assert book.send(market()) == Status.OK

    @pytest.mark.parametrize(
        ("tick_atoms", "lot_atoms", "status"),
        [(100, 1, Status.OK), (50, 2, Status.OK), (99, 1, Status.BAD_LISTING), (1, 150, Status.BAD_LISTING)],
    )
    def test_one_tick_lot_is_a_whole_number_of_atoms(self, book: BookScript, tick_atoms, lot_atoms, status):
        book.send(commands.AssetList(scale=2, name=b"CENTS"))
        assert book.send(market(base=3, tick_atoms=tick_atoms, lot_atoms=lot_atoms)) == status

    @pytest.mark.parametrize(
        "bad",
        [
            {"price_min_ticks": 0},
            {"price_min_ticks": 10_001},
            {"price_max_ticks": 1 << 52},
            {"lot_min": 0},
            {"lot_min": 10_001},
            {"lot_max": 1 << 52},
            {"market_lot_min": 0},
            {"market_lot_min": 10_001},
            {"notional_min_atoms": 10_000_001},
            {"notional_min_atoms": 0, "notional_max_atoms": 0},
            {"max_orders": 0},
            {"notional_flags": 4},
            {"price_max_ticks": 1 << 50, "lot_max": 1 << 50},
        ],
        ids=repr,
    )
    def test_filters_that_cannot_be_kept_are_refused(self, book: BookScript, bad):
        change = commands.MarketFilters(market=MARKET, filters=FILTERS._replace(**bad))
        assert book.send(change) == Status.BAD_FILTERS
        assert book.venue.picture().markets[MARKET].filters == FiltersView(*FILTERS)

    def test_the_widest_filters_pass(self, book: BookScript):
        widest = FILTERS._replace(price_max_ticks=1 << 49, lot_max=1 << 50)
        assert book.send(commands.MarketFilters(market=MARKET, filters=widest)) == Status.OK

    def test_a_market_is_delisted_when_its_book_is_empty_and_for_ever(self, book: BookScript):
        delist = commands.MarketState(market=MARKET, state=MarketStatus.DELISTED)
        book.run("ann sell 1 @ 100")
        assert book.send(delist) == Status.BAD_STATE
        book.run("ann cancel all")
        assert book.send(delist) == Status.OK
        reopen = commands.MarketState(market=MARKET, state=MarketStatus.TRADING)
        assert book.send(reopen) == Status.BAD_STATE

    def test_an_unknown_market_is_refused(self, book: BookScript):
        assert book.send(commands.MarketState(market=2, state=MarketStatus.HALTED)) == Status.UNKNOWN_MARKET
        assert book.send(commands.MarketFilters(market=0, filters=FILTERS)) == Status.UNKNOWN_MARKET
        assert book.send(commands.MarketFees(market=9, component=FeeComponent.TAX)) == Status.UNKNOWN_MARKET


class TestFees:
    """Rates are e8: 1 000 000 is 1 %. A buyer pays in base, a seller in quote."""

    def charge(self, book: BookScript, component: FeeComponent, **rates: int) -> Status:
        return book.send(commands.MarketFees(market=MARKET, component=component, **rates))

    def fees(self, book: BookScript) -> list[tuple[int, int]]:
        """(taker's, maker's) of each trade."""
        trades = [event for event in book.events if isinstance(event, Trade)]
        return [(trade.taker_fee_atoms, trade.maker_fee_atoms) for trade in trades]

    def test_a_fee_comes_from_what_is_received_and_goes_to_the_fee_account(self, book: BookScript):
        self.charge(book, FeeComponent.STANDARD, maker=1_000_000, taker=2_000_000)
        book.run("""
            ann sell 100 @ 50
            bob buy 100 @ 50
        """)
        assert self.fees(book) == [(2, 50)]
        assert book.has("bob") == {"base": (98, 0), "quote": (-5_000, 0)}
        assert book.has("ann") == {"base": (-100, 0), "quote": (4_950, 0)}
        assert (book.venue.balance(FEES, BASE), book.venue.balance(FEES, QUOTE)) == ((2, 0), (50, 0))
        told = [(event.account, event.asset) for event in book.events if isinstance(event, Balance)][-6:]
        assert told[-2:] == [(FEES, BASE), (FEES, QUOTE)]

    def test_each_component_rounds_up_by_itself(self, book: BookScript):
        for component in FeeComponent:
            self.charge(book, component, taker=1)
        book.run("""
            ann sell 10 @ 50
            bob buy 10 @ 50
        """)
        assert self.fees(book) == [(3, 0)]

    @pytest.mark.parametrize(("lots", "fee"), [(99, 1), (100, 1), (101, 2)])
    def test_a_fee_is_rounded_up(self, book: BookScript, lots, fee):
        self.charge(book, FeeComponent.STANDARD, taker=1_000_000)
        book.run(f"""
            ann sell {lots} @ 1
            bob buy {lots} @ 1
        """)
        assert self.fees(book) == [(fee, 0)]

    def test_a_fee_never_takes_more_than_what_is_received(self, book: BookScript):
        for component in FeeComponent:
            self.charge(book, component, taker=1)
        book.run("""
            ann sell 1 @ 50
            bob buy 1 @ 50
        """)
        assert self.fees(book) == [(1, 0)]

    def test_sides_pay_by_what_they_do_and_by_what_they_are(self, book: BookScript):
        self.charge(book, FeeComponent.STANDARD, maker=1, taker=2_000_000, buyer=3_000_000, seller=4_000_000)
        book.run("""
            ann sell 100 @ 1
            bob buy 100 @ 1
            ann buy 100 @ 1
            bob sell 100 @ 1
        """)
        assert self.fees(book) == [(5, 5), (6, 4)]

    def test_the_tier_of_the_account_chooses_the_standard_rate(self, book: BookScript):
        self.charge(book, FeeComponent.STANDARD, tier=2, taker=5_000_000)
        bob = book.account("bob")
        book.run("ann sell 200 @ 1\nbob buy 100 @ 1")
        book.send(commands.AccountSet(account=bob, tier=2, permissions=TRADE))
        book.run("bob buy 100 @ 1")
        assert self.fees(book) == [(0, 0), (5, 0)]

    def test_new_rates_are_told_and_replace_the_old_ones(self, book: BookScript):
        self.charge(book, FeeComponent.SPECIAL, maker=1, taker=2, buyer=3, seller=4)
        self.charge(book, FeeComponent.SPECIAL)
        told = [event for event in book.events if isinstance(event, FeesEvent)]
        assert told == [
            FeesEvent(MARKET, FeeComponent.SPECIAL, 0, 1, 2, 3, 4),
            FeesEvent(MARKET, FeeComponent.SPECIAL, 0, 0, 0, 0, 0),
        ]
        book.run("ann sell 100 @ 1\nbob buy 100 @ 1")
        assert self.fees(book) == [(0, 0)]

    def test_no_side_pays_more_than_half(self, book: BookScript):
        half = 50_000_000
        assert self.charge(book, FeeComponent.TAX, taker=half - 1, seller=2) == Status.BAD_FEES
        assert self.charge(book, FeeComponent.TAX, taker=half - 1, seller=1) == Status.OK
        assert self.charge(book, FeeComponent.STANDARD, tier=15, taker=1) == Status.BAD_FEES
        assert self.charge(book, FeeComponent.STANDARD, tier=15, maker=half - 1) == Status.OK
        assert self.charge(book, FeeComponent.SPECIAL, buyer=1) == Status.OK
        assert self.charge(book, FeeComponent.SPECIAL, buyer=2) == Status.BAD_FEES

    @pytest.mark.parametrize(
        ("component", "tier"),
        [(FeeComponent.STANDARD, 16), (FeeComponent.SPECIAL, 1), (FeeComponent.TAX, 1)],
    )
    def test_only_standard_fees_have_tiers(self, book: BookScript, component, tier):
        assert self.charge(book, component, tier=tier) == Status.MALFORMED
