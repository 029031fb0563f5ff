"""The feed: bodies arrive as sent, a lost connection costs only time, and what cannot be read is cut off."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from cambist.errors import Refused, Unavailable
from cambist.feed import client as client_module
from cambist.feed.client import FeedClient, FeedRefused
from cambist.feed.messages import (
    FRAME_MAX_BYTES,
    Ask,
    Gap,
    Hello,
    Market,
    Message,
    Position,
    Private,
    Published,
    Watch,
    frame,
    read_to_data,
)
from cambist.feed.server import Connection, FeedServer
from cambist.frames import Frames, FrameTooLarge

WITHIN_S = 120


class Publishers:
    """Both sides of a data process; keeps what gateways asked for."""

    def __init__(self) -> None:
        self.hellos: list[Hello] = []
        self.watched: list[str] = []
        self.unwatched: list[str] = []
        self.accounts: list[tuple[int, int | None]] = []
        self.left: set[Connection] = set()

    def hello(self, gateway: Connection, hello: Hello) -> None:
        self.hellos.append(hello)

    def watch(self, gateway: Connection, streams: list[str]) -> None:
        self.watched += streams

    def unwatch(self, gateway: Connection, streams: list[str]) -> None:
        self.unwatched += streams

    def watch_account(self, gateway: Connection, account: int, after_sequence: int | None) -> None:
        self.accounts.append((account, after_sequence))

    def unwatch_account(self, gateway: Connection, account: int) -> None:
        self.accounts = [each for each in self.accounts if each[0] != account]

    def gone(self, gateway: Connection) -> None:
        self.left.add(gateway)


def refuse(params: Any) -> bytes:
    raise Refused("there is no such market")


def wait(params: Any) -> bytes:
    raise Unavailable("ask again later")


class Feed:
    """A gateway and a data process that can be ended and started again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.publishers = Publishers()
        self.market: list[tuple[str, bytes]] = []
        self.private: list[tuple[int, int, int, bytes]] = []
        self.gaps = 0
        self.client = FeedClient(path, self._take_market, self._take_private, self._take_gap)

    async def start_data(self) -> None:
        self.server = FeedServer(
            self.path,
            self.publishers,
            self.publishers,
            {"echo": lambda params: repr(params).encode(), "refuse": refuse, "wait": wait},
        )
        await self.server.start()

    async def kill_data(self) -> None:
        await self.server.stop()
        await until(lambda: not self.client.is_connected)

    def say(self, *messages: Any) -> None:
        for message in messages:
            self.server.send_all(message)

    def _take_market(self, stream: str, body: bytes) -> None:
        self.market.append((stream, body))

    def _take_private(self, account: int, sequence: int, ordinal: int, body: bytes) -> None:
        self.private.append((account, sequence, ordinal, body))

    def _take_gap(self) -> None:
        self.gaps += 1


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():
            await asyncio.sleep(0.001)


def play(tmp_path: Path, scene: Callable[[Feed], Awaitable[None]]) -> None:
    async def run() -> None:
        feed = Feed(tmp_path / "feed.sock")
        await feed.start_data()
        running = asyncio.create_task(feed.client.run())
        try:
            await until(lambda: feed.client.is_connected)
            await scene(feed)
        finally:
            running.cancel()
            await feed.server.stop()

    uvloop.run(run())  # as the exchange does


def test_bodies_arrive_as_they_were_encoded_and_in_order(tmp_path):
    async def scene(feed: Feed) -> None:
        feed.client.watch("btcusdt@trade")
        await until(lambda: feed.publishers.watched == ["btcusdt@trade"])
        feed.say(Market("btcusdt@trade", b'{"t":1}'), Market("btcusdt@trade", b'{"t":2}'), Published(7, 6, 5))
        await until(lambda: feed.client.published == 7)
        assert feed.market == [("btcusdt@trade", b'{"t":1}'), ("btcusdt@trade", b'{"t":2}')]

    play(tmp_path, scene)


def test_a_stream_is_asked_for_once_and_given_up_once(tmp_path):
    async def scene(feed: Feed) -> None:
        for _ in range(2):
            feed.client.watch("a@trade")
        for _ in range(2):
            feed.client.unwatch("a@trade")
        await feed.client.ask("echo")
        assert feed.publishers.watched == feed.publishers.unwatched == ["a@trade"]

    play(tmp_path, scene)


def test_after_a_restart_the_gateway_says_where_it_was_and_what_it_watches(tmp_path):
    async def scene(feed: Feed) -> None:
        feed.client.watch("a@depth")
        feed.client.watch_account(3)
        feed.client.watch_account(4, after_sequence=10)
        feed.say(Private(3, 42, 0, b"{}"), Published(41, 40, 39, 38))
        await until(lambda: len(feed.private) == 1)
        feed.publishers.accounts.clear()
        await feed.kill_data()
        await feed.start_data()
        await until(lambda: len(feed.publishers.accounts) == 2)
        assert feed.publishers.hellos == [Hello(), Hello(41, 40, 39, 38, ["a@depth"])]
        assert feed.publishers.accounts == [(3, 41), (4, 10)]

    play(tmp_path, scene)


def test_private_events_that_come_again_after_a_restart_are_handed_on_once(tmp_path):
    async def scene(feed: Feed) -> None:
        feed.client.watch_account(3)
        await feed.client.ask("echo")
        feed.say(Private(3, 42, 0, b"first"))
        await until(lambda: len(feed.private) == 1)
        await feed.kill_data()
        await feed.start_data()
        await until(lambda: feed.client.is_connected)
        await feed.client.ask("echo")
        feed.say(Private(3, 42, 0, b"first"), Private(3, 42, 1, b"second"), Private(3, 43, 0, b"third"))
        await until(lambda: len(feed.private) == 3)
        assert [body for *_, body in feed.private] == [b"first", b"second", b"third"]

    play(tmp_path, scene)


def test_an_ask_that_meets_a_restart_is_answered_after_it(tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "ANSWER_WITHIN_S", WITHIN_S)

    async def scene(feed: Feed) -> None:
        await feed.kill_data()
        asked = asyncio.create_task(feed.client.ask("echo", {"symbol": "BTCUSDT"}))
        await feed.start_data()
        assert await asked == b"{'symbol': 'BTCUSDT'}"

    play(tmp_path, scene)


def test_an_ask_without_a_data_process_says_that_it_may_be_repeated(tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "ANSWER_WITHIN_S", 0.01)

    async def scene(feed: Feed) -> None:
        await feed.kill_data()
        with pytest.raises(Unavailable):
            await feed.client.ask("echo")
        await feed.start_data()

    play(tmp_path, scene)


def test_refusals_and_unknown_questions_reach_the_one_who_asked(tmp_path):
    async def scene(feed: Feed) -> None:
        with pytest.raises(FeedRefused, match="no such market"):
            await feed.client.ask("refuse")
        with pytest.raises(FeedRefused, match="weather"):
            await feed.client.ask("weather")
        assert await feed.client.ask("echo", 1) == b"1"

    play(tmp_path, scene)


def test_what_is_not_known_yet_may_be_asked_for_again(tmp_path):
    async def scene(feed: Feed) -> None:
        with pytest.raises(Unavailable, match="later"):
            await feed.client.ask("wait")

    play(tmp_path, scene)


def test_waiting_for_a_position_ends_when_the_views_have_reached_it(tmp_path):
    async def scene(feed: Feed) -> None:
        waiting = asyncio.create_task(feed.client.wait_position(5, WITHIN_S))
        await asyncio.sleep(0)
        feed.say(Position(4))
        await until(lambda: feed.client.position == 4)
        assert not waiting.done()
        feed.say(Position(5))
        assert await waiting
        assert await feed.client.wait_position(5, 0)
        assert not await feed.client.wait_position(6, 0.001)

    play(tmp_path, scene)


def test_a_gap_is_told_to_the_gateway(tmp_path):
    async def scene(feed: Feed) -> None:
        feed.say(Gap())
        await until(lambda: feed.gaps == 1)

    play(tmp_path, scene)


def test_a_connection_that_speaks_something_else_is_cut_and_others_go_on(tmp_path):
    async def scene(feed: Feed) -> None:
        for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\x02\x00\x00\x00\xc1\xc1"):
            reader, writer = await asyncio.open_unix_connection(str(feed.path))
            writer.write(noise)
            async with asyncio.timeout(WITHIN_S):
                assert await reader.read() == b""
            writer.close()
        assert await feed.client.ask("echo", 1) == b"1"
        assert len(feed.publishers.left) == 2

    play(tmp_path, scene)


def test_a_gateway_that_does_not_read_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr("cambist.feed.server.UNREAD_MAX_BYTES", 1_000_000)

    async def scene(feed: Feed) -> None:
        (reading,) = feed.server.connections
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.setblocking(False)
            await asyncio.get_running_loop().sock_connect(deaf, str(feed.path))
            await until(lambda: len(feed.server.connections) == 2)
            (unread,) = feed.server.connections - {reading}
            unread.send(Market("a@trade", bytes(3_000_000)))
            await until(lambda: len(feed.publishers.left) == 1)
        assert await feed.client.ask("echo", 1) == b"1"

    play(tmp_path, scene)


def test_a_gateway_that_does_not_read_does_not_keep_the_data_process_from_ending(tmp_path):
    async def scene(feed: Feed) -> None:
        (reading,) = feed.server.connections
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.setblocking(False)
            await asyncio.get_running_loop().sock_connect(deaf, str(feed.path))
            await until(lambda: len(feed.server.connections) == 2)
            (unread,) = feed.server.connections - {reading}
            unread.send(Market("a@trade", bytes(3_000_000)))
            async with asyncio.timeout(WITHIN_S):
                await feed.kill_data()
        await feed.start_data()

    play(tmp_path, scene)


def test_only_the_owner_can_open_the_socket(tmp_path):
    async def scene(feed: Feed) -> None:
        assert feed.path.stat().st_mode & 0o777 == 0o600

    play(tmp_path, scene)


@pytest.mark.parametrize("piece", [1, 3, 1_000])
def test_frames_are_found_however_the_socket_cuts_them(piece):
    sent: list[list[Message]] = [
        [Hello(1, 2, 3, 4, ["x@trade"])],
        [Watch(["a", "b"]), Ask(1, "echo", {"k": None})],
    ]
    wire = b"".join(frame(messages) for messages in sent)
    frames = Frames(FRAME_MAX_BYTES)
    got = [
        read_to_data(payload)
        for at in range(0, len(wire), piece)
        for payload in frames.fed(wire[at : at + piece])
    ]
    assert got == sent


def test_a_frame_of_absurd_length_is_refused_before_it_is_awaited():
    with pytest.raises(FrameTooLarge):
        list(Frames(FRAME_MAX_BYTES).fed(b"\xff\xff\xff\xff"))
