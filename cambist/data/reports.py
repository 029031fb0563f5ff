"""Account events in the public API's words: what one command meant for one account.

Their order within a command is that of the engine's events, with what became of the balances at the end.
The same command gives the same bytes at any time: its own time is the events' time, in microseconds.
"""

from collections.abc import Callable
from copy import copy
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from cambist import money
from cambist.data.account_events import (
    NO_LIST,
    AccountPosition,
    AssetBalance,
    BalanceUpdate,
    ExecutionReport,
    ListedOrder,
    ListReport,
)
from cambist.data.orders import Order
from cambist.engine import names
from cambist.engine.codes import CloseReason, Contingency, ListStatus, OrderState, Side
from cambist.engine.events import (
    Balance,
    Event,
    OrderAccepted,
    OrderAmended,
    OrderClosed,
    OrderList,
    OrderTriggered,
    PreventedMatch,
    Trade,
)

NS_PER_US = 1_000

_encode = msgspec.json.Encoder().encode


class Asset(NamedTuple):
    name: str
    scale: int

    def amount(self, atoms: int) -> str:
        return money.format_atoms(atoms, self.scale)


class Market(NamedTuple):
    """Prices are in ticks and quantities in lots inside, decimal strings outside."""

    symbol: str
    base: Asset
    quote: Asset
    tick_atoms: int
    lot_atoms: int

    def price(self, ticks: int) -> str:
        return self.quote.amount(ticks * self.tick_atoms)

    def quantity(self, lots: int) -> str:
        return self.base.amount(lots * self.lot_atoms)


class Report(NamedTuple):
    """An event of an account; `ordinal` counts those of one command from 0."""

    ordinal: int
    body: bytes


class Reporter:
    """Knows all markets and assets: `markets` and `assets` are kept by whoever made it."""

    def __init__(self, markets: dict[int, Market], assets: dict[int, Asset]) -> None:
        self._markets = markets
        self._assets = assets

    def of(
        self,
        account: int,
        sequence: int,
        time_ns: int,
        events: list[Event],
        before: Callable[[int], Order],
    ) -> list[Report]:
        """What the account is told of a command; `before` gives an order as it stood before it."""
        command = _Command(self._markets, account, sequence, time_ns, before)
        command.filled = _last_trades_of_filled(events)
        command.prevented = _last_preventions_of_ended(events)
        for event in events:
            command.take(event)
        command.balances([each for each in events if isinstance(each, Balance)], self._assets)
        return command.reports


class _Command:
    """One command's events on their way to one account's reports."""

    def __init__(
        self,
        markets: dict[int, Market],
        account: int,
        sequence: int,
        time_ns: int,
        before: Callable[[int], Order],
    ) -> None:
        self.reports: list[Report] = []
        self.filled: dict[int, int] = {}  # orders that this command filled, with their last trades
        self.prevented: dict[int, int] = {}  # the same of those that self-trade prevention ended
        self._markets = markets
        self._account = account
        self._sequence = sequence
        self._time = time_ns // NS_PER_US
        self._time_ns = time_ns
        self._before = before
        self._orders: dict[int, Order] = {}  # as they stand by now
        self._has_traded = False

    def take(self, event: Event) -> None:
        match event:
            case Trade():
                self._has_traded = True
                self._take_trade(event)
            case OrderAccepted() if event.account == self._account:
                self._accepted(event)
            case OrderClosed() if event.account == self._account:
                self._closed(event)
            case OrderAmended() if event.account == self._account:
                self._amended(event)
            case OrderTriggered() if event.account == self._account:
                self._triggered(event)
            case OrderList() if event.account == self._account:
                self._listed(event)
            case PreventedMatch():
                self._take_prevention(event)

    def balances(self, changed: list[Balance], assets: dict[int, Asset]) -> None:
        """What moves by a trade is told with the trade; a balance that moves without one gets an event."""
        own = [balance for balance in changed if balance.account == self._account]
        if not self._has_traded:
            for balance in own:
                if balance.posting_atoms:
                    asset = assets[balance.asset]
                    delta = asset.amount(balance.posting_atoms)
                    self._tell(BalanceUpdate(E=self._time, a=asset.name, d=delta, T=self._time, position=""))
        if own:
            shown = [_balance(assets[each.asset], each) for each in own]
            self._tell(AccountPosition(E=self._time, u=self._time, B=shown, position=""))

    def _accepted(self, event: OrderAccepted) -> None:
        order = Order.accepted(event, self._sequence, self._time_ns)
        self._orders[order.order_id] = order
        status = "PENDING_NEW" if event.state == OrderState.PENDING else "NEW"
        self._report(order, "NEW", status, is_on_book=event.state == OrderState.RESTING)

    def _triggered(self, event: OrderTriggered) -> None:
        """It is new once more: on the book from now on, or waiting for its price."""
        works = event.state == OrderState.RESTING
        order = self._order(event.order_id)
        order.working_ns = self._time_ns if works else 0
        self._report(order, "NEW", "NEW", is_on_book=works)

    def _listed(self, event: OrderList) -> None:
        symbol = self._markets[event.market].symbol
        is_done = event.status == ListStatus.ALL_DONE
        self._tell(
            ListReport(
                E=self._time,
                s=symbol,
                g=event.list_id,
                c="OCO" if event.contingency == Contingency.OCO else "OTO",
                l="ALL_DONE" if is_done else "EXEC_STARTED",
                L="ALL_DONE" if is_done else "EXECUTING",
                C=event.client_id.decode(),
                T=self._time,
                O=[ListedOrder(symbol, each, self._order(each).client_id) for each in event.order_ids],
                position="",
            )
        )

    def _take_prevention(self, match: PreventedMatch) -> None:
        """Each order of the account that lost something to it is told."""
        sides = (
            (match.taker_account, match.taker_order, match.taker_prevented_lots, match.maker_order),
            (match.maker_account, match.maker_order, match.maker_prevented_lots, match.taker_order),
        )
        for account, order_id, lots, counter in sides:
            if account == self._account and lots:
                self._prevented(match, order_id, lots, counter)

    def _prevented(self, match: PreventedMatch, order_id: int, lots: int, counter: int) -> None:
        order = self._order(order_id)
        order.prevented_lots += lots
        market = self._markets[order.market]
        has_ended = self.prevented.get(order_id) == match.prevented_match_id
        self._report(
            order,
            "TRADE_PREVENTION",
            "EXPIRED_IN_MATCH" if has_ended else names.open_name(order.executed_lots),
            is_on_book=not has_ended,
            prevented_match_id=match.prevented_match_id,
            prevented_quantity=market.quantity(order.prevented_lots),
            last_prevented_quantity=market.quantity(lots),
            trade_group=NO_LIST if match.stp_group == self._account else match.stp_group,
            counter_order_id=counter,
            counter_symbol=market.symbol,
        )

    def _take_trade(self, trade: Trade) -> None:
        """Both sides may be the account's own. A match has at most one report per order."""
        if trade.maker_account == self._account:
            self._traded(trade.maker_order, trade, trade.maker_fee_atoms, is_maker=True)
        if trade.taker_account == self._account:
            self._traded(trade.taker_order, trade, trade.taker_fee_atoms, is_maker=False)

    def _traded(self, order_id: int, trade: Trade, fee_atoms: int, *, is_maker: bool) -> None:
        order = self._order(order_id)
        order.executed_lots += trade.quantity_lots
        order.executed_quote_atoms += trade.quote_atoms
        market = self._markets[order.market]
        paid_in = market.quote if order.side == Side.SELL else market.base
        is_filled = self.filled.get(order_id) == trade.trade_id
        self._report(
            order,
            "TRADE",
            "FILLED" if is_filled else "PARTIALLY_FILLED",
            is_on_book=not is_filled and order.price_ticks > 0,
            last_quantity=market.quantity(trade.quantity_lots),
            last_price=market.price(trade.price_ticks),
            last_quote=market.quote.amount(trade.quote_atoms),
            fee=paid_in.amount(fee_atoms),
            fee_asset=paid_in.name,
            trade_id=trade.trade_id,
            is_maker=is_maker,
        )

    def _closed(self, event: OrderClosed) -> None:
        """A filled order was reported with its last trade."""
        order = self._order(event.order_id)
        match event.reason:
            case CloseReason.FILLED:
                pass
            case CloseReason.CANCELLED | CloseReason.REPLACED:
                original = order.client_id
                order.client_id = event.request_id.decode() or original
                self._report(order, "CANCELED", "CANCELED", is_on_book=False, original_client_id=original)
            case CloseReason.EXPIRED_STP if event.order_id in self.prevented:
                pass  # told with the match that was prevented
            case CloseReason.EXPIRED_STP:
                self._report(order, "TRADE_PREVENTION", "EXPIRED_IN_MATCH", is_on_book=False)
            case _:
                why = names.expiry_reason(order.order_type, order.time_in_force, event.reason)
                self._report(order, "EXPIRED", "EXPIRED", is_on_book=False, expiry_reason=why)

    def _amended(self, event: OrderAmended) -> None:
        order = self._order(event.order_id)
        order.quantity_lots = event.quantity_lots
        order.client_id = event.client_id.decode()
        self._report(
            order,
            "REPLACED",
            names.open_name(order.executed_lots),
            is_on_book=True,
            original_client_id=event.old_client_id.decode(),
        )

    def _order(self, order_id: int) -> Order:
        order = self._orders.get(order_id)
        if order is None:
            order = self._orders[order_id] = copy(self._before(order_id))
        return order

    def _report(self, order: Order, execution: str, status: str, **more: Any) -> None:
        market = self._markets[order.market]
        nothing = market.quote.amount(0)
        shown = {
            "last_quantity": market.quantity(0),
            "last_price": nothing,
            "last_quote": nothing,
        } | more
        self._tell(
            ExecutionReport(
                event_time=self._time,
                symbol=market.symbol,
                client_id=order.client_id,
                side=names.SIDE_NAMES[order.side],
                order_type=names.ORDER_TYPE_NAMES[order.order_type],
                time_in_force=names.time_in_force_name(order.order_type, order.time_in_force),
                # An order by quote budget has no quantity of its own: it is what the budget came to.
                quantity=market.quantity(order.executed_lots if order.by_quote else order.quantity_lots),
                price=market.price(order.price_ticks),
                stop_price=market.price(order.stop_price_ticks),
                iceberg_quantity=market.quantity(order.iceberg_lots),
                list_id=order.list_id or NO_LIST,
                execution=execution,
                status=status,
                order_id=order.order_id,
                executed=market.quantity(order.executed_lots),
                time=self._time,
                execution_id=self._sequence,
                created=order.accepted_ns // NS_PER_US,
                executed_quote=market.quote.amount(order.executed_quote_atoms),
                quote_quantity=market.quote.amount(order.quote_budget_atoms),
                working_time=order.working_ns // NS_PER_US if order.working_ns else UNSET,
                stp_mode=names.STP_NAMES[order.stp_mode],
                trailing_delta=order.trailing_delta or UNSET,
                position="",
                **shown,
            )
        )

    def _tell(self, event: ExecutionReport | ListReport | AccountPosition | BalanceUpdate) -> None:
        ordinal = len(self.reports)
        event.position = f"{self._sequence}.{ordinal}"
        self.reports.append(Report(ordinal, _encode(event)))


def _last_trades_of_filled(events: list[Event]) -> dict[int, int]:
    last: dict[int, int] = {}
    for event in events:
        if isinstance(event, Trade):
            last[event.maker_order] = last[event.taker_order] = event.trade_id
    filled = (each for each in events if isinstance(each, OrderClosed) and each.reason == CloseReason.FILLED)
    return {order.order_id: last[order.order_id] for order in filled if order.order_id in last}


def _last_preventions_of_ended(events: list[Event]) -> dict[int, int]:
    last: dict[int, int] = {}
    for event in events:
        if isinstance(event, PreventedMatch):
            last[event.maker_order] = last[event.taker_order] = event.prevented_match_id
    ended = (
        each for each in events if isinstance(each, OrderClosed) and each.reason == CloseReason.EXPIRED_STP
    )
    return {order.order_id: last[order.order_id] for order in ended if order.order_id in last}


def _balance(asset: Asset, balance: Balance) -> AssetBalance:
    return AssetBalance(asset.name, asset.amount(balance.available_atoms), asset.amount(balance.held_atoms))
