"""`make run` from outside: a fresh demo, what a newcomer finds in it, and the same after a restart."""

import json
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cambist.flow.rest import Credentials
from cambist.log.file import verify
from tests.conftest import CHECKOUT
from tests.e2e.harness import HOST, WAIT_SECONDS, Exchange, cambist, environment, running
from tests.ports import free_port

FUNDS = {"BTC": "1.00000000", "ETH": "20.00000000", "ETP": "1000.00000000", "USDT": "50000.00000000"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with running(tmp_path_factory.mktemp("demo") / "home", "--demo") as exchange:
        yield exchange


def balances(exchange: Exchange, user: Credentials) -> dict[str, tuple[str, str]]:
    account = exchange.client().signed(user, "GET", "/api/v3/account", omitZeroBalances="true")
    return {each["asset"]: (each["free"], each["locked"]) for each in account["balances"]}


def open_orders(exchange: Exchange, user: Credentials) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = exchange.client().signed(user, "GET", "/api/v3/openOrders")
    return found


def wait_for(what: str, seen: Callable[[], object], seconds: int = WAIT_SECONDS) -> None:
    """Until `seen()` is true; fails after a while."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def public_trades(exchange: Exchange) -> Any:
    """The tape is as new as the views are, so what was just traded is waited for."""
    path = "/api/v3/trades?symbol=ETPBTC"
    wait_for("the trade", lambda: exchange.json(path))
    return exchange.json(path)


def test_two_users_stand_ready_in_a_file_for_the_owner_alone(demo: Exchange) -> None:
    file = demo.home / "demo" / "users.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    users = json.loads(file.read_text())
    assert len(users) == 2
    assert all(set(user) == {"email", "apiKey", "secretKey"} for user in users)
    assert len({user["email"] for user in users}) == len({user["apiKey"] for user in users}) == 2


def test_each_user_begins_with_the_same_funds(demo: Exchange) -> None:
    for user in demo.users().values():
        assert balances(demo, user) == {asset: (amount, "0.00000000") for asset, amount in FUNDS.items()}


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "ETHBTC"])
def test_the_house_keeps_a_book_alive(demo: Exchange, symbol: str) -> None:
    def book() -> Any:
        return demo.json(f"/api/v3/depth?symbol={symbol}&limit=5")

    wait_for("both sides", lambda: book()["bids"] and book()["asks"])
    before = book()["lastUpdateId"]
    wait_for("movement", lambda: book()["lastUpdateId"] > before)
    wait_for("a trade", lambda: demo.json(f"/api/v3/trades?symbol={symbol}"))


def test_the_market_of_the_users_has_no_house_orders(demo: Exchange) -> None:
    assert len(demo.json("/api/v3/exchangeInfo")["symbols"]) == 4
    book = demo.json("/api/v3/depth?symbol=ETPBTC")
    assert (book["bids"], book["asks"]) == ([], [])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_first_page_answers_in_both_languages(demo: Exchange, language: str) -> None:
    by_query = demo.get(f"/?lang={language}")
    by_browser = demo.get("/", **{"Accept-Language": f"{language}-XX,fr;q=0.5"})
    for answer in (by_query, by_browser):
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["content-language"] == language
    assert by_query.body == by_browser.body
    assert by_query.body != demo.get(f"/?lang={'zh' if language == 'en' else 'en'}").body


def test_after_a_restart_balances_and_orders_are_where_they_were(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running(home, "--demo") as exchange:
        users = exchange.users()
        client, alice, bob = exchange.client(), users["alice"], users["bob"]
        for side, user, quantity in (("BUY", alice, "10"), ("SELL", bob, "4")):
            client.signed(
                user,
                "POST",
                "/api/v3/order",
                symbol="ETPBTC",
                side=side,
                type="LIMIT",
                timeInForce="GTC",
                quantity=quantity,
                price="0.001",
            )
        before = {
            name: (balances(exchange, user), open_orders(exchange, user)) for name, user in users.items()
        }
        trades = public_trades(exchange)
        assert exchange.stop() == 0
    assert before["alice"][0]["BTC"] == ("0.99000000", "0.00600000")
    assert len(trades) == 1

    with running(home, "--demo") as exchange:
        assert exchange.users() == users
        after = {
            name: (balances(exchange, user), open_orders(exchange, user)) for name, user in users.items()
        }
        assert after == before
        assert public_trades(exchange) == trades
        found = cambist(home, "verify")
        assert found["ledger_balanced"] and not found["problems"]


@pytest.mark.long  # it sets up the checkout first, which may take minutes
@pytest.mark.timeout(1_800)
def test_make_run_starts_the_demo_and_ctrl_c_stops_it(tmp_path: Path) -> None:
    home, port, output = tmp_path / "home", free_port(), tmp_path / "output"
    with output.open("wb") as said:
        make = subprocess.Popen(
            ["make", "run"],
            cwd=CHECKOUT,
            env=environment(home, port),
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for("the exchange", lambda: make.poll() is not None or is_listening(port), seconds=1_500)
        assert make.poll() is None, output.read_text()
        wait_for("its greeting", lambda: str(home / "demo" / "users.json") in output.read_text())
        assert f"http://127.0.0.1:{port}" in output.read_text()
    finally:
        os.killpg(make.pid, signal.SIGINT)  # as the terminal does: to make and to the exchange
        make.wait(WAIT_SECONDS)
    wait_for("the end", lambda: not is_listening(port))
    assert verify(home / "log").is_sealed


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
