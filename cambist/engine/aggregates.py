"""Aggregate trade ids, a function of the events: one id per taker order and price in a command.

Per market they begin with 1 and have no gaps, like trade ids, and are the same after every rebuild.
"""

from collections.abc import Callable

from .events import Trade


class AggregateIds:
    """Counts the aggregates of each market; `last_of` gives a market's last id when it is first met."""

    def __init__(self, last_of: Callable[[int], int] = lambda market: 0) -> None:
        self._last_of = last_of
        self._last: dict[int, tuple[int, int, int, int]] = {}  # market -> id, sequence, taker order, price

    def of(self, sequence: int, trade: Trade) -> int:
        """Trades must come in their order, each of them once."""
        market = trade.market
        last = self._last.get(market) or (self._last_of(market), 0, 0, 0)
        number = last[0]
        if (sequence, trade.taker_order, trade.price_ticks) != last[1:]:
            number += 1
        self._last[market] = (number, sequence, trade.taker_order, trade.price_ticks)
        return number
