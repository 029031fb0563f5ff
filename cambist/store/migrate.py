"""Brings the records schema to this release's version: forward only, all steps in one transaction.

A database that a newer release has written is refused: this one would not know what it is looking at.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from cambist.errors import Refused

# The version that this release reads and writes: the last of the migrations.
NEWEST = "0002"

_SCRIPTS = Path(__file__).parent / "migrations" / "records"


class DatabaseTooNew(Refused):
    """The database was written by a newer release."""

    code = "database_too_new"


def upgrade(db: Connection) -> None:
    """Run what is missing inside the caller's transaction. Raises DatabaseTooNew, having changed nothing."""
    if (current := version(db)) != NEWEST:
        _migrate(db, current)


def version(db: Connection) -> str | None:
    """The database's schema version; None while it is empty."""
    if not inspect(db).has_table("alembic_version"):
        return None
    found: str | None = db.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _migrate(db: Connection, current: str | None) -> None:
    # Imported here: it takes as long as everything else in a command that finds nothing to migrate.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option(
        "script_location", str(_SCRIPTS).replace("%", "%%")
    )  # % is the config's own escape
    config.attributes["connection"] = db
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise DatabaseTooNew(
            f"the records database has version {current}, newer than this release's {NEWEST}; "
            "start the release that wrote it"
        )
    command.upgrade(config, NEWEST)
