"""ccxt's own live test runner has nothing to complain of: REST, sync and async, and ccxt.pro."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.clients import environments
from tests.clients.environments import SCRIPTS, SOURCES, Place, skipped
from tests.conformance.conversation import BUSY, User
from tests.e2e.harness import Exchange

# Those for which ccxt has a test; what it has none for it only lists.
REST = {
    *("loadMarkets", "fetchCurrencies", "fetchTicker", "fetchTickers", "fetchLastPrices", "fetchOHLCV"),
    *("fetchTrades", "fetchOrderBook", "fetchStatus", "fetchBalance", "fetchTradingFees"),
    *("fetchOrders", "fetchOpenOrders", "fetchClosedOrders", "fetchMyTrades"),
}
STREAMS = {
    *("watchOHLCV", "watchOHLCVForSymbols", "watchTicker", "watchTickers", "watchBidsAsks", "watchOrderBook"),
    *("watchOrderBookForSymbols", "watchTrades", "watchTradesForSymbols"),
    *("watchBalance", "watchMyTrades", "watchOrders"),
}


@pytest.mark.parametrize("library", ["--sync", "--async"])
def test_ccxt_is_content_with_rest(exchange: Exchange, tmp_path: Path, library: str) -> None:
    arguments = ["--sync"] if library == "--sync" else []
    output = run_tests(exchange, tmp_path, *arguments)
    assert failures(output) == []
    assert methods_tested(output) >= REST


def test_ccxt_pro_is_content_with_streams(exchange: Exchange, tmp_path: Path) -> None:
    with trading(exchange, "alice"):
        output = run_tests(exchange, tmp_path, "--ws")
    assert failures(output) == []
    assert methods_tested(output) >= STREAMS


@contextmanager
def trading(exchange: Exchange, name: str) -> Iterator[None]:
    """The user buys a little every now and then, so that private streams have something to tell."""
    done = Event()

    def buy() -> None:
        with User(exchange, name) as user:
            while not done.wait(0.3):
                user.market_order("BUY", "0.0001", symbol=BUSY)

    thread = Thread(target=buy)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def run_tests(exchange: Exchange, folder: Path, *arguments: str) -> str:
    skips = {"skipMethods": skipped_methods(), "preferredSpotSymbol": "BTC/USDT"}
    (folder / "skip-tests.json").write_text(json.dumps({"binance": skips}))
    return environments.run(
        "clients",
        folder,
        *(SCRIPTS / "ccxt_runner.py", next(SOURCES.glob("ccxt-*")) / "python", folder),
        *(*arguments, "--private", "--info", "binance"),
        variables=Place.of(exchange, "alice").environment(),
    ).output


def skipped_methods() -> dict[str, object]:
    """As ccxt wants them: a reason for a whole method, or reasons by field."""
    methods: dict[str, object] = dict(skipped()["ccxt"])
    for item, reason in skipped()["ccxt-fields"].items():
        field, _, why = reason.partition(": ")
        methods[item] = {field: why}
    return methods


def failures(output: str) -> list[str]:
    """What ccxt reports, each cut to the part that says what."""
    return [line[:2_000] for line in output.splitlines() if re.match(r"\[TEST_(FAILURE|WARNING)\]", line)]


def methods_tested(output: str) -> set[str]:
    return set(re.findall(r"^\[INFO\] TESTING DONE +binance (\w+)", output, re.MULTILINE))
