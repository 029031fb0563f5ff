"""Small things that all handlers need."""

from typing import TypeVar

from cambist.errors import Refused

T = TypeVar("T")


def or_raise(found: T | Refused) -> T:
    """A refusal that was returned, so that what it counted stays, is raised here, behind the transaction."""
    if isinstance(found, Refused):
        raise found
    return found


def milliseconds(time_ns: int) -> int:
    """As pages and the public API count time."""
    return time_ns // 1_000_000
