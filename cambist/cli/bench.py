"""`cambist bench`: the engine measured and checked over its one entry."""

from pathlib import Path

import click

from cambist.bench import conform as conformance
from cambist.bench import engine as engine_bench
from cambist.cli.output import answers
from cambist.flow.compressed import open_binary

FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def bench() -> None:
    """Measure the engine and check its matching."""


@bench.command()
@FILE
@answers
def engine(file: Path) -> dict[str, object]:
    """Run a CMD1 command file through log records and engine; rates are of CPU time."""
    return engine_bench.measure(file)


@bench.command()
@FILE
@answers
def conform(file: Path) -> dict[str, object]:
    """Run commands of the public matching benchmark (CSV) and hash the reports."""
    with open_binary(file) as commands:
        return conformance.conform(commands)
