"""A listen key lives for an hour, and longer if it is renewed."""

import pytest

from cambist.gateway.streams.listen_keys import VALID_NS, ListenKeys

ANN, BOB = 1, 2
NOW = 10**18


@pytest.fixture
def ended() -> list[str]:
    return []


@pytest.fixture
def keys(ended: list[str]) -> ListenKeys:
    return ListenKeys(ended.append)


def test_an_account_has_one_key_and_asking_again_prolongs_it(keys):
    key = keys.start(ANN, NOW)
    assert keys.start(ANN, NOW + VALID_NS - 1) == key != keys.start(BOB, NOW)
    assert keys.account_of(key, NOW + VALID_NS + 1) == ANN


@pytest.mark.parametrize(("age_ns", "account"), [(VALID_NS - 1, ANN), (VALID_NS, None)])
def test_a_key_names_its_account_for_an_hour(keys, age_ns, account):
    assert keys.account_of(keys.start(ANN, NOW), NOW + age_ns) == account


def test_only_its_owner_renews_or_ends_a_key(keys, ended):
    key = keys.start(ANN, NOW)
    assert not keys.renew(key, BOB, NOW) and not keys.end(key, BOB, NOW)
    assert keys.renew(key, ANN, NOW + 1) and keys.account_of(key, NOW + VALID_NS) == ANN
    assert keys.end(key, ANN, NOW + 2) and ended == [key]
    assert not keys.renew(key, ANN, NOW + 2)


def test_keys_that_have_expired_are_told_and_replaced(keys, ended):
    first, second = keys.start(ANN, NOW), keys.start(BOB, NOW + 1)
    keys.expire(NOW + VALID_NS)
    assert ended == [first]
    assert keys.start(BOB, NOW + 1 + VALID_NS) != second and ended == [first, second]
