"""One stream to very many listeners: the gateway's hub against bare picows, turn and turn about.

Both servers send the same message of about 1 kB to everybody at a fixed rate, on one core; this process
listens on another one. What counts is the server's CPU time for a delivery; what a delivery takes from being
written to being read is shown beside it, and what a listener costs in memory.

python bench/fanout.py ROUNDS SECONDS          ends with one JSON line
"""

import asyncio
import json
import os
import resource
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

MESSAGE_BYTES = 1_013  # with its frame's head 1017
HOST = "127.0.0.1"
STREAM = "btcusdt@depth@100ms"
SCENES = ((1_000, 10), (5_000, 2))  # listeners, messages a second
SERVER_CORE, CLIENT_CORE = 0, 1
_HANDSHAKE = (
    b"GET /ws/btcusdt@depth@100ms HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_FRAME_BYTES = MESSAGE_BYTES + 4
_TIME = slice(4 + 5, 4 + 5 + 19)  # in a frame


class Figures(NamedTuple):
    """Of one scene: CPU per delivery, latency, memory per listener."""

    us: float
    p50_ms: float
    p99_ms: float
    listener_kb: float


# The servers; they take commands from standard input and answer on standard output.


def message() -> bytes:
    return b'{"E":%d,' % time.time_ns() + b'"b":"' + b"x" * (MESSAGE_BYTES - 32) + b'"}'


async def serve(kind: str, port: int) -> None:
    publish = await (_serve_ours(port) if kind == "ours" else _serve_bare(port))
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        rate, seconds = json.loads(line)
        used = time.process_time()
        for number in range(rate * seconds):
            publish(message())
            await asyncio.sleep((number + 1) / rate - (number / rate))
        print(json.dumps([time.process_time() - used, resident_kb()]), flush=True)


def resident_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024


async def _serve_ours(port: int) -> Callable[[bytes], None]:
    import uvicorn
    from starlette.applications import Starlette

    from cambist.gateway.http import server_config
    from cambist.gateway.streams.accounts import AccountHub
    from cambist.gateway.streams.door import Door, Target
    from cambist.gateway.streams.hub import StreamHub
    from cambist.gateway.streams.market import StreamConnection, Streams
    from cambist.settings import Limits, Server, Settings
    from cambist.store.listen_keys import ListenKeys

    class NoFeed:
        def watch(self, stream: str) -> None: ...
        def unwatch(self, stream: str) -> None: ...
        def watch_account(self, account: int, after_sequence: int | None = None) -> None: ...
        def unwatch_account(self, account: int) -> None: ...
        async def ask(self, question: str, params: object = None) -> bytes:
            return b""

    async def nothing() -> int:
        return 0

    hub = StreamHub(NoFeed())
    keys = ListenKeys(Path(tempfile.gettempdir()) / "listen-keys.db", print)
    streams = Streams(hub, AccountHub(NoFeed(), nothing), keys, {}, 0)

    def route(door: Door, target: Target, client_ip: str) -> StreamConnection:
        names = [target.path.removeprefix("/ws/")]
        return StreamConnection(door, client_ip, streams, names, combined=False, in_microseconds=False)

    settings = Settings(home=Path("/nowhere"), server=Server(host=HOST, port=port), limits=Limits())
    web = uvicorn.Server(server_config(Starlette(), settings, Door(route, 0)))
    asyncio.get_running_loop().create_task(web.serve())
    return lambda body: hub.on_market(STREAM, body)


async def _serve_bare(port: int) -> Callable[[bytes], None]:
    from picows import WSListener, WSMsgType, WSTransport, ws_create_server

    transports: list[WSTransport] = []

    class Bare(WSListener):
        def on_ws_connected(self, transport: WSTransport) -> None:
            transports.append(transport)

    server = await ws_create_server(lambda _: Bare(), HOST, port, use_aiofastnet=False, backlog=2_048)
    asyncio.get_running_loop().create_task(server.serve_forever())

    def publish(body: bytes) -> None:
        for transport in transports:
            transport.send(WSMsgType.TEXT, body)

    return publish


# The listeners


class Listeners:
    def __init__(self, port: int, count: int) -> None:
        self._selector = selectors.EpollSelector()
        self._waiting: dict[int, bytes] = {}
        self.sockets = [self._connect(port) for _ in range(count)]

    def read(self, until: int, seconds: float) -> list[float]:
        """Latencies in ms, until there are so many or that time has passed."""
        took: list[float] = []
        deadline = time.monotonic() + seconds
        while len(took) < until and time.monotonic() < deadline:
            for key, _ in self._selector.select(0.5):
                data = self._waiting.pop(key.fd, b"") + os.read(key.fd, 1 << 16)
                now = time.time_ns()
                at = 0
                while len(data) - at >= _FRAME_BYTES:
                    took.append((now - int(data[at + _TIME.start : at + _TIME.stop])) / 1e6)
                    at += _FRAME_BYTES
                if at < len(data):
                    self._waiting[key.fd] = data[at:]
        return took

    def close(self) -> None:
        for each in self.sockets:
            each.close()
        self._selector.close()

    def _connect(self, port: int) -> socket.socket:
        each = socket.create_connection((HOST, port))
        each.sendall(_HANDSHAKE)
        head = each.recv(4_096)
        assert head.startswith(b"HTTP/1.1 101") and head.endswith(b"\r\n\r\n"), head
        self._selector.register(each, selectors.EVENT_READ)
        return each


@contextmanager
def server(kind: str, port: int) -> Iterator["subprocess.Popen[str]"]:
    with tempfile.TemporaryDirectory(prefix="cambist-fanout-") as folder:
        process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), sys.executable, __file__, "serve", kind, str(port)],
            env={**os.environ, "TMPDIR": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            _wait_for(port)
            yield process
        finally:
            process.kill()
            process.wait()


def measure(kind: str, listeners: int, rate: int, seconds: int) -> Figures:
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    with server(kind, port) as process:
        before = _ask(process, 1, 1)
        open_ones = Listeners(port, listeners)
        process.stdin.write(f"[{rate}, {seconds}]\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        sent = listeners * rate * seconds
        took = sorted(open_ones.read(sent, seconds + 20))
        assert len(took) == sent, f"{kind}: {len(took)} of {sent} deliveries"
        cpu_s, resident = json.loads(process.stdout.readline())  # type: ignore[union-attr]
        open_ones.close()
    return Figures(
        cpu_s / sent * 1e6,
        took[len(took) // 2],
        took[len(took) * 99 // 100],
        (resident - before) / listeners,
    )


def compare(rounds: int, seconds: int) -> tuple[list[str], dict[int, list[float]]]:
    """Figures to read, and bare picows' CPU time for a delivery by ours per number of listeners."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    _more_files()
    lines: list[str] = []
    found: dict[int, list[float]] = {listeners: [] for listeners, _ in SCENES}
    for listeners, rate in SCENES:
        figures: dict[str, list[Figures]] = {"ours": [], "bare": []}
        for _ in range(rounds):
            for kind, kept in figures.items():
                kept.append(measure(kind, listeners, rate, seconds))
            found[listeners].append(figures["bare"][-1].us / figures["ours"][-1].us)
        for kind, kept in figures.items():
            us, p50, p99, memory = (median(column) for column in zip(*kept, strict=True))
            lines.append(
                f"fan-out to {listeners:>5} {kind}: {us:5.2f} us a delivery = {1e6 / us:>6.0f}/s of a core, "
                f"p50 {p50:5.1f} ms, p99 {p99:5.1f} ms, {memory:5.1f} kB a listener"
            )
    return lines, found


def _ask(process: "subprocess.Popen[str]", rate: int, seconds: int) -> int:
    assert process.stdin is not None and process.stdout is not None, "both were asked for"
    process.stdin.write(f"[{rate}, {seconds}]\n")
    process.stdin.flush()
    resident: int = json.loads(process.stdout.readline())[1]
    return resident


def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection((HOST, port), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the server did not start")


def _more_files() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        import uvloop

        _more_files()
        uvloop.run(serve(sys.argv[2], int(sys.argv[3])))
    else:
        figures, ratios = compare(int(sys.argv[1]), int(sys.argv[2]))
        print(json.dumps({"figures": figures, "ratios": ratios}))
