"""Whether an answer has every field of a documented example, each with the same JSON type."""

import re
from collections.abc import Container, Iterator
from typing import Any

# Documented as "conditional fields in order responses": there when the order makes use of what they tell.
CONDITIONAL = {
    *("stopPrice", "icebergQty", "trailingDelta", "trailingTime", "strategyId", "strategyType"),
    *("preventedMatchId", "preventedQuantity", "preventedMatches", "expiryReason"),
    ".event.v",  # the prevented match of an execution report
}

# Text that some examples happen to make of digits only.
NAMES = {"id", "symbol"}

_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def differences(example: Any, actual: Any, left_out: Container[str] = (), path: str = "") -> Iterator[str]:
    """What the answer lacks; more than the example has is no difference. `left_out` are names of fields.

    Conditional fields may be missing, but if they are there, their types count.
    """
    if isinstance(example, dict) and isinstance(actual, dict):
        for name, value in example.items():
            if name in left_out:
                continue
            if name in NAMES and isinstance(value, str):
                if not isinstance(actual.get(name), str):
                    yield f"{path}.{name} is no text"
            elif name in actual:
                yield from differences(value, actual[name], left_out, f"{path}.{name}")
            elif not {name, f"{path}.{name}"} & CONDITIONAL:
                yield f"{path}.{name} is missing"
    elif isinstance(example, list) and isinstance(actual, list):
        yield from _list_differences(example, actual, left_out, path)
    elif kind(example) not in (kind(actual), "null"):
        yield f"{path} is {kind(actual)} ({actual!r}), not {kind(example)}"
    elif example is None and kind(actual) not in ("null", "text"):
        yield f"{path} is {kind(actual)}, not null"


def conditional_fields(value: Any) -> set[str]:
    """Those that are anywhere in it."""
    if isinstance(value, list):
        return {name for each in value for name in conditional_fields(each)}
    if isinstance(value, dict):
        return (value.keys() & CONDITIONAL) | conditional_fields(list(value.values()))
    return set()


def kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            return "integer"
        case float():
            return "float"
        case str():
            return "decimal" if _DECIMAL.fullmatch(value) else "text"
        case list():
            return "array"
    return "object"


def _list_differences(
    example: list[Any], actual: list[Any], left_out: Container[str], path: str
) -> Iterator[str]:
    if example and not actual:
        yield f"{path} is empty, so nothing shows"
    elif example and _is_row(example):
        if len(example) != len(actual):
            yield f"{path} has {len(actual)} values, not {len(example)}"
        for number, (value, mine) in enumerate(zip(example, actual, strict=False)):
            yield from differences(value, mine, left_out, f"{path}[{number}]")
    else:
        for number, mine in enumerate(actual if example else []):
            yield from _best(example, mine, left_out, f"{path}[{number}]")


def _is_row(example: list[Any]) -> bool:
    """Values that mean something by their place, such as a candle; otherwise the items are alike."""
    return len({kind(value) for value in example}) > 1 or (
        len(example) == 2 and kind(example[0]) == "decimal"
    )


def _like(examples: list[Any], actual: Any) -> list[Any]:
    """Filters of one type are compared with each other."""
    if isinstance(actual, dict) and "filterType" in actual:
        return [each for each in examples if each["filterType"] == actual["filterType"]]
    return examples


def _best(examples: list[Any], actual: Any, left_out: Container[str], path: str) -> list[str]:
    """An item may be like any of the example's items; what it lacks of the one that it is most like."""
    compared = [list(differences(each, actual, left_out, path)) for each in _like(examples, actual)]
    return min(compared, key=len, default=[])
