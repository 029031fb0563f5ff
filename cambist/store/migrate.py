"""Brings a schema to this release's version: forward only, all steps in one transaction.

A database that a newer release has written is refused: this one would not know what it is looking at.
"""

from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, inspect, text

from cambist.errors import Refused

_MIGRATIONS = Path(__file__).parent / "migrations"


class Schema(NamedTuple):
    """`newest` is the version that this release reads and writes: the last of the migrations in `scripts`."""

    name: str
    newest: str
    scripts: Path


RECORDS = Schema("records", "0011", _MIGRATIONS / "records")
VIEWS = Schema("views", "0004", _MIGRATIONS / "views")


class DatabaseTooNew(Refused):
    """The database was written by a newer release."""

    code = "database_too_new"


def upgrade(db: Connection, schema: Schema) -> None:
    """Run what is missing inside the caller's transaction. Raises DatabaseTooNew, having changed nothing."""
    if (current := version(db)) != schema.newest:
        _migrate(db, schema, current)


def version(db: Connection) -> str | None:
    """The database's schema version; None while it is empty."""
    if not inspect(db).has_table("alembic_version"):
        return None
    found: str | None = db.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _migrate(db: Connection, schema: Schema, current: str | None) -> None:
    # Imported here: it takes as long as everything else in a command that finds nothing to migrate.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option(
        "script_location", str(schema.scripts).replace("%", "%%")
    )  # % is the config's own escape
    config.attributes["connection"] = db
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise DatabaseTooNew(
            f"the {schema.name} database has version {current}, newer than this release's {schema.newest}; "
            "start the release that wrote it"
        )
    command.upgrade(config, schema.newest)
