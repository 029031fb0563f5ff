"""What a views database holds, to be compared with another."""

from pathlib import Path
from typing import Any

from sqlalchemy import select

from cambist.store.sqlite import open_database
from cambist.store.views import metadata


def contents(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in the order of its key."""
    database = open_database(file, read_only=True)
    try:
        with database.begin() as db:
            return {
                table.name: [tuple(row) for row in db.execute(select(table).order_by(*table.primary_key))]
                for table in metadata.sorted_tables
            }
    finally:
        database.dispose()
