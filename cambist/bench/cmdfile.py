"""Command files (CMD1) and the trade hash by which two engines compare their work.

Little-endian. Header, 64 bytes: "CMD1", u32 markets, u64 records, u64 of them prefill, u32 users, u32 mix,
u64 highest id, u64 seed, i64 lowest and i64 highest price. Record, 32 bytes: u8 op, u8 side, u16 market, u32
user, u64 id, i64 price_ticks, i64 quantity_lots. Ops: 0 new GTC, 1 new IOC, 2 cancel, 3 move to another price
with what remains. Cancels and moves name orders that rest; the prefill builds the book and is not timed.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from struct import Struct
from typing import NamedTuple

HEADER = Struct("<4sIQQIIQQqq")
RECORD = Struct("<BBHIQqq")
NEW_GTC, NEW_IOC, CANCEL, MOVE = range(4)

HASH_START = 0xCBF29CE484222325
HASH_FACTOR = 0x100000001B3
HASH_MASK = (1 << 64) - 1

Trade = tuple[int, int, int, int]  # price, quantity, maker's id, taker's id


class BadCommandFile(ValueError):
    """Not a CMD1 file, or one that is cut off."""


class Record(NamedTuple):
    op: int
    side: int
    market: int
    user: int
    id: int
    price: int
    quantity: int


class CommandFile(NamedTuple):
    markets: int
    users: int
    prefill: int
    max_id: int
    content: memoryview

    @property
    def timed(self) -> int:
        return len(self.content) // RECORD.size - self.prefill

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        stop = stop if stop is None else stop * RECORD.size
        return map(Record._make, RECORD.iter_unpack(self.content[start * RECORD.size : stop]))


def load(path: Path) -> CommandFile:
    content = path.read_bytes()
    if len(content) < HEADER.size or not content.startswith(b"CMD1"):
        raise BadCommandFile(f"{path} does not begin like a CMD1 file")
    _, markets, count, prefill, users, _, max_id, *_ = HEADER.unpack_from(content)
    body = memoryview(content)[HEADER.size :]
    if len(body) != count * RECORD.size or prefill > count:
        raise BadCommandFile(f"{path} says {count} records and holds {len(body) / RECORD.size:g}")
    return CommandFile(markets, users, prefill, max_id, body)


def trade_hash(trades: Iterable[Trade], start: int = HASH_START) -> int:
    """FNV-like, over maker, taker, price and quantity of each trade in order."""
    value = start
    for price, quantity, maker, taker in trades:
        for word in (maker, taker, price, quantity):
            value = (value ^ word) * HASH_FACTOR & HASH_MASK
    return value
