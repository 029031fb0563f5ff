"""Each listener gets an account's events after its own position, once and in order, whatever goes on."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from cambist.errors import Unavailable
from cambist.feed.client import FeedRefused
from cambist.gateway.streams.accounts import AccountHub, PastEvents, Position

ANN = 7


class FakeFeed:
    """A data process that has come to `until` and knows all events up to there."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.until = 100
        self.past: list[tuple[int, int, msgspec.Raw]] = []
        self.refuses = False
        self.while_asked: Callable[[], None] = lambda: None

    def watch_account(self, account: int, after_sequence: int | None = None) -> None:
        self.said.append(f"watch {account} after {after_sequence}")

    def unwatch_account(self, account: int) -> None:
        self.said.append(f"unwatch {account}")

    async def ask(self, question: str, params: Any = None) -> bytes:
        _, after = params
        self.said.append(f"{question} after {after}")
        if self.refuses:
            raise FeedRefused("too far back")
        self.while_asked()
        await asyncio.sleep(0)
        return msgspec.json.encode(PastEvents(self.until, [each for each in self.past if each[0] > after]))


class Scene:
    def __init__(self) -> None:
        self.feed = FakeFeed()
        self.sequence = 100
        self.hub = AccountHub(self.feed, self._last_sequence)

    async def _last_sequence(self) -> int:
        return self.sequence

    def happens(self, sequence: int, ordinal: int = 0) -> None:
        self.hub.on_private(ANN, sequence, ordinal, body(sequence, ordinal))

    async def listen(self, after: str | None = None, **options: Any) -> list[bytes]:
        told: list[bytes] = []
        position = None if after is None else Position.parse(after)
        stream = await self.hub.open(ANN, told.append, after=position, **options)
        stream.start()
        return told


def body(sequence: int, ordinal: int = 0) -> bytes:
    return b'{"position":"%d.%d"}' % (sequence, ordinal)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_what_happens_after_the_subscription_is_told_in_order(scene):
    async def act() -> None:
        told = await scene.listen()
        for place in ((101, 0), (101, 1), (105, 0)):
            scene.happens(*place)
        assert told == [body(101), body(101, 1), body(105)]
        assert scene.feed.said == ["watch 7 after 100"]

    asyncio.run(act())


def test_what_was_commanded_before_the_subscription_is_not_told(scene):
    async def act() -> None:
        scene.sequence = 103
        told = await scene.listen()
        scene.happens(103)
        scene.happens(104)
        assert told == [body(104)]

    asyncio.run(act())


def test_one_listener_s_past_is_not_told_to_another(scene):
    async def act() -> None:
        first = await scene.listen()
        scene.happens(101)
        scene.sequence = 101
        scene.feed.past = [(90, 0, msgspec.Raw(body(90))), (90, 1, msgspec.Raw(body(90, 1)))]
        scene.feed.until = 101
        second = await scene.listen("90.0")
        assert (first, second) == ([body(101)], [body(90, 1)])
        scene.happens(102)
        assert (first[1:], second[1:]) == ([body(102)], [body(102)])

    asyncio.run(act())


def test_events_that_come_while_the_past_is_read_wait_and_come_once(scene):
    async def act() -> None:
        scene.feed.past = [(place, 0, msgspec.Raw(body(place))) for place in (98, 99, 101)]
        scene.feed.until = 101

        def meanwhile() -> None:
            scene.happens(101)
            scene.happens(102)

        scene.feed.while_asked = meanwhile
        assert await scene.listen("97.0") == [body(98), body(99), body(101), body(102)]

    asyncio.run(act())


def test_a_data_process_that_is_behind_is_asked_again(scene):
    async def act() -> None:
        scene.feed.until = 99
        scene.feed.past = [(99, 0, msgspec.Raw(body(99)))]

        def catches_up() -> None:
            scene.feed.until += 1
            scene.feed.past = [(99, 0, msgspec.Raw(body(99))), (100, 0, msgspec.Raw(body(100)))]

        scene.feed.while_asked = catches_up
        assert await scene.listen("98.0") == [body(99), body(100)]

    asyncio.run(act())


def test_a_data_process_that_stays_behind_is_an_error_and_nothing_is_left_watched(scene, monkeypatch):
    monkeypatch.setattr("cambist.gateway.streams.accounts._CATCH_UP_PAUSE_S", 0)
    scene.feed.until = 50
    with pytest.raises(Unavailable):
        asyncio.run(scene.listen("40.0"))
    assert scene.feed.said[-1] == "unwatch 7"


def test_a_position_that_is_too_old_is_refused(scene):
    scene.feed.refuses = True
    with pytest.raises(FeedRefused):
        asyncio.run(scene.listen("1.0"))
    assert scene.feed.said[-1] == "unwatch 7"


def test_the_account_is_watched_until_its_last_listener_is_gone(scene):
    async def act() -> None:
        one = await scene.hub.open(ANN, print)
        two = await scene.hub.open(ANN, print)
        scene.hub.close(one)
        scene.hub.close(one)
        assert scene.feed.said == ["watch 7 after 100"]
        scene.hub.close(two)
        assert scene.feed.said == ["watch 7 after 100", "unwatch 7"]

    asyncio.run(act())


def test_times_are_cut_to_milliseconds_unless_microseconds_are_wanted(scene):
    async def act() -> None:
        coarse = await scene.listen()
        fine = await scene.listen(in_microseconds=True)
        event = b'{"E":1700000000123456,"i":1700000000123456,"c":"E","T":1700000000123999}'
        scene.hub.on_private(ANN, 101, 0, event)
        assert fine == [event]
        assert coarse == [b'{"E":1700000000123,"i":1700000000123456,"c":"E","T":1700000000123}']

    asyncio.run(act())


@pytest.mark.parametrize("text", ["", "1", "1.", ".1", "1.2.3", "-1.0", "a.b", "1.0 ", "1" * 20 + ".0"])
def test_a_position_is_two_numbers(text):
    assert Position.parse(text) is None
