"""Candle intervals: their names, and where a bar begins and the next one follows. Times are UTC nanoseconds.

An offset moves the borders to another time zone: it is what that zone is ahead of UTC. Weeks begin on Monday,
three-day bars are counted from 1970-01-01.
"""

from datetime import UTC, datetime
from typing import NamedTuple

NS_PER_S = 1_000_000_000
MINUTE_NS = 60 * NS_PER_S
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
_FIRST_MONDAY_NS = 4 * DAY_NS  # 1970-01-05


class Interval(NamedTuple):
    """`length_ns` is 0 for the month, whose bars differ in length."""

    name: str
    length_ns: int
    first_ns: int = 0  # where some bar begins

    def open_ns(self, time_ns: int, offset_ns: int = 0) -> int:
        """The beginning of the bar that this time is in."""
        if self.length_ns:
            return time_ns - (time_ns + offset_ns - self.first_ns) % self.length_ns
        local = _date(time_ns + offset_ns)
        return _begin_of_month(local.year, local.month) - offset_ns

    def next_ns(self, open_ns: int, offset_ns: int = 0) -> int:
        """The beginning of the bar that follows the one which begins at `open_ns`."""
        return self.moved(open_ns, 1, offset_ns)

    def moved(self, open_ns: int, bars: int, offset_ns: int = 0) -> int:
        """The beginning of the bar that stands so many bars later, or earlier if negative."""
        if self.length_ns:
            return open_ns + bars * self.length_ns
        local = _date(open_ns + offset_ns)
        years, month = divmod(local.year * 12 + local.month - 1 + bars, 12)
        return _begin_of_month(years, month + 1) - offset_ns


INTERVALS: dict[str, Interval] = {
    interval.name: interval
    for interval in (
        Interval("1s", NS_PER_S),
        Interval("1m", MINUTE_NS),
        Interval("3m", 3 * MINUTE_NS),
        Interval("5m", 5 * MINUTE_NS),
        Interval("15m", 15 * MINUTE_NS),
        Interval("30m", 30 * MINUTE_NS),
        Interval("1h", HOUR_NS),
        Interval("2h", 2 * HOUR_NS),
        Interval("4h", 4 * HOUR_NS),
        Interval("6h", 6 * HOUR_NS),
        Interval("8h", 8 * HOUR_NS),
        Interval("12h", 12 * HOUR_NS),
        Interval("1d", DAY_NS),
        Interval("3d", 3 * DAY_NS),
        Interval("1w", 7 * DAY_NS, _FIRST_MONDAY_NS),
        Interval("1M", 0),
    )
}


def _date(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC)


def _begin_of_month(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * NS_PER_S
