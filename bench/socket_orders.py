"""One round of orders per second over the WebSocket API: the exchange, then bare picows that only parses, on
the same core.

python bench/socket_orders.py SECONDS          ends with one JSON line

The server has core 0 and this process core 1. Every order is signed, checked, matched, and durable before its
answer; each of the connections sends its next order when it has the answer to the one before.
"""

import asyncio
import hashlib
import hmac
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect, ws_create_server

from bench.processes import CAMBIST, free_port, server
from bench.rest import CONNECTIONS, ORDER, REQUESTS, TERMS, UNLIMITED, USERS, order
from cambist.cli.flow_market import clients
from cambist.flow.rest import Credentials
from cambist.settings import Settings

HOST = "127.0.0.1"
ANSWER = b'{"id":1,"status":200,"result":{"symbol":"LOADCOIN","orderId":1,"transactTime":1700000000000}}'


class Sender(WSListener):
    """Sends the next order when an answer comes."""

    def __init__(self, messages: Sequence[bytes], first: int, took: list[int]) -> None:
        self._messages = messages
        self._next = first
        self._took = took
        self._sent_ns = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
            return
        answer = frame.get_payload_as_bytes()
        if b'"status":200' not in answer:
            raise SystemExit(f"an order was refused: {answer!r}")
        self._took.append(time.perf_counter_ns() - self._sent_ns)
        self.send(transport)

    def send(self, transport: WSTransport) -> None:
        message = self._messages[self._next % len(self._messages)]
        self._next += 1
        self._sent_ns = time.perf_counter_ns()
        transport.send(WSMsgType.TEXT, message)


def main() -> None:
    if sys.argv[1] == "bare":
        uvloop.run(bare_server(int(sys.argv[2])))
        return
    seconds = int(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="cambist-sockets-") as folder:
        ours = exchange_round(Path(folder), seconds)
    bare = bare_round(seconds)
    print(json.dumps({"exchange": ours[0], "bare": bare[0], "p50_us": ours[1], "p99_us": ours[2]}))


def exchange_round(home: Path, seconds: int) -> tuple[float, float, float]:
    port = free_port()
    environment = {**os.environ, **UNLIMITED, "CAMBIST_HOME": str(home / "var"), "CAMBIST_PORT": str(port)}
    subprocess.run([CAMBIST, "init", "--sandbox"], env=environment, check=True, stdout=subprocess.DEVNULL)
    with server([str(CAMBIST), "run"], port, environment, core=0):
        settings = Settings.load(home / "var", environment)
        with clients(settings, TERMS, USERS) as owners:
            now_ms = time.time_ns() // 1_000_000
            messages = [signed(*order(owners, nth), now_ms) for nth in range(REQUESTS)]
            return uvloop.run(load(port, messages, seconds))


def bare_round(seconds: int) -> tuple[float, float, float]:
    port = free_port()
    command = [sys.executable, __file__, "bare", str(port)]
    with server(command, port, dict(os.environ), core=0):
        message = signed(Credentials("k" * 64, "s"), "BUY", 1_700_000_000_000)
        return uvloop.run(load(port, [message], seconds))


def signed(owner: Credentials, side: str, now_ms: int) -> bytes:
    fields = {**ORDER, "side": side, "selfTradePreventionMode": "NONE", "recvWindow": 60_000}
    params = {**fields, "apiKey": owner.api_key, "timestamp": now_ms}
    payload = "&".join(f"{name}={value}" for name, value in sorted(params.items()))
    signature = hmac.new(owner.secret_key.encode(), payload.encode(), hashlib.sha256).hexdigest()
    return json.dumps(
        {"id": 1, "method": "order.place", "params": {**params, "signature": signature}}
    ).encode()


async def load(port: int, messages: Sequence[bytes], seconds: int) -> tuple[float, float, float]:
    """Orders per second, and microseconds from order to answer (p50, p99), after a second of warm-up."""
    os.sched_setaffinity(0, {1})
    took: list[int] = []
    open_ones: list[tuple[Sender, WSTransport]] = []
    for nth in range(CONNECTIONS):
        sender = Sender(messages, nth * len(messages) // CONNECTIONS, took)
        transport, _ = await ws_connect(
            lambda sender=sender: sender,
            f"ws://{HOST}:{port}/ws-api/v3",
            use_aiofastnet=False,
            websocket_handshake_timeout=60,  # the data process starts on the same core
        )
        open_ones.append((sender, transport))
    for sender, transport in open_ones:
        sender.send(transport)
    await asyncio.sleep(1)
    took.clear()
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    rate, counted = len(took) / (time.perf_counter() - began), sorted(took)
    for _, transport in open_ones:
        transport.disconnect(graceful=False)
    return rate, counted[len(counted) // 2] / 1e3, counted[len(counted) * 99 // 100] / 1e3


async def bare_server(port: int) -> None:
    class Bare(WSListener):
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            msgspec.json.decode(frame.get_payload_as_bytes())
            transport.send(WSMsgType.TEXT, ANSWER)

    bare = await ws_create_server(lambda _: Bare(), HOST, port, use_aiofastnet=False)
    await bare.serve_forever()


if __name__ == "__main__":
    main()
