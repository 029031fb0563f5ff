"""The official examples of REST answers: what fields an answer has, and of which JSON types."""

import json
from pathlib import Path
from typing import Any

# Fields of answers that exist only where the feature does.
_OPTIONAL = {"sors"}


def official_example(shared_data: Path, section: str, context: str = "") -> Any:
    """The first example in a section of the REST documentation, or the first whose context says `context`."""
    for line in (shared_data / "api" / "binance_docs_examples.jsonl").read_text().splitlines():
        example = json.loads(line)
        is_in_section = example["file"] == "rest-api.md" and example["section"].endswith(section)
        if is_in_section and context in example["context"]:
            return example["json"]
    raise LookupError(f"no example in {section!r} with {context!r}")


def assert_same_shape(answer: object, example: object) -> None:
    """Every field of the example is there with its type; more fields may be."""
    assert type(answer) is type(example)
    if isinstance(example, dict):
        assert isinstance(answer, dict)
        assert set(example) - _OPTIONAL <= set(answer)
        for name in set(example) - _OPTIONAL:
            assert_same_shape(answer[name], example[name])
    elif isinstance(example, list) and example and answer:
        assert isinstance(answer, list)
        assert_same_shape(answer[0], example[0])
