"""Who stands where in the book, as somebody knows it who sees nothing but events.

Orders of a level stand in line from when they begin to work; an iceberg whose visible part is gone goes to
the end. Only one order takes at a time: the one that was accepted or triggered last.
"""

from dataclasses import dataclass
from typing import TypeAlias

from cambist.engine.codes import OrderState, OrderType, Side
from cambist.engine.events import (
    Event,
    OrderAccepted,
    OrderAmended,
    OrderClosed,
    OrderTriggered,
    PreventedMatch,
    Trade,
)

NO_LIMIT = (OrderType.MARKET, OrderType.STOP_LOSS, OrderType.TAKE_PROFIT)

_Starts: TypeAlias = OrderAccepted | OrderTriggered


@dataclass
class Stander:
    accepted: OrderAccepted
    remaining: int
    visible: int = 0
    turn: int = 0  # 0 before it works

    def lose(self, lots: int, next_turn: int) -> None:
        self.remaining -= lots
        self.visible -= lots
        if self.visible == 0 and self.remaining > 0:
            self.turn = next_turn
            self.show()

    def show(self) -> None:
        self.visible = min(self.accepted.iceberg_lots or self.remaining, self.remaining)


class Lines:
    def __init__(self) -> None:
        self._orders: dict[int, Stander] = {}
        self._turns = 0
        self._taker = 0

    def follow(self, event: Event) -> Stander | None:
        """Takes note of an event; returns the taker of a trade, if the maker is the first in line."""
        match event:
            case OrderAccepted():
                self._orders[event.order_id] = Stander(event, event.quantity_lots)
                if event.state == OrderState.RESTING:
                    self._begin(event)
            case OrderTriggered() if event.state == OrderState.RESTING:
                self._begin(event)
            case OrderAmended():
                amended = self._orders[event.order_id]
                amended.remaining -= event.old_quantity_lots - event.quantity_lots
                amended.visible = min(amended.visible, amended.remaining)
            case OrderClosed():
                del self._orders[event.order_id]
            case Trade():
                return self._trade(event)
            case PreventedMatch():
                maker = self._met(event.market, event.taker_side, event.taker_order, event.maker_order)
                maker.lose(event.maker_prevented_lots, self._next_turn())
                self._orders[event.taker_order].remaining -= event.taker_prevented_lots
        return None

    def _begin(self, event: _Starts) -> None:
        self._orders[event.order_id].turn = self._next_turn()
        self._orders[event.order_id].show()
        self._taker = event.order_id

    def _next_turn(self) -> int:
        self._turns += 1
        return self._turns

    def _met(self, market: int, taker_side: Side, taker: int, maker: int) -> Stander:
        """The maker, which must be the first in line, as the only order that takes must be the taker."""
        assert taker == self._taker
        first = self._first_in_line(market, Side(1 - taker_side))
        assert self._orders[maker] is first, (self._orders[maker], first)
        return first

    def _trade(self, trade: Trade) -> Stander:
        maker = self._met(trade.market, trade.taker_side, trade.taker_order, trade.maker_order)
        assert trade.price_ticks == maker.accepted.price_ticks
        assert trade.quantity_lots <= maker.visible
        maker.lose(trade.quantity_lots, self._next_turn())
        taker = self._orders[trade.taker_order]
        taker.remaining -= trade.quantity_lots  # of an order by budget, below zero
        taker.show()
        return taker

    def _first_in_line(self, market: int, side: Side) -> Stander:
        makers = [
            each
            for each in self._orders.values()
            if (each.accepted.market, each.accepted.side) == (market, side) and each.turn
        ]
        sign = -1 if side == Side.BUY else 1
        return min(makers, key=lambda each: (sign * each.accepted.price_ticks, each.turn))
