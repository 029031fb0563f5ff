"""Do the SQL views keep up? Half the order rate that the exchange takes, for minutes, and how far they lag.

    python -m bench.keep_up [SECONDS]          ends with one JSON line; ten minutes by default

First `wrk` finds how many orders a second the exchange takes with its data server running; then half of that
is sent evenly. The lag at a moment is how long ago the journal stood where the views stand now.
"""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from statistics import quantiles

from bench.processes import CAMBIST, free_port, server
from bench.rest import CONNECTIONS, TERMS, UNLIMITED, USERS, load, order, signed, signed_orders
from cambist.cli.flow_market import clients
from cambist.flow.rest import Credentials
from cambist.log.journal import Follower
from cambist.settings import Settings

SAMPLE_S = 0.02
RATE_SECONDS = 6
DRAIN_SECONDS_MAX = 60


def main(seconds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="cambist-keep-up-") as folder:
        home = Path(folder)
        port = free_port()
        environment = {
            **os.environ,
            **UNLIMITED,
            "CAMBIST_HOME": str(home / "var"),
            "CAMBIST_PORT": str(port),
        }
        subprocess.run([CAMBIST, "init", "--sandbox"], env=environment, check=True, stdout=subprocess.DEVNULL)
        with server([str(CAMBIST), "run"], port, environment, core=None):
            settings = Settings.load(home / "var", environment)
            with clients(settings, TERMS, USERS) as owners:
                print(json.dumps(measure(settings, home, owners, seconds)))


def measure(settings: Settings, home: Path, owners: list[Credentials], seconds: int) -> dict[str, object]:
    file = home / "orders.txt"
    file.write_text("".join(f"/api/v3/order {line}\n" for line in signed_orders(owners)))
    found = load(settings.server.port, file, RATE_SECONDS)
    full = found["requests"] / found["seconds"]
    lags = Lags(settings)
    lags.drain()
    sent = asyncio.run(paced(settings.server.port, owners, full / 2, seconds, lags))
    final = lags.now()
    middle, high = quantiles(lags.seen, n=100)[49], quantiles(lags.seen, n=100)[98]
    return {
        "full_rate": round(full),
        "rate": round(sent / seconds),
        "seconds": seconds,
        "lag_p50_s": round(middle, 3),
        "lag_p99_s": round(high, 3),
        "lag_max_s": round(max(lags.seen), 3),
        "final_lag_s": round(final, 3),
        "drained_s": round(lags.drain(), 3),
    }


class Lags:
    """How far the views are behind the journal. `seen` holds every sample, in seconds."""

    def __init__(self, settings: Settings) -> None:
        self._journal = Follower(settings.journal_directory, 0)
        self._views = sqlite3.connect(f"file:{settings.views_file}?mode=ro", uri=True)
        self._heads: deque[tuple[float, int]] = deque()
        self.seen: list[float] = []

    def now(self) -> float:
        """Seconds since the journal ended where the views end now; 0 if they are level."""
        while self._journal.poll():
            pass
        at = time.monotonic()
        self._heads.append((at, self._journal.sequence))
        (position,) = self._views.execute("SELECT sequence FROM positions WHERE name = 'views'").fetchone()
        while len(self._heads) > 1 and self._heads[1][1] <= position:
            self._heads.popleft()
        return 0.0 if position >= self._journal.sequence else at - self._heads[0][0]

    def drain(self) -> float:
        """Waits until the views are level; returns the seconds that took."""
        started = time.monotonic()
        while self.now():
            if time.monotonic() - started > DRAIN_SECONDS_MAX:
                raise SystemExit(f"the views are not level after {DRAIN_SECONDS_MAX} s")
            time.sleep(SAMPLE_S)
        return time.monotonic() - started


async def paced(port: int, owners: list[Credentials], rate: float, seconds: int, lags: Lags) -> int:
    """Sends orders at `rate` a second over CONNECTIONS connections; returns how many were answered."""
    end = time.monotonic() + seconds
    numbers = count()
    senders = [
        asyncio.create_task(send(port, owners, numbers, CONNECTIONS / rate, end)) for _ in range(CONNECTIONS)
    ]
    while time.monotonic() < end:
        lags.seen.append(lags.now())
        await asyncio.sleep(SAMPLE_S)
    return sum(await asyncio.gather(*senders))


async def send(port: int, owners: list[Credentials], numbers: Iterator[int], every: float, end: float) -> int:
    """One connection; an answer that comes late delays what follows, and so shows in the rate."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = 0
    due = time.monotonic()
    while due < end:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        due = max(due + every, time.monotonic() - 1)  # after a stall, at most a second is caught up
        key, body = signed(*order(owners, next(numbers)), time.time_ns() // 1_000_000)
        head = f"POST /api/v3/order HTTP/1.1\r\nHost: bench\r\nX-MBX-APIKEY: {key}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"an order was refused: {answer!r}")
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        sent += 1
    writer.close()
    return sent


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600)
