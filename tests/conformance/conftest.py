"""An exchange in full swing, and what it answers and sends where the documentation has an example."""

from collections.abc import Iterator
from typing import Any

import pytest

from cambist.control.limits import LimitChanges
from cambist.control.markets import AddMarket
from tests.conformance import rest_answers, socket_answers
from tests.conformance.conversation import User
from tests.conformance.examples import load
from tests.e2e.control import ask
from tests.e2e.flowing import flowing
from tests.e2e.harness import Exchange

# A day's, because ten seconds may end between two orders of a busy machine.
ORDER_LIMIT_1D = 150
# With limits, so that the answers show them: high ones, but for those that are exceeded at the end.
SETTINGS = {
    "CAMBIST_LIMITS_REQUEST_WEIGHT_1M": "1000000",
    "CAMBIST_LIMITS_RAW_REQUESTS_5M": str(socket_answers.REQUESTS_MAX),
    "CAMBIST_LIMITS_ORDERS_10S": "100000",
    "CAMBIST_LIMITS_ORDERS_1D": str(ORDER_LIMIT_1D),
}


# The filters that no market of the demo has.
LIMITS = LimitChanges(max_iceberg_orders=5, max_position="10")


@pytest.fixture(scope="session")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with flowing(tmp_path_factory.mktemp("conformance") / "var", SETTINGS) as exchange:
        yield exchange


@pytest.fixture(scope="session")
def answers(exchange: Exchange) -> dict[str, Any]:
    """By the example's name."""
    with User(exchange, "alice") as alice, User(exchange, "bob") as bob:
        return dict(collect(exchange, alice, bob))


def collect(exchange: Exchange, alice: User, bob: User) -> Iterator[tuple[str, Any]]:
    ask(exchange.home, AddMarket(base="ETP", quote="USDT", tick="0.01", lot="0.1", limits=LIMITS))
    yield from rest_answers.answers(alice, bob, load(), ORDER_LIMIT_1D)
    yield from socket_answers.collect(exchange, load())
