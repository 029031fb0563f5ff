"""How many unfilled orders an account may place: counted when they are sent, forgiven when they trade.

An order counts from when it is sent. Its first fill takes it off again, however old the order is, and the
first fill of a resting order takes more off the short interval, so that whoever makes markets may place more.
Cancelled and expired orders stay counted. Counts are never below zero and start anew with each interval.

Fills are seen in the answers to orders that came in here. What other doors trade with (the demo's house) is
not: so when an account is at a limit, the engine is asked which of its orders still rest untouched.
Known limit: counts live in this process and start at zero with it.
"""

from collections.abc import Container
from itertools import islice

from cambist.gateway import errors
from cambist.gateway.errors import ApiError
from cambist.settings import Limits

DAY_S = 86_400
FORGIVEN_BY_MAKER_10S, FORGIVEN_BY_MAKER_1D = 5, 1
ORDERS_CHECKED_AT_ONCE = 1_000
NO_LIMIT = 1 << 62


class Tally:
    """What one account has placed in the present intervals, and its orders that rest without a fill."""

    __slots__ = ("checked_s", "count_1d", "count_10s", "in_flight", "nth_1d", "nth_10s", "unfilled")

    def __init__(self) -> None:
        self.nth_10s = self.nth_1d = -1
        self.count_10s = self.count_1d = 0
        self.in_flight = 0
        self.checked_s = -1
        self.unfilled: dict[int, bool] = {}  # by order id, oldest first; all True


class OrderLimits:
    def __init__(self, limits: Limits) -> None:
        self._most_10s = limits.orders_10s or NO_LIMIT
        self._most_1d = limits.orders_1d or NO_LIMIT
        self._is_off = not (limits.orders_10s or limits.orders_1d)
        self._tallies: dict[int, Tally] = {}

    def of(self, account: int, now_s: int) -> Tally:
        """The account's tally as it is now."""
        tally = self._tallies.get(account)
        if tally is None:
            tally = self._tallies[account] = Tally()
        if now_s // 10 != tally.nth_10s:
            tally.nth_10s, tally.count_10s = now_s // 10, 0
            if now_s // DAY_S != tally.nth_1d:
                tally.nth_1d, tally.count_1d = now_s // DAY_S, 0
        return tally

    def begin(self, tally: Tally, now_s: int, orders: int = 1) -> None:
        """Takes places for orders that are about to be sent together. Raises ApiError (-1015, 429)."""
        sent = tally.in_flight + orders
        if tally.count_10s + sent > self._most_10s:
            raise ApiError(errors.too_many_orders(self._most_10s, "10 SECOND"), 10 - now_s % 10)
        if tally.count_1d + sent > self._most_1d:
            raise ApiError(errors.too_many_orders(self._most_1d, "1 DAY"), DAY_S - now_s % DAY_S)
        tally.in_flight = sent

    def end(self, tally: Tally, orders: int = 1) -> None:
        """Gives the places back, whatever became of the orders."""
        tally.in_flight -= orders

    def placed(self, tally: Tally, order_id: int, *, is_open: bool) -> None:
        """Counts an order that was accepted and did not trade at once."""
        if self._is_off:
            return
        tally.count_10s += 1
        tally.count_1d += 1
        if is_open:
            tally.unfilled[order_id] = True

    def filled(self, account: int, order_id: int) -> None:
        """A resting order traded."""
        tally = self._tallies.get(account)
        if tally is not None and tally.unfilled.pop(order_id, False):
            _forgive(tally)

    def closed(self, account: int, order_id: int) -> None:
        """An order has ended. It stays counted, and can have no fill any more."""
        tally = self._tallies.get(account)
        if tally is not None:
            tally.unfilled.pop(order_id, False)

    def to_check(self, tally: Tally, now_s: int, orders: int = 1) -> list[int]:
        """The oldest orders that may have traded elsewhere; none unless there is no room for `orders` more.

        Once a second at most: looking for a thousand old orders keeps the engine from thousands of new ones.
        """
        sent = tally.in_flight + orders
        if tally.count_10s + sent <= self._most_10s and tally.count_1d + sent <= self._most_1d:
            return []
        if tally.checked_s == now_s:
            return []
        tally.checked_s = now_s
        return list(islice(tally.unfilled, ORDERS_CHECKED_AT_ONCE))

    def checked(self, tally: Tally, checked: list[int], untouched: Container[int]) -> None:
        """Those that rest untouched go to the end, so that the next check looks at others."""
        for order_id in checked:
            if tally.unfilled.pop(order_id, False):
                if order_id in untouched:
                    tally.unfilled[order_id] = True
                else:
                    _forgive(tally)

    def headers(self, tally: Tally) -> list[tuple[bytes, bytes]]:
        return [
            (b"x-mbx-order-count-10s", b"%d" % tally.count_10s),
            (b"x-mbx-order-count-1d", b"%d" % tally.count_1d),
        ]


def _forgive(tally: Tally) -> None:
    tally.count_10s = max(0, tally.count_10s - FORGIVEN_BY_MAKER_10S)
    tally.count_1d = max(0, tally.count_1d - FORGIVEN_BY_MAKER_1D)
