"""How often something may be tried in a window of time: counted before it is tried, in one transaction.

So guesses in parallel count like guesses in a row. Counters are kept by name and not in anybody's row: a name
that belongs to nobody is throttled like any other, and tells nothing.
"""

import hashlib
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from cambist.errors import Refused
from cambist.store.account_tables import attempts

NS_PER_S = 1_000_000_000
_WAIT_SAID_MAX_S = 86_400


class TooManyAttempts(Refused):
    code = "too_many_attempts"

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"too many attempts; try again in {wait_s} seconds")
        self.wait_s = wait_s


class Rate(NamedTuple):
    """At most so many in a window that begins with the first of them."""

    most: int
    seconds: int


def count(db: Connection, name: str, rate: Rate, now_ns: int) -> TooManyAttempts | None:
    """Counts one attempt; what to refuse it with if it is one too many.

    It is returned and not raised, because the caller's transaction has to stay.
    """
    window = _open_window(db, name, now_ns)
    if window is None:
        forget(db, name)
        ends_at_ns = now_ns + rate.seconds * NS_PER_S
        db.execute(insert(attempts).values(name=_key(name), ends_at_ns=ends_at_ns, tried=1))
        return None
    tried, ends_at_ns = window
    if tried >= rate.most:
        return TooManyAttempts(min(-(-(ends_at_ns - now_ns) // NS_PER_S), _WAIT_SAID_MAX_S))
    db.execute(update(attempts).where(attempts.c.name == _key(name)).values(tried=tried + 1))
    return None


def attempts_left(db: Connection, name: str, rate: Rate, now_ns: int) -> int:
    window = _open_window(db, name, now_ns)
    return rate.most if window is None else rate.most - window[0]


def forget(db: Connection, name: str) -> None:
    db.execute(delete(attempts).where(attempts.c.name == _key(name)))


def drop_ended(db: Connection, now_ns: int) -> None:
    """Removes windows that are over."""
    db.execute(delete(attempts).where(attempts.c.ends_at_ns <= now_ns))


def _open_window(db: Connection, name: str, now_ns: int) -> tuple[int, int] | None:
    """(tried, ends at)."""
    wanted = (attempts.c.name == _key(name)) & (attempts.c.ends_at_ns > now_ns)
    row = db.execute(select(attempts.c.tried, attempts.c.ends_at_ns).where(wanted)).one_or_none()
    return None if row is None else (row.tried, row.ends_at_ns)


def _key(name: str) -> str:
    """Names hold what people have typed, at any length."""
    return hashlib.sha256(name.encode()).hexdigest()
