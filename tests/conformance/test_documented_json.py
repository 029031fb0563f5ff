"""Every field of every documented answer and event that is offered exists, with the same JSON type."""

import pytest

from tests.conformance.examples import Example, load, not_offered
from tests.conformance.shapes import conditional_fields, differences

EXAMPLES, NOT_OFFERED = load(), not_offered()
# Without the examples one test stays, which says so and is skipped.
WANTED = [example for example in EXAMPLES if example.name not in NOT_OFFERED.examples]


@pytest.mark.parametrize("example", WANTED, ids=lambda example: example.name)
def test_an_answer_has_the_documented_fields_and_types(shared_data, answers, example: Example) -> None:
    assert example.name in answers, "no answer of the exchange stands for this example"
    assert list(differences(example.json, answers[example.name], NOT_OFFERED.fields)) == []


def test_conditional_fields_are_there_when_an_order_makes_use_of_them(shared_data, answers) -> None:
    documented = conditional_fields([example.json for example in WANTED])
    assert documented - conditional_fields(list(answers.values())) == set()


def test_what_is_not_offered_is_named_once_and_is_documented(shared_data) -> None:
    assert NOT_OFFERED.examples.keys() <= {example.name for example in EXAMPLES}
    assert all(NOT_OFFERED.examples.values()) and all(NOT_OFFERED.fields.values())
