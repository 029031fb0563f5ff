"""Gateways of one machine count together: what one has seen is in force at all of them."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cambist.gateway import neighbours as module
from cambist.gateway.errors import ApiError
from cambist.gateway.limits import BAN_SHORTEST_S, MINUTE_S, REFUSED_BEFORE_BAN, RequestLimits
from cambist.gateway.neighbours import FORGOTTEN_AFTER_S, GATEWAYS_MAX, Neighbours, News, TooManyGateways
from cambist.gateway.order_limits import OrderLimits
from cambist.intervals import NS_PER_S
from cambist.settings import Limits

NOW = 1_700_000_040  # a minute begins
ANN, BOB = 3, 4
HERE, THERE = "192.0.2.1", "192.0.2.2"
LIMITS = Limits(request_weight_1m=100, raw_requests_5m=50, orders_10s=10, orders_1d=100)


def joined(directory: Path, stack: ExitStack, count: int = 2) -> list[Neighbours]:
    found = [Neighbours.join(directory) for _ in range(count)]
    for each in found:
        stack.callback(each.close)
    for _ in range(2):  # so that also the first has seen the last
        for each in found:
            each.beat(NOW)
    return found


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[Neighbours]]:
    with ExitStack() as stack:
        yield joined(tmp_path, stack)


@pytest.fixture
def limits(two: list[Neighbours]) -> list[RequestLimits]:
    return [RequestLimits(LIMITS, each) for each in two]


def refused(limits: RequestLimits, client: str, now_s: int) -> ApiError | None:
    try:
        limits.admit(client, now_s)
    except ApiError as problem:
        return problem
    return None


def test_weight_is_that_of_all_gateways(limits):
    first, second = limits
    first.charge(HERE, 60, NOW)
    assert second.charge(HERE, 30, NOW) == 90
    assert first.used_weight(HERE, NOW) == 90
    with pytest.raises(ApiError):
        first.charge(HERE, 11, NOW)


def test_weight_that_is_given_back_is_given_back_everywhere(limits):
    first, second = limits
    first.charge(HERE, 60, NOW)
    first.give_back(HERE, 60, NOW)
    assert second.used_weight(HERE, NOW) == 0


def test_weight_is_forgotten_with_the_minute_and_counts_for_one_client_only(limits):
    first, second = limits
    first.charge(HERE, 60, NOW)
    assert second.used_weight(THERE, NOW) == 0
    assert second.used_weight(HERE, NOW + MINUTE_S) == 0


def test_requests_are_those_of_all_gateways(limits):
    first, second = limits
    for _ in range(25):
        assert refused(first, HERE, NOW) is None
        assert refused(second, HERE, NOW) is None
    assert refused(first, HERE, NOW) is not None


def test_a_ban_is_in_force_at_all_gateways_and_the_next_one_is_twice_as_long(limits):
    first, second = limits
    for _ in range(50 + REFUSED_BEFORE_BAN // 2):
        refused(first, HERE, NOW)
    for _ in range(REFUSED_BEFORE_BAN // 2):
        refused(second, HERE, NOW)
    banned = refused(first, HERE, NOW)
    assert banned is not None and banned.refusal.http == 418 and banned.retry_after_s == BAN_SHORTEST_S
    elsewhere = refused(second, HERE, NOW + 1)
    assert elsewhere is not None and elsewhere.refusal.http == 418
    assert elsewhere.retry_after_s == BAN_SHORTEST_S - 1
    assert refused(second, HERE, NOW + BAN_SHORTEST_S + 300) is None
    again = NOW + BAN_SHORTEST_S + 300
    for _ in range(50 + REFUSED_BEFORE_BAN + 1):
        last = refused(second, HERE, again)
    assert last is not None and last.retry_after_s == 2 * BAN_SHORTEST_S


def test_a_gateway_that_is_alone_tells_nobody_anything(tmp_path):
    with ExitStack() as stack:
        (alone,) = joined(tmp_path, stack, 1)
        RequestLimits(LIMITS, alone).charge(HERE, 60, NOW)
        late = Neighbours.join(tmp_path)
        stack.callback(late.close)
        late.beat(NOW)
        assert not late.is_alone and alone.is_alone
        assert late.others(late.key("weight", HERE), NOW + MINUTE_S) == 0


def test_a_gateway_that_has_been_silent_for_long_is_none(two):
    first, second = two
    first.beat(NOW + FORGOTTEN_AFTER_S - 1)
    assert not first.is_alone
    second.beat(NOW + FORGOTTEN_AFTER_S - 1)
    first.beat(NOW + 2 * FORGOTTEN_AFTER_S)
    assert first.is_alone


def test_a_gateway_that_starts_anew_has_counted_nothing(tmp_path):
    with ExitStack() as stack:
        first, second = joined(tmp_path, stack)
        key = first.key("weight", HERE)
        second.publish(key, NOW + 60, 50, NOW)
        assert first.others(key, NOW + 60) == 50
        second.close()
        again = Neighbours.join(tmp_path)
        stack.callback(again.close)
        assert again.number == 1
        assert first.others(key, NOW + 60) == 0


def test_there_is_room_for_so_many_gateways_and_no_more(tmp_path):
    with ExitStack() as stack:
        for _ in range(GATEWAYS_MAX):
            stack.callback(Neighbours.join(tmp_path).close)
        with pytest.raises(TooManyGateways):
            Neighbours.join(tmp_path)


def test_a_full_table_counts_nobody_wrongly_and_has_room_again_later(two, monkeypatch):
    first, second = two
    monkeypatch.setattr(module, "_slots", lambda region, key: range(region + 70_000, region + 70_016, 2))
    keys = [first.key("weight", f"client {nth}") for nth in range(9)]
    for amount, key in enumerate(keys, 1):
        first.publish(key, NOW + 60, amount, NOW)
    assert [second.others(key, NOW + 60) for key in keys] == [1, 2, 3, 4, 5, 6, 7, 8, 0]
    first.publish(keys[8], NOW + 120, 9, NOW + 60)
    assert second.others(keys[8], NOW + 120) == 9
    assert second.others(keys[0], NOW + 60) == 0


def test_what_an_account_was_told_is_known_everywhere(two):
    first, second = two
    first.answered(ANN, 500)
    second.answered(ANN, 400)
    assert first.last_answered(ANN) == second.last_answered(ANN) == 500
    assert second.last_answered(BOB) == 0


def test_a_reader_that_was_away_for_long_misses_the_oldest_news_only(two):
    first, second = two
    for order_id in range(module._NEWS_KEPT + 5):
        first.tell(News(ANN, order_id, is_fill=True))
    heard = second.hear()
    assert [news.order_id for news in heard] == list(range(5, module._NEWS_KEPT + 5))
    assert second.hear() == []


# Order counts: whatever comes in where, all gateways say what one gateway would.

GATEWAY, ORDER = st.integers(0, 1), st.integers(0, 30)
HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.just("placed"), GATEWAY, ORDER),
        st.tuples(st.just("traded at once"), GATEWAY, ORDER),
        st.tuples(st.sampled_from(["filled", "closed"]), GATEWAY, ORDER),
        st.tuples(st.sampled_from(["later", "looked at"]), st.integers(1, 12), ORDER),
    ),
    max_size=60,
)


@given(happenings=HAPPENINGS)
# The fill is seen where the account has sent nothing yet in this interval.
@example(happenings=[("placed", 1, 0), ("later", 10, 0), ("placed", 0, 1), ("filled", 0, 0)])
@settings(max_examples=60, deadline=None)
def test_order_counts_are_those_of_one_gateway(tmp_path_factory, happenings):
    limits = Limits(orders_10s=1_000, orders_1d=1_000)
    with ExitStack() as stack:
        now_s = NOW

        def clock() -> int:
            return now_s * NS_PER_S

        neighbours = joined(tmp_path_factory.mktemp("two"), stack)
        two = [OrderLimits(limits, each, clock) for each in neighbours]
        one = OrderLimits(limits, clock=clock)
        placed: set[int] = set()
        for what, number, order_id in [*happenings, ("looked at", 0, 0)]:
            if what == "later":
                now_s += number
            elif what == "placed" and order_id not in placed:
                placed.add(order_id)
                for gateway in (one, two[number]):
                    gateway.placed(gateway.of(ANN, now_s), order_id, is_open=True)
            elif what == "traded at once":
                for gateway in (one, two[number]):
                    gateway.placed(gateway.of(ANN, now_s), 1_000 + order_id, is_open=False)
            elif what in ("filled", "closed"):
                for gateway in (one, two[number]):
                    getattr(gateway, what)(ANN, order_id)
            for gateway in two:
                gateway.hear()
            if what != "looked at":  # or each would always know the other's latest count
                continue
            expected = one.headers(one.of(ANN, now_s))
            assert [gateway.headers(gateway.of(ANN, now_s)) for gateway in two] == [expected, expected]


def test_an_account_at_its_limit_is_so_at_every_gateway(two):
    first, second = (OrderLimits(LIMITS, each, lambda: NOW * NS_PER_S) for each in two)
    for order_id in range(6):
        first.placed(first.of(ANN, NOW), order_id, is_open=True)
    for order_id in range(6, 10):
        second.placed(second.of(ANN, NOW), order_id, is_open=True)
    for gateway in (first, second):
        with pytest.raises(ApiError):
            gateway.begin(gateway.of(ANN, NOW), NOW)
        gateway.begin(gateway.of(BOB, NOW), NOW)


def test_a_fill_seen_elsewhere_takes_off_what_a_fill_takes_off(two):
    first, second = (OrderLimits(LIMITS, each, lambda: NOW * NS_PER_S) for each in two)
    first.placed(first.of(ANN, NOW), 1, is_open=True)
    for order_id in range(2, 8):
        second.placed(second.of(ANN, NOW), order_id, is_open=True)
    second.filled(ANN, 1)
    first.hear()
    for gateway in (first, second):
        assert gateway.headers(gateway.of(ANN, NOW))[0] == (b"x-mbx-order-count-10s", b"2")
