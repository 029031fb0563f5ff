"""What the gateways of one machine tell each other about clients: counts, bans, answers and fills.

Each is the only writer of its own region of one memory-mapped file and reads those of the others, so nothing
is locked and nobody waits; what they know of each other is as old as a store into memory. A gateway that is
alone neither writes nor reads.

Words are 64 bits and written whole. A count lies in a hash table of its region under a hash of whom it is
about, with the second at which it ends: one that has ended makes room for others. Known limits: while a table
is full of others' counts a client is counted by each gateway alone; a gateway that starts is seen by the
others BEAT_EVERY_S later.
"""

import asyncio
import mmap
import os
import secrets
import time
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self

from xxhash import xxh3_64_intdigest

from cambist.log.errors import LogInUse
from cambist.log.lock import DirectoryLock

FILE = "gateways.shared"
GATEWAYS_MAX = 16
BEAT_EVERY_S = 0.1
FORGOTTEN_AFTER_S = 300  # longer than any interval that is counted, but the day's

_SEED = 0
_HEADER = 512  # words before the first region
_BEAT, _TOLD, _BANS = 0, 1, 2  # words at the front of a region
_ANSWERED, _ACCOUNTS = 8, 1 << 16
_COUNTS, _SLOTS, _PROBES = _ANSWERED + _ACCOUNTS, 1 << 15, 8
_NEWS, _NEWS_KEPT = _COUNTS + 2 * _SLOTS, 1 << 14
_REGION = _NEWS + 2 * _NEWS_KEPT
_SIGN = 1 << 31


class TooManyGateways(LogInUse):
    """The text says how many there may be."""


class Count(NamedTuple):
    until_s: int
    amount: int


class News(NamedTuple):
    """An order that came in elsewhere was filled, or has ended."""

    account: int
    order_id: int
    is_fill: bool


class Neighbours:
    """One gateway's part. `beat` is to be called every BEAT_EVERY_S."""

    def __init__(self, directory: Path, lock: DirectoryLock, number: int) -> None:
        """Use `join`."""
        self._lock = lock
        self._number = number
        descriptor = os.open(directory / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = 8 * (_HEADER + GATEWAYS_MAX * _REGION)
            os.ftruncate(descriptor, size)  # holes read as zeros
            # A store into a hole of a full disk would kill the process.
            os.posix_fallocate(descriptor, 0, 8 * _HEADER)
            os.posix_fallocate(descriptor, 8 * (_HEADER + number * _REGION), 8 * _REGION)
            self._map = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        self._words = memoryview(self._map).cast("Q")
        if not self._words[_SEED]:  # or what a client chooses could be made to meet what another has
            self._words[_SEED] = secrets.randbits(63) | 1
        self._own = _HEADER + number * _REGION
        self._map[8 * self._own : 8 * (self._own + _REGION)] = bytes(8 * _REGION)
        self._others: list[int] = []
        self.is_alone = True  # as far as the last `beat` has seen
        self._heard: dict[int, int] = {}  # news read, by region

    @classmethod
    def join(cls, directory: Path) -> Self:
        """Takes a region that nobody uses. Raises TooManyGateways."""
        directory.mkdir(mode=0o700, exist_ok=True)
        for number in range(GATEWAYS_MAX):
            try:
                return cls(directory, DirectoryLock(directory, f"gateway-{number}.lock"), number)
            except LogInUse:
                continue
        raise TooManyGateways(f"{GATEWAYS_MAX} gateways run in {directory} already")

    @property
    def number(self) -> int:
        return self._number

    def beat(self, now_s: int) -> None:
        """Shows that this gateway works, and finds the others that did lately."""
        words = self._words
        words[self._own + _BEAT] = now_s
        regions = range(_HEADER, _HEADER + GATEWAYS_MAX * _REGION, _REGION)
        self._others = [
            region
            for region in regions
            if region != self._own and words[region + _BEAT] + FORGOTTEN_AFTER_S > now_s
        ]
        self.is_alone = not self._others
        self._heard = {region: self._heard.get(region, words[region + _TOLD]) for region in self._others}

    async def meet(self) -> None:
        """Before it asks where the engine is: what others tell clients after that, they tell this one too."""
        self.beat(int(time.time()))
        if not self.is_alone:
            await asyncio.sleep(5 * BEAT_EVERY_S)

    def close(self) -> None:
        self._words.release()
        self._map.close()
        self._lock.release()

    # Counts.

    def key(self, purpose: str, whom: str | int) -> int:
        return _key(purpose, whom, self._words[_SEED])

    def publish(self, key: int, until_s: int, amount: int, now_s: int) -> None:
        """This gateway's own count until then; `amount` may be negative, within 31 bits."""
        words = self._words
        value = until_s << 32 | (amount + _SIGN)
        free = -1
        for at in _slots(self._own, key):
            if words[at] == key:
                words[at + 1] = value
                return
            if free < 0 and (not words[at] or words[at + 1] >> 32 <= now_s):
                free = at
        if free >= 0:
            words[free + 1] = 0  # or it would be the new one's for a moment
            words[free] = key
            words[free + 1] = value

    def others(self, key: int, until_s: int) -> int:
        """What the other gateways' counts that end then come to."""
        total = 0
        for region in self._others:
            value = self._find(region, key)
            if value >> 32 == until_s:
                total += (value & 0xFFFF_FFFF) - _SIGN
        return total

    def ban(self, key: int, until_s: int, length_s: int, now_s: int) -> None:
        self.publish(key, until_s, length_s, now_s)
        at = self._own + _BANS
        self._words[at] = max(self._words[at], until_s)

    def bans(self, now_s: int) -> bool:
        """Whether another gateway has banned anybody who still is."""
        words = self._words
        return any(words[region + _BANS] > now_s for region in self._others)

    def longest_ban(self, key: int) -> Count:
        """Of the other gateways' the one that ends last, also if it has; all zero if there is none."""
        value = max((self._find(region, key) for region in self._others), default=0)
        return Count(value >> 32, (value & 0xFFFF_FFFF) - _SIGN) if value else Count(0, 0)

    def _find(self, region: int, key: int) -> int:
        """The word behind a key, 0 if it is not there."""
        words = self._words
        for at in _slots(region, key):
            found = words[at]
            if found == key:
                return words[at + 1]
            if not found:
                return 0
        return 0

    # Answers.

    def answered(self, account: int, sequence: int) -> None:
        """An account's owner was told of something up to there. A word may be for several accounts."""
        at = self._own + _ANSWERED + account % _ACCOUNTS
        if self._words[at] < sequence:
            self._words[at] = sequence

    def last_answered(self, account: int) -> int:
        """At least what all gateways together have told its owner."""
        at = _ANSWERED + account % _ACCOUNTS
        words = self._words
        return max(words[region + at] for region in (self._own, *self._others))

    # News.

    def tell(self, news: News) -> None:
        """To the other gateways; whoever does not read for long misses some."""
        words, own = self._words, self._own
        told = words[own + _TOLD]
        at = own + _NEWS + 2 * (told % _NEWS_KEPT)
        words[at] = news.order_id
        words[at + 1] = news.account << 1 | news.is_fill
        words[own + _TOLD] = told + 1

    def hear(self) -> list[News]:
        """What the others have told since the last time."""
        words, found = self._words, []
        for region in self._others:
            told = words[region + _TOLD]
            heard = self._heard[region]
            if told == heard:
                continue
            self._heard[region] = told
            for nth in range(max(heard, told - _NEWS_KEPT), told):
                at = region + _NEWS + 2 * (nth % _NEWS_KEPT)
                found.append(News(words[at + 1] >> 1, words[at], bool(words[at + 1] & 1)))
        return found


def _slots(region: int, key: int) -> range:
    """Where in a region's table a key may lie."""
    first = region + _COUNTS + 2 * (key % (_SLOTS - _PROBES))
    return range(first, first + 2 * _PROBES, 2)


@lru_cache(1 << 16)
def _key(purpose: str, whom: str | int, seed: int) -> int:
    return xxh3_64_intdigest(f"{purpose} {whom}".encode(), seed) | 1
