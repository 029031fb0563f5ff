"""A recorded order flow: one CSV row per command, in the order in which they reached a market.

Columns: `ts_ns,op,side,price,qty,order_id,type,peer_id,phase`. Prices and quantities are whole numbers of the
file's own units; what a unit is worth belongs to the reader's options. `execute` rows are no commands: they
say what the add just above them traded.
"""

import csv
import io
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, TypeAlias

from cambist.engine.commands import Side
from cambist.flow.compressed import open_binary

COLUMNS = ["ts_ns", "op", "side", "price", "qty", "order_id", "type", "peer_id", "phase"]
SIDES = {"B": Side.BUY, "S": Side.SELL}


class AddType(StrEnum):
    """How an added order behaves; the letters are the file's."""

    LIMIT = "G"
    POST_ONLY = "P"
    IMMEDIATE = "I"
    MARKET = "M"


class Add(NamedTuple):
    time_ns: int
    order: str
    type: AddType
    side: Side
    price: int
    quantity: int


class Cancel(NamedTuple):
    time_ns: int
    order: str


class Reduce(NamedTuple):
    """The order keeps its place with less: `quantity` is taken off what is open, at most all of it."""

    time_ns: int
    order: str
    quantity: int


class Execution(NamedTuple):
    """A trade the recording market printed; names are order ids of the file."""

    price: int
    quantity: int
    maker: str
    taker: str


Row: TypeAlias = Add | Cancel | Reduce | Execution


class BadFlow(ValueError):
    """A row that is not of this format; the message names the line."""


def read(path: Path, limit: int | None = None) -> Iterator[Row]:
    """The rows of `path` (plain, .gz or .zst); with `limit`, the first so many commands and what they traded.

    Raises BadFlow at the first line that cannot be read.
    """
    with io.TextIOWrapper(open_binary(path), "ascii", newline="") as text:
        lines = csv.reader(text)
        if next(lines, None) != COLUMNS:
            raise BadFlow(f"{path}: the first line must be {','.join(COLUMNS)}")
        commands = 0
        for fields in lines:
            try:
                row = _row(fields)
            except (ValueError, KeyError) as problem:
                raise BadFlow(f"{path}, line {lines.line_num}: {problem}") from problem
            if not isinstance(row, Execution):
                if commands == limit:
                    return
                commands += 1
            yield row


def _row(fields: list[str]) -> Row:
    time_ns, op, side, price, quantity, order, kind, peer, _ = fields
    match op:
        case "add":
            return Add(int(time_ns), order, AddType(kind), SIDES[side], int(price), int(quantity))
        case "cancel":
            return Cancel(int(time_ns), order)
        case "reduce":
            return Reduce(int(time_ns), order, int(quantity))
        case "execute":
            return Execution(int(price), int(quantity), maker=order, taker=peer)
    raise ValueError(f"unknown op {op!r}")
