"""How far a deposit has come."""

from enum import StrEnum


class State(StrEnum):
    """Stored: never rename."""

    SEEN = "seen"
    CREDITED = "credited"
    ORPHANED = "orphaned"
    REVERSED = "reversed"
    SUSPENSE = "suspense"
    QUARANTINED = "quarantined"
