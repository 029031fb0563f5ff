"""The signer's files in backup and restore: never overwritten, never mixed, and what is missing is named."""

import os
import shutil
from pathlib import Path

import msgspec
import pytest

from cambist.keep import keys
from cambist.log.disk import Disk
from cambist.settings import Mode, Settings, Signer
from cambist.signer import setup
from cambist.signer.keystore import KEY_FILE, KEYSTORE_FILE, Keystore, KeystoreUnusable
from cambist.signer.setup import SetupRefused
from cambist.signer.store import STORE_FILE
from tests.integration.other_user import NOBODY, only_root, open_place, somebody_else
from tests.integration.test_backup import with_keys


def placed(home: Path) -> Settings:
    """The signer of these settings has a directory outside the exchange's."""
    home.mkdir()
    directory = home.parent / f"{home.name}-signer"
    return Settings(home=home, mode=Mode(sandbox=True), signer=Signer(directory=str(directory)))


def with_signer(home: Path) -> Settings:
    settings = placed(home)
    with_keys(settings.signer_directory)
    return settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return with_signer(tmp_path / "old")


def backed_up(settings: Settings, *, with_key: bool) -> Path:
    target = settings.home.parent / "backup"
    target.mkdir()
    keys.copy_out(settings, target, Disk(), with_key=with_key)
    return target


def restored(backup: Path, settings: Settings) -> str | None:
    """As `cambist restore` goes about it."""
    keys.require_room(backup, settings)
    return keys.put_back(backup, settings, Disk())


def contents(settings: Settings) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in settings.signer_directory.iterdir()}


def test_keys_come_back_with_the_key_that_opens_them(settings: Settings, tmp_path: Path) -> None:
    backup, new = backed_up(settings, with_key=True), placed(tmp_path / "new")
    assert restored(backup, new) == "restored"
    found = Keystore.open(new.signer_directory, setup.key_file(new))
    assert found.hot == Keystore.open(settings.signer_directory, setup.key_file(settings)).hot
    assert all(file.stat().st_mode & 0o077 == 0 for file in new.signer_directory.iterdir())


def test_who_restores_without_the_key_is_told_where_it_belongs(settings: Settings, tmp_path: Path) -> None:
    backup, new = backed_up(settings, with_key=False), placed(tmp_path / "new")
    key = setup.key_file(new)
    assert restored(backup, new) == f"restored without its key: put that into {key} before the start"
    with pytest.raises(KeystoreUnusable, match=f"{key} is missing; restore it from its backup"):
        Keystore.open(new.signer_directory, key)
    shutil.copy(setup.key_file(settings), key)
    Keystore.open(new.signer_directory, key)


def test_a_key_that_is_kept_elsewhere_is_missed_before_it_counts_as_backed_up(settings: Settings) -> None:
    key = setup.key_file(settings)
    key.rename(settings.home / "a safe")
    with pytest.raises(SetupRefused, match=f"{key} is missing"):
        backed_up(settings, with_key=True)


@pytest.mark.parametrize("lost", [KEYSTORE_FILE, STORE_FILE])
def test_a_signer_that_is_not_whole_is_not_backed_up_as_if_it_were(settings: Settings, lost: str) -> None:
    (settings.signer_directory / lost).unlink()
    with pytest.raises(SetupRefused, match=f"{lost} is missing, and the signer is not whole"):
        backed_up(settings, with_key=False)


def test_the_signer_that_is_there_is_left_as_it_is_if_its_keys_are_the_same(settings: Settings) -> None:
    backup, before = backed_up(settings, with_key=True), contents(settings)
    assert "was left as it is" in str(restored(backup, settings))
    assert contents(settings) == before


def test_a_signer_with_other_keys_is_not_taken_for_the_backups(settings: Settings, tmp_path: Path) -> None:
    backup, other = backed_up(settings, with_key=True), with_signer(tmp_path / "other")
    with pytest.raises(SetupRefused, match="has other keys than the backup: move it away"):
        restored(backup, other)


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (STORE_FILE, f"{STORE_FILE} is missing, and the signer is not whole"),
        (KEYSTORE_FILE, f"{STORE_FILE} is there, and is not the backup's"),
    ],
)
def test_what_is_left_of_a_signer_is_neither_overwritten_nor_completed(
    settings: Settings, lost: str, said: str
) -> None:
    """Its memory is newer than the backup's: with the older one it could sign a second payment at a nonce."""
    backup = backed_up(settings, with_key=True)
    with (settings.signer_directory / STORE_FILE).open("ab") as memory:
        memory.write(b"what it has signed since")
    (settings.signer_directory / lost).unlink()
    before = contents(settings)
    with pytest.raises(SetupRefused, match=said):
        restored(backup, settings)
    assert contents(settings) == before


def test_another_key_is_not_overwritten_by_the_backups(settings: Settings, tmp_path: Path) -> None:
    backup, new = backed_up(settings, with_key=True), placed(tmp_path / "new")
    new.signer_directory.mkdir()
    setup.key_file(new).write_text("of another keystore")
    with pytest.raises(SetupRefused, match=f"{KEY_FILE} is there, and is not the backup's"):
        restored(backup, new)
    assert setup.key_file(new).read_text() == "of another keystore"


def test_keys_of_a_real_exchange_are_not_given_to_root(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, new = backed_up(settings, with_key=True), placed(tmp_path / "new")
    real = msgspec.structs.replace(new, mode=Mode(sandbox=False))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(SetupRefused, match=r"signer\.user is not set"):
        keys.require_room(backup, real)
    assert not new.signer_directory.exists()


def test_a_restore_that_was_cut_off_is_done_again(settings: Settings, tmp_path: Path) -> None:
    """The keystore comes last: where it stands, the rest is there."""
    backup, new = backed_up(settings, with_key=True), placed(tmp_path / "new")
    restored(backup, new)
    (new.signer_directory / KEYSTORE_FILE).unlink()
    assert restored(backup, new) == "restored"
    assert set(contents(new)) == {KEYSTORE_FILE, KEY_FILE, STORE_FILE}


@only_root
def test_who_may_not_read_the_signers_files_is_told_as_whom_to_run_it() -> None:
    with open_place(0o755) as place:
        settings = with_signer(place / "old")
        backup = backed_up(settings, with_key=True)
        for target in (place / "target", place / "another"):
            target.mkdir()
            os.chown(target, NOBODY, NOBODY)
        os.chmod(backup, 0o755)
        closed = msgspec.structs.replace(settings, home=place / "another")
        said = f"{settings.signer_directory} is another user's: run this as root, or as that user"
        with somebody_else():
            with pytest.raises(SetupRefused, match=said):
                keys.copy_out(settings, place / "target", Disk(), with_key=False)
            with pytest.raises(SetupRefused, match=said):
                keys.require_room(backup, closed)
        settings.signer_directory.chmod(0o711)  # as `signer init` leaves it: reached, not read
        with somebody_else():
            with pytest.raises(SetupRefused, match=said):
                keys.copy_out(settings, place / "target", Disk(), with_key=False)
            with pytest.raises(SetupRefused, match=said):
                keys.require_room(backup, closed)
