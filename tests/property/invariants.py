"""Invariants 1 to 9 and 12: what must hold after every command, whoever keeps the book.

Each takes a `Witness`, which knows a venue only through its queries and events. Money in atoms throughout.
"""

from collections import Counter
from fractions import Fraction
from math import ceil

from cambist.engine.codes import AccountClass, CloseReason, HoldState, MarketStatus, Side, Status, StpMode
from cambist.engine.events import (
    Balance,
    Event,
    HoldEvent,
    OrderAccepted,
    OrderAmended,
    OrderClosed,
    PreventedMatch,
    Result,
    RulesEvent,
    Trade,
)
from cambist.engine.views import FeesView, OrderView
from tests.contract.venues import Venue

FEES_ACCOUNT = 1
RANGE = 1 << 120
CHANGES_SOMETHING = {Status.OK, Status.REPLACE_REFUSED, Status.REPLACED_WITHOUT_CANCEL}


class Witness:
    """Stands beside a venue: how things were before a command, what it said, how they are now."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.now, self.business_now = venue.picture(), venue.business()
        self.holds: dict[bytes, HoldEvent] = {}
        self.asked_lots: dict[int, int] = {}
        self.executed_lots: Counter[int] = Counter()
        self.prevented_lots: Counter[int] = Counter()
        self.prevented_matches: Counter[int] = Counter()  # of a market
        self.rules = 1
        self.closed: set[int] = set()
        self.results: dict[tuple[int, int], Result] = {}

    def send(self, command: bytes) -> None:
        self.sequence_before, self.time_before = len(self.venue.log), self.venue.log[-1].time_ns
        self.before, self.business_before = self.now, self.business_now
        self.result, self.events = self.venue.send_bytes(command)
        self.now, self.business_now = self.venue.picture(), self.venue.business()
        for event in self.events:
            self._remember(event)

    def _remember(self, event: Event) -> None:
        match event:
            case HoldEvent(state=HoldState.HELD):
                self.holds[event.digest] = event
            case HoldEvent():
                del self.holds[event.digest]
            case OrderAccepted() | OrderAmended():
                self.asked_lots[event.order_id] = event.quantity_lots
            case Trade():
                self.executed_lots[event.maker_order] += event.quantity_lots
                self.executed_lots[event.taker_order] += event.quantity_lots
            case PreventedMatch():
                self.prevented_lots[event.maker_order] += event.maker_prevented_lots
                self.prevented_lots[event.taker_order] += event.taker_prevented_lots
                self.prevented_matches[event.market] += 1
                assert event.prevented_match_id == self.prevented_matches[event.market]
            case RulesEvent():
                self.rules = event.version


def _left(order: OrderView) -> int:
    return order.quantity_lots - order.executed_lots - order.prevented_lots


def invariant_1_postings_sum_to_zero(witness: Witness) -> None:
    posted: Counter[int] = Counter()
    for event in witness.events:
        if isinstance(event, Balance):
            posted[event.asset] += event.posting_atoms
    assert not any(posted.values()), posted
    total: Counter[int] = Counter()
    for (_, asset), (available, held) in witness.now.balances.items():
        total[asset] += available + held
    assert not any(total.values()), total


def invariant_2_no_balance_below_zero(witness: Witness) -> None:
    for (account, asset), (available, held) in witness.now.balances.items():
        may_owe = witness.now.accounts[account].account_class in (AccountClass.MIRROR, AccountClass.LOSS)
        assert held >= 0, (account, asset, held)
        assert available >= 0 or may_owe, (account, asset, available)
        assert abs(available) + held < RANGE, (account, asset)


def invariant_3_held_is_what_orders_and_holds_need(witness: Witness) -> None:
    needed: Counter[tuple[int, int]] = Counter()
    for order in witness.now.orders:
        market, remaining = witness.now.markets[order.market], _left(order)
        if order.side == Side.BUY:
            needed[order.account, market.quote] += order.price_ticks * remaining * market.tick_lot_atoms
        else:
            needed[order.account, market.base] += remaining * market.lot_atoms
    for hold in witness.holds.values():
        needed[hold.account, hold.asset] += hold.amount_atoms
    held = Counter({place: held for place, (_, held) in witness.now.balances.items()})
    assert held == needed


def invariant_4_the_book_is_sound(witness: Witness) -> None:
    totals: Counter[tuple[int, int, int]] = Counter()
    for order in witness.now.orders:
        remaining = _left(order)
        assert remaining > 0, order
        assert witness.venue.queries.order(order.order_id) == order
        totals[order.market, order.side, order.price_ticks] += remaining
    for market, (_, bids, asks) in witness.now.depths.items():
        assert not bids or not asks or bids[0][0] < asks[0][0], (bids[0], asks[0])
        for side, levels in ((Side.BUY, bids), (Side.SELL, asks)):
            prices = [price for price, _ in levels]
            assert prices == sorted(set(prices), reverse=side == Side.BUY), prices
            for price, lots in levels:
                assert totals.pop((market, side, price), 0) == lots > 0
    assert not totals, totals


def invariant_5_price_then_time(witness: Witness) -> None:
    """The maker is the oldest at the best price, the price is its own, and the taker accepts it."""
    live = {order.order_id: order for order in witness.before.orders}
    left = {order.order_id: _left(order) for order in live.values()}
    taker: OrderAccepted | None = None
    for event in witness.events:
        if isinstance(event, OrderAccepted):
            taker = event
        elif isinstance(event, OrderClosed):
            live.pop(event.order_id, None)
        elif isinstance(event, PreventedMatch):
            assert taker is not None and event.taker_order == taker.order_id
            assert event.maker_order == _first_in_line(live, taker).order_id
            left[event.maker_order] -= event.maker_prevented_lots
        elif isinstance(event, Trade):
            assert witness.before.markets[event.market].state == MarketStatus.TRADING
            assert taker is not None and event.taker_order == taker.order_id
            maker = _first_in_line(live, taker)
            assert event.maker_order == maker.order_id
            assert event.price_ticks == maker.price_ticks
            assert _accepts(taker, event.price_ticks)
            left[maker.order_id] -= event.quantity_lots
            assert left[maker.order_id] >= 0
            if taker.stp_mode != StpMode.NONE:
                accounts = witness.now.accounts
                assert accounts[taker.account].stp_group != accounts[maker.account].stp_group


def _first_in_line(live: dict[int, OrderView], taker: OrderAccepted) -> OrderView:
    makers = [order for order in live.values() if order.market == taker.market and order.side != taker.side]
    sign = 1 if taker.side == Side.BUY else -1
    return min(makers, key=lambda maker: (sign * maker.price_ticks, maker.order_id))


def _accepts(taker: OrderAccepted, price_ticks: int) -> bool:
    if taker.price_ticks == 0:  # MARKET
        return True
    return price_ticks <= taker.price_ticks if taker.side == Side.BUY else price_ticks >= taker.price_ticks


def invariant_6_orders_add_up_and_end_once(witness: Witness) -> None:
    for event in witness.events:
        if isinstance(event, OrderClosed):
            assert event.order_id not in witness.closed
            witness.closed.add(event.order_id)
            assert event.executed_lots == witness.executed_lots[event.order_id] <= event.quantity_lots
            if not event.by_quote:
                assert event.quantity_lots == witness.asked_lots[event.order_id]
                _check_how_it_ended(witness, event)
    for order in witness.now.orders:
        assert order.quantity_lots == witness.asked_lots[order.order_id]
        assert order.executed_lots == witness.executed_lots[order.order_id]
        assert order.prevented_lots == witness.prevented_lots[order.order_id]
    assert {order.order_id for order in witness.now.orders} == set(witness.asked_lots) - witness.closed


def _check_how_it_ended(witness: Witness, closed: OrderClosed) -> None:
    """Filled, or prevented to the end, are exactly the orders of which nothing is left."""
    prevented = witness.prevented_lots[closed.order_id]
    is_done = closed.executed_lots + prevented == closed.quantity_lots
    if witness.rules == 1 or prevented == 0:
        assert is_done == (closed.reason == CloseReason.FILLED)
    else:
        assert is_done == (closed.reason in (CloseReason.FILLED, CloseReason.EXPIRED_STP))


def invariant_7_postings_are_the_trades(witness: Witness) -> None:
    trades = [event for event in witness.events if isinstance(event, Trade)]
    if not trades:
        return
    expected: Counter[tuple[int, int]] = Counter()
    for trade in trades:
        market = witness.now.markets[trade.market]
        assert trade.quote_atoms == trade.price_ticks * trade.quantity_lots * market.tick_lot_atoms
        base_atoms = trade.quantity_lots * market.lot_atoms
        taker_buys = trade.taker_side == Side.BUY
        sides = (
            (trade.taker_account, trade.taker_fee_atoms, taker_buys, True),
            (trade.maker_account, trade.maker_fee_atoms, not taker_buys, False),
        )
        for account, fee, buys, is_taker in sides:
            received, paid = (base_atoms, trade.quote_atoms) if buys else (trade.quote_atoms, base_atoms)
            got, gave = (market.base, market.quote) if buys else (market.quote, market.base)
            assert fee == _fee(witness, trade.market, account, received, is_taker=is_taker, buys=buys)
            expected[account, got] += received - fee
            expected[account, gave] -= paid
            expected[FEES_ACCOUNT, got] += fee
    posted = {
        (event.account, event.asset): event.posting_atoms
        for event in witness.events
        if isinstance(event, Balance) and event.posting_atoms
    }
    assert posted == {key: atoms for key, atoms in expected.items() if atoms}


def _fee(witness: Witness, market: int, account: int, received: int, *, is_taker: bool, buys: bool) -> int:
    parts = (FeesView(*row) for row in witness.venue.queries.fees(market, witness.now.accounts[account].tier))
    rates = ((p.taker if is_taker else p.maker) + (p.buyer if buys else p.seller) for p in parts)
    return min(received, sum(ceil(Fraction(received * rate, 10**8)) for rate in rates))


def invariant_8_one_result_each_and_names_are_unique(witness: Witness) -> None:
    result = witness.result
    assert result.sequence == witness.sequence_before + 1
    key = (result.session, result.number)
    if result.session and result.status not in (Status.STALE_NUMBER, Status.UNKNOWN_SESSION):
        first = witness.results.setdefault(key, result)
        if first is not result:
            assert result.repeat and not witness.events
            again = (result.status, result.value, result.more)
            assert again == (first.status, first.value, first.more)
    names = Counter((order.account, order.client_id) for order in witness.now.orders if order.client_id)
    assert not names or max(names.values()) == 1, names
    for account, client_id in names:
        found = witness.venue.queries.order_by_client_id(account, client_id)
        assert found is not None and OrderView(*found).client_id == client_id


def invariant_9_a_refusal_changes_nothing(witness: Witness) -> None:
    result = witness.result
    if result.repeat or result.status not in CHANGES_SOMETHING:
        assert not witness.events
        assert witness.now == witness.before
        assert witness.business_now == witness.business_before


def invariant_12_time_never_goes_back(witness: Witness) -> None:
    result = witness.result
    assert result.time_ns == witness.venue.time_ns >= witness.time_before
    for event in witness.events:
        if isinstance(event, OrderClosed):
            assert event.accepted_ns <= result.time_ns


ALL = (
    invariant_1_postings_sum_to_zero,
    invariant_2_no_balance_below_zero,
    invariant_3_held_is_what_orders_and_holds_need,
    invariant_4_the_book_is_sound,
    invariant_5_price_then_time,
    invariant_6_orders_add_up_and_end_once,
    invariant_7_postings_are_the_trades,
    invariant_8_one_result_each_and_names_are_unique,
    invariant_9_a_refusal_changes_nothing,
    invariant_12_time_never_goes_back,
)
