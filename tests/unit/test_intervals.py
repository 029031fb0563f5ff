"""Where bars begin and end: UTC, weeks from Monday, months of their own length, and other time zones."""

from datetime import UTC, datetime, timedelta

import pytest

from cambist.intervals import HOUR_NS, INTERVALS, MINUTE_NS, NS_PER_S


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS_PER_S


def text(time_ns: int) -> str:
    return (datetime(1970, 1, 1) + timedelta(seconds=time_ns // NS_PER_S)).isoformat()  # noqa: DTZ001


@pytest.mark.parametrize(
    ("interval", "opens", "following"),
    [
        ("1s", "2024-08-08T23:59:59", "2024-08-09T00:00:00"),
        ("3m", "2024-08-08T23:57:00", "2024-08-09T00:00:00"),
        ("6h", "2024-08-08T18:00:00", "2024-08-09T00:00:00"),
        ("1d", "2024-08-08T00:00:00", "2024-08-09T00:00:00"),
        ("3d", "2024-08-06T00:00:00", "2024-08-09T00:00:00"),
        ("1w", "2024-08-05T00:00:00", "2024-08-12T00:00:00"),
        ("1M", "2024-08-01T00:00:00", "2024-09-01T00:00:00"),
    ],
)
def test_a_bar_begins_and_ends_where_traders_expect_it(interval, opens, following):
    each = INTERVALS[interval]
    open_ns = each.open_ns(ns("2024-08-08T23:59:59") + 999_999_999)
    assert text(open_ns) == opens
    assert text(each.next_ns(open_ns)) == following
    assert each.open_ns(ns(following)) == ns(following)


@pytest.mark.parametrize(
    ("interval", "opens", "following"),
    [
        ("1h", "2024-08-31T17:00:00", "2024-08-31T18:00:00"),
        ("6h", "2024-08-31T16:00:00", "2024-08-31T22:00:00"),
        ("1d", "2024-08-31T16:00:00", "2024-09-01T16:00:00"),
        ("1w", "2024-08-25T16:00:00", "2024-09-01T16:00:00"),
        ("1M", "2024-08-31T16:00:00", "2024-09-30T16:00:00"),
    ],
)
def test_days_and_longer_bars_follow_the_clock_of_another_zone(interval, opens, following):
    each, offset_ns = INTERVALS[interval], 8 * HOUR_NS
    open_ns = each.open_ns(ns("2024-08-31T17:30:00"), offset_ns)
    assert text(open_ns) == opens
    assert text(each.next_ns(open_ns, offset_ns)) == following


def test_an_offset_may_have_minutes():
    open_ns = INTERVALS["1d"].open_ns(ns("2024-08-08T18:14:59"), 5 * HOUR_NS + 45 * MINUTE_NS)
    assert text(open_ns) == "2024-08-07T18:15:00"


def test_months_are_counted_over_the_end_of_the_year():
    month = INTERVALS["1M"]
    assert text(month.moved(ns("2024-11-01"), 3)) == "2025-02-01T00:00:00"
    assert text(month.moved(ns("2024-02-01"), -14)) == "2022-12-01T00:00:00"


def test_there_are_sixteen_intervals():
    assert " ".join(INTERVALS) == "1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M"
