"""A seeded flow of orders that keeps one book alive: chance decides, nothing trades by design.

The fair price wanders and returns to where it started. Around it stands a bounded number of small orders,
dense near the fair price and thin far away; now and then a small order takes. Known limit: the flow knows
what it placed, not what others did, so an order that somebody filled stays in its list until its turn to be
cancelled comes.
"""

import math
from collections.abc import Iterator
from random import Random
from typing import NamedTuple, TypeAlias

from cambist.engine.commands import Side

RESTING_PER_SIDE = 30
PULL = 0.002  # of the way back to the start, per step
STEP = 0.000_3  # standard deviation of the logarithm of the fair price, per step
SPREAD = 0.000_2  # the nearest order's distance from the fair price, as a part of it
TAKES = 0.08  # of the steps


class Quote(NamedTuple):
    """Place a post-only order; `price` in quote per base, `size` in multiples of the market's small order."""

    name: int
    side: Side
    price: float
    size: float


class Pull(NamedTuple):
    """Cancel the order of that name; it may be gone."""

    name: int


class Take(NamedTuple):
    """Trade at once up to `price`, what remains expires."""

    side: Side
    price: float
    size: float


Action: TypeAlias = Quote | Pull | Take


class FairPrice:
    """A random walk that is pulled back: never far from its start, never still."""

    def __init__(self, chance: Random, start: float) -> None:
        self._chance = chance
        self._start = start
        self._deviation = 0.0

    def step(self) -> float:
        self._deviation += self._chance.gauss(0, STEP) - PULL * self._deviation
        return self._start * math.exp(self._deviation)


class Generator:
    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._names = 0
        self._resting: dict[Side, dict[int, float]] = {Side.BUY: {}, Side.SELL: {}}

    def actions(self, fair: float) -> Iterator[Action]:
        """What to do now that the price `fair` is right: stale orders go, then one thing happens."""
        for name in self._stale(fair):
            yield self._pull(name)
        side = self._chance.choice((Side.BUY, Side.SELL))
        if self._chance.random() < TAKES:
            yield Take(side, _away(fair, side, -20 * SPREAD), self._size())
        elif len(self._resting[side]) < RESTING_PER_SIDE:
            yield self._quote(side, fair)
        else:
            yield self._pull(self._chance.choice(list(self._resting[side])))

    def _quote(self, side: Side, fair: float) -> Quote:
        self._names += 1
        distance = SPREAD * self._chance.paretovariate(1.2)
        quote = Quote(self._names, side, _away(fair, side, min(distance, 0.05)), self._size())
        self._resting[side][quote.name] = quote.price
        return quote

    def _pull(self, name: int) -> Pull:
        for orders in self._resting.values():
            orders.pop(name, None)
        return Pull(name)

    def _stale(self, fair: float) -> list[int]:
        """Orders that the fair price has passed: leaving them would give money away."""
        bids, asks = self._resting[Side.BUY], self._resting[Side.SELL]
        return [name for name, price in bids.items() if price >= fair] + [
            name for name, price in asks.items() if price <= fair
        ]

    def _size(self) -> float:
        return self._chance.lognormvariate(0, 0.8)


def _away(fair: float, side: Side, part: float) -> float:
    """`part` of the price away from it: a buyer's order below, a seller's above; negative crosses over."""
    return fair * (1 - part) if side == Side.BUY else fair * (1 + part)
