"""How often which size: counted in plain integers, so that counting costs next to nothing."""

BUCKETS = 64


class Histogram:
    """Bucket n counts sizes below 2**n that none before it counts; a size has less than 64 bits.

    One thread adds, any may read.
    """

    __slots__ = ("buckets", "sum")

    def __init__(self) -> None:
        self.buckets = [0] * BUCKETS
        self.sum = 0

    def add(self, size: int) -> None:
        self.buckets[size.bit_length()] += 1
        self.sum += size
