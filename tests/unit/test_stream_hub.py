"""The hub watches what somebody listens to, and frames each message once for all who get it alike."""

from collections.abc import Callable

import pytest
from picows import WSMsgType

from cambist.feed.names import StreamName, parse
from cambist.gateway.streams.frames import text_frame
from cambist.gateway.streams.hub import StreamHub


class FakeFeed:
    def __init__(self) -> None:
        self.said: list[str] = []

    def watch(self, stream: str) -> None:
        self.said.append(f"watch {stream}")

    def unwatch(self, stream: str) -> None:
        self.said.append(f"unwatch {stream}")


class Listener:
    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.buffers: list[bytearray] = []
        self.write: Callable[[bytes], None] = self.frames.append
        self.resynchronized = 0

    def put(self, kind: WSMsgType, buffer: bytearray, start: int) -> None:
        self.buffers.append(buffer)
        self.frames.append(text_frame(bytes(buffer[start:])))

    def resynchronize(self) -> None:
        self.resynchronized += 1


def stream(name: str) -> StreamName:
    found = parse(name)
    assert found is not None
    return found


TRADES = stream("btcusdt@trade")
FEED_BODY = b'{"e":"trade"}'


@pytest.fixture
def feed() -> FakeFeed:
    return FakeFeed()


@pytest.fixture
def hub(feed: FakeFeed) -> StreamHub:
    return StreamHub(feed, soon=lambda act: None)  # each test says when a turn is over


def test_a_stream_is_watched_from_its_first_listener_to_its_last(hub, feed):
    ann, bob = Listener(), Listener()
    hub.add(TRADES, "btcusdt@trade", ann, combined=False)
    hub.add(TRADES, "btcusdt@trade", bob, combined=True)
    hub.remove(TRADES, "btcusdt@trade", ann)
    assert feed.said == ["watch btcusdt@trade"]
    hub.remove(TRADES, "btcusdt@trade", bob)
    assert feed.said == ["watch btcusdt@trade", "unwatch btcusdt@trade"]


def test_of_two_listeners_each_hears_first_every_other_time(hub):
    heard: list[Listener] = []

    class Noted(Listener):
        def put(self, kind: WSMsgType, buffer: bytearray, start: int) -> None:
            heard.append(self)

    ann, bob = Noted(), Noted()
    for each in (ann, bob):
        hub.add(TRADES, "btcusdt@trade", each, combined=False)
    for _ in range(4):
        hub.on_market("btcusdt@trade", FEED_BODY)
        hub.flush()
    firsts = heard[::2]
    assert firsts in ([ann, bob, ann, bob], [bob, ann, bob, ann])


def test_one_frame_is_written_to_all_raw_listeners_and_one_to_all_combined_ones(hub):
    raw, combined = [Listener() for _ in range(3)], [Listener() for _ in range(2)]
    for each in raw:
        hub.add(TRADES, "btcusdt@trade", each, combined=False)
    for each in combined:
        hub.add(TRADES, "btcusdt@trade", each, combined=True)
    hub.on_market("btcusdt@trade", FEED_BODY)
    hub.flush()
    assert [each.frames for each in raw] == [[text_frame(FEED_BODY)]] * 3
    wrapped = b'{"stream":"btcusdt@trade","data":{"e":"trade"}}'
    assert [each.frames for each in combined] == [[text_frame(wrapped)]] * 2
    for group in (raw, combined):
        assert len({id(each.buffers[0]) for each in group}) == 1


def test_what_comes_in_one_turn_leaves_in_one_piece_that_is_shared(hub):
    ann, bob = Listener(), Listener()
    for each in (ann, bob):
        hub.add(TRADES, "btcusdt@trade", each, combined=False)
    hub.on_market("btcusdt@trade", b"1")
    hub.on_market("btcusdt@trade", b"2")
    hub.flush()
    assert ann.frames == [text_frame(b"1") + text_frame(b"2")]
    assert ann.frames[0] is bob.frames[0]


def test_a_listener_gets_the_name_that_it_used_and_the_stream_is_watched_once(hub, feed):
    old, new = Listener(), Listener()
    for name, listener in (("!miniTicker@arr@3000ms", old), ("!miniTicker@arr", new)):
        hub.add(stream(name), name, listener, combined=True)
    hub.on_market("!miniTicker@arr", b"[]")
    hub.flush()
    assert feed.said == ["watch !miniTicker@arr"]
    assert old.frames == [text_frame(b'{"stream":"!miniTicker@arr@3000ms","data":[]}')]
    assert new.frames == [text_frame(b'{"stream":"!miniTicker@arr","data":[]}')]


def test_a_listener_that_changes_its_mind_goes_on_without_a_gap(hub, feed):
    ann = Listener()
    hub.add(TRADES, "btcusdt@trade", ann, combined=False)
    hub.add(TRADES, "btcusdt@trade", ann, combined=True)
    hub.on_market("btcusdt@trade", b"{}")
    hub.flush()
    assert ann.frames == [text_frame(b'{"stream":"btcusdt@trade","data":{}}')]
    assert feed.said == ["watch btcusdt@trade"]


def test_microseconds_are_a_stream_of_their_own(hub, feed):
    coarse, fine = Listener(), Listener()
    hub.add(TRADES, "btcusdt@trade", coarse, combined=False)
    hub.add(TRADES._replace(in_microseconds=True), "btcusdt@trade", fine, combined=False)
    hub.on_market("btcusdt@trade?us", b"{}")
    hub.flush()
    assert (coarse.frames, fine.frames) == ([], [text_frame(b"{}")])


def test_only_who_keeps_a_book_starts_again_after_a_gap(hub):
    keeper, reader = Listener(), Listener()
    for name in ("btcusdt@depth", "btcusdt@depth@100ms"):
        hub.add(stream(name), name, keeper, combined=False)
    hub.add(TRADES, "btcusdt@trade", reader, combined=False)
    hub.on_gap()
    assert (keeper.resynchronized, reader.resynchronized) == (1, 0)


@pytest.mark.parametrize(
    ("length", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_a_frame_says_its_length_as_rfc_6455_wants_it(length, head):
    assert text_frame(b"x" * length) == head + b"x" * length
