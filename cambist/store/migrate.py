"""Brings the records schema to this release's version: forward only, all steps in one transaction.

A database that a newer release has written is refused: this one would not know what it is looking at.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from cambist.errors import Refused

_SCRIPTS = Path(__file__).parent / "migrations" / "records"


class DatabaseTooNew(Refused):
    """The database was written by a newer release."""

    code = "database_too_new"


def upgrade(db: Connection) -> None:
    """Run what is missing inside the caller's transaction. Raises DatabaseTooNew, having changed nothing."""
    config = Config()
    config.set_main_option(
        "script_location", str(_SCRIPTS).replace("%", "%%")
    )  # % is the config's own escape
    config.attributes["connection"] = db
    scripts = ScriptDirectory.from_config(config)
    current, newest = version(db), scripts.get_current_head()
    if current not in {None, *(script.revision for script in scripts.walk_revisions())}:
        raise DatabaseTooNew(
            f"the records database has version {current}, newer than this release's {newest}; "
            "start the release that wrote it"
        )
    if current != newest:
        command.upgrade(config, "head")


def version(db: Connection) -> str | None:
    """The database's schema version; None while it is empty."""
    return MigrationContext.configure(db).get_current_revision()
