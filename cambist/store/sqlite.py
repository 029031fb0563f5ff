"""How this exchange opens an SQLite database: the one place that knows the driver and its pragmas."""

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL

from cambist.errors import Refused

# Older ones can corrupt a database when two connections meet in a WAL reset (sqlite.org/wal.html).
VERSION_MIN = (3, 51, 3)
_BUSY_TIMEOUT_MS = 5_000
_CHECKPOINT_PAGES = 8_192
_CACHE_KIB = 65_536
_WRITES = "cambist_writes"


class SqliteTooOld(Refused):
    code = "sqlite_too_old"


class DatabaseDamaged(Refused):
    code = "database_damaged"


def open_database(file: Path, *, read_only: bool = False, is_derived: bool = False) -> Engine:
    """Raises SqliteTooOld. A database that is missing is made at the first use, but not if `read_only`.

    What is derived need not be synced: after a power cut its last transactions are missing as a whole, and
    are made again. It also writes much, so it is copied out of the write-ahead log in larger pieces.
    """
    if sqlite.sqlite_version_info < VERSION_MIN:
        wanted = ".".join(map(str, VERSION_MIN))
        raise SqliteTooOld(
            f"SQLite {sqlite.sqlite_version} can corrupt the database; {wanted} or newer is needed"
        )
    # Not mode=ro: a reader of a write-ahead log may have to make the files beside it.
    query = {"mode": "rw", "uri": "true"} if read_only else {}
    name = f"file:{file}" if read_only else str(file)
    # hide_parameters: an error's text may reach a log, and must not take e-mail addresses there.
    engine = create_engine(
        URL.create("sqlite", database=name, query=query), module=sqlite, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
            return
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if is_derived else 'FULL'}")
        if is_derived:
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(db: Connection) -> None:
        # The driver itself begins only before a row is changed: not for reads, and not for a migration's DDL.
        db.exec_driver_sql("BEGIN IMMEDIATE" if db.get_execution_options().get(_WRITES) else "BEGIN")

    return engine


def writing(engine: Engine) -> Engine:
    """The same database for transactions that write: each waits for those of other processes as it begins.

    One that read first and then wrote would fail if another had written meanwhile.
    """
    return engine.execution_options(**{_WRITES: True})


def copy_database(file: Path, target: Path) -> None:
    """One new file that holds what is committed, while others read and write the original.

    It is complete and readable by its owner alone, and SQLite has checked all of it. Raises DatabaseDamaged.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with (
        closing(sqlite.connect(f"file:{file}?mode=rw", uri=True, timeout=_BUSY_TIMEOUT_MS / 1_000)) as source,
        closing(sqlite.connect(str(target))) as copy,
    ):
        source.execute("PRAGMA query_only = ON")
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # or reading it would make files beside it
        found = copy.execute("PRAGMA integrity_check").fetchone()
    if found != ("ok",):
        raise DatabaseDamaged(f"{file} is damaged: {found[0]}")
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
