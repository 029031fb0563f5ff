"""`cambist rehearse`: would this build say the same to a log as the one that wrote it?"""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
import msgspec

from cambist.cli.output import answers
from cambist.cli.terminal import progress
from cambist.control.client import running
from cambist.control.protocol import ShowPosition
from cambist.keep.held import files_stay
from cambist.keep.rehearse import rehearse as run_rehearsal
from cambist.keep.rehearse import settings_of

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("log", type=_PATH)
@click.option("--archive", type=_PATH, help="Directory with what was pruned of the log (keep.archive).")
@click.option("--until", type=click.IntRange(min=1), help="Last sequence; it must end a batch.")
@click.option("--activate-rules", type=click.IntRange(min=1), help="Then try this version on a copy.")
@answers
def rehearse(log: Path, archive: Path | None, until: int | None, activate_rules: int | None) -> Any:
    """Replay LOG through this build and compare it with what was recorded; exit status 1 if they differ.

    LOG is a data directory (its exchange may run), a backup, or the archive of a log. Nothing is written.
    """
    settings = settings_of(log, archive)
    with running(settings.socket_file) as exchange:
        if exchange is not None and until is None:
            until = exchange.perform(ShowPosition(), lambda done, total: None)["sequence"]
    with files_stay(settings) if settings.keep.prune else nullcontext(), progress("rehearsing") as report:
        return msgspec.to_builtins(run_rehearsal(settings, until, activate_rules, report))
