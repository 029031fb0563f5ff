"""The vault: who may open the key file, and that a sealed value opens only where it was sealed."""

import stat
from pathlib import Path

import pytest

from cambist.store.secrets import MASTER_KEY_FILE, SealBroken, SecretsError, Vault


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    Vault.create(tmp_path / "secrets")
    return tmp_path / "secrets"


def test_a_sealed_value_opens_at_its_place_after_a_restart(directory):
    sealed = Vault.open(directory).seal(b"hush", place="row 1")
    assert b"hush" not in sealed
    assert Vault.open(directory).unseal(sealed, place="row 1") == b"hush"


def test_the_same_value_is_never_sealed_alike(directory):
    vault = Vault.open(directory)
    assert vault.seal(b"hush", place="row 1") != vault.seal(b"hush", place="row 1")


def test_a_value_moved_to_another_place_does_not_open(directory):
    vault = Vault.open(directory)
    with pytest.raises(SealBroken, match="row 2"):
        vault.unseal(vault.seal(b"hush", place="row 1"), place="row 2")


def test_every_changed_or_missing_byte_is_noticed(directory):
    vault = Vault.open(directory)
    sealed = vault.seal(b"hush", place="row 1")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        for damaged in (bytes(changed), sealed[:position]):
            with pytest.raises(SealBroken):
                vault.unseal(damaged, place="row 1")


def test_another_master_key_does_not_open_it(directory, tmp_path):
    sealed = Vault.open(directory).seal(b"hush", place="row 1")
    with pytest.raises(SealBroken):
        Vault.create(tmp_path / "other").unseal(sealed, place="row 1")


def test_directory_and_key_are_the_owners_alone(directory):
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / MASTER_KEY_FILE).stat().st_mode) == 0o600
    assert [file.name for file in directory.iterdir()] == [MASTER_KEY_FILE]


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604, 0o601])
def test_a_key_file_open_to_others_is_refused_with_the_remedy(directory, mode):
    (directory / MASTER_KEY_FILE).chmod(mode)
    with pytest.raises(SecretsError, match=rf"mode {mode:o}.*chmod 600 .*{MASTER_KEY_FILE}"):
        Vault.open(directory)


def test_a_directory_open_to_others_is_refused_with_the_remedy(directory):
    directory.chmod(0o750)
    with pytest.raises(SecretsError, match=r"mode 750.*chmod 700"):
        Vault.open(directory)


def test_creating_again_keeps_the_key(directory):
    key = (directory / MASTER_KEY_FILE).read_bytes()
    Vault.create(directory)
    assert (directory / MASTER_KEY_FILE).read_bytes() == key


def test_a_creation_cut_short_leaves_no_half_key(directory):
    key_file = directory / MASTER_KEY_FILE
    key_file.unlink()
    key_file.with_suffix(".new").write_bytes(b"half")
    Vault.create(directory)
    assert len(key_file.read_bytes()) == 32
    assert [file.name for file in directory.iterdir()] == [MASTER_KEY_FILE]


def test_a_missing_key_is_refused_and_not_made_anew(directory):
    (directory / MASTER_KEY_FILE).unlink()
    with pytest.raises(SecretsError, match=rf"{MASTER_KEY_FILE} is missing; restore it"):
        Vault.open(directory)
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_refused(directory, length):
    (directory / MASTER_KEY_FILE).write_bytes(bytes(length))
    with pytest.raises(SecretsError, match=f"holds {length} bytes"):
        Vault.open(directory)


def test_two_vaults_have_two_keys(directory, tmp_path):
    Vault.create(tmp_path / "other")
    assert (tmp_path / "other" / MASTER_KEY_FILE).read_bytes() != (directory / MASTER_KEY_FILE).read_bytes()
