"""/asyncapi.json names every stream, as the feed knows it, and every method with its answer."""

from typing import Any

import msgspec
import pytest

from cambist.describe import asyncapi
from cambist.feed import names
from cambist.feed.names import Kind
from cambist.gateway.api import ENDPOINTS
from cambist.gateway.wsapi.methods import METHODS
from cambist.gateway.wsapi.session import OWN_METHODS

FILLED = {"symbol": "btcusdt", "levels": "5", "interval": "1m", "window": "1h"}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(asyncapi.document()))
    return made


def test_every_kind_of_stream_has_a_channel(described):
    assert described["channels"].keys() == {kind.value for kind in Kind} | {"webSocketApi"}


@pytest.mark.parametrize("kind", Kind)
def test_the_names_of_a_stream_are_those_that_the_feed_knows(kind):
    for name in asyncapi.STREAMS[kind].names:
        parsed = names.parse(name.format(**FILLED))
        assert parsed is not None and parsed.kind == kind


def test_every_method_is_an_operation_with_an_answer(described):
    methods = {*METHODS, *OWN_METHODS}
    assert methods == {name for name, each in described["operations"].items() if each["action"] == "send"}
    messages = described["channels"]["webSocketApi"]["messages"]
    assert methods | {f"{name}.answer" for name in methods} <= messages.keys()
    assert all(verb in ENDPOINTS[path] for verb, path in METHODS.values())


def test_every_reference_leads_somewhere(described):
    def check(node: Any) -> None:
        if isinstance(node, list):
            for each in node:
                check(each)
        elif isinstance(node, dict):
            if isinstance(target := node.get("$ref"), str):
                place = described
                for step in target.removeprefix("#/").split("/"):
                    place = place[step]
            for each in node.values():
                check(each)

    check(described)
