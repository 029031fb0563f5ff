"""binance-sdk-spot: every operation that is offered answers in the types that it declares."""

from pathlib import Path

from tests.clients.environments import Place, problems_of
from tests.e2e.harness import Exchange


def test_every_rest_operation_answers_in_the_declared_types(exchange: Exchange, tmp_path: Path) -> None:
    assert problems(exchange, tmp_path, "sdk_rest.py", "binance-sdk-rest") == {}


def test_every_method_and_stream_answers_in_the_declared_types(exchange: Exchange, tmp_path: Path) -> None:
    assert problems(exchange, tmp_path, "sdk_websocket.py", "binance-sdk-websocket") == {}


def problems(exchange: Exchange, folder: Path, script: str, skips: str) -> dict[str, list[str]]:
    return problems_of(folder, script, skips, Place.of(exchange, "alice").environment())
