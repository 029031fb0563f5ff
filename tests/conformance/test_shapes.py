"""The comparison itself: what counts as a difference, and what does not."""

import pytest

from tests.conformance.shapes import differences


@pytest.mark.parametrize(
    ("example", "answer", "told"),
    [
        ({"price": "1.0"}, {}, ".price is missing"),
        ({"price": "1.0"}, {"price": 1.0}, ".price is float (1.0), not decimal"),
        ({"time": 1}, {"time": "1"}, ".time is decimal ('1'), not integer"),
        ({"is": True}, {"is": 1}, ".is is integer (1), not bool"),
        ({"side": "BUY"}, {"side": None}, ".side is null (None), not text"),
        ({"new": None}, {"new": {}}, ".new is object, not null"),
        ([{"a": 1}], [], " is empty, so nothing shows"),
        ([{"a": 1}], [{"a": 1}, {}], "[1].a is missing"),
        ([[1, "0.1"]], [[1]], "[0] has 1 values, not 2"),
        ([["0.1", "2"]], [["0.1", 2]], "[0][1] is integer (2), not decimal"),
        ({"stopPrice": "1"}, {"stopPrice": 1}, ".stopPrice is integer (1), not decimal"),
        ([{"filterType": "A", "x": 1}], [{"filterType": "A"}], "[0].x is missing"),
    ],
)
def test_what_an_answer_lacks_is_told(example: object, answer: object, told: str) -> None:
    assert list(differences(example, answer)) == [told]


@pytest.mark.parametrize(
    ("example", "answer"),
    [
        ({"price": "1.0"}, {"price": "2", "more": 1}),
        ({"stopPrice": "1"}, {}),  # documented as there only for orders that have one
        ({"new": None}, {"new": "text"}),
        ({"symbol": "1712544378871"}, {"symbol": "BTCUSDT"}),
        ([{"a": 1}, {"b": 1}], [{"b": 2}, {"a": 2}]),
        ([{"filterType": "A", "x": 1}], [{"filterType": "B"}]),
        ({"absent": 1}, {}),
    ],
)
def test_more_or_other_values_are_no_difference(example: object, answer: object) -> None:
    assert list(differences(example, answer, {"absent"})) == []
