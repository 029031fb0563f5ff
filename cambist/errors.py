"""What can go wrong, sorted by what the caller can do about it.

ExchangeError
   |- Refused        understood and declined; the caller changes something
   |- Conflict       the same idempotency key with other content, or a stale version
   '- Unavailable    try again later with the same idempotency key
        |- Overloaded       not executed, and never will be: nothing was logged
        '- OutcomeUnknown   may have been executed: ask before repeating it

A broken invariant is not in this tree. `Broken` derives from BaseException, so no `except Exception` hides
it; the part that owns the damaged state takes no further commands, and a person has to look.

`code` is stable: clients and translations depend on it. The text may change and is written for a person.
"""

from typing import ClassVar

import msgspec


class ExchangeError(Exception):
    """Anything that a caller of the exchange is told. `str()` of it is one sentence without secrets."""

    code: ClassVar[str] = "exchange_error"


class Refused(ExchangeError):
    """Understood and declined; asking again without a change gives the same."""

    code = "refused"


class Conflict(ExchangeError):
    """The name of this attempt was used before with other content, or what it was based on has changed."""

    code = "conflict"


class Unavailable(ExchangeError):
    """Not now. The same request may succeed later."""

    code = "unavailable"


class Overloaded(Unavailable):
    """Turned away before logging, for load or for low disk space: not executed (-1008)."""

    code = "overloaded"


class OutcomeUnknown(Unavailable):
    """In flight when the exchange stopped: it may or may not have been executed (-1007)."""

    code = "outcome_unknown"


class Broken(BaseException):
    """An invariant does not hold. Nothing may continue on the state concerned."""


class Failure(msgspec.Struct, tag="error", frozen=True):
    """What went wrong, as one process tells another. `may_retry`: the same request can succeed later."""

    code: str
    message: str
    may_retry: bool = False

    @classmethod
    def of(cls, problem: ExchangeError) -> "Failure":
        return cls(problem.code, str(problem), isinstance(problem, Unavailable))
