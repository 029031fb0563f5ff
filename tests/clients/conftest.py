"""The exchange that the clients meet: the demo with its order flow, so books move and trades happen."""

from collections.abc import Iterator

import pytest

from cambist.control.markets import AddAsset, AddMarket
from cambist.control.sandbox import CreditSandbox
from tests.conformance.conversation import User
from tests.e2e.control import ask
from tests.e2e.flowing import flowing
from tests.e2e.harness import Exchange

ALICE = "alice@demo.cambist.invalid"


@pytest.fixture(scope="session")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with flowing(tmp_path_factory.mktemp("clients") / "var") as exchange:
        list_more_markets(exchange)
        yield exchange


def list_more_markets(exchange: Exchange) -> None:
    """Two that python-binance's tests name; one of them trades."""
    for base in ("LTC", "BNB"):
        ask(exchange.home, AddAsset(name=base))
        ask(exchange.home, AddMarket(base=base, quote="USDT", tick="0.01", lot="0.001"))
    ask(exchange.home, CreditSandbox(email=ALICE, asset="LTC", amount="100", reference="clients"))
    with User(exchange, "alice") as alice:
        alice.order("SELL", "100", "80", symbol="LTCUSDT")
