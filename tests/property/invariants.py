"""Invariants 1 to 9 and 12, and two of stops and lists: what holds after each command in any venue.

Each takes a `Witness`, which knows a venue only through its queries and events. Money in atoms throughout.
"""

from collections import Counter
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from cambist.engine.codes import (
    AccountClass,
    CloseReason,
    Contingency,
    HoldState,
    ListStatus,
    MarketStatus,
    OrderState,
    OrderType,
    Side,
    Status,
    StpMode,
)
from cambist.engine.events import (
    Balance,
    Event,
    HoldEvent,
    OrderAccepted,
    OrderAmended,
    OrderClosed,
    OrderList,
    OrderTriggered,
    PreventedMatch,
    Result,
    RulesEvent,
    Trade,
)
from cambist.engine.views import FeesView, MarketView, OrderView
from tests.contract.venues import Venue

from .lines import NO_LIMIT, Lines

FEES_ACCOUNT = 1
STOP_LOSS = (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT)
RANGE = 1 << 120
CHANGES_SOMETHING = {Status.OK, Status.REPLACE_REFUSED, Status.REPLACED_WITHOUT_CANCEL}


class Stop(NamedTuple):
    """An order and the prices that were traded since it began to wait."""

    accepted: OrderAccepted
    prices: set[int]

    def is_reached(self) -> bool:
        order = self.accepted
        rises = (order.side == Side.BUY) == (order.order_type in STOP_LOSS)
        if rises:
            return any(price >= order.stop_price_ticks for price in self.prices)
        return any(price <= order.stop_price_ticks for price in self.prices)


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
        self.lines = Lines()
        self.stops: dict[int, Stop] = {}
        self.lists: dict[int, OrderList] = {}

    @property
    def pairs(self) -> set[int]:
        """Lists of which two orders cancel each other, once they work."""
        return {at for at, told in self.lists.items() if told.contingency != Contingency.OTO}

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
            case OrderList():
                self.lists[event.list_id] = event
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
    of_pairs: dict[tuple[int, int, int], list[int]] = {}
    for order in witness.now.orders:
        market = witness.now.markets[order.market]
        asset, atoms = _need(order, market)
        if order.list_id in witness.pairs and order.state != OrderState.PENDING:
            of_pairs.setdefault((order.account, asset, order.list_id), []).append(atoms)
        else:
            needed[order.account, asset] += atoms
    for (account, asset, _), atoms_of_each in of_pairs.items():
        needed[account, asset] += max(atoms_of_each)
    for hold in witness.holds.values():
        needed[hold.account, hold.asset] += hold.amount_atoms
    held = Counter({place: held for place, (_, held) in witness.now.balances.items()})
    assert held == needed


def _need(order: OrderView, market: MarketView) -> tuple[int, int]:
    """The asset that an order pays with, and what it needs of it by itself."""
    remaining = _left(order)
    if order.state == OrderState.PENDING:
        return market.quote, 0
    if order.side == Side.SELL:
        return market.base, remaining * market.lot_atoms
    price_ticks = order.hold_price_ticks if order.order_type in NO_LIMIT else order.price_ticks
    return market.quote, price_ticks * remaining * market.tick_lot_atoms


def invariant_4_the_book_is_sound(witness: Witness) -> None:
    totals: Counter[tuple[int, int, int]] = Counter()
    for order in witness.now.orders:
        remaining = _left(order)
        assert remaining > 0, order
        assert witness.venue.queries.order(order.order_id) == order
        if order.state != OrderState.RESTING:
            assert order.executed_lots == order.visible_lots == order.working_ns == 0, order
            continue
        assert order.order_type not in NO_LIMIT, order
        assert 0 < order.visible_lots <= min(remaining, order.iceberg_lots or remaining), order
        assert order.iceberg_lots or order.visible_lots == remaining, order
        totals[order.market, order.side, order.price_ticks] += order.visible_lots
    for market, (_, bids, asks) in witness.now.depths.items():
        assert not bids or not asks or bids[0][0] < asks[0][0], (bids[0], asks[0])
        for side, levels in ((Side.BUY, bids), (Side.SELL, asks)):
            prices = [price for price, _ in levels]
            assert prices == sorted(set(prices), reverse=side == Side.BUY), prices
            for price, lots in levels:
                assert totals.pop((market, side, price), 0) == lots > 0
    assert not totals, totals


def invariant_5_price_then_time(witness: Witness) -> None:
    """The maker is the first in line at the best price, the price is its own, and the taker accepts it."""
    for event in witness.events:
        taker = witness.lines.follow(event)
        if taker is None or not isinstance(event, Trade):
            continue
        assert witness.before.markets[event.market].state == MarketStatus.TRADING
        assert _accepts(taker.accepted, event.price_ticks)
        if taker.accepted.stp_mode != StpMode.NONE:
            accounts = witness.now.accounts
            assert accounts[event.taker_account].stp_group != accounts[event.maker_account].stp_group


def _accepts(taker: OrderAccepted, price_ticks: int) -> bool:
    if taker.order_type in NO_LIMIT:
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


def stops_are_true(witness: Witness) -> None:
    """A stop at a fixed price works only after a trade since it began to wait has reached that price."""
    for event in witness.events:
        match event:
            case OrderAccepted():
                witness.stops[event.order_id] = Stop(event, set())
            case OrderTriggered(state=OrderState.WAITING):
                witness.stops[event.order_id].prices.add(event.last_price_ticks)
            case OrderTriggered(is_pending=False):
                stop = witness.stops[event.order_id]
                assert stop.accepted.trailing_delta or stop.is_reached(), stop
            case OrderClosed():
                del witness.stops[event.order_id]
            case Trade():
                for stop in witness.stops.values():
                    if stop.accepted.market == event.market:
                        stop.prices.add(event.price_ticks)


def lists_end_with_their_orders(witness: Witness) -> None:
    """A list is open while one of its orders is; of a pair that is executed in part, the other has ended."""
    members = Counter(order.list_id for order in witness.now.orders if order.list_id)
    for order in witness.now.orders:
        if order.list_id:
            assert order.order_id in witness.lists[order.list_id].order_ids
    for list_id, told in witness.lists.items():
        assert (members[list_id] > 0) == (told.status == ListStatus.EXEC_STARTED), told
    for order in witness.now.orders:
        is_one_of_pair = (
            order.list_id in witness.pairs and order.order_id in witness.lists[order.list_id].order_ids[-2:]
        )
        assert not (is_one_of_pair and order.executed_lots) or members[order.list_id] == 1, order


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
    stops_are_true,
    lists_end_with_their_orders,
    invariant_12_time_never_goes_back,
)
