"""Makes the signer's directory and keys, and becomes the user whose they are.

Whoever owns the directory is the user that the signer and its console run as. With one of its own, neither
keys nor store can be read by the exchange's processes, which run as somebody else.
"""

import ctypes
import os
import pwd
import resource
import shutil
import stat
import subprocess
import time
from pathlib import Path

from cambist.errors import Refused
from cambist.settings import Settings
from cambist.signer import keystore, service, store
from cambist.signer.keystore import Keystore
from cambist.signer.store import Store

_PR_SET_DUMPABLE = 4  # prctl(2)
_PRIVATE, _REACHABLE = 0o700, 0o711


class SetupRefused(Refused):
    """The signer's place is not as it has to be; the text says what to do."""

    code = "signer_setup"


def is_set_up(settings: Settings) -> bool:
    return (settings.signer_directory / keystore.KEYSTORE_FILE).exists()


def key_file(settings: Settings) -> Path:
    return settings.signer_directory / settings.signer.key_file


def create(settings: Settings, exchange: str) -> None:
    """New keys for the exchange whose log has this id. Afterwards this process is the signer's user.

    Raises SetupRefused, KeystoreUnusable if there are keys already.
    """
    prepare(settings)
    become_owner(settings)
    Keystore.create(settings.signer_directory, key_file(settings))
    own = Store(settings.signer_directory)
    try:
        with own.write() as db:
            store.set_value(db, service.EXCHANGE, exchange)
            store.note(db, "init", {"exchange": exchange}, time.time_ns())
    finally:
        own.close()


def require_user(settings: Settings) -> None:
    """Raises SetupRefused if root would have to hold the keys of a real exchange."""
    if os.geteuid() == 0 and not settings.signer.user and not settings.mode.sandbox:
        raise SetupRefused(
            "signer.user is not set: as root, give the signer a user of its own (cambist-signer), and "
            "a signer.directory that this user can reach (/var/lib/cambist-signer)"
        )


def prepare(settings: Settings) -> None:
    """The directory, and the user if root is to have one made. Raises SetupRefused."""
    require_user(settings)
    directory, user = settings.signer_directory, settings.signer.user
    if os.geteuid() != 0 or not user:
        directory.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        return
    entry = _user(user)
    directory.mkdir(mode=_REACHABLE, parents=True, exist_ok=True)
    for parent in directory.resolve().parents:
        if not parent.stat().st_mode & stat.S_IXOTH:
            raise SetupRefused(f"{user} cannot reach {directory}: {parent} is closed; set signer.directory")
    os.chown(directory, entry.pw_uid, entry.pw_gid)
    directory.chmod(_REACHABLE)  # mkdir takes the umask off


def become_owner(settings: Settings) -> None:
    """For ever, if root is somebody else's signer. What this process makes is for its user alone.

    Raises SetupRefused if the directory is missing or another user's.
    """
    os.umask(0o077)
    directory = settings.signer_directory
    try:
        owner = directory.stat()
    except FileNotFoundError:
        raise SetupRefused("there is no signer yet: `cambist signer init`") from None
    if os.geteuid() != owner.st_uid:
        if os.geteuid() != 0:
            raise SetupRefused(f"{directory} is another user's; run this as that user")
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)
    _keep_memory_private()  # last: a change of user sets back what the system has as its default


def _keep_memory_private() -> None:
    """A core dump would hold the keys; nor may another process of the same user attach and read them."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the signer's memory cannot be kept from others")


def allowed_users(settings: Settings) -> frozenset[int]:
    """Who may ask the signer: root, itself, and whoever runs the exchange."""
    return frozenset({0, settings.signer_directory.stat().st_uid, settings.home.stat().st_uid})


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        pass
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        raise SetupRefused(f"there is no user {name} and no useradd to make one with")
    made = subprocess.run(
        [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise SetupRefused(f"the user {name} could not be made: {made.stderr.strip()}")
    return pwd.getpwnam(name)
