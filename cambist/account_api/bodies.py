"""Request bodies, read strictly: what can be read in two ways is refused, and what nobody asked for."""

import json
from typing import Any, TypeVar

import msgspec

from cambist.errors import Refused

BODY_MAX_BYTES = 16_384
DEPTH_MAX = 8

T = TypeVar("T")


class Malformed(Refused):
    """Not what the document says; the text names the first thing that is wrong."""

    code = "malformed"


class Body(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What a request brings."""


class Shown(msgspec.Struct, rename="camel"):
    """What an answer says."""


def read(body: bytes, kind: type[T]) -> T:
    """Raises Malformed."""
    try:
        value = msgspec.json.decode(body, type=kind)
        # A field that is named twice is decoded above as if it had been named once.
        raw = json.loads(body, object_pairs_hook=_once)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise Malformed(f"the body cannot be read: {problem}") from None
    if _depth(raw) > DEPTH_MAX:
        raise Malformed(f"the body is nested more than {DEPTH_MAX} deep")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed(f"the body names {twice[:64]!r} twice")
    return fields


def _depth(value: Any) -> int:
    if isinstance(value, dict | list):
        return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)
    return 0
