"""Many rows at once, as plain tuples past SQLAlchemy's own binding: that is several times faster.

Values go to the driver as they are, so what a column's type would convert (`Wide`) is text already.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import ClauseElement, Connection, Delete, Table, Update, bindparam, delete, insert
from sqlalchemy.engine import Dialect

Row = tuple[Any, ...]


def insert_rows(db: Connection, table: Table, rows: Sequence[Row]) -> None:
    """New rows, with a value for every column of the table in its order."""
    if rows:
        db.exec_driver_sql(_insert(table, db.dialect), list(rows))


def replace_rows(db: Connection, table: Table, rows: Sequence[Row]) -> None:
    """The same; a row with the same key gives way."""
    if rows:
        db.exec_driver_sql(_insert(table, db.dialect).replace("INSERT", "REPLACE", 1), list(rows))


def delete_rows(db: Connection, table: Table, keys: Sequence[Row]) -> None:
    """`keys` are values of the primary key's columns, in the table's order."""
    if keys:
        db.exec_driver_sql(_text(_delete(table), db.dialect), list(keys))


def write_rows(db: Connection, statement: Update | Delete, rows: Sequence[Row]) -> None:
    """`rows` hold the statement's parameters in the order of its text."""
    if rows:
        db.exec_driver_sql(_text(statement, db.dialect), list(rows))


@cache
def _insert(table: Table, dialect: Dialect) -> str:
    return str(insert(table).compile(dialect=dialect))


@cache
def _delete(table: Table) -> Delete:
    return delete(table).where(*[column == bindparam(column.name) for column in table.primary_key])


@cache
def _text(statement: ClauseElement, dialect: Dialect) -> str:
    return str(statement.compile(dialect=dialect))
