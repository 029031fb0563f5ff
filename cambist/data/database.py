"""The views database: opened, brought to this release's schema, or dropped and made anew."""

import os
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, MetaData
from sqlalchemy import Engine as Database
from sqlalchemy.exc import DatabaseError

from cambist._matching import Engine
from cambist.data.projection import Position, read_position
from cambist.data.rows import Row, replace_rows
from cambist.errors import Refused
from cambist.store import migrate
from cambist.store.sqlite import open_database
from cambist.store.views import accounts


class ViewsUnusable(Refused):
    """The file is damaged or no database. All of it can be made anew."""

    code = "views_unusable"


def open_views(
    file: Path,
    log_id: bytes,
    *,
    rebuild: bool = False,
    require_history: Callable[[], None] | None = None,
) -> tuple[Database, Position]:
    """A database with tables of this release, and the place behind which events are missing.

    Everything is dropped first if `rebuild` is set, if the views belong to another log, or if another release
    has written what this one cannot bring up to date. Readers see it happen in one step. `require_history`
    is asked before: it raises what the caller is to see if the views could not be made anew. Raises
    ViewsUnusable, but not with `rebuild`: then a damaged file gives way to a new one.
    """
    require_history = require_history or _no_question
    try:
        return _open(file, log_id, require_history, rebuild=rebuild)
    except DatabaseError as problem:
        if not rebuild:
            raise ViewsUnusable(
                f"{file} cannot be used ({problem.orig}); `cambist rebuild` makes it anew"
            ) from problem
    require_history()
    for part in file.parent.glob(f"{file.name}*"):
        part.unlink()
    return _open(file, log_id, require_history, rebuild=True)


def stored_position(file: Path) -> Position | None:
    """Where views stand that another process may be writing; None before the first event."""
    database = open_database(file, read_only=True)
    try:
        with database.begin() as db:
            return read_position(db)
    finally:
        database.dispose()


def _open(
    file: Path, log_id: bytes, require_history: Callable[[], None], *, rebuild: bool
) -> tuple[Database, Position]:
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))  # SQLite itself would let others read it
    engine = open_database(file, is_derived=True)
    try:
        with engine.begin() as db:
            if rebuild or not _is_usable(db, log_id):
                require_history()
                _drop(db)
            migrate.upgrade(db, migrate.VIEWS)
            position = read_position(db)
            if position is None:
                replace_rows(db, accounts, _system_accounts())
    except BaseException:
        engine.dispose()
        raise
    return engine, position or Position(log_id, 0, 0, 0)


def _no_question() -> None:
    """Nothing is ever pruned."""


def _is_usable(db: Connection, log_id: bytes) -> bool:
    try:
        migrate.upgrade(db, migrate.VIEWS)
    except migrate.DatabaseTooNew:
        return False
    position = read_position(db)
    return position is None or position.log_id == log_id


def _drop(db: Connection) -> None:
    found = MetaData()
    found.reflect(db)
    found.drop_all(db)


def _system_accounts() -> list[Row]:
    """Those that are there before the first command, of which no event tells."""
    engine = Engine()
    rows: list[Row] = []
    for number in engine.account_ids():
        if (account := engine.account(number)) is not None:
            account_class, tier, permissions, frozen, group, owner = account
            rows.append((number, account_class, tier, permissions, int(frozen), group, str(owner)))
    return rows
