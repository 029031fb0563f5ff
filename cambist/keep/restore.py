"""Makes an exchange anew from a backup: everything is checked first, replayed after, and named by its hashes.

The restored exchange begins a new epoch. Whatever the old one still acknowledges is of an older one, so a
gateway that can reach both takes the new one, and segments of the two never pass for each other.

Known limit: what the old one acknowledged after the backup is not here. Never let both run.
"""

import time
from pathlib import Path

import msgspec

from cambist._matching import Engine, EngineBroken
from cambist.errors import Broken
from cambist.keep import keys
from cambist.keep import manifest as manifests
from cambist.keep.archive import copy
from cambist.keep.backup import ShowProgress, require_empty
from cambist.keep.manifest import BackupDamaged, Manifest
from cambist.log.disk import Disk
from cambist.log.file import FileLog
from cambist.match import recovery
from cambist.match.recovery import Report
from cambist.settings import FILE_NAME, Settings
from cambist.store.records import Records

_STOPPED = "restored from a backup: what was paid since then is not known here before people have looked"


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """Hashes are those at `sequence`, behind which `epoch` begins.

    `views`: how its history comes back; `archive`: what is to be done about the old exchange's, if anything;
    `signer`: what came of its files; `seconds` from the first check until it can be started.
    """

    home: str
    sequence: int
    event_hash: str
    state_hash: str
    epoch: int
    views: str
    archive: str | None
    signer: str | None
    seconds: float


def restore(source: Path, home: Path, progress: ShowProgress, disk: Disk | None = None) -> Restored:
    """Raises NotEmpty, BackupDamaged, or SetupRefused for what is in the way, having changed nothing.

    Also SetupRefused if the signer's user cannot be made or cannot reach its directory; SettingsError,
    OSError, LogError or Broken.

    The settings file is written last: where it stands, everything is complete.
    """
    disk, began_s = disk or Disk(), time.monotonic()
    manifest = manifests.read(source)
    with progress("checking the backup, bytes") as report:
        manifests.check(source, manifest, report)
    settings = msgspec.structs.replace(Settings.load(source), home=home)
    for directory in (home, settings.snapshots_directory):
        require_empty(directory)
    keys.require_room(source, settings)
    with progress("copying, files") as report:
        _copy(source, settings, manifest, report, disk)
    with progress("replaying the log") as report:
        _check_replay(settings, manifest, report)
    _check_records(settings)
    signer = keys.put_back(source, settings, disk)
    FileLog.take_over(
        settings.log_directory, manifest.epoch + 1, segment_bytes=settings.log.segment_bytes, disk=disk
    ).close()
    copy(source / FILE_NAME, home / FILE_NAME, disk)
    return Restored(
        home=str(home),
        sequence=manifest.sequence,
        event_hash=manifest.event_hash,
        state_hash=manifest.state_hash,
        epoch=manifest.epoch + 1,
        views="made anew at the first start"
        if manifest.views_sequence is None
        else f"restored as of sequence {manifest.views_sequence}",
        archive=_of_archive(settings),
        signer=signer,
        seconds=round(time.monotonic() - began_s, 1),
    )


def _of_archive(settings: Settings) -> str | None:
    """Files that the old one archives from now on would pass for this one's."""
    archive = recovery.archive_of(settings)
    if archive is None or not archive.exists():
        return None
    return f"{archive} is the old exchange's: set another keep.archive before the first start"


def _copy(source: Path, settings: Settings, manifest: Manifest, report: Report, disk: Disk) -> None:
    """Every file but the settings and the signer's, to where the settings have it."""
    home = settings.home
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    for done, file in enumerate(manifest.files, 1):
        directory, _, name = file.name.rpartition("/")
        if file.name == FILE_NAME or directory == keys.FOLDER:
            continue
        to = settings.snapshots_directory if directory == "snapshots" else home / directory
        to.mkdir(mode=0o700, parents=True, exist_ok=True)
        if copy(source / file.name, to / name, disk) != file.sha256:
            raise BackupDamaged(f"{source / file.name} has changed since it was checked")
        report(done, len(manifest.files))


def _check_replay(settings: Settings, manifest: Manifest, report: Report) -> Engine:
    """Raises Broken unless the log leads to the backup's hashes."""
    engine = recovery.recover(settings, manifest.sequence, report)
    found = (engine.sequence, f"{engine.event_hash:016x}", engine.state_hash().hex())
    if found != (manifest.sequence, manifest.event_hash, manifest.state_hash):
        raise Broken(
            f"the restored log leads to {found}, the backup was made at {manifest.sequence} with event hash "
            f"{manifest.event_hash} and state hash {manifest.state_hash}"
        )
    try:
        engine.check()
    except EngineBroken as problem:
        raise Broken(str(problem)) from problem
    return engine


def _check_records(settings: Settings) -> None:
    """The records open with the restored secrets, and belong to the restored log.

    Nothing is paid yet, and no address is given that may have been given since the backup.
    """
    records = Records.open(settings)
    try:
        records.bind_log(recovery.log_id(settings.log_directory))
        records.bind_mode(sandbox=settings.mode.sandbox)
        with records.write() as db:
            records.stop_payouts(db, _STOPPED)
            records.skip_addresses(db, time.time_ns())
    finally:
        records.close()
