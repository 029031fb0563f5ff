"""Unfilled orders per account: the worked examples of the documentation, and what other doors traded with."""

import pytest

from cambist.gateway import order_limits
from cambist.gateway.errors import ApiError
from cambist.gateway.order_limits import DAY_S, OrderLimits
from cambist.intervals import NS_PER_S
from cambist.settings import Limits

NOW = 1_700_000_040  # the first second of ten
MIDNIGHT = NOW - NOW % DAY_S
ANN, BOB = 1_001, 1_002


class Counted:
    """An account's orders by name, and its unfilled order count."""

    def __init__(self, *, per_10s: int = 0, per_day: int = 0) -> None:
        self.limits = OrderLimits(
            Limits(orders_10s=per_10s, orders_1d=per_day), clock=lambda: self.now_s * NS_PER_S
        )
        self._interval = 0 if per_10s else 1
        self.now_s = NOW
        self._ids: dict[str, int] = {}

    def place(self, *names: str, trades: bool = False, expires: bool = False) -> int:
        """Returns the count afterwards. `trades` at once, or `expires` at once without a fill."""
        for name in names:
            tally = self.limits.of(ANN, self.now_s)
            self.limits.begin(tally, self.now_s)
            self.limits.end(tally)
            self._ids[name] = len(self._ids) + 1
            if not trades:
                self.limits.placed(tally, self._ids[name], is_open=not expires)
        return self.count()

    def fill(self, *names: str) -> int:
        """Somebody trades with resting orders."""
        for name in names:
            self.limits.filled(ANN, self._ids[name])
        return self.count()

    def cancel(self, name: str) -> int:
        self.limits.closed(ANN, self._ids[name])
        return self.count()

    def count(self) -> int:
        return int(self.limits.headers(self.limits.of(ANN, self.now_s))[self._interval][1])

    def to_check(self) -> list[int]:
        return self.limits.to_check(self.limits.of(ANN, self.now_s), self.now_s)

    def checked(self, checked: list[int], *, untouched: set[int]) -> None:
        self.limits.checked(self.limits.of(ANN, self.now_s), checked, untouched)

    def waits(self, account: int = ANN) -> int | None:
        """Seconds until the next order, None if one may be placed now."""
        tally = self.limits.of(account, self.now_s)
        try:
            self.limits.begin(tally, self.now_s)
        except ApiError as problem:
            assert (problem.refusal.http, problem.refusal.code) == (429, -1015)
            return problem.retry_after_s
        self.limits.end(tally)
        return None


# The documentation's examples: faqs/order_count_decrement.md


def test_example_1_taker():
    ann = Counted(per_10s=100)
    assert ann.place("A") == 1
    assert ann.place("B", trades=True) == 1  # 2 when it was sent, and its first fill took one off
    assert ann.place("C") == 2
    assert ann.fill("B") == 2  # further fills of B
    assert ann.fill("B") == 2
    assert ann.place("D", trades=True) == 2


def test_example_2_maker():
    ann = Counted(per_10s=100)
    assert [ann.place(name) for name in "ABCDE"] == [1, 2, 3, 4, 5]
    assert ann.fill("A") == 0
    assert [ann.place(name) for name in "FG"] == [1, 2]
    assert ann.fill("A") == 2
    assert ann.fill("A") == 2
    assert ann.fill("B") == 0
    assert ann.place("H") == 1


def test_example_of_cancelled_and_expired_orders():
    ann = Counted(per_10s=100)
    assert ann.place("A") == 1
    assert ann.cancel("A") == 1
    assert ann.place("B") == 2
    assert ann.place("C", trades=True) == 2
    assert ann.place("D") == 3
    assert ann.place("E", expires=True) == 4
    assert ann.cancel("D") == 4
    assert ann.place("F") == 5


def test_example_of_orders_that_are_filled_the_next_day():
    ann = Counted(per_day=100)
    ann.now_s = MIDNIGHT + 9 * 3_600
    assert ann.place(*"12345") == 5
    ann.now_s = MIDNIGHT + DAY_S
    assert ann.count() == 0
    ann.now_s += 9 * 3_600
    assert ann.place("6", "7", "8", "9", "10", "11", "12", "13", "14", "15") == 10
    assert ann.fill(*"12345") == 5
    assert ann.fill("6", "7", "8", "9", "10") == 0
    assert ann.place("16", "17") == 2
    assert ann.fill("11", "12", "13", "14", "15") == 0


# Limits


def test_unfilled_orders_up_to_the_limit_pass_and_one_more_waits_for_the_next_ten_seconds():
    ann = Counted(per_10s=2)
    ann.place("A", "B")
    ann.now_s += 3
    assert ann.waits() == 7
    assert ann.waits(BOB) is None
    ann.now_s += 7
    assert ann.waits() is None


def test_orders_on_their_way_count_until_they_are_answered():
    ann = Counted(per_10s=2)
    tally = ann.limits.of(ANN, NOW)
    ann.limits.begin(tally, NOW, 2)
    assert ann.waits() == 10
    ann.limits.end(tally, 2)
    assert ann.waits() is None


def test_orders_that_are_sent_together_need_room_together():
    ann = Counted(per_10s=2)
    ann.place("A")
    tally = ann.limits.of(ANN, NOW)
    with pytest.raises(ApiError):
        ann.limits.begin(tally, NOW, 2)
    ann.limits.begin(tally, NOW, 1)


def test_the_day_has_a_limit_of_its_own():
    ann = Counted(per_10s=10, per_day=2)
    ann.place("A")
    ann.now_s += 10
    ann.place("B")
    ann.now_s += 10
    assert ann.waits() == DAY_S - ann.now_s % DAY_S
    ann.now_s = MIDNIGHT + DAY_S
    assert ann.waits() is None


def test_without_limits_nothing_is_kept():
    ann = Counted()
    assert ann.place("A", "B") == 0
    assert ann.to_check() == []


# Fills that came in by another door


def test_only_at_the_limit_are_orders_worth_checking():
    ann = Counted(per_10s=2)
    ann.place("A")
    assert ann.to_check() == []
    ann.place("B")
    assert ann.to_check() == [1, 2]


def test_orders_that_were_filled_elsewhere_do_not_count():
    ann = Counted(per_10s=100, per_day=3)
    ann.place("A", "B", "C")
    ann.checked(ann.to_check(), untouched={2, 3})
    assert ann.waits() is None
    assert ann.fill("A") == 0  # five were taken off three; told again, it changes nothing
    ann.place("D")
    ann.now_s += 1
    assert ann.to_check() == [2, 3, 4]


def test_each_check_looks_at_other_orders(monkeypatch):
    monkeypatch.setattr(order_limits, "ORDERS_CHECKED_AT_ONCE", 2)
    ann = Counted(per_10s=3)
    ann.place("A", "B", "C")
    assert ann.to_check() == [1, 2]
    ann.checked([1, 2], untouched={1, 2})
    ann.now_s += 1
    assert ann.to_check() == [3, 1]


def test_an_account_at_its_limit_is_checked_once_a_second():
    ann = Counted(per_10s=10, per_day=2)
    ann.place("A", "B")
    assert ann.to_check() == [1, 2]
    assert ann.to_check() == []
    ann.now_s += 1
    assert ann.to_check() == [1, 2]
