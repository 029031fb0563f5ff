"""Stream connections against a hub without an exchange: who is cut off, with which code, and who is not."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import pytest
import uvicorn
import uvloop
from starlette.applications import Starlette

from cambist.gateway.http import server_config
from cambist.gateway.streams.accounts import AccountHub
from cambist.gateway.streams.connection import LIFE_S, SILENT_PINGS_MAX
from cambist.gateway.streams.door import Door, Target
from cambist.gateway.streams.hub import StreamHub
from cambist.gateway.streams.market import STREAMS_MAX, UNREAD_MAX_BYTES, StreamConnection, Streams
from cambist.settings import Server, Settings
from cambist.store.listen_keys import ListenKeys

HOST = "127.0.0.1"
TRADES = "btcusdt@trade"
GOING_AWAY, TOO_BIG, POLICY, RESTART = 1001, 1009, 1008, 1012
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class NoFeed:
    def watch(self, stream: str) -> None: ...
    def unwatch(self, stream: str) -> None: ...
    def watch_account(self, account: int, after_sequence: int | None = None) -> None: ...
    def unwatch_account(self, account: int) -> None: ...
    async def ask(self, question: str, params: Any = None) -> bytes:
        return b""


class Stage:
    def __init__(
        self,
        port: int,
        http: aiohttp.ClientSession,
        listen_keys: ListenKeys,
        *,
        messages_max: int,
        attempts_max: int,
    ) -> None:
        self.port = port
        self.http = http
        self.hub = StreamHub(NoFeed())
        self.connections: list[StreamConnection] = []
        self.listen_keys = listen_keys
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()  # for the engine's sequence
        accounts = AccountHub(NoFeed(), self._last_sequence)
        self._streams = Streams(self.hub, accounts, listen_keys, {}, messages_max)
        self.door = Door(self._route, attempts_max)

    async def connect(self, path: str = f"/ws/{TRADES}") -> aiohttp.ClientWebSocketResponse:
        return await self.http.ws_connect(f"http://{HOST}:{self.port}{path}")

    def listen_key(self) -> str:
        return self.listen_keys.start(7, time.time_ns())

    async def _last_sequence(self) -> int:
        self.asked.set()
        await self.may_answer.wait()
        return 0

    def _route(self, door: Door, target: Target, client_ip: str) -> StreamConnection | None:
        if not target.path.startswith("/ws/"):
            return None
        names = [target.path.removeprefix("/ws/")]
        made = StreamConnection(door, client_ip, self._streams, names, combined=False, in_microseconds=False)
        self.connections.append(made)
        return made


@asynccontextmanager
async def stage(*, messages_max: int = 0, attempts_max: int = 0) -> AsyncIterator[Stage]:
    with (
        socket.create_server((HOST, 0)) as listener,
        TemporaryDirectory(prefix="cambist-stage-") as directory,
    ):
        port = listener.getsockname()[1]
        async with aiohttp.ClientSession() as http:
            keys = ListenKeys(Path(directory) / "listen-keys.db", print)
            made = Stage(port, http, keys, messages_max=messages_max, attempts_max=attempts_max)
            settings = Settings(home=Path("/nowhere"), server=Server(host=HOST, port=port))
            web = uvicorn.Server(server_config(Starlette(), settings, made.door))
            serving = asyncio.create_task(web.serve(sockets=[listener]))
            while not web.started:
                await asyncio.sleep(0.005)
            try:
                yield made
            finally:
                await http.close()
                await made.door.stop()
                web.should_exit = True
                await serving
                keys.close()


def play(scene: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(scene(), 120)

    uvloop.run(bounded())


async def close_code(ws: aiohttp.ClientWebSocketResponse) -> int | None:
    async for _ in ws:
        pass
    return ws.close_code


def test_who_does_not_read_is_cut_off_and_others_go_on():
    async def scene() -> None:
        async with stage() as here:
            reader, writer = await asyncio.open_connection(HOST, here.port)
            writer.write(HANDSHAKE.format(path=f"/ws/{TRADES}").encode())
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            lively = await here.connect()
            body = b'"' + b"x" * 50_000 + b'"'
            slow, sent = here.connections[0], 0
            while slow.is_open:
                here.hub.on_market(TRADES, body)
                sent += 1
                assert (await lively.receive()).data == body.decode()
                assert sent * len(body) < 64 * UNREAD_MAX_BYTES, "it was never cut off"
            here.hub.on_market(TRADES, b"1")
            assert (await lively.receive()).data == "1"
            writer.close()

    play(scene)


def test_an_address_opens_so_many_connections_and_then_is_told_when_to_come_back():
    async def scene() -> None:
        async with stage(attempts_max=2) as here:
            await here.connect()
            await here.connect()
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await here.connect()
            assert refused.value.status == 429
            assert refused.value.headers is not None and int(refused.value.headers["Retry-After"]) > 0

    play(scene)


@pytest.mark.parametrize("kind", ["text", "ping", "pong"])
def test_too_many_messages_in_a_second_end_the_connection(kind):
    async def scene() -> None:
        async with stage(messages_max=5) as here:
            ws = await here.connect()
            for number in range(11):  # more than two seconds' worth, wherever a second begins
                if kind == "text":
                    await ws.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number})
                else:
                    await (ws.ping() if kind == "ping" else ws.pong())
            assert await close_code(ws) == POLICY

    play(scene)


def test_a_message_that_is_too_large_ends_the_connection_whole_or_in_parts():
    async def scene() -> None:
        async with stage() as here:
            whole = await here.connect()
            await whole.send_str("x" * 65_537)
            assert await close_code(whole) == TOO_BIG
            reader, writer = await asyncio.open_connection(HOST, here.port)
            writer.write(HANDSHAKE.format(path="/ws/0").encode())
            await reader.readuntil(b"\r\n\r\n")
            part = b"\x01\xfe\xff\xff\0\0\0\0" + b"x" * 65_535  # text, not final, masked with zeros
            writer.write(part + b"\x80\xfe\xff\xff\0\0\0\0" + b"x" * 65_535)
            head = await reader.readexactly(4)
            assert head[0] == 0x88 and int.from_bytes(head[2:4], "big") == TOO_BIG
            writer.close()

    play(scene)


def test_a_message_in_parts_is_one_message():
    async def scene() -> None:
        async with stage() as here:
            reader, writer = await asyncio.open_connection(HOST, here.port)
            writer.write(HANDSHAKE.format(path="/ws/0").encode())
            await reader.readuntil(b"\r\n\r\n")
            text = b'{"method":"LIST_SUBSCRIPTIONS","id":"in parts"}'
            for head, part in ((0x01, text[:9]), (0x00, b""), (0x89, b"ping"), (0x80, text[9:])):
                writer.write(bytes((head, 0x80 | len(part))) + b"\0\0\0\0" + part)
            assert await reader.readexactly(6) == b"\x8a\x04ping"
            start = await reader.readexactly(2)
            answer = json.loads(await reader.readexactly(start[1]))
            assert answer == {"result": ["0"], "id": "in parts"}
            writer.close()

    play(scene)


def test_a_connection_listens_to_1024_streams_and_not_to_one_more():
    async def scene() -> None:
        async with stage() as here:
            ws = await here.connect()
            names = [f"m{number}@trade" for number in range(STREAMS_MAX - 1)]
            await ws.send_json({"method": "SUBSCRIBE", "params": names, "id": 1})
            assert await ws.receive_json() == {"result": None, "id": 1}
            await ws.send_json({"method": "SUBSCRIBE", "params": ["one@trade"], "id": 2})
            assert (await ws.receive_json())["code"] == 2
            await ws.send_json({"method": "SUBSCRIBE", "params": names, "id": 3})  # again is nothing new
            assert await ws.receive_json() == {"result": None, "id": 3}

    play(scene)


def test_every_client_is_told_that_the_exchange_stops():
    async def scene() -> None:
        async with stage() as here:
            ws = await here.connect()
            stopping = asyncio.create_task(here.door.stop())
            assert (await ws.receive_json())["e"] == "serverShutdown"
            assert await close_code(ws) == RESTART
            await stopping
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await here.connect()

    play(scene)


def test_whoever_keeps_a_book_starts_again_when_updates_were_lost():
    async def scene() -> None:
        async with stage() as here:
            keeper, reader = await here.connect("/ws/btcusdt@depth"), await here.connect()
            here.hub.on_gap()
            assert await close_code(keeper) == RESTART
            here.hub.on_market(TRADES, b"1")
            assert (await reader.receive()).data == "1"

    play(scene)


def test_pings_are_answered_or_the_connection_ends_and_so_it_does_after_a_day():
    async def scene() -> None:
        async with stage() as here:
            answering, silent, old = (
                await here.connect(),
                await here.http.ws_connect(f"http://{HOST}:{here.port}/ws/0", autoping=False),
                await here.connect(),
            )
            for number in range(SILENT_PINGS_MAX + 1):
                now_s = here.connections[0].opened_s + number
                for each in here.connections[:2]:
                    each.beat(now_s, b"%d" % number)
                await _until_read(answering)  # the ping, and its answer is on its way
                await _until_read(answering)  # which has come before this
            assert (here.connections[0].is_open, here.connections[1].is_open) == (True, False)
            assert await close_code(silent) == GOING_AWAY
            here.connections[2].beat(here.connections[2].opened_s + LIFE_S - 1, b"")
            assert here.connections[2].is_open
            here.connections[2].beat(here.connections[2].opened_s + LIFE_S + 1, b"")
            assert await close_code(old) == GOING_AWAY

    play(scene)


async def _until_read(ws: aiohttp.ClientWebSocketResponse) -> None:
    """Lets a client see what came: aiohttp answers pings while it waits for messages."""
    await ws.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
    await ws.receive()


def test_who_is_told_that_he_hears_of_an_account_hears_of_all_that_he_orders_then():
    """Elsewhere, too: so nobody is told so before it is known where the account's events begin."""

    async def scene() -> None:
        async with stage() as here:
            ws = await here.connect()
            await ws.send_json({"method": "SUBSCRIBE", "params": [here.listen_key()], "id": 1})
            await here.asked.wait()
            await ws.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 2})
            assert await ws.receive_json() == {"result": [TRADES], "id": 2}
            here.may_answer.set()
            assert await ws.receive_json() == {"result": None, "id": 1}

    play(scene)


def test_a_connection_to_a_listen_key_is_open_once_it_is_known_where_its_events_begin():
    async def scene() -> None:
        async with stage() as here:
            connecting = asyncio.create_task(here.connect(f"/ws/{here.listen_key()}"))
            await here.asked.wait()
            await here.connect()  # others are not kept waiting
            assert not connecting.done() and here.connections[0].transport is None
            here.may_answer.set()
            ws = await connecting
            await ws.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
            assert await ws.receive_json() == {"result": [here.listen_key()], "id": 1}

    play(scene)
