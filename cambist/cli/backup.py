"""`cambist backup` and `cambist restore`."""

import time
from pathlib import Path
from typing import Any

import click
import msgspec

from cambist.cli.checks import synced
from cambist.cli.output import answers
from cambist.cli.terminal import progress
from cambist.control.client import Running, running
from cambist.control.protocol import ShowPosition
from cambist.control.verify import Position
from cambist.keep.backup import Place, back_up
from cambist.keep.manifest import Manifest
from cambist.keep.restore import restore as restore_home
from cambist.settings import Settings, home_directory

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("destination", type=_PATH)
@click.option("--signer-key", is_flag=True, help="Also what opens the keystore: who has both has all coins.")
@answers
def backup(destination: Path, signer_key: bool) -> Any:
    """Copy the whole exchange into DESTINATION, a new directory; it may run meanwhile.

    The copy holds the master key and every user's data: keep it as you keep the exchange itself.
    """
    settings, began_s = Settings.load(), time.monotonic()
    with running(settings.socket_file) as exchange:
        if exchange is not None:
            made = back_up(settings, destination, lambda: _place(exchange), progress, with_key=signer_key)
            return _shown(destination, made, began_s)
    with synced(settings):
        made = back_up(settings, destination, lambda: None, progress, with_key=signer_key)
    return _shown(destination, made, began_s)


@click.command()
@click.argument("source", type=_PATH)
@answers
def restore(source: Path) -> Any:
    """Make the exchange in CAMBIST_HOME, which must be empty, from the backup in SOURCE.

    Everything is checked before anything is written, and the log is replayed to the backup's hashes.
    """
    return msgspec.to_builtins(restore_home(source, home_directory(), progress))


def _place(exchange: Running) -> Place:
    position = Position(**exchange.perform(ShowPosition(), lambda done, total: None))
    return Place(position.sequence, int(position.event_hash, 16))


def _shown(destination: Path, made: Manifest, began_s: float) -> dict[str, Any]:
    return {
        "backup": str(destination),
        "sequence": made.sequence,
        "event_hash": made.event_hash,
        "state_hash": made.state_hash,
        "files": len(made.files),
        "bytes": sum(file.bytes for file in made.files),
        "seconds": round(time.monotonic() - began_s, 1),
    }
