"""The records database: made, opened, migrated, and what is refused rather than guessed at."""

import shutil
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, inspect, select, text, update
from sqlalchemy.exc import IntegrityError

from cambist.settings import Settings
from cambist.store import migrate
from cambist.store.console_tables import metadata
from cambist.store.migrate import DatabaseTooNew
from cambist.store.records import Records, RecordsError
from cambist.store.secrets import MASTER_KEY_FILE
from cambist.store.sqlite import SqliteTooOld, open_database
from cambist.store.tables import api_keys, meta


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def records(settings: Settings) -> Iterator[Records]:
    records = Records.create(settings)
    yield records
    records.close()


def test_migrations_from_empty_give_the_tables_of_this_release(records):
    with records.read() as db:
        assert compare_metadata(MigrationContext.configure(db, opts={"compare_type": True}), metadata) == []
        assert {"users", "api_keys", "meta"} < set(inspect(db).get_table_names())


def test_the_version_that_this_release_expects_is_the_last_migration():
    for schema in (migrate.RECORDS, migrate.VIEWS):
        assert ScriptDirectory(str(schema.scripts)).get_current_head() == schema.newest


def test_migrations_run_wherever_the_package_is_installed(settings, tmp_path, monkeypatch):
    elsewhere = tmp_path / "100% new, and spaced"
    shutil.copytree(migrate.RECORDS.scripts, elsewhere)
    monkeypatch.setattr(migrate, "RECORDS", migrate.RECORDS._replace(scripts=elsewhere))
    Records.create(settings).close()


def test_opening_again_keeps_what_is_there(records, settings):
    with records.write() as db:
        db.execute(insert(meta).values(name="mark", content=b"here"))
    records.close()
    with Records.open(settings).read() as db:
        assert db.scalar(select(meta.c.content).where(meta.c.name == "mark")) == b"here"


def test_a_migration_that_fails_leaves_nothing_behind(settings):
    engine = open_database(settings.records_file)
    with pytest.raises(ZeroDivisionError), engine.begin() as db:
        migrate.upgrade(db, migrate.RECORDS)
        1 / 0  # noqa: B018
    with engine.begin() as db:
        assert inspect(db).get_table_names() == []


def test_keys_of_the_first_schema_are_kept(settings):
    engine = open_database(settings.records_file)
    with engine.begin() as db:
        migrate.upgrade(db, migrate.RECORDS._replace(newest="0001"))
        db.execute(text("INSERT INTO users VALUES (1, 'a@b.c', 'a@b.c', 'r', 7, 1, 'test')"))
        db.execute(
            text(
                "INSERT INTO api_keys VALUES "
                "('k', 1, 7, 'hmac', 'bot', x'0102', 3, '[]', 1, 'test', NULL, NULL, NULL)"
            )
        )
    with engine.begin() as db:
        migrate.upgrade(db, migrate.RECORDS)
        (row,) = db.execute(select(api_keys)).all()
    assert (row.id, row.kind, row.sealed_key, row.scopes) == ("k", "hmac", b"\x01\x02", 3)


def test_a_database_of_a_newer_release_is_refused_untouched(records, settings):
    with records.write() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTooNew, match="version 9999, newer than this release's 0011"):
        Records.open(settings)
    with records.read() as db:
        assert migrate.version(db) == "9999"


def test_a_missing_database_is_refused_and_not_made_anew(settings):
    with pytest.raises(RecordsError, match="missing or empty"):
        Records.open(settings)
    assert list(settings.home.iterdir()) == []


def cut_short(records: Records, settings: Settings) -> None:
    """What a creation leaves that was cut just before its transaction: a key, and a file without tables."""
    records.close()
    for file in settings.home.glob("records.db*"):
        file.unlink()
    with open_database(settings.records_file).begin():
        pass


def test_a_database_without_tables_is_refused(records, settings):
    cut_short(records, settings)
    with pytest.raises(RecordsError, match="missing or empty"):
        Records.open(settings)


def test_a_second_creation_is_refused(records, settings):
    with pytest.raises(RecordsError, match="exists already"):
        Records.create(settings)


def test_an_interrupted_creation_is_completed(records, settings):
    cut_short(records, settings)
    Records.create(settings).close()
    Records.open(settings).close()


def test_a_database_with_another_master_key_is_refused(records, settings):
    (settings.secrets_directory / MASTER_KEY_FILE).write_bytes(bytes(32))
    with pytest.raises(RecordsError, match="another master key"):
        Records.open(settings)


def test_the_database_is_the_owners_alone(records, settings):
    for file in settings.home.glob("records.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_is_written_is_synced_and_references_are_kept(records):
    with records.read() as db:
        pragmas = {
            name: db.execute(text(f"PRAGMA {name}")).scalar_one() for name in ("journal_mode", "synchronous")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    orphan = {
        "id": "k",
        "user_id": 404,
        "account": 1,
        "kind": "hmac",
        "label": "x",
        "sealed_key": b"",
        "scopes": 1,
        "ip_allow": [],
        "created_at_ns": 1,
        "created_by": "test",
    }
    with pytest.raises(IntegrityError), records.write() as db:
        db.execute(insert(api_keys).values(orphan))


def test_an_sqlite_that_can_corrupt_data_is_refused(settings, monkeypatch):
    monkeypatch.setattr("pysqlite3.dbapi2.sqlite_version_info", (3, 51, 2))
    with pytest.raises(SqliteTooOld, match=r"3\.51\.3 or newer"):
        Records.create(settings)


def test_a_write_that_raises_is_undone(records):
    with pytest.raises(ZeroDivisionError), records.write() as db:
        db.execute(insert(meta).values(name="mark", content=b"here"))
        1 / 0  # noqa: B018
    with records.read() as db:
        assert db.scalar(select(meta.c.content).where(meta.c.name == "mark")) is None


def test_a_database_error_does_not_tell_what_was_to_be_written(records):
    with pytest.raises(IntegrityError) as refused, records.write() as db:
        db.execute(insert(meta).values(name="vault", content=b""))
    assert "'vault'" not in str(refused.value)


def test_a_database_stays_with_its_log(records):
    records.bind_log(b"\x01")
    records.bind_log(b"\x01")
    with pytest.raises(RecordsError, match="belongs to log 01, not to 02"):
        records.bind_log(b"\x02")


@pytest.mark.parametrize("sandbox", [True, False])
def test_play_money_stays_play_money_and_real_money_real(records, sandbox):
    records.bind_mode(sandbox=sandbox)
    records.bind_mode(sandbox=sandbox)
    with pytest.raises(RecordsError, match="an exchange keeps its mode"):
        records.bind_mode(sandbox=not sandbox)


def test_what_is_remembered_is_read_once_until_the_next_write(records):
    answers = iter(["first", "second"])
    seen = [records.remembered("key", lambda db: next(answers)) for _ in range(2)]
    with records.write():
        pass
    seen.append(records.remembered("key", lambda db: next(answers)))
    assert seen == ["first", "first", "second"]


def test_every_thread_may_write_and_no_write_is_lost(records):
    with records.write() as db:
        db.execute(insert(meta).values(name="count", content=b"0"))

    def add_one(_: int) -> None:
        with records.write() as db:
            count = int(db.execute(select(meta.c.content).where(meta.c.name == "count")).scalar_one())
            db.execute(update(meta).where(meta.c.name == "count").values(content=str(count + 1).encode()))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add_one, range(20)))
    with records.read() as db:
        assert db.scalar(select(meta.c.content).where(meta.c.name == "count")) == b"20"


def test_what_is_not_there_is_asked_for_again(records):
    answers = iter([None, "now"])
    assert records.remembered("key", lambda db: next(answers)) is None
    assert records.remembered("key", lambda db: next(answers)) == "now"


def test_so_much_is_remembered_and_then_begun_again(records, monkeypatch):
    monkeypatch.setattr("cambist.store.records._REMEMBERED_MAX", 2)
    for number in range(5):
        assert records.remembered(("session", number), lambda db: "here") == "here"
        assert len(records._memory) <= 2


def test_a_read_that_a_write_overtakes_is_not_remembered(records):
    def overtaken(db: object) -> str:
        with records.write():
            pass
        return "old"

    assert records.remembered("key", overtaken) == "old"
    assert records.remembered("key", lambda db: "new") == "new"
