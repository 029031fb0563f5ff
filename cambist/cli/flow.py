"""`cambist replay-flow`: recorded orders through the exchange, compared with the trades that were
recorded."""

import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click

from cambist.bench.closing import closing
from cambist.cli.door import ask
from cambist.cli.flow_market import Terms, clients
from cambist.cli.output import answers
from cambist.cli.terminal import progress
from cambist.control.protocol import ShowPosition, ShowTrialBalance
from cambist.flow.compressed import open_binary
from cambist.flow.file import BadFlow, Row, read
from cambist.flow.replay import Scale, replay
from cambist.flow.rest import ApiError, Client, Units, replay_rest
from cambist.flow.venue import Listing, Venue
from cambist.log.file import FileLog
from cambist.settings import Settings

ACCOUNTS = 64  # 6,500 orders rest at once in half an hour of BTC/USD
REPORT_EVERY = 1_000


class Step(click.ParamType[Decimal]):
    """A positive decimal number, kept exact."""

    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            step = Decimal(str(value))
        except InvalidOperation:
            self.fail(f"{value!r} is not a number", param, ctx)
        if not step.is_finite() or step <= 0:
            self.fail(f"{value!r} is not above zero", param, ctx)
        return step


SCALE = click.IntRange(0, 18)


@click.command("replay-flow")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--tick", type=Step(), default="1", show_default=True, help="Price step of the market.")
@click.option("--lot", type=Step(), default="1e-8", show_default=True, help="Quantity step of the market.")
@click.option("--price-unit", type=Step(), help="Worth of 1 in the file's prices.  [default: the tick]")
@click.option(
    "--quantity-unit", type=Step(), default="1e-8", show_default=True, help="And in its quantities."
)
@click.option("--base-scale", type=SCALE, default=8, show_default=True, help="Ledger decimals of base.")
@click.option("--quote-scale", type=SCALE, default=8, show_default=True, help="Ledger decimals of quote.")
@click.option("--accounts", type=click.IntRange(1, 10_000), default=ACCOUNTS, show_default=True)
@click.option("--limit", type=click.IntRange(1), help="Stop after so many commands.")
@click.option("--in-process", is_flag=True, help="Log and engine in this process; no exchange needed.")
@click.option("--directory", type=click.Path(path_type=Path), help="Keep the log here (in process only).")
@click.option("--base", default="FLOWBASE", show_default=True, help="Asset to trade (at an exchange only).")
@click.option("--quote", default="FLOWQUOTE", show_default=True, help="Asset to pay with.")
@answers
def replay_flow(
    file: Path,
    tick: Decimal,
    lot: Decimal,
    price_unit: Decimal | None,
    quantity_unit: Decimal,
    base_scale: int,
    quote_scale: int,
    accounts: int,
    limit: int | None,
    in_process: bool,
    directory: Path | None,
    base: str,
    quote: str,
) -> dict[str, object]:
    """Replay the recorded order flow in FILE, one command after the other, and compare the trades.

    Against the sandbox exchange that runs here, orders go through the REST API; its request limits must
    be high enough or off. With --in-process they go straight through a log and an engine.
    """
    started = time.monotonic()
    price_unit = price_unit or tick
    with _rows(file, limit) as rows:
        if in_process:
            scale = Scale(_steps(tick, price_unit, "--tick"), _steps(lot, quantity_unit, "--lot"))
            listing = Listing(
                base_scale, quote_scale, _atoms(tick, quote_scale, "--tick"), _atoms(lot, base_scale, "--lot")
            )
            found = _in_process(rows, listing, scale, accounts, directory)
        else:
            terms = Terms(base, quote, base_scale, quote_scale, tick, lot)
            found = _over_rest(rows, terms, Units(price_unit, quantity_unit), accounts)
    return {**found, "seconds": round(time.monotonic() - started, 3)}


def _in_process(
    rows: Iterable[Row], listing: Listing, scale: Scale, accounts: int, directory: Path | None
) -> dict[str, object]:
    with _log_in(directory) as log:
        venue = Venue(listing, accounts, append=log.append)
        return {**replay(rows, venue, scale).report(), **closing(venue.engine)}


def _over_rest(rows: Iterable[Row], terms: Terms, units: Units, accounts: int) -> dict[str, object]:
    """With the exchange's position and trial balance at the end."""
    settings = Settings.load()
    server = settings.server
    with clients(settings, terms, accounts) as owners:
        try:
            outcome = replay_rest(rows, Client(server.host, server.port), owners, terms.symbol, units)
        except ApiError as problem:
            raise click.ClickException(f"the replay ended early: {problem}") from problem
    return {**outcome.report(), **ask(ShowPosition()), **ask(ShowTrialBalance())}


@contextmanager
def _rows(file: Path, limit: int | None) -> Iterator[Iterator[Row]]:
    """The flow, with a progress bar; a file that is not one becomes a usage error."""
    with open_binary(file) as lines:
        total = min(sum(1 for _ in lines) - 1, limit or 1 << 62)
    with progress("replaying") as report:

        def reported() -> Iterator[Row]:
            for nth, row in enumerate(read(file, limit)):
                if nth % REPORT_EVERY == 0:
                    report(nth, total)
                yield row

        try:
            yield reported()
        except BadFlow as problem:
            raise click.UsageError(str(problem)) from problem


@contextmanager
def _log_in(directory: Path | None) -> Iterator[FileLog]:
    """A log in `directory`, or in one that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="cambist-flow-") as temporary:
        log = FileLog.open(directory or Path(temporary))
        try:
            yield log
        finally:
            log.close()


def _steps(step: Decimal, unit: Decimal, name: str) -> int:
    if step % unit:
        raise click.UsageError(f"{name} {step} is no multiple of the file's unit {unit}")
    return int(step / unit)


def _atoms(step: Decimal, scale: int, name: str) -> int:
    atoms = step.scaleb(scale)
    if atoms != int(atoms):
        raise click.UsageError(f"{name} {step} has more decimals than the ledger keeps ({scale})")
    return int(atoms)
