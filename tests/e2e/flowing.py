"""The demo once its order flow has come to life: books with two sides, and trades."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from tests.e2e.harness import WAIT_SECONDS, Exchange, running


@contextmanager
def flowing(home: Path, settings: Mapping[str, str] = MappingProxyType({})) -> Iterator[Exchange]:
    with running(home, "--demo", settings=settings) as exchange:
        for symbol in ("BTCUSDT", "ETHUSDT"):
            _wait_for(exchange, symbol)
        yield exchange


def _wait_for(exchange: Exchange, symbol: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        book = exchange.json(f"/api/v3/depth?symbol={symbol}&limit=5")
        if len(book["bids"]) == len(book["asks"]) == 5 and _has_trades(exchange, symbol):
            return
        time.sleep(0.1)
    raise AssertionError(f"nobody trades {symbol}")


def _has_trades(exchange: Exchange, symbol: str) -> bool:
    """Not before the data server has started, either."""
    trades = exchange.get(f"/api/v3/trades?symbol={symbol}&limit=1")
    return trades.status == 200 and trades.body != b"[]"
