"""Copies an exchange, running or not, into a directory from which `cambist restore` makes it anew.

The order makes the copy consistent: records first, then the place in the log. So the log knows every account
that the records name; what the records lack (a user of that very moment) can be seen and made again. Then
the log up to that place. Every record of the copy is verified, and it is replayed from its snapshot: it leads
to the hash that the exchange itself has there.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec

from cambist._matching import Engine, EngineBroken
from cambist.data.database import stored_position
from cambist.errors import Broken, Refused
from cambist.keep import keys
from cambist.keep import manifest as manifests
from cambist.keep.archive import copy, digest
from cambist.keep.held import files_stay
from cambist.keep.manifest import BackedUpFile, Manifest
from cambist.log import sealed, snapshots
from cambist.log.disk import Disk
from cambist.log.positions import mark_pruned, pruned_through
from cambist.log.reader import read
from cambist.log.segments import SegmentReader, named, segments
from cambist.match import recovery
from cambist.match.recovery import Report
from cambist.settings import FILE_NAME, Keep, Settings, Snapshots
from cambist.store.sqlite import copy_database

# Shows that something goes on: `with progress("copying") as report: report(done, total)`.
ShowProgress: TypeAlias = Callable[[str], AbstractContextManager[Report]]

_MIB = 1 << 20
_REPORT_EVERY = 10_000


class NotEmpty(Refused):
    code = "not_empty"


class Place(NamedTuple):
    """Where the exchange stands: everything up to `sequence` is durable."""

    sequence: int
    event_hash: int


def back_up(
    settings: Settings,
    target: Path,
    where: Callable[[], Place | None],
    progress: ShowProgress,
    disk: Disk | None = None,
    *,
    with_key: bool = False,
) -> Manifest:
    """`where` says how far a running exchange has come; None: the log does not change, all of it is meant.
    `with_key`: also the key of the signer's keystore, which opens all coins together with it.

    Raises NotEmpty, SetupRefused, LogError, OSError, or Broken if the copy does not lead to that place.
    """
    disk = disk or Disk()
    require_empty(target)
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    with files_stay(settings):
        _copy_records(settings, target, disk)
        keys.copy_out(settings, target, disk, with_key=with_key)
        views_sequence = _copy_views(settings, target)
        place = where()
        with progress("copying the log, MiB") as report:
            _copy_log(settings, target, None if place is None else place.sequence, report, disk)
    with progress("reading the copy's log") as report:
        _require_whole_log(copied(settings, target), None if place is None else place.sequence, report)
    with progress("replaying the copy") as report:
        engine = _replayed(settings, target, place, report)
    made = _describe(settings, target, engine, views_sequence)
    manifests.write(target, made, disk)
    return made


def require_empty(directory: Path) -> None:
    """Raises NotEmpty; a directory that does not exist is empty."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise NotEmpty(f"{directory} is not empty: name a new directory, or empty it first")


def copied(settings: Settings, directory: Path) -> Settings:
    """The same settings for the files of a backup, which lead to its state without any archive."""
    return msgspec.structs.replace(settings, home=directory, snapshots=Snapshots(), keep=Keep())


def _copy_records(settings: Settings, target: Path, disk: Disk) -> None:
    secrets = target / "secrets"
    secrets.mkdir(mode=0o700)
    for path in sorted(settings.secrets_directory.iterdir()):
        copy(path, secrets / path.name, disk)
    copy(settings.home / FILE_NAME, target / FILE_NAME, disk)
    copy_database(settings.records_file, target / settings.records_file.name)


def _copy_views(settings: Settings, target: Path) -> int | None:
    """Where the log does not lead to them from its beginning; returns where they stand then."""
    if segments(settings.log_directory)[0].first_sequence == 1 or not settings.views_file.exists():
        return None
    file = target / settings.views_file.name
    copy_database(settings.views_file, file)
    position = stored_position(file)
    return 0 if position is None else position.sequence


def _copy_log(settings: Settings, target: Path, until: int | None, report: Report, disk: Disk) -> None:
    """Snapshots and log up to `until`, or all of it. `report` counts MiB."""
    to = copied(settings, target)
    for directory in (to.snapshots_directory, to.log_directory):
        directory.mkdir(mode=0o700)
    if through := pruned_through(settings.log_directory):
        mark_pruned(to.log_directory, through, disk)
    chain = [
        segment.path
        for segment in segments(settings.log_directory)
        if until is None or segment.first_sequence <= max(until, 1)
    ]
    pieces = [(path, to.snapshots_directory) for path in _needed_snapshots(settings, until)]
    pieces += [(path, to.log_directory) for path in chain]
    done, total = 0, sum(path.stat().st_size for path, _ in pieces)
    for path, directory in pieces:
        end = _end_of_records(path, until) if path == chain[-1] else None
        copy(path, directory / path.name, disk, until=end)
        done += path.stat().st_size
        report(done // _MIB, total // _MIB)


def _needed_snapshots(settings: Settings, until: int | None) -> list[Path]:
    """The newest that is whole, the one at which a pruned log begins, and what they have in sealed files."""
    directory = settings.snapshots_directory
    found = {snapshots.newest(directory, until).snapshot}
    if (begins := segments(settings.log_directory)[0].first_sequence) > 1:
        found.add(snapshots.oldest(directory, begins - 1))
    paths = [snapshots.path_of(directory, one.sequence) for one in found if one is not None]
    return paths + sorted(sealed.files(directory, recovery.log_id(settings.log_directory)))


def _end_of_records(path: Path, until: int | None) -> int:
    """Where the record ends that ends with `until`, or the last whole one. Raises LogDamaged."""
    reader = SegmentReader(named(path))
    if until is None or reader.last_sequence < until:
        for header, _ in reader.batches():
            if header.last_sequence == until:
                break
    if until is None:
        reader.unfinished()  # what ends the records must be the end, and no damage
    return reader.offset


def _require_whole_log(to: Settings, until: int | None, report: Report) -> None:
    """Every record, also those that no replay from the newest snapshot reads. Raises LogDamaged."""
    begins = segments(to.log_directory)[0].first_sequence
    for batches, _ in enumerate(read(to.log_directory, begins - 1, until), 1):
        if batches % _REPORT_EVERY == 0:
            report(batches, 0)


def _replayed(settings: Settings, target: Path, place: Place | None, report: Report) -> Engine:
    """The state to which the copy leads. Raises Broken unless it is the exchange's."""
    until = None if place is None else place.sequence
    engine = recovery.recover(copied(settings, target), until, report)
    if place is not None and place != Place(engine.sequence, engine.event_hash):
        raise Broken(f"the exchange stands at {place}, the copy of its log leads elsewhere")
    try:
        engine.check()
    except EngineBroken as problem:
        raise Broken(str(problem)) from problem
    return engine


def _describe(settings: Settings, target: Path, engine: Engine, views_sequence: int | None) -> Manifest:
    chain = segments(target / settings.log_directory.name)
    paths = sorted(path for path in target.rglob("*") if path.is_file())
    return Manifest(
        format=manifests.FORMAT,
        release=version("cambist"),
        made_at_ns=time.time_ns(),
        log_id=recovery.log_id(settings.log_directory).hex(),
        epoch=engine.epoch,
        rules=engine.rules,
        sandbox=settings.mode.sandbox,
        sequence=engine.sequence,
        time_ns=engine.time_ns,
        event_hash=f"{engine.event_hash:016x}",
        state_hash=engine.state_hash().hex(),
        log_begins=chain[0].first_sequence,
        views_sequence=views_sequence,
        files=[
            BackedUpFile(path.relative_to(target).as_posix(), path.stat().st_size, digest(path))
            for path in paths
        ],
    )
