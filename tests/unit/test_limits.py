"""Limits per address: counted to the unit, told to wait, and banned for not listening."""

import pytest

from cambist.gateway import limits
from cambist.gateway.errors import ApiError
from cambist.gateway.limits import RequestLimits, client_of
from cambist.settings import Limits

NOW = 1_700_000_040  # the first second of a minute


def request_limits(*, weight: int = 0, requests: int = 0) -> RequestLimits:
    return RequestLimits(Limits(request_weight_1m=weight, raw_requests_5m=requests))


def refused(ask) -> tuple[int, int, int | None]:
    """HTTP status, code and seconds to wait."""
    with pytest.raises(ApiError) as problem:
        ask()
    return problem.value.refusal.http, problem.value.refusal.code, problem.value.retry_after_s


def test_weight_up_to_the_limit_passes_and_one_more_waits_for_the_next_minute():
    limits = request_limits(weight=10)
    assert limits.charge("a", 6, NOW) == 6
    assert limits.charge("a", 4, NOW + 20) == 10
    assert refused(lambda: limits.charge("a", 1, NOW + 20)) == (429, -1003, 40)
    assert limits.charge("b", 10, NOW + 20) == 10
    assert limits.charge("a", 10, NOW + 60) == 10


def test_requests_are_counted_in_five_minutes_whatever_they_weigh():
    start = NOW - NOW % 300
    limits = request_limits(requests=3)
    for _ in range(3):
        limits.admit("a", start + 100)
    assert refused(lambda: limits.admit("a", start + 100)) == (429, -1003, 200)
    limits.admit("a", start + 300)


def test_weight_that_is_given_back_was_not_used():
    limits = request_limits(weight=1)
    for _ in range(3):
        limits.charge("a", 1, NOW)
        limits.give_back("a", 1, NOW)
    assert limits.used_weight("a", NOW) == 0


def test_a_request_that_succeeded_is_not_refused_for_what_others_used_meanwhile():
    limits = request_limits(weight=10)
    limits.charge("a", 5, NOW)
    assert refused(lambda: limits.charge("a", 90, NOW))[0] == 429
    limits.give_back("a", 5, NOW)
    assert limits.used_weight("a", NOW) == 90


def test_an_answer_from_the_minute_before_does_not_begin_that_minute_again():
    limits = request_limits(weight=10)
    limits.charge("a", 1, NOW - 1)
    limits.charge("a", 10, NOW)
    limits.give_back("a", 1, NOW - 1)  # given back by a request that was answered in the next minute
    assert limits.used_weight("a", NOW - 1) == limits.used_weight("a", NOW) == 10
    assert refused(lambda: limits.charge("a", 1, NOW)) == (429, -1003, 60)


def test_a_clock_that_is_put_back_begins_to_count_anew():
    limits = request_limits(weight=10)
    limits.charge("a", 10, NOW)
    assert limits.charge("a", 10, NOW - 3_600) == 10


def test_a_limit_of_zero_is_none():
    limits = request_limits()
    for _ in range(1_000):
        limits.admit("a", NOW)
        limits.charge("a", 1_000, NOW)
    assert limits.used_weight("a", NOW) == 1_000_000


def overstep(limits: RequestLimits, now_s: int, times: int) -> tuple[int, int, int | None]:
    """The answer to the last of so many requests above the limit."""
    answers = []
    for _ in range(times):
        try:
            limits.admit("a", now_s)
            limits.charge("a", 10, now_s)
        except ApiError as problem:
            answers.append((problem.refusal.http, problem.refusal.code, problem.retry_after_s))
    return answers[-1]


def test_who_does_not_listen_is_banned_and_each_time_for_twice_as_long():
    requests = request_limits(weight=1)
    assert overstep(requests, NOW, limits.REFUSED_BEFORE_BAN) == (429, -1003, 60)
    assert overstep(requests, NOW, 1) == (418, -1003, 120)
    assert refused(lambda: requests.admit("a", NOW + 119)) == (418, -1003, 1)
    requests.admit("b", NOW)
    requests.admit("a", NOW + 120)
    assert overstep(requests, NOW + 120, limits.REFUSED_BEFORE_BAN + 1) == (418, -1003, 240)


def test_a_ban_ends_at_three_days_and_is_forgotten_a_day_after():
    requests = request_limits(weight=1)
    now, lengths = NOW, []
    for _ in range(14):
        _, _, length = overstep(requests, now, limits.REFUSED_BEFORE_BAN + 1)
        assert length is not None
        lengths.append(length)
        now += length
    assert lengths[:3] == [120, 240, 480]
    assert lengths[-1] == lengths[-2] == 3 * 86_400
    assert overstep(requests, now + 86_401, limits.REFUSED_BEFORE_BAN + 1)[2] == 120


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
    ],
)
def test_an_ipv6_client_is_its_network(address, client):
    assert client_of(address) == client
