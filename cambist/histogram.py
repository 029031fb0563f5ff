"""How often which size: counted in plain integers, so that counting costs next to nothing."""

BUCKETS = 27  # the last one: 67 million and more


class Histogram:
    """Bucket n counts values below 2**n that none before it counts. One thread adds, any may read."""

    __slots__ = ("buckets", "sum")

    def __init__(self) -> None:
        self.buckets = [0] * BUCKETS
        self.sum = 0

    def add(self, value: int) -> None:
        """Below zero counts as zero."""
        value = max(value, 0)
        self.buckets[min(value.bit_length(), BUCKETS - 1)] += 1
        self.sum += value
