"""One round of orders per second over HTTP: the exchange, then a responder that only parses, on the same
core.

python bench/rest.py SECONDS          ends with one JSON line

The gateway and the match server have core 0, wrk and the data process core 1. Every order is signed, checked,
matched, and durable before its answer; buyers and sellers take turns at one price, so nearly every second
order trades and the book stays short. How far the views are behind at the end is told.
"""

import hashlib
import hmac
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from bench.processes import CAMBIST, free_port, move_children, server
from cambist.cli.flow_market import Terms, clients
from cambist.flow.rest import Credentials
from cambist.settings import Settings

HERE = Path(__file__).parent
CONNECTIONS = 64
USERS = 16
REQUESTS = 4_096
WARM_UP_SECONDS = 1
LAG_SECONDS_MAX = 300
TIMEOUT = 504  # the views are not there yet
TERMS = Terms("LOAD", "COIN", 8, 8, tick=Decimal("0.01"), lot=Decimal("0.0001"))
ORDER = {"symbol": TERMS.symbol, "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "100"}
UNLIMITED = {
    "CAMBIST_LIMITS_REQUEST_WEIGHT_1M": "0",
    "CAMBIST_LIMITS_RAW_REQUESTS_5M": "0",
    "CAMBIST_LIMITS_ORDERS_10S": "0",
    "CAMBIST_LIMITS_ORDERS_1D": "0",
}


def main() -> None:
    seconds = int(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="cambist-rest-") as folder:
        home = Path(folder)
        ours = exchange_round(home, seconds)
        bare = bare_round(home, seconds)
    if ours["refused"] or ours["broken"]:
        raise SystemExit(f"orders were refused or connections broke: {ours}")
    print(
        json.dumps(
            {
                "exchange": ours["requests"] / ours["seconds"],
                "bare": bare["requests"] / bare["seconds"],
                "p50_us": ours["p50_us"],
                "p99_us": ours["p99_us"],
                "lag_s": ours["lag_s"],
                "limits": UNLIMITED,
            }
        )
    )


def exchange_round(home: Path, seconds: int) -> dict[str, Any]:
    port = free_port()
    environment = {**os.environ, **UNLIMITED, "CAMBIST_HOME": str(home / "var"), "CAMBIST_PORT": str(port)}
    subprocess.run([CAMBIST, "init", "--sandbox"], env=environment, check=True, stdout=subprocess.DEVNULL)
    with server([str(CAMBIST), "run"], port, environment, core=0) as process:
        with urlopen(f"http://127.0.0.1:{port}/api/v3/ping"):
            pass  # it listens before it answers
        move_children(process.pid, core=1)
        settings = Settings.load(home / "var", environment)
        with clients(settings, TERMS, USERS) as owners:
            orders = home / "orders.txt"
            orders.write_text("".join(f"/api/v3/order {order}\n" for order in signed_orders(owners)))
            found = load(port, orders, seconds)
            return found | {"lag_s": views_lag(port, owners[0])}


def views_lag(port: int, owner: Credentials) -> float:
    """Seconds after the last order until the views hold everything that this owner was told."""
    began = time.monotonic()
    while time.monotonic() < began + LAG_SECONDS_MAX:
        query = f"symbol={TERMS.symbol}&limit=1&recvWindow=60000&timestamp={time.time_ns() // 1_000_000}"
        signature = hmac.new(owner.secret_key.encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"http://127.0.0.1:{port}/api/v3/myTrades?{query}&signature={signature}"
        try:
            with urlopen(Request(url, headers={"X-MBX-APIKEY": owner.api_key})):
                return round(time.monotonic() - began, 3)
        except HTTPError as not_yet:
            if not_yet.code != TIMEOUT:
                raise
    raise SystemExit(f"the views are more than {LAG_SECONDS_MAX} s behind")


def bare_round(home: Path, seconds: int) -> dict[str, Any]:
    port = free_port()
    responder = [sys.executable, str(HERE / "yardsticks" / "uv_http.py"), str(port), "parse"]
    orders = home / "bare.txt"
    orders.write_text(f"/api/v3/order - {json.dumps({**ORDER, 'side': 'BUY'}, separators=(',', ':'))}\n")
    with server(responder, port, dict(os.environ), core=0):
        return load(port, orders, seconds)


def signed_orders(owners: list[Credentials]) -> Iterator[str]:
    """API keys and bodies, as the load generator reads them."""
    now_ms = time.time_ns() // 1_000_000
    for nth in range(REQUESTS):
        key, body = signed(*order(owners, nth), now_ms)
        yield f"{key} {body}"


def order(owners: list[Credentials], nth: int) -> tuple[Credentials, str]:
    """Whose the nth order is, and its side: each user buys and sells in turn, so nobody runs out."""
    return owners[nth % USERS], "BUY" if (nth + nth // USERS) % 2 else "SELL"


def signed(owner: Credentials, side: str, now_ms: int) -> tuple[str, str]:
    """API key and body."""
    fields = {**ORDER, "side": side, "selfTradePreventionMode": "NONE", "recvWindow": 60_000}
    body = "&".join(f"{name}={value}" for name, value in {**fields, "timestamp": now_ms}.items())
    signature = hmac.new(owner.secret_key.encode(), body.encode(), hashlib.sha256).hexdigest()
    return owner.api_key, f"{body}&signature={signature}"


def load(port: int, orders: Path, seconds: int) -> dict[str, Any]:
    """What wrk counted, after a warm-up."""
    for duration in (WARM_UP_SECONDS, seconds):
        wrk = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{duration}s"]
        done = subprocess.run(
            [*wrk, "-s", HERE / "orders.lua", f"http://127.0.0.1:{port}", "--", orders],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
