"""How many unfilled orders an account may place: counted when they are sent, forgiven when they trade.

An order counts from when it is sent. Its first fill takes it off again, however old the order is, and the
first fill of a resting order takes more off the short interval, so that whoever makes markets may place more.
Cancelled and expired orders stay counted. Counts are never below zero and start anew with each interval.

Fills are seen in the answers to orders that came in here; the gateways of a machine tell each other of those
that came in elsewhere, and count together. What other doors trade with (the demo's house) is not seen: so
when an account is at a limit, the engine is asked which of its orders from here still rest untouched.
Known limit: a gateway's counts live in its process and start at zero with it.
"""

import time
from collections.abc import Callable, Container
from itertools import islice

from cambist.gateway import errors
from cambist.gateway.errors import ApiError
from cambist.gateway.neighbours import Neighbours, News
from cambist.intervals import NS_PER_S
from cambist.settings import Limits

DAY_S = 86_400
FORGIVEN_BY_MAKER_10S, FORGIVEN_BY_MAKER_1D = 5, 1
ORDERS_CHECKED_AT_ONCE = 1_000
NO_LIMIT = 1 << 62


class Tally:
    """What one account has placed in the present intervals, and its orders that rest without a fill.

    The counts are those of all gateways, of which the others' were `elsewhere` when they were last looked at.
    """

    __slots__ = (
        "account",
        "checked_s",
        "count_1d",
        "count_10s",
        "elsewhere_1d",
        "elsewhere_10s",
        "in_flight",
        "nth_1d",
        "nth_10s",
        "unfilled",
    )

    def __init__(self, account: int) -> None:
        self.account = account
        self.nth_10s = self.nth_1d = -1
        self.count_10s = self.count_1d = 0
        self.elsewhere_10s = self.elsewhere_1d = 0
        self.in_flight = 0
        self.checked_s = -1
        self.unfilled: dict[int, bool] = {}  # by order id, oldest first; all True


class OrderLimits:
    def __init__(
        self,
        limits: Limits,
        neighbours: Neighbours | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._neighbours = neighbours
        self._clock = clock  # Unix nanoseconds: a fill comes without a request that would say when
        self._most_10s = limits.orders_10s or NO_LIMIT
        self._most_1d = limits.orders_1d or NO_LIMIT
        self._is_off = not (limits.orders_10s or limits.orders_1d)
        self._tallies: dict[int, Tally] = {}

    def of(self, account: int, now_s: int) -> Tally:
        """The account's tally as it is now."""
        tally = self._tallies.get(account)
        if tally is None:
            tally = self._tallies[account] = Tally(account)
        _begin_anew(tally, now_s)
        if self._neighbours is not None and not self._neighbours.is_alone:
            self._look_elsewhere(tally)
        return tally

    def take(self, account: int, now_s: int) -> Tally | None:
        """The tally, with a place taken as `begin` takes it; None if something is to be checked before."""
        tally = self.of(account, now_s)
        sent = tally.in_flight + 1
        if tally.count_10s + sent > self._most_10s or tally.count_1d + sent > self._most_1d:
            return None
        tally.in_flight = sent
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
        self._publish(tally)

    def filled(self, account: int, order_id: int) -> None:
        """A resting order traded."""
        if not self._fill(account, order_id):
            self._tell(account, order_id, is_fill=True)

    def closed(self, account: int, order_id: int) -> None:
        """An order has ended. It stays counted, and can have no fill any more."""
        if not self._forget(account, order_id):
            self._tell(account, order_id, is_fill=False)

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
                    self._forgive(tally)

    def headers(self, tally: Tally) -> list[tuple[bytes, bytes]]:
        return [
            (b"x-mbx-order-count-10s", b"%d" % tally.count_10s),
            (b"x-mbx-order-count-1d", b"%d" % tally.count_1d),
        ]

    def _fill(self, account: int, order_id: int) -> bool:
        """Whether it is one of those that were placed here and had no fill before."""
        tally = self._tallies.get(account)
        if tally is None or not tally.unfilled.pop(order_id, False):
            return False
        self._forgive(tally)
        return True

    def _forget(self, account: int, order_id: int) -> bool:
        tally = self._tallies.get(account)
        return tally is not None and tally.unfilled.pop(order_id, False)

    def _forgive(self, tally: Tally) -> None:
        _begin_anew(tally, self._clock() // NS_PER_S)
        self._look_elsewhere(tally)  # the counts of all are what cannot be below zero
        tally.count_10s = max(0, tally.count_10s - FORGIVEN_BY_MAKER_10S)
        tally.count_1d = max(0, tally.count_1d - FORGIVEN_BY_MAKER_1D)
        self._publish(tally)

    # With the other gateways.

    def _publish(self, tally: Tally) -> None:
        """What this gateway adds to the counts of all, or (it has seen fills of others' orders) takes off."""
        neighbours = self._neighbours
        if neighbours is None or neighbours.is_alone:
            return
        for key, until_s, own in (
            (
                neighbours.key("orders 10s", tally.account),
                _end_10s(tally),
                tally.count_10s - tally.elsewhere_10s,
            ),
            (neighbours.key("orders 1d", tally.account), _end_1d(tally), tally.count_1d - tally.elsewhere_1d),
        ):
            neighbours.publish(key, until_s, own, tally.nth_10s * 10)

    def hear(self) -> None:
        """Of orders placed here that met others' at another gateway. To be called a few times a second."""
        for news in self._neighbours.hear() if self._neighbours else ():
            (self._fill if news.is_fill else self._forget)(news.account, news.order_id)

    def _look_elsewhere(self, tally: Tally) -> None:
        neighbours = self._neighbours
        if neighbours is None or neighbours.is_alone:
            return
        in_10s = neighbours.others(neighbours.key("orders 10s", tally.account), _end_10s(tally))
        in_1d = neighbours.others(neighbours.key("orders 1d", tally.account), _end_1d(tally))
        tally.count_10s = max(0, tally.count_10s - tally.elsewhere_10s + in_10s)
        tally.count_1d = max(0, tally.count_1d - tally.elsewhere_1d + in_1d)
        tally.elsewhere_10s, tally.elsewhere_1d = in_10s, in_1d

    def _tell(self, account: int, order_id: int, *, is_fill: bool) -> None:
        if self._neighbours is not None and not self._neighbours.is_alone:
            self._neighbours.tell(News(account, order_id, is_fill))


def _begin_anew(tally: Tally, now_s: int) -> None:
    """With each interval."""
    if now_s // 10 != tally.nth_10s:
        tally.nth_10s, tally.count_10s, tally.elsewhere_10s = now_s // 10, 0, 0
        if now_s // DAY_S != tally.nth_1d:
            tally.nth_1d, tally.count_1d, tally.elsewhere_1d = now_s // DAY_S, 0, 0


def _end_10s(tally: Tally) -> int:
    return (tally.nth_10s + 1) * 10


def _end_1d(tally: Tally) -> int:
    return (tally.nth_1d + 1) * DAY_S
