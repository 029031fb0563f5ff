"""The exchange that the clients meet: the demo with its order flow, so books move and trades happen."""

from collections.abc import Iterator

import pytest

from tests.e2e.flowing import flowing
from tests.e2e.harness import Exchange


@pytest.fixture(scope="session")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with flowing(tmp_path_factory.mktemp("clients") / "var") as exchange:
        yield exchange
