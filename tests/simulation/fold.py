"""The state as events tell it: a naive book and ledger that check every command's events against each other.

Invariants 1, 2, 4 to 9 and 12 after every command; what needs the whole state is looked at now and then by
checks.py. Nothing here asks the engine.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any, cast

from cambist._matching import Engine
from cambist.engine.codes import (
    AccountClass,
    CloseReason,
    FeeComponent,
    HoldState,
    ListStatus,
    OrderState,
    OrderType,
    Side,
    Status,
    StpMode,
)
from cambist.engine.events import (
    AccountEvent,
    AssetEvent,
    Balance,
    EpochEvent,
    Event,
    FeesEvent,
    HoldEvent,
    Level,
    MarketEvent,
    OrderAccepted,
    OrderAmended,
    OrderClosed,
    OrderList,
    OrderTriggered,
    PreventedMatch,
    Result,
    RulesEvent,
    SessionEvent,
    Trade,
)

NO_LIMIT = (OrderType.MARKET, OrderType.STOP_LOSS, OrderType.TAKE_PROFIT)
FEES_ACCOUNT = 1
MAY_OWE = (AccountClass.MIRROR, AccountClass.LOSS)
CHANGES_SOMETHING = {Status.OK, Status.REPLACE_REFUSED, Status.REPLACED_WITHOUT_CANCEL}


@dataclass(slots=True)
class Standing:
    """An open order. `remaining` of an order by budget goes below zero."""

    accepted: OrderAccepted
    client_id: bytes
    quantity_lots: int
    remaining: int
    state: OrderState
    executed: int = 0
    prevented: int = 0
    visible: int = 0

    # What a Mix of commands aims at.
    @property
    def order_id(self) -> int:
        return self.accepted.order_id

    @property
    def account(self) -> int:
        return self.accepted.account

    @property
    def market(self) -> int:
        return self.accepted.market

    def show(self) -> None:
        self.visible = min(self.accepted.iceberg_lots or self.remaining, self.remaining)


class Fold:
    def __init__(self) -> None:
        self.sequence = self.time_ns = 0
        self.epoch = self.rules = 1
        self.orders: dict[int, Standing] = {}
        self.names: dict[tuple[int, bytes], int] = {}  # client ids of open orders
        self.lists: dict[int, OrderList] = {}
        self.holds: dict[bytes, HoldEvent] = {}
        self.accounts: dict[int, AccountEvent] = _system_accounts()
        self.markets: dict[int, MarketEvent] = {}
        self.last_price_ticks: Counter[int] = Counter()  # by market
        self.balances: dict[tuple[int, int], tuple[int, int]] = {}
        self.levels: dict[tuple[int, Side], dict[int, int]] = defaultdict(dict)
        self.sessions: dict[int, SessionEvent] = {}
        self.results: dict[tuple[int, int], Result] = {}
        self.trades = self.postings = 0  # how many
        self._lines: dict[tuple[int, Side], dict[int, dict[int, Standing]]] = defaultdict(dict)
        self._fees: dict[tuple[int, FeeComponent, int], FeesEvent] = {}
        self._scales: dict[int, int] = {}  # by asset
        self._taker = 0
        self._touched: set[tuple[int, Side, int]] = set()
        self._handlers: dict[type, Any] = {
            OrderAccepted: self._accepted,
            OrderTriggered: self._triggered,
            OrderAmended: self._amended,
            OrderClosed: self._closed,
            Trade: self._trade,
            PreventedMatch: self._prevented,
            OrderList: self._list,
            Level: self._level,
            Balance: self._balance,
            HoldEvent: self._hold,
            AccountEvent: lambda event: self.accounts.__setitem__(event.account, event),
            MarketEvent: lambda event: self.markets.__setitem__(event.market, event),
            AssetEvent: lambda event: self._scales.__setitem__(event.asset, event.scale),
            FeesEvent: self._fees_event,
            SessionEvent: lambda event: self.sessions.__setitem__(event.session, event),
            EpochEvent: self._epoch_event,
            RulesEvent: self._rules_event,
        }

    def take(self, result: Result, events: list[Event]) -> None:
        """One command. Raises AssertionError at the first thing that cannot be."""
        assert result.sequence == self.sequence + 1, "8: the sequence grows by one"
        assert result.time_ns >= self.time_ns, "12: time never goes back"
        self.sequence, self.time_ns = result.sequence, result.time_ns
        self._once(result, events)
        if result.repeat or result.status not in CHANGES_SOMETHING:
            assert not events, "9: a refusal changes nothing"
            return
        self._touched.clear()
        handlers = self._handlers
        trades: list[Trade] = []
        posted: Counter[tuple[int, int]] = Counter()
        for event in events:
            kind = event.__class__
            if kind is Trade:
                trades.append(cast(Trade, event))
            elif kind is Balance:
                balance = cast(Balance, event)
                if balance.posting_atoms:
                    posted[balance.account, balance.asset] = balance.posting_atoms
            if (handle := handlers.get(kind)) is not None:
                handle(event)
        self._postings_add_up(trades, posted)
        self._book_is_as_told()

    def _once(self, result: Result, events: list[Event]) -> None:
        if not result.session or result.status in (Status.STALE_NUMBER, Status.UNKNOWN_SESSION):
            return
        first = self.results.setdefault((result.session, result.number), result)
        if first is not result:
            assert result.repeat, "8: a number runs once"
            assert not events, "8: a repeat does nothing"
            again = (result.status, result.value, result.more)
            assert again == (first.status, first.value, first.more), "8: the first result is the result"

    def _accepted(self, event: OrderAccepted) -> None:
        assert event.order_id not in self.orders
        standing = Standing(event, event.client_id, event.quantity_lots, event.quantity_lots, event.state)
        self.orders[event.order_id] = standing
        self._take_name(standing)
        if event.state == OrderState.RESTING:
            self._begin(standing)

    def _take_name(self, standing: Standing) -> None:
        if standing.client_id:
            key = (standing.account, standing.client_id)
            assert self.names.setdefault(key, standing.order_id) == standing.order_id, "8: names are unique"

    def _triggered(self, event: OrderTriggered) -> None:
        standing = self.orders[event.order_id]
        standing.state = event.state
        if event.state == OrderState.RESTING:
            self._begin(standing)

    def _begin(self, standing: Standing) -> None:
        standing.show()
        self._line(standing)[standing.order_id] = standing
        self._taker = standing.order_id
        self._touch(standing)

    def _line(self, standing: Standing) -> dict[int, Standing]:
        accepted = standing.accepted
        return self._lines[accepted.market, accepted.side].setdefault(accepted.price_ticks, {})

    def _touch(self, standing: Standing) -> None:
        accepted = standing.accepted
        self._touched.add((accepted.market, accepted.side, accepted.price_ticks))

    def _amended(self, event: OrderAmended) -> None:
        standing = self.orders[event.order_id]
        assert standing.quantity_lots == event.old_quantity_lots > event.quantity_lots
        standing.remaining -= event.old_quantity_lots - event.quantity_lots
        standing.quantity_lots = event.quantity_lots
        standing.visible = min(standing.visible, standing.remaining)
        self._touch(standing)
        if standing.client_id:
            del self.names[standing.account, standing.client_id]
        standing.client_id = event.client_id
        self._take_name(standing)

    def _closed(self, event: OrderClosed) -> None:
        standing = self.orders.pop(event.order_id)
        if standing.client_id:
            del self.names[standing.account, standing.client_id]
        if standing.state == OrderState.RESTING:
            line = self._line(standing)
            del line[event.order_id]
            if not line:
                del self._lines[event.market, event.side][standing.accepted.price_ticks]
            self._touch(standing)
        assert event.executed_lots == standing.executed <= event.quantity_lots, "6: what was executed"
        if not event.by_quote:
            assert event.quantity_lots == standing.quantity_lots, "6: what was asked for"
            is_done = standing.remaining == 0
            filled = (CloseReason.FILLED, CloseReason.EXPIRED_STP)
            of_filled = event.reason in filled if standing.prevented else event.reason == CloseReason.FILLED
            assert is_done == of_filled or (self.rules == 1 and standing.prevented), "6: filled is done"

    def _meet(self, market: int, taker_side: Side, taker: int, maker: int) -> Standing:
        """The maker, which must be the first in line at the best price."""
        assert taker == self._taker, "5: one order takes at a time"
        side = Side(1 - taker_side)
        line = self._lines[market, side]
        best = line[(min if side == Side.SELL else max)(line)]
        first = next(iter(best.values()))
        assert first.order_id == maker, f"5: price, then time: {maker} before {first.order_id}"
        return first

    def _lose(self, maker: Standing, lots: int) -> None:
        assert 0 < lots <= maker.visible, "5: no more than is shown"
        maker.remaining -= lots
        maker.visible -= lots
        if maker.visible == 0 and maker.remaining > 0:
            line = self._line(maker)
            line[maker.order_id] = line.pop(maker.order_id)
            maker.show()
        self._touch(maker)

    def _trade(self, event: Trade) -> None:
        maker = self._meet(event.market, event.taker_side, event.taker_order, event.maker_order)
        taker = self.orders[event.taker_order]
        assert event.price_ticks == maker.accepted.price_ticks, "5: the maker's price"
        assert _accepts(taker.accepted, event.price_ticks), "5: within the taker's limit"
        if taker.accepted.stp_mode != StpMode.NONE:
            groups = [self.accounts[each].stp_group for each in (event.taker_account, event.maker_account)]
            assert groups[0] != groups[1], "5: no self-trade"
        self._lose(maker, event.quantity_lots)
        taker.remaining -= event.quantity_lots
        taker.show()
        self._touch(taker)
        maker.executed += event.quantity_lots
        taker.executed += event.quantity_lots
        self.last_price_ticks[event.market] = event.price_ticks
        self.trades += 1

    def _prevented(self, event: PreventedMatch) -> None:
        maker = self._meet(event.market, event.taker_side, event.taker_order, event.maker_order)
        taker = self.orders[event.taker_order]
        if event.maker_prevented_lots:
            self._lose_prevented(maker, event.maker_prevented_lots)
        taker.remaining -= event.taker_prevented_lots
        taker.prevented += event.taker_prevented_lots
        taker.show()
        self._touch(taker)

    def _lose_prevented(self, maker: Standing, lots: int) -> None:
        maker.prevented += lots
        maker.remaining -= lots
        maker.visible -= lots
        if maker.visible <= 0 and maker.remaining > 0:
            line = self._line(maker)
            line[maker.order_id] = line.pop(maker.order_id)
            maker.show()
        self._touch(maker)

    def _list(self, event: OrderList) -> None:
        if event.status == ListStatus.EXEC_STARTED:
            self.lists[event.list_id] = event
        else:
            del self.lists[event.list_id]

    def _level(self, event: Level) -> None:
        levels = self.levels[event.market, event.side]
        if event.quantity_lots:
            levels[event.price_ticks] = event.quantity_lots
        else:
            levels.pop(event.price_ticks, None)
        self._touched.add((event.market, event.side, event.price_ticks))

    def _book_is_as_told(self) -> None:
        """4: every level that was touched is told, with what its orders show; no book is crossed."""
        for market, side, price in self._touched:
            line = self._lines[market, side].get(price, {})
            shown = sum(each.visible for each in line.values())
            told = self.levels[market, side].get(price, 0)
            assert told == shown, f"4: level {price} of market {market} is {shown}, told {told}"
        for market in {market for market, _, _ in self._touched}:
            bids, asks = self.levels[market, Side.BUY], self.levels[market, Side.SELL]
            assert not bids or not asks or max(bids) < min(asks), f"4: market {market} is crossed"

    def _balance(self, event: Balance) -> None:
        key = (event.account, event.asset)
        before = sum(self.balances.get(key, (0, 0)))
        assert before + event.posting_atoms == event.available_atoms + event.held_atoms, "1: postings add up"
        assert event.held_atoms >= 0, "2: nothing held is below zero"
        if event.available_atoms < 0:
            assert self.accounts[event.account].account_class in MAY_OWE, "2: nobody owes"
        self.balances[key] = (event.available_atoms, event.held_atoms)
        self.postings += event.posting_atoms != 0

    def _postings_add_up(self, trades: list[Trade], posted: Counter[tuple[int, int]]) -> None:
        sums: Counter[int] = Counter()
        for (_, asset), atoms in posted.items():
            sums[asset] += atoms
        assert not any(sums.values()), f"1: postings of one command sum to zero: {posted}"
        if not trades:
            return
        expected: Counter[tuple[int, int]] = Counter()
        for trade in trades:
            market = self.markets[trade.market]
            lots_atoms = trade.quantity_lots * market.lot_atoms
            tick_atoms = trade.price_ticks * market.tick_atoms
            quote_atoms = tick_atoms * lots_atoms // 10 ** self._scales[market.base]
            assert trade.quote_atoms == quote_atoms, "7: the price is paid"
            taker_buys = trade.taker_side == Side.BUY
            for account, fee, buys, is_taker in (
                (trade.taker_account, trade.taker_fee_atoms, taker_buys, True),
                (trade.maker_account, trade.maker_fee_atoms, not taker_buys, False),
            ):
                received, paid = (lots_atoms, quote_atoms) if buys else (quote_atoms, lots_atoms)
                got, gave = (market.base, market.quote) if buys else (market.quote, market.base)
                wanted = self._fee(trade.market, account, received, is_taker=is_taker, buys=buys)
                assert fee == wanted, f"7: the fee is {wanted}, not {fee}"
                expected[account, got] += received - fee
                expected[account, gave] -= paid
                expected[FEES_ACCOUNT, got] += fee
        assert posted == Counter({key: atoms for key, atoms in expected.items() if atoms}), (
            "7: postings are trades"
        )

    def _fee(self, market: int, account: int, received: int, *, is_taker: bool, buys: bool) -> int:
        total = 0
        for component in FeeComponent:
            tier = self.accounts[account].tier if component == FeeComponent.STANDARD else 0
            rates = self._fees.get((market, component, tier))
            if rates is not None:
                rate = (rates.taker if is_taker else rates.maker) + (rates.buyer if buys else rates.seller)
                total += -(-received * rate // 10**8)
        return min(received, total)

    def _fees_event(self, event: FeesEvent) -> None:
        tier = event.tier if event.component == FeeComponent.STANDARD else 0
        self._fees[event.market, event.component, tier] = event

    def _hold(self, event: HoldEvent) -> None:
        if event.state == HoldState.HELD:
            assert event.digest not in self.holds, "11: a hold is taken once"
            self.holds[event.digest] = event
        else:
            del self.holds[event.digest]  # and released or settled once

    def _epoch_event(self, event: EpochEvent) -> None:
        assert event.epoch == self.epoch + 1, "19: epochs follow each other"
        self.epoch = event.epoch

    def _rules_event(self, event: RulesEvent) -> None:
        self.rules = event.version


def _accepts(taker: OrderAccepted, price_ticks: int) -> bool:
    if taker.order_type in NO_LIMIT:
        return True
    return price_ticks <= taker.price_ticks if taker.side == Side.BUY else price_ticks >= taker.price_ticks


def _system_accounts() -> dict[int, AccountEvent]:
    engine, found = Engine(), {}
    for number in engine.account_ids():
        account = engine.account(number)
        assert account is not None
        account_class, *rest = account
        found[number] = AccountEvent(number, AccountClass(account_class), *rest)  # type: ignore[arg-type]
    return found
