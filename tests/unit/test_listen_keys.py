"""A listen key lives for an hour, and longer if it is renewed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cambist.errors import Unavailable
from cambist.store.listen_keys import VALID_NS, ListenKeys

ANN, BOB = 1, 2
NOW = 10**18


@pytest.fixture
def ended() -> list[str]:
    return []


@pytest.fixture
def keys(tmp_path: Path, ended: list[str]) -> Iterator[ListenKeys]:
    opened = ListenKeys(tmp_path / "run" / "listen-keys.db", ended.append)
    yield opened
    opened.close()


@pytest.fixture
def elsewhere(tmp_path: Path, keys: ListenKeys) -> Iterator[ListenKeys]:
    """Another gateway's, or the same one's after a restart."""
    opened = ListenKeys(tmp_path / "run" / "listen-keys.db", lambda name: None)
    yield opened
    opened.close()


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


def test_a_key_that_has_expired_is_replaced(keys):
    first = keys.start(ANN, NOW)
    assert keys.start(ANN, NOW + VALID_NS) != first
    assert keys.account_of(first, NOW + VALID_NS) is None


def test_of_the_keys_in_use_those_that_have_expired_are_told(keys, ended):
    first, second = keys.start(ANN, NOW), keys.start(BOB, NOW + 1)
    keys.look([first, second], NOW + VALID_NS)
    assert ended == [first]


def test_a_key_is_good_at_every_gateway(keys, elsewhere):
    key = keys.start(ANN, NOW)
    assert elsewhere.account_of(key, NOW) == ANN
    assert elsewhere.start(ANN, NOW + 1) == key
    assert elsewhere.renew(key, ANN, NOW + VALID_NS) and keys.account_of(key, NOW + VALID_NS + 2) == ANN


def test_a_key_that_was_ended_at_another_gateway_is_told(keys, elsewhere, ended):
    key = keys.start(ANN, NOW)
    assert elsewhere.end(key, ANN, NOW + 1)
    keys.look([key], NOW + 2)
    assert ended == [key]


@pytest.mark.parametrize("name", ["", "btcusdt@trade", "x" * 64])
def test_other_names_are_no_keys(keys, name):
    assert keys.account_of(name, NOW) is None


def test_a_disk_that_takes_nothing_is_told_and_ends_nothing(keys, ended, tmp_path):
    key = keys.start(ANN, NOW)
    keys.close()
    (tmp_path / "run").rename(tmp_path / "gone")
    with pytest.raises(Unavailable):
        keys.start(BOB, NOW)
    keys.look([key], NOW)
    assert ended == []
    (tmp_path / "gone").rename(tmp_path / "run")
    assert keys.account_of(key, NOW) == ANN


def test_keys_that_have_expired_take_no_room(keys, tmp_path):
    old = keys.start(ANN, NOW)
    keys.start(BOB, NOW + VALID_NS)
    assert keys.account_of(old, NOW) is None
