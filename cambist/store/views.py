"""The tables of the views: what the event journal says, as SQL. A change here needs a migration beside it.

All of it is derived: `cambist rebuild` drops it and writes it again. Portable types only, for SQLite now and
a database server later. Times are UNIX nanoseconds, codes those of docs/formats, amounts in atoms, ticks or
lots.
"""

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, SmallInteger, String, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

POSITION = "views"  # name of the position of the tables below

metadata = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"}
)


class Wide(TypeDecorator[int]):
    """A whole number of more than 64 bits: decimal text on SQLite, where only Python can add it up."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        return None if value is None else int(value)


# A single key of this type is SQLite's own row id.
_RowId = BigInteger().with_variant(Integer(), "sqlite")


def _id(name: str) -> Column[int]:
    return Column(name, _RowId, primary_key=True, autoincrement=False)


def _key(name: str) -> Column[int]:
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _later(name: str, before: str = "0") -> Column[int]:
    """Came with a migration; rows that were there have the value `before`."""
    return Column(name, BigInteger, nullable=False, server_default=before)


def _code(name: str) -> Column[int]:
    return Column(name, SmallInteger, nullable=False)


def _atoms(name: str) -> Column[int]:
    return Column(name, Wide, nullable=False)


# How far a reader of the journal has come: its rows and this one change in one transaction.
positions = Table(
    "positions",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("log_id", String(32), nullable=False),
    _number("sequence"),
    Column("event_hash", String(16), nullable=False),
    _number("time_ns"),
)

assets = Table(
    "assets",
    metadata,
    _id("asset"),
    Column("name", String(32), nullable=False),
    _code("scale"),
    _code("state"),
)

markets = Table(
    "markets",
    metadata,
    _id("market"),
    Column("symbol", String(32), nullable=False),
    _number("base"),
    _number("quote"),
    _atoms("tick_atoms"),
    _atoms("lot_atoms"),
    _code("state"),
)

accounts = Table(
    "accounts",
    metadata,
    _id("account"),
    _code("account_class"),
    _code("tier"),
    _code("permissions"),
    _code("frozen"),
    _number("stp_group"),
    _atoms("owner"),
)

balances = Table(
    "balances",
    metadata,
    _key("account"),
    _key("asset"),
    _atoms("available_atoms"),
    _atoms("held_atoms"),
    _number("sequence"),
    sqlite_with_rowid=False,
)

# Double entry: the postings of a sequence sum to zero per asset.
postings = Table(
    "postings",
    metadata,
    _key("sequence"),
    _key("account"),
    _key("asset"),
    _atoms("posting_atoms"),
    sqlite_with_rowid=False,
)

# Open (reason 0) and closed. `sequence` is that of the last change.
orders = Table(
    "orders",
    metadata,
    _id("order_id"),
    _number("account"),
    _number("market"),
    _code("side"),
    _code("order_type"),
    _code("time_in_force"),
    _code("stp_mode"),
    _number("price_ticks"),
    _number("quantity_lots"),
    _atoms("quote_budget_atoms"),
    _number("executed_lots"),
    _atoms("executed_quote_atoms"),
    _number("accepted_ns"),
    _number("updated_ns"),
    Column("client_id", String(64), nullable=False),
    _code("reason"),
    _code("by_quote"),
    _number("sequence"),
    _later("prevented_lots"),
    _later("stop_price_ticks"),
    _later("trailing_delta"),
    _later("iceberg_lots"),
    _later("list_id"),
    _later("working_ns"),  # when it came into the book; 0 before
    _later("state", "1"),  # an OrderState, the last one if it is closed
    Index(None, "account", "market", "order_id"),
    Index(None, "account", "client_id"),
)

# `order_ids` are separated by blanks, in the order in which they were placed.
order_lists = Table(
    "order_lists",
    metadata,
    _id("list_id"),
    _number("account"),
    _number("market"),
    _code("contingency"),
    _code("status"),
    Column("client_id", String(64), nullable=False),
    Column("order_ids", String(255), nullable=False),
    _number("placed_ns"),
    _number("updated_ns"),
    Index(None, "account", "list_id"),
)

amendments = Table(
    "amendments",
    metadata,
    _key("order_id"),
    _key("sequence"),
    _number("account"),
    _number("market"),
    Column("old_client_id", String(64), nullable=False),
    Column("client_id", String(64), nullable=False),
    _number("old_quantity_lots"),
    _number("quantity_lots"),
    _number("time_ns"),
    sqlite_with_rowid=False,
)

# Trades that self-trade prevention did not let happen.
prevented_matches = Table(
    "prevented_matches",
    metadata,
    _key("market"),
    _key("prevented_match_id"),
    _number("time_ns"),
    _code("taker_side"),
    _number("price_ticks"),
    _number("taker_order"),
    _number("maker_order"),
    _number("taker_account"),
    _number("maker_account"),
    _number("taker_prevented_lots"),
    _number("maker_prevented_lots"),
    _number("stp_group"),
    _code("stp_mode"),
    _number("sequence"),
    Index(None, "taker_account", "market", "prevented_match_id"),
    Index(None, "maker_account", "market", "prevented_match_id"),
    sqlite_with_rowid=False,
)

# Trade and aggregate ids are contiguous per market and grow together with time. An aggregate is what one
# taker order traded at one price in one command.
trades = Table(
    "trades",
    metadata,
    _key("market"),
    _key("trade_id"),
    _number("aggregate_id"),
    _number("time_ns"),
    _code("taker_side"),
    _number("price_ticks"),
    _number("quantity_lots"),
    _atoms("quote_atoms"),
    _number("maker_order"),
    _number("taker_order"),
    _number("maker_account"),
    _number("taker_account"),
    _atoms("maker_fee_atoms"),
    _atoms("taker_fee_atoms"),
    _number("sequence"),
    Index(None, "maker_account", "market", "trade_id"),
    Index(None, "taker_account", "market", "trade_id"),
    Index(None, "maker_order"),
    Index(None, "taker_order"),
    sqlite_with_rowid=False,
)

# The books as they stand at the position, and the last update id of each.
levels = Table(
    "levels",
    metadata,
    _key("market"),
    _key("side"),
    _key("price_ticks"),
    _number("quantity_lots"),
    sqlite_with_rowid=False,
)
books = Table("books", metadata, _id("market"), _number("update_id"))

# Bars with trades; the others can be told from the one before. Trade ids are contiguous, so they count.
candles = Table(
    "candles",
    metadata,
    _key("market"),
    Column("interval", String(3), primary_key=True),
    _key("open_ns"),
    _number("first_trade"),
    _number("last_trade"),
    _number("open_ticks"),
    _number("high_ticks"),
    _number("low_ticks"),
    _number("close_ticks"),
    _atoms("volume_lots"),
    _atoms("quote_atoms"),
    _atoms("taker_lots"),
    _atoms("taker_quote_atoms"),
    sqlite_with_rowid=False,
)
