"""The Python client against a running exchange: what its methods promise, and that its README's lines run."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from decimal import Decimal
from typing import Any

import pytest

from cambist_client import Client, HmacKey, Refused
from tests.conftest import CHECKOUT
from tests.e2e.flowing import flowing
from tests.e2e.harness import HOST, Exchange

FOLDER = CHECKOUT / "clients" / "python"
PRICE, QUANTITY = Decimal("0.0010000"), Decimal("10.0")


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with flowing(tmp_path_factory.mktemp("client") / "var") as exchange:
        yield exchange


@pytest.fixture
def as_user(exchange: Exchange) -> Callable[[str], Client]:
    """Makes a client of one of the demo's users; inside of an event loop."""

    def client(name: str) -> Client:
        user = exchange.users()[name]
        return Client(f"http://{HOST}:{exchange.port}", HmacKey(user.api_key, user.secret_key))

    return client


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(120):
            await scene()

    asyncio.run(bounded())


def test_an_order_is_placed_found_and_cancelled(as_user):
    async def scene() -> None:
        async with as_user("alice") as alice:
            placed = await alice.place_limit("ETPBTC", "BUY", QUANTITY, PRICE, client_order_id="first")
            assert (placed.status, placed.price, placed.quantity) == ("NEW", PRICE, QUANTITY)
            found = await alice.order("ETPBTC", client_order_id="first")
            assert [found] == await alice.open_orders("ETPBTC") and found.order_id == placed.order_id
            assert (await alice.depth("ETPBTC")).bids[0] == (PRICE, QUANTITY)
            assert (await alice.cancel("ETPBTC", placed.order_id)).status == "CANCELED"
            assert await alice.open_orders("ETPBTC") == []

    run(scene)


def test_a_trade_shows_in_balances_and_in_both_lists_of_trades(as_user):
    async def scene() -> None:
        async with as_user("alice") as alice, as_user("bob") as bob:
            before = await balance(bob, "BTC")
            await alice.place_limit("ETPBTC", "BUY", QUANTITY, PRICE)
            sold = await bob.place_market("ETPBTC", "SELL", QUANTITY)
            assert [(fill.price, fill.quantity) for fill in sold.fills] == [(PRICE, QUANTITY)]
            assert await balance(bob, "BTC") == before + PRICE * QUANTITY
            (mine,) = await bob.my_trades("ETPBTC", limit=1)
            (public,) = await bob.trades("ETPBTC", limit=1)
            assert mine.id == public.id == sold.fills[0].trade_id
            assert not mine.is_buyer and public.is_buyer_maker

    run(scene)


def test_a_refusal_carries_the_code_that_the_exchange_gave(as_user):
    async def scene() -> None:
        async with as_user("alice") as alice:
            with pytest.raises(Refused) as refused:
                await alice.cancel("ETPBTC", 1)
            assert (refused.value.status, refused.value.code) == (400, -2011)

    run(scene)


def test_market_and_private_events_tell_of_a_trade(as_user):
    async def scene() -> None:
        async with as_user("alice") as alice, as_user("bob") as bob:
            public = asyncio.ensure_future(anext(bob.stream("etpbtc@trade")))
            private = asyncio.ensure_future(first(bob.private_events(), "TRADE"))
            while not (public.done() and private.done()):  # neither says when it listens
                await alice.place_limit("ETPBTC", "BUY", QUANTITY, PRICE)
                await bob.place_market("ETPBTC", "SELL", QUANTITY)
                await asyncio.sleep(0.1)
            stream, trade = public.result()
            assert (stream, Decimal(trade["q"]), Decimal(trade["p"])) == ("etpbtc@trade", QUANTITY, PRICE)
            report = private.result()
            assert (report["s"], report["S"], Decimal(report["L"])) == ("ETPBTC", "SELL", PRICE)

    run(scene)


def test_without_a_key_nothing_signed_is_sent(exchange):
    async def scene() -> None:
        async with Client(f"http://{HOST}:{exchange.port}") as everybody:
            assert (await everybody.depth("BTCUSDT")).bids
            with pytest.raises(ValueError, match="needs a key"):
                await everybody.account()

    run(scene)


def test_the_lines_in_its_readme_run(exchange):
    (lines,) = re.findall("```python\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
    user = exchange.users()["alice"]
    done = subprocess.run(
        [sys.executable, "-c", lines],
        env={
            "PYTHONPATH": str(FOLDER),
            "EXCHANGE_HTTP": f"http://{HOST}:{exchange.port}",
            "EXCHANGE_API_KEY": user.api_key,
            "EXCHANGE_SECRET_KEY": user.secret_key,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.startswith("NEW "), done.stderr


async def first(events: AsyncIterator[Any], execution: str) -> Any:
    async for event in events:
        if event.get("x") == execution:
            return event
    raise AssertionError("the events have ended")


async def balance(client: Client, asset: str) -> Decimal:
    account = await client.account()
    return next(each.free for each in account.balances if each.asset == asset)
