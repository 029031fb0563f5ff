"""Which passwords are good enough, and how they are kept: Argon2id, the parameters in each hash.

There are no rules about kinds of characters: they make passwords that are hard to remember and easy to guess.
Length and a list of common ones are what helps (NIST SP 800-63B).
Known limit: the list is the first 10,000 of zxcvbn's (MIT licence), not all that were ever leaked.
"""

import re
import threading
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cambist.errors import Overloaded, Refused

SHORTEST, LONGEST = 10, 128
# OWASP's first choice for Argon2id: 46 MiB, one pass, one lane. A change counts from the next sign-in on.
MEMORY_KIB, PASSES, LANES = 47_104, 1, 1
AT_ONCE = 2  # each takes a core for some 50 ms, and its memory
WAITS_AT_MOST_S = 5.0
_COMMON = Path(__file__).with_name("common_passwords.txt")
_AROUND = re.compile(r"^[\W\d_]+|[\W\d_]+$")


class PasswordWeak(Refused):
    """Not a password to keep money behind; the text says why."""

    code = "password_weak"


def require_strong(password: str, email: str) -> None:
    """Raises PasswordWeak for what is short, common, or says the e-mail address or our name again."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise PasswordWeak(f"a password has {SHORTEST} to {LONGEST} characters")
    plain = password.casefold()
    bare = _AROUND.sub("", plain)  # `password123!` is `password`
    if {plain, bare} & common() or len(set(plain)) < 4 or _repeats(plain):
        raise PasswordWeak("this password is one of those that are guessed first")
    local = email.casefold().partition("@")[0]
    if plain == email.casefold() or bare in (local, "cambist") or plain.startswith(local + "@"):
        raise PasswordWeak("this password says the e-mail address or the exchange's name again")


@cache
def common() -> frozenset[str]:
    return frozenset(_COMMON.read_text(encoding="utf-8").split())


def _repeats(plain: str) -> bool:
    """Whether it is a common word again and again."""
    return any(
        plain == part * (len(plain) // len(part)) and part in common()
        for part in (plain[:length] for length in range(3, len(plain) // 2 + 1))
        if len(plain) % len(part) == 0
    )


class Passwords:
    """Hashes and checks, a few at once: sign-ins must not take the machine's memory from the exchange."""

    def __init__(self, *, memory_kib: int = MEMORY_KIB, passes: int = PASSES) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=LANES)
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._nobodys = self._hasher.hash("of nobody")

    def hash(self, password: str) -> str:
        """Raises Overloaded."""
        with _Turn(self._turns):
            return self._hasher.hash(password)

    def matches(self, stored: str | None, password: str) -> bool:
        """None, for a user who does not exist or has no password, takes as long and is never right."""
        with _Turn(self._turns):
            try:
                self._hasher.verify(stored or self._nobodys, password)
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether it was made with other parameters than new ones are."""
        return self._hasher.check_needs_rehash(stored)


class _Turn:
    def __init__(self, turns: threading.BoundedSemaphore) -> None:
        self._turns = turns

    def __enter__(self) -> None:
        if not self._turns.acquire(timeout=WAITS_AT_MOST_S):
            raise Overloaded("too many sign-ins at once; try again in a moment")

    def __exit__(self, *_: object) -> None:
        self._turns.release()
