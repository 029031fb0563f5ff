"""Small things that all handlers need."""

from typing import Annotated

from msgspec import Meta

from cambist.account_api.bodies import Body
from cambist.account_api.errors import Unknown
from cambist.account_api.shown import milliseconds

ROWS_MAX = 200
REASON_LONGEST = 500


class Reason(Body):
    """Why: it stands in the audit trail."""

    reason: Annotated[str, Meta(min_length=3, max_length=REASON_LONGEST)]


def ms_or_none(time_ns: int | None) -> int | None:
    return None if time_ns is None else milliseconds(time_ns)


def number_of(subject: str) -> int:
    """What a path names by number. Raises Unknown."""
    if not subject.isascii() or not subject.isdigit() or len(subject) > 18:
        raise Unknown("number")
    return int(subject)
