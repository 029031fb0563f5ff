"""The views schema: migrations lead to the tables, an old database is brought up, a newer one made anew."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from cambist.data.database import ViewsUnusable, open_views
from cambist.data.projection import Position
from cambist.store import migrate
from cambist.store.sqlite import open_database
from cambist.store.views import metadata
from tests.journals import LOG_ID


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "views.db"


def test_migrations_give_the_tables_of_this_release(file):
    database, position = open_views(file, LOG_ID)
    assert position == Position(LOG_ID, 0, 0, 0)
    with database.begin() as db:
        context = MigrationContext.configure(db, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    database.dispose()


def test_orders_of_the_first_schema_have_worked_since_they_were_accepted(file):
    database = open_database(file)
    with database.begin() as db:
        migrate.upgrade(db, migrate.VIEWS._replace(newest="0001"))
        db.execute(
            text("INSERT INTO orders VALUES (1, 7, 1, 0, 1, 1, 0, 100, 5, '0', 0, '0', 42, 42, 'a', 0, 0, 9)")
        )
        db.execute(text("INSERT INTO positions VALUES ('views', :log, 9, '00', 42)"), {"log": LOG_ID.hex()})
    database.dispose()
    database, position = open_views(file, LOG_ID)
    assert position.sequence == 9
    with database.begin() as db:
        row = db.execute(text("SELECT working_ns, state, stop_price_ticks FROM orders")).one()
    assert tuple(row) == (42, 1, 0)
    database.dispose()


@pytest.mark.parametrize("version", ["9999", migrate.VIEWS.newest])
def test_views_of_a_newer_release_or_of_another_log_are_made_anew(file, version):
    database, _ = open_views(file, LOG_ID)
    with database.begin() as db:
        db.execute(
            text("INSERT INTO positions VALUES ('views', :log, 9, '00', 42)"), {"log": bytes(16).hex()}
        )
        db.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    database.dispose()
    database, position = open_views(file, LOG_ID)
    assert position.sequence == 0
    database.dispose()


def test_the_system_accounts_are_there_before_any_event(file):
    database, _ = open_views(file, LOG_ID)
    with database.begin() as db:
        found = db.execute(text("SELECT account FROM accounts ORDER BY account")).scalars().all()
    assert found == [1, 2, 3, 4, 5, 6]
    database.dispose()


def test_what_is_no_database_is_refused_until_it_is_to_be_made_anew(file):
    file.write_bytes(b"no database" * 100)
    with pytest.raises(ViewsUnusable, match="cambist rebuild"):
        open_views(file, LOG_ID)
    database, position = open_views(file, LOG_ID, rebuild=True)
    assert position.sequence == 0
    database.dispose()


def test_the_views_are_the_owners_alone(file):
    database, _ = open_views(file, LOG_ID)
    assert {path.stat().st_mode & 0o777 for path in file.parent.glob("views.db*")} == {0o600}
    database.dispose()
