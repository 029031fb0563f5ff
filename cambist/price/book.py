"""One market's book: totals per price, best first when asked.

Each side keeps its prices sorted with the best at the end, where nearly all changes are, so an insertion
moves little.
"""

from bisect import bisect_left

Levels = list[tuple[int, int]]  # (price_ticks, quantity_lots)


class BookSide:
    """`sign` is 1 for bids and -1 for asks: the best price has the greatest key."""

    __slots__ = ("_keys", "_sign", "lots")

    def __init__(self, sign: int) -> None:
        self.lots: dict[int, int] = {}  # price -> quantity
        self._keys: list[int] = []
        self._sign = sign

    def set(self, price_ticks: int, quantity_lots: int) -> None:
        if quantity_lots:
            if price_ticks not in self.lots:
                key = self._sign * price_ticks
                self._keys.insert(bisect_left(self._keys, key), key)
            self.lots[price_ticks] = quantity_lots
        elif price_ticks in self.lots:
            del self.lots[price_ticks]
            del self._keys[bisect_left(self._keys, self._sign * price_ticks)]

    def best(self) -> tuple[int, int]:
        """(0, 0) if the side is empty."""
        if not self._keys:
            return 0, 0
        price = self._sign * self._keys[-1]
        return price, self.lots[price]

    def top(self, limit: int) -> Levels:
        """Best first."""
        prices = [self._sign * key for key in self._keys[: -limit - 1 : -1]]
        return [(price, self.lots[price]) for price in prices]


class Book:
    __slots__ = ("asks", "bids", "update_id")

    def __init__(self) -> None:
        self.bids = BookSide(1)
        self.asks = BookSide(-1)
        self.update_id = 0

    def best(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Best bid and best ask, (0, 0) where there is none."""
        return self.bids.best(), self.asks.best()
