"""Backup and restore: what comes back is the exchange as it stood, or the file that is wrong is named."""

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from cambist import app
from cambist.accounts import users
from cambist.control.users import CreateUser
from cambist.control.verify import Position, verify
from cambist.engine.commands import Role, Side
from cambist.errors import Broken
from cambist.keep import manifest as manifests
from cambist.keep.archive import digest
from cambist.keep.backup import NotEmpty, Place, back_up
from cambist.keep.held import KEEP_LOCK, FilesHeld
from cambist.keep.manifest import BackupDamaged, Manifest
from cambist.keep.restore import restore
from cambist.log.errors import LogDamaged, LogFailed
from cambist.log.lock import DirectoryLock
from cambist.log.segments import segments
from cambist.match import recovery
from cambist.match.recovery import Report
from cambist.settings import FILE_NAME, Settings
from cambist.signer.keystore import KEY_FILE, Keystore
from cambist.signer.setup import SetupRefused
from cambist.signer.store import Store
from cambist.store.records import RecordsError
from tests.integration.operator import Operator
from tests.integration.test_pruned_exchange import pruned
from tests.integration.test_restart import (
    ANN,
    OPERATOR,
    account,
    everything,
    opened,
    order,
    prepare,
    quiet,
    trade,
)
from tests.kept import bring_views_up
from tests.log_disks import FaultyDisk, QuickDisk
from tests.views import contents


@contextmanager
def silent(what: str) -> Iterator[Report]:
    yield quiet


@pytest.fixture(scope="module")
def origin(tmp_path_factory) -> Settings:
    """An exchange on which Ann and Bob have traded, with a snapshot in the middle; nobody has it open."""
    operator = Operator(tmp_path_factory.mktemp("origin") / "home")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in operator.environment.items():
            environment.setenv(name, value)
        settings = app.create_exchange(operator.home, sandbox=True)
    with closing(opened(settings)) as exchange:
        prepare(exchange)
        trade(exchange)
    recovery.keep_snapshot(settings, recovery.recover(settings, None, quiet))
    with closing(opened(settings)) as exchange:
        trade(exchange, b"2")
    return settings


@pytest.fixture
def settings(origin, tmp_path, monkeypatch) -> Settings:
    operator = Operator(tmp_path / "home")
    for name, value in operator.environment.items():
        monkeypatch.setenv(name, value)
    shutil.copytree(origin.home, operator.home)
    return Settings.load(operator.home)


@pytest.fixture(scope="module")
def backup(origin, tmp_path_factory) -> Path:
    target: Path = tmp_path_factory.mktemp("backups") / "backup"
    back_up(origin, target, lambda: None, silent)
    return target


def at_rest(settings: Settings, target: Path) -> Manifest:
    return back_up(settings, target, lambda: None, silent)


def test_a_restored_exchange_is_as_it_stood(settings, tmp_path):
    with closing(opened(settings)) as exchange:
        before, account_before = everything(exchange), account(exchange, ANN)
    made = at_rest(settings, tmp_path / "backup")
    assert (made.sequence, made.event_hash) == (before["sequence"], f"{before['event_hash']:016x}")
    restored = restore(tmp_path / "backup", tmp_path / "new", silent)
    assert (restored.sequence, restored.state_hash) == (made.sequence, before["state_hash"].hex())
    new = Settings.load(tmp_path / "new")
    assert verify(new, None, quiet)["problems"] == []
    with closing(opened(new)) as exchange:
        after = everything(exchange)
        assert account(exchange, ANN) == account_before
        trade(exchange, b"3")
    for what in ("balances", "orders", "depth", "markets", "last_trade"):
        assert after[what] == before[what], what


def test_a_restored_exchange_begins_a_new_epoch(settings, tmp_path):
    """So no segment that the old one still writes has the name of one of the new one's."""
    made = at_rest(settings, tmp_path / "backup")
    restored = restore(tmp_path / "backup", tmp_path / "new", silent)
    assert restored.epoch == made.epoch + 1
    new = Settings.load(tmp_path / "new")
    with closing(opened(new)) as exchange:
        assert exchange.query(lambda engine: engine.epoch) == restored.epoch
        with exchange.records.read() as db:
            assert exchange.records.addresses_from(db) > 0  # none that was given since is given again
    last = segments(new.log_directory)[-1]
    assert (last.epoch, last.first_sequence) == (restored.epoch, made.sequence + 1)
    at_rest(new, tmp_path / "again")
    assert restore(tmp_path / "again", tmp_path / "newer", silent).epoch == restored.epoch + 1


def test_views_are_made_anew_from_a_restored_log(settings, tmp_path):
    at_rest(settings, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new", silent)
    new = Settings.load(tmp_path / "new")
    assert app.rebuild_views(new, quiet)["sequence"] >= 1


def test_a_backup_under_load_is_of_one_moment(settings, tmp_path):
    """Orders and users come while it is made; the copy holds what was acknowledged when it looked."""
    with closing(opened(settings)) as exchange:
        stop, made_users = threading.Event(), 0

        def load() -> None:
            nonlocal made_users
            port = exchange.server.open_port(Role.TRADE, "load")
            while not stop.is_set():
                for side, price in ((Side.SELL, 6_550_000), (Side.BUY, 6_550_000)):
                    port.call(order(exchange, ANN, side, price, 1))
                CreateUser(email=f"user{made_users}@example.org").perform(exchange, OPERATOR)
                made_users += 1

        def where() -> Place:
            position = exchange.query(Position.of)
            return Place(position.sequence, int(position.event_hash, 16))

        loader = threading.Thread(target=load)
        loader.start()
        try:
            while made_users < 3:
                assert loader.is_alive()
            made = back_up(settings, tmp_path / "backup", where, silent)
        finally:
            stop.set()
            loader.join()
        assert exchange.query(lambda engine: engine.sequence) > made.sequence
    restored = restore(tmp_path / "backup", tmp_path / "new", silent)
    assert restored.sequence == made.sequence
    new = Settings.load(tmp_path / "new")
    with closing(opened(new)) as exchange:
        in_records = [user.account for user in users.list_all(exchange.records) if user.account]
        in_engine = exchange.query(lambda engine: engine.account_ids())
        assert len(in_records) > 3
        assert set(in_records) <= set(in_engine)
        new_account = CreateUser(email="late@example.org").perform(exchange, OPERATOR)["account"]
        assert new_account not in in_engine


def test_an_operators_act_between_records_and_log_stops_payouts_and_nothing_else(settings, tmp_path):
    """The log has the account, the records do not have its user: who restores is told to look."""
    with closing(opened(settings)) as exchange:

        def where() -> Place:
            CreateUser(email="between@example.org").perform(exchange, OPERATOR)
            position = exchange.query(Position.of)
            return Place(position.sequence, int(position.event_hash, 16))

        back_up(settings, tmp_path / "backup", where, silent)
    restore(tmp_path / "backup", tmp_path / "new", silent)
    new = Settings.load(tmp_path / "new")
    with closing(opened(new)) as exchange:
        assert "restored from a backup" in str(exchange.records.payouts_stopped())
        assert users.find(exchange.records, "between@example.org") is None
        in_engine = exchange.query(lambda engine: engine.account_ids())
        new_account = CreateUser(email="between@example.org").perform(exchange, OPERATOR)["account"]
        assert new_account not in in_engine
        trade(exchange, b"after")


def test_who_restores_is_told_that_the_archive_is_the_old_exchanges(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("CAMBIST_KEEP_ARCHIVE", str(tmp_path / "archive"))
    made = at_rest(settings, tmp_path / "backup")
    assert restore(tmp_path / "backup", tmp_path / "first", silent).archive is None
    (tmp_path / "archive" / made.log_id / "log").mkdir(parents=True)
    told = restore(tmp_path / "backup", tmp_path / "second", silent).archive
    assert told is not None
    assert told.startswith(f"{tmp_path / 'archive' / made.log_id} is the old exchange's: set another")


def files_of(backup: Path) -> list[str]:
    return sorted(str(path.relative_to(backup)) for path in backup.rglob("*") if path.is_file())


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def remove(path: Path) -> None:
    path.unlink()


def swap(path: Path) -> None:
    """As long as it was, but of something else."""
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("harm", [flip, cut, remove, swap])
def test_each_damaged_file_of_a_backup_is_refused_by_name_and_nothing_is_written(
    backup, settings, tmp_path, harm
):
    names = files_of(backup)
    assert {FILE_NAME, "records.db", "secrets/master.key", manifests.MANIFEST, manifests.SUM} <= set(names)
    assert any(name.startswith("log/") for name in names)
    assert any(name.startswith("snapshots/") for name in names)
    damaged = tmp_path / "damaged"
    shutil.copytree(backup, damaged)
    for name in names:
        content = (damaged / name).read_bytes()
        harm(damaged / name)
        with pytest.raises(BackupDamaged, match=Path(name).name):
            restore(damaged, tmp_path / "new", silent)
        assert not (tmp_path / "new").exists()
        (damaged / name).write_bytes(content)
    restore(damaged, tmp_path / "new", silent)


def test_a_backup_without_its_manifest_is_none(settings, tmp_path):
    with pytest.raises(BackupDamaged, match=r"manifest\.json is missing"):
        restore(settings.home, tmp_path / "new", silent)


def test_a_backup_of_a_newer_format_is_refused(backup, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(backup, copy)
    document = json.loads((copy / manifests.MANIFEST).read_text())
    assert (
        rewritten(copy, {**document, "format": manifests.FORMAT + 1})
        == "format 2; this release reads format 1"
    )


def test_a_manifest_that_names_a_file_elsewhere_is_refused(backup, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(backup, copy)
    document = json.loads((copy / manifests.MANIFEST).read_text())
    document["files"][0]["name"] = "../outside"
    assert rewritten(copy, document).endswith("outside the backup: ../outside")


def rewritten(copy: Path, document: object) -> str:
    """What is said of a backup with this manifest, whose digest is right."""
    raw = json.dumps(document).encode()
    (copy / manifests.MANIFEST).write_bytes(raw)
    (copy / manifests.SUM).write_text(f"{hashlib.sha256(raw).hexdigest()}  {manifests.MANIFEST}\n")
    with pytest.raises(BackupDamaged) as refused:
        manifests.read(copy)
    return str(refused.value).partition(f"{manifests.MANIFEST}: ")[2] or str(refused.value)


def test_only_an_empty_home_is_restored_into(backup, settings, tmp_path):
    before = files_of(settings.home)
    with pytest.raises(NotEmpty):
        restore(backup, settings.home, silent)
    assert files_of(settings.home) == before
    (tmp_path / "empty").mkdir()
    restore(backup, tmp_path / "empty", silent)


def test_nothing_is_restored_beside_a_signer_with_other_keys(settings, tmp_path, monkeypatch):
    signer = tmp_path / "signer"
    monkeypatch.setenv("CAMBIST_SIGNER_DIRECTORY", str(signer))
    with_keys(signer)
    at_rest(Settings.load(settings.home), tmp_path / "backup")
    shutil.rmtree(signer)
    with_keys(signer)
    with pytest.raises(SetupRefused, match="has other keys than the backup"):
        restore(tmp_path / "backup", tmp_path / "new", silent)
    assert not (tmp_path / "new").exists()


def with_keys(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    Keystore.create(directory, directory / KEY_FILE)
    Store(directory).close()


def test_a_backup_goes_only_into_an_empty_directory(settings, tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "mine").write_text("of value")
    with pytest.raises(NotEmpty):
        at_rest(settings, tmp_path / "target")
    assert files_of(tmp_path / "target") == ["mine"]


def test_snapshots_of_the_old_exchange_are_not_mixed_with_the_restored_ones(settings, tmp_path):
    """Both exchanges' settings name the same place for them."""
    elsewhere = tmp_path / "elsewhere"
    settings.snapshots_directory.rename(elsewhere)
    (settings.home / FILE_NAME).write_text(
        f'[mode]\nsandbox = true\n[snapshots]\ndirectory = "{elsewhere}"\n'
    )
    at_rest(Settings.load(settings.home), tmp_path / "backup")
    with pytest.raises(NotEmpty, match="elsewhere"):
        restore(tmp_path / "backup", tmp_path / "new", silent)


def every_fifth(steps: list[str]) -> list[int]:
    """And the first of each kind, and the last."""
    return sorted({steps.index(step) for step in steps} | set(range(0, len(steps), 5)) | {len(steps) - 1})


def test_a_disk_that_fails_at_any_step_leaves_no_backup(settings, tmp_path):
    disk = FaultyDisk()
    back_up(settings, tmp_path / "healthy", lambda: None, silent, disk)
    assert {"create", "pwritev", "fdatasync", "rename", "sync_directory"} <= set(disk.steps)
    for number in every_fifth(disk.steps):
        faulty = FaultyDisk(number, "ENOSPC")
        with pytest.raises(OSError):
            back_up(settings, tmp_path / f"{number}", lambda: None, silent, faulty)
        faulty.process_ends()
        if number == len(disk.steps) - 1:  # all is there, but the name of the manifest might get lost
            manifests.check(tmp_path / f"{number}", manifests.read(tmp_path / f"{number}"), quiet)
            continue
        with pytest.raises(BackupDamaged):
            manifests.read(tmp_path / f"{number}")
    restore(tmp_path / "healthy", tmp_path / "new", silent)


def test_a_disk_that_fails_at_any_step_leaves_no_restored_exchange(backup, settings, tmp_path):
    disk = FaultyDisk()
    restore(backup, tmp_path / "healthy", silent, disk)
    for number in every_fifth(disk.steps):
        home, faulty = tmp_path / f"{number}", FaultyDisk(number, "EIO")
        with pytest.raises((OSError, LogFailed)):
            restore(backup, home, silent, faulty)
        assert faulty.has_failed
        # The settings file is the last to come, and when it has its name everything else is there.
        if (home / FILE_NAME).exists():
            assert verify(Settings.load(home), None, quiet)["problems"] == []


def test_a_backup_leads_to_the_exchange_or_is_none(settings, tmp_path):
    with closing(opened(settings)) as exchange:
        sequence = exchange.query(lambda engine: engine.sequence)
        with pytest.raises(Broken, match="leads elsewhere"):
            back_up(settings, tmp_path / "backup", lambda: Place(sequence, 4711), silent)
    with pytest.raises(BackupDamaged, match="is missing"):
        restore(tmp_path / "backup", tmp_path / "new", silent)


@pytest.mark.parametrize("nth", [2, -2])
def test_a_log_that_has_rotted_anywhere_is_found_when_it_is_backed_up(settings, tmp_path, nth):
    """Before the newest snapshot and behind it."""
    (path,) = settings.log_directory.glob("*.log")
    raw = bytearray(path.read_bytes())
    records = [at for at in range(0, len(raw), 64) if raw[at : at + 4] == b"CbLr"]
    raw[records[nth] + 70] ^= 1
    path.write_bytes(raw)
    with pytest.raises(LogDamaged, match=path.name):
        at_rest(settings, tmp_path / "backup")
    with pytest.raises(BackupDamaged, match="is missing"):
        restore(tmp_path / "backup", tmp_path / "new", silent)


def test_records_of_another_exchange_are_not_restored(backup, settings, tmp_path):
    other = app.create_exchange(tmp_path / "other", sandbox=True)
    mixed = tmp_path / "mixed"
    shutil.copytree(backup, mixed)
    shutil.copy(other.records_file, mixed / "records.db")
    document = json.loads((mixed / manifests.MANIFEST).read_text())
    for file in document["files"]:
        if file["name"] == "records.db":
            file["bytes"] = (mixed / "records.db").stat().st_size
            file["sha256"] = digest(mixed / "records.db")
    manifests.write(mixed, msgspec.convert(document, Manifest), QuickDisk())
    with pytest.raises(RecordsError):
        restore(mixed, tmp_path / "new", silent)
    assert not (tmp_path / "new" / FILE_NAME).exists()


def test_a_backup_waits_for_a_snapshot_that_is_being_made(settings, tmp_path, monkeypatch):
    monkeypatch.setattr("cambist.keep.held._WITHIN_S", 0.0)
    lock = DirectoryLock(settings.home, KEEP_LOCK)
    with pytest.raises(FilesHeld):
        at_rest(settings, tmp_path / "backup")
    lock.release()
    at_rest(settings, tmp_path / "second")


def test_history_of_a_pruned_exchange_is_in_its_backup(settings, tmp_path):
    """The log no longer leads to it, so the views are copied; what they lack follows from the log."""
    settings = pruned(settings)
    with closing(opened(settings)) as exchange:
        trade(exchange, b"last")
    made = at_rest(settings, tmp_path / "backup")
    assert made.log_begins > 1
    assert made.views_sequence is not None
    assert made.views_sequence < made.sequence
    restored = restore(tmp_path / "backup", tmp_path / "new", silent)
    assert restored.views == f"restored as of sequence {made.views_sequence}"
    new = Settings.load(tmp_path / "new")
    opened(new).close()
    bring_views_up(new)
    bring_views_up(settings)
    old, back = contents(settings.views_file), contents(new.views_file)
    del old["positions"], back["positions"]  # the restored exchange's start is a command of its own
    assert back == old
