"""Servers that a benchmark starts, waits for and ends."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CAMBIST = Path(sys.executable).with_name("cambist")
START_SECONDS_MAX = 60


@contextmanager
def server(
    command: list[str], port: int, environment: dict[str, str], *, core: int | None
) -> "Iterator[subprocess.Popen[bytes]]":
    """A server that listens on `port`, pinned to a core if one is given, ended afterwards."""
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    process = subprocess.Popen(
        [*pinned, *command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port, process)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS_MAX)


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Until it answers: an exchange takes connections before it serves them."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), START_SECONDS_MAX) as connection:
                connection.sendall(b"GET /api/v3/ping HTTP/1.1\r\nHost: bench\r\n\r\n")
                connection.recv(1)
        except ConnectionError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"{process.args!r} does not listen on port {port}")


def move_children(pid: int, *, core: int) -> None:
    """What `cambist run` keeps beside the exchange itself: who was pinned has pinned them too."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"cambist.app_exchange" not in Path(f"/proc/{child}/cmdline").read_bytes():
                subprocess.run(["taskset", "-apc", str(core), child], check=True, stdout=subprocess.DEVNULL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
