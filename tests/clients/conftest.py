"""The exchange that the clients meet: the demo with its order flow, so books move and trades happen."""

from collections.abc import Iterator

import pytest

from cambist.control.client import running
from cambist.control.exchange import Request
from cambist.control.markets import AddAsset, AddMarket
from cambist.control.sandbox import CreditSandbox
from cambist.settings import Settings
from tests.conformance.conversation import User
from tests.e2e.flowing import flowing
from tests.e2e.harness import Exchange

BOB = "bob@demo.cambist.invalid"


@pytest.fixture(scope="session")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with flowing(tmp_path_factory.mktemp("clients") / "var") as exchange:
        list_more_markets(exchange)
        yield exchange


def list_more_markets(exchange: Exchange) -> None:
    """Two that python-binance's tests name; one of them trades."""
    for base in ("LTC", "BNB"):
        ask(exchange, AddAsset(name=base))
        ask(exchange, AddMarket(base=base, quote="USDT", tick="0.01", lot="0.001"))
    ask(exchange, CreditSandbox(email=BOB, asset="LTC", amount="100", reference="clients"))
    with User(exchange, "bob") as bob:
        bob.order("SELL", "100", "80", symbol="LTCUSDT")


def ask(exchange: Exchange, request: Request) -> None:
    """As the operator's command would, without starting it anew each time."""
    with running(Settings.load(exchange.home, {}).socket_file) as operator:
        assert operator is not None, "the exchange does not listen for its operator"
        operator.perform(request, lambda done, total: None)
