"""The signer's files in a backup: keystore and memory as they are, the keystore's key only if asked for.

The memory is copied behind the records, so it knows of every payment that these do. A signer that still has
its files where the restored exchange will look is newer than any backup, and is left alone: if its keys are
those of the backup, and never overwritten in any case.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cambist.keep.archive import copy
from cambist.log.disk import Disk
from cambist.settings import Settings
from cambist.signer import setup
from cambist.signer.keystore import KEY_FILE, KEYSTORE_FILE
from cambist.signer.setup import SetupRefused
from cambist.signer.store import STORE_FILE
from cambist.store.sqlite import copy_database

FOLDER = "signer"
_ELSEWHERE = ": move it away, or set signer.directory (CAMBIST_SIGNER_DIRECTORY) to another place"


def copy_out(settings: Settings, target: Path, disk: Disk, *, with_key: bool) -> None:
    """Nothing where there is no signer. Raises SetupRefused if it is another user's, or not whole."""
    directory = settings.signer_directory
    with _reachable(directory):
        if not directory.exists() or not any(directory.iterdir()):
            return
        to = target / FOLDER
        to.mkdir(mode=0o700)
        copy(directory / KEYSTORE_FILE, to / KEYSTORE_FILE, disk)
        copy_database(_there(directory / STORE_FILE), to / STORE_FILE)
        if with_key:
            copy(setup.key_file(settings), to / KEY_FILE, disk)


def require_room(source: Path, settings: Settings) -> None:
    """Before anything is written. Raises SetupRefused if a file that is there would be overwritten, or is of
    another signer, or of another user than this process may act for; or if no user is named who may have it.
    """
    folder, directory = source / FOLDER, settings.signer_directory
    if not folder.exists():
        return
    with _reachable(directory):
        if not directory.exists():
            setup.require_user(settings)
            return
        if os.geteuid() not in (0, directory.stat().st_uid):
            raise PermissionError
        if (directory / KEYSTORE_FILE).exists():
            if not _is_same(directory / KEYSTORE_FILE, folder / KEYSTORE_FILE):
                raise SetupRefused(f"{directory} has other keys than the backup{_ELSEWHERE}")
            _there(directory / STORE_FILE)
            return
        setup.require_user(settings)
        for file, copied in (
            (directory / STORE_FILE, folder / STORE_FILE),
            (setup.key_file(settings), folder / KEY_FILE),
        ):
            if file.exists() and copied.exists() and not _is_same(file, copied):
                raise SetupRefused(f"{file} is there, and is not the backup's{_ELSEWHERE}")


def put_back(source: Path, settings: Settings, disk: Disk) -> str | None:
    """What is to be known of it, if there is one; behind `require_room`. Raises SetupRefused, OSError.

    Its files belong to whose the directory is, and are for that user alone. The keystore comes last: where it
    stands, the rest is there.
    """
    if not (source / FOLDER).exists():
        return None
    directory, key = settings.signer_directory, setup.key_file(settings)
    if (directory / KEYSTORE_FILE).exists():
        return f"{directory} has a signer, which was left as it is"
    setup.prepare(settings)
    owner = directory.stat()
    for path in sorted((source / FOLDER).iterdir(), key=lambda path: path.name == KEYSTORE_FILE):
        to = key if path.name == KEY_FILE else directory / path.name
        copy(path, to, disk)
        os.chown(to, owner.st_uid, owner.st_gid)
        to.chmod(0o600)
    return "restored" if key.exists() else f"restored without its key: put that into {key} before the start"


def _there(file: Path) -> Path:
    """Raises FileNotFoundError."""
    file.stat()
    return file


def _is_same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


@contextmanager
def _reachable(directory: Path) -> Iterator[None]:
    """Says of the signer's files what the system says of some file. Raises SetupRefused."""
    try:
        yield
    except PermissionError:
        raise SetupRefused(f"{directory} is another user's: run this as root, or as that user") from None
    except FileNotFoundError as missing:
        raise SetupRefused(
            f"{missing.filename} is missing, and the signer is not whole without it: bring it back, or move"
            f" {directory} away"
        ) from None
