"""The signer's files in a backup: keystore and memory as they are, the keystore's key only if asked for.

The memory is copied behind the records, so it knows of every payment that these do. A signer that still has
its files where the restored exchange will look is newer than any backup, and is left alone.
"""

import os
from pathlib import Path

from cambist.keep.archive import copy
from cambist.log.disk import Disk
from cambist.settings import Settings
from cambist.signer import setup
from cambist.signer.keystore import KEY_FILE, KEYSTORE_FILE
from cambist.signer.store import STORE_FILE
from cambist.store.sqlite import copy_database

FOLDER = "signer"


def copy_out(settings: Settings, target: Path, disk: Disk, *, with_key: bool) -> None:
    """Nothing where there is no signer. Raises OSError if it is another user's: back up as root then."""
    directory = settings.signer_directory
    if not directory.exists():
        return
    to = target / FOLDER
    to.mkdir(mode=0o700)
    copy(directory / KEYSTORE_FILE, to / KEYSTORE_FILE, disk)
    copy_database(directory / STORE_FILE, to / STORE_FILE)
    if with_key:
        copy(setup.key_file(settings), to / KEY_FILE, disk)


def put_back(source: Path, settings: Settings, disk: Disk) -> str | None:
    """What is to be known of it, if there is one. Raises SetupRefused, OSError.

    Its files belong to whose the directory is, and are for that user alone.
    """
    if not (source / FOLDER).exists():
        return None
    directory, key = settings.signer_directory, setup.key_file(settings)
    if (directory / KEYSTORE_FILE).exists():
        return f"{directory} has a signer, which was left as it is"
    setup.prepare(settings)
    owner = directory.stat()
    for path in sorted((source / FOLDER).iterdir()):
        to = key if path.name == KEY_FILE else directory / path.name
        copy(path, to, disk)
        os.chown(to, owner.st_uid, owner.st_gid)
        to.chmod(0o600)
    return "restored" if key.exists() else f"restored without its key: put that into {key} before the start"
