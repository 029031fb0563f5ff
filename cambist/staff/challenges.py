"""Random numbers that a key has to sign, each good once, for five minutes and one purpose.

They live in this process's memory: whoever was about to sign when it ended simply asks for another one.
"""

import secrets
import threading
from collections import OrderedDict

from cambist.errors import Refused

GOOD_FOR_NS = 5 * 60 * 1_000_000_000
KEPT_MAX = 10_000


class ChallengeInvalid(Refused):
    code = "challenge_invalid"

    def __init__(self) -> None:
        super().__init__("this took too long, or was answered before; try again")


class Challenges:
    """Usable from every thread."""

    def __init__(self) -> None:
        self._given: OrderedDict[bytes, tuple[str, int]] = OrderedDict()
        self._lock = threading.Lock()

    def new(self, purpose: str, now_ns: int) -> bytes:
        challenge = secrets.token_bytes(32)
        with self._lock:
            self._given[challenge] = (purpose, now_ns + GOOD_FOR_NS)
            while len(self._given) > KEPT_MAX:  # whoever asks for too many drives out only old ones
                self._given.popitem(last=False)
        return challenge

    def take(self, challenge: bytes, purpose: str, now_ns: int) -> None:
        """Raises ChallengeInvalid."""
        with self._lock:
            meant_for, until_ns = self._given.pop(challenge, ("", 0))
        if meant_for != purpose or now_ns >= until_ns:
            raise ChallengeInvalid
