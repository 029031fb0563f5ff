"""What a gateway has answered, in plain integers: read when somebody asks for metrics."""

from collections import defaultdict

from cambist.histogram import Histogram

_LIMITED = (418, 429)
_ORDER = "/api/v3/order"


class RequestCounts:
    """`orders_us`: microseconds from reading a single order or cancel to its answer."""

    def __init__(self) -> None:
        self.answered: defaultdict[tuple[str, str, int], int] = defaultdict(int)  # method, path, status
        self.orders_us = Histogram()

    def count(self, method: str, path: str, status: int, took_ns: int) -> None:
        """`path` is one of the API's own, or "other": what clients make up must not become a metric."""
        self.answered[method, path, status] += 1
        if path == _ORDER and method != "GET":
            self.orders_us.add(took_ns // 1_000)

    def by_class(self) -> dict[tuple[str, str, str], int]:
        """Answers by method, path and class of status, such as 2xx."""
        found: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        for (method, path, status), count in tuple(self.answered.items()):
            found[method, path, f"{status // 100}xx"] += count
        return found

    def limited(self) -> dict[tuple[str], int]:
        """Answers that refused for a limit, by status: 429 too much, 418 banned."""
        found = dict.fromkeys(((str(status),) for status in _LIMITED), 0)
        for (_, _, status), count in tuple(self.answered.items()):
            if status in _LIMITED:
                found[str(status),] += count
        return found
