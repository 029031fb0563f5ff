"""Thirty real minutes of BTC/USD as the optional demo data of the `ob-analytics` package records them.

Only its `_sample_data/orders.csv.gz` is read. Columns:
`id,timestamp,exchange_timestamp,price,volume,action,direction`; actions are created, changed (traded in part)
and deleted; times are Unix milliseconds. The recording does not say which orders were post-only. An order
that never traded there is placed post-only here, so that it cannot trade either.
"""

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from cambist.engine.commands import Side
from cambist.flow.compressed import open_binary
from cambist.flow.file import Add, AddType, Cancel

DATA = Path("ob_analytics", "_sample_data", "orders.csv.gz")
PRICE_DECIMALS = 2
QUANTITY_DECIMALS = 8
SIDES = {"bid": Side.BUY, "ask": Side.SELL}


def find(checkout: Path) -> Path | None:
    """The recording, if `make run` could install the optional demo data in this checkout."""
    data = checkout / ".demo" / DATA
    return data if data.is_file() else None


def traded_orders(path: Path) -> set[str]:
    """Orders that were filled, wholly or in part. Reads the whole file: a second or so."""
    return {order["id"] for order in _orders(path) if _has_traded(order)}


def read(path: Path, traded: set[str]) -> Iterator[Add | Cancel]:
    """Commands in the recorded order; prices in hundredths, quantities in 1e-8."""
    for order in _orders(path):
        time_ns = int(order["exchange_timestamp"]) * 1_000_000
        kind = _type(order, traded)
        if order["action"] == "deleted":
            yield Cancel(time_ns, order["id"])
        elif order["action"] == "created" and kind is not None:
            yield Add(
                time_ns,
                order["id"],
                kind,
                SIDES[order["direction"]],
                _units(order["price"], PRICE_DECIMALS),
                _units(order["volume"], QUANTITY_DECIMALS),
            )


def _type(order: dict[str, str], traded: set[str]) -> AddType | None:
    """A price of 0 is a market order if it traded, and if not a bid below a cent, which no market takes."""
    if Decimal(order["price"]) == 0:
        return AddType.MARKET if order["id"] in traded else None
    return AddType.LIMIT if order["id"] in traded else AddType.POST_ONLY


def _orders(path: Path) -> Iterator[dict[str, str]]:
    with io.TextIOWrapper(open_binary(path), "ascii", newline="") as text:
        yield from csv.DictReader(text)


def _has_traded(order: dict[str, str]) -> bool:
    return order["action"] == "changed" or (order["action"] == "deleted" and Decimal(order["volume"]) == 0)


def _units(number: str, decimals: int) -> int:
    return int(Decimal(number).scaleb(decimals))
