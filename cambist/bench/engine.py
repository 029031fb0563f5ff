"""Runs a command file through the complete engine and measures it: rate, latency, memory, replay.

Runs over the same prebuilt batches, each on a fresh venue, so that no measurement sees another's work: the
timed one makes log records as `FileLog` does, without the disk, and applies; the second writes a real log and
hashes the trades; the next are timed and read that log back in turn; the last times single commands inside
the engine. All must end with the same event hash. Rates are of CPU time: waiting for a core is the machine's
affair.
"""

import multiprocessing
import statistics
import tempfile
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

from cambist._matching import Engine, time_each
from cambist.bench.closing import closing
from cambist.bench.cmdfile import CANCEL, HASH_START, MOVE, NEW_IOC, CommandFile, Record, load, trade_hash
from cambist.bench.records import Packer, batch, trades
from cambist.engine.commands import TimeInForce
from cambist.flow.venue import BATCH, FEE_MAKER_E8, FEE_TAKER_E8, TIME_NS, Listing, Venue
from cambist.log.file import FileLog, read
from cambist.log.records import CHAIN_START, RecordChain

GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)
QUANTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
LATENCIES_MAX = 1_000_000
REPLAYS = 3

T = TypeVar("T")


class Diverged(Exception):
    """Two runs of the same commands ended differently."""


class Translator:
    """Turns records of a command file into batches for a venue as it is after set-up.

    The engine numbers accepted orders from 1 and the file's commands are never refused, so every order's id
    is known before the engine has seen it. `file_ids` leads back from there.
    """

    def __init__(self, file: CommandFile, venue: Venue) -> None:
        self._file = file
        self._packer = Packer(venue.session)
        self._markets = venue.markets
        self._first_account = venue.accounts[0]
        self._epoch = venue.engine.epoch
        self._sequence = venue.engine.sequence
        self._engine_ids = array("Q", bytes(8 * (file.max_id + 1)))
        self.file_ids = array("Q", bytes(8 * (file.prefill + file.timed + 1)))
        self._orders = 0

    def batches(self, start: int, stop: int, size: int = BATCH) -> Iterator[bytes]:
        commands = map(self._command, self._file.records(start, stop))
        while chunk := list(islice(commands, size)):
            yield batch(self._sequence + 1, TIME_NS, self._epoch, chunk)
            self._sequence += len(chunk)

    def _command(self, record: Record) -> bytes:
        op, side, market, user, order, price, quantity = record
        account, market = self._first_account + user - 1, self._markets[market]
        if op == CANCEL:
            return self._packer.cancel(account, market, self._engine_ids[order])
        target = self._engine_ids[order]
        self._orders += 1
        self._engine_ids[order] = self._orders
        self.file_ids[self._orders] = order
        if op == MOVE:
            return self._packer.replace(account, market, side, GTC, price, 0, target)
        return self._packer.place(account, market, side, IOC if op == NEW_IOC else GTC, price, quantity)


def measure(path: Path) -> dict[str, object]:
    bytes_per_order, resting = _in_child(resting_memory, path)
    file = load(path)
    translator = Translator(file, venue_for(file))
    prefill = list(translator.batches(0, file.prefill))
    timed = list(translator.batches(file.prefill, file.prefill + file.timed))

    live = venue_for(file).engine
    live_seconds = timed_run(live, prefill, timed)
    with tempfile.TemporaryDirectory(prefix="cambist-bench-") as directory:
        hashed = _write(file, prefill, timed, Path(directory), translator.file_ids, live.event_hash)
        replay_ratio = statistics.median(_replay_ratios(file, prefill, timed, Path(directory)))
    return {
        "commands": file.timed,
        "cpu_seconds": round(live_seconds, 4),
        "cpu_mops": round(file.timed / live_seconds / 1e6, 4),
        "trade_hash": f"{hashed:016x}",
        **_latencies(file),
        "resting_after_prefill": resting,
        "bytes_per_order": bytes_per_order,
        "replay_ratio": round(replay_ratio, 4),
        "fees_e8": {"maker": FEE_MAKER_E8, "taker": FEE_TAKER_E8},
        **closing(live),
    }


def resting_memory(path: Path) -> tuple[int, int]:
    """Resident bytes that a resting order of the prefill costs, and how many rest. Needs a fresh process."""
    file = load(path)
    venue = venue_for(file)
    translator = Translator(file, venue)
    before = _resident_bytes()
    for payload in translator.batches(0, file.prefill):
        venue.engine.apply(payload)
    resting = venue.engine.open_order_count
    return (_resident_bytes() - before) // max(resting, 1), resting


def venue_for(file: CommandFile, append: Callable[[bytes], None] | None = None) -> Venue:
    return Venue(Listing(), file.users, markets=file.markets, append=append)


def timed_run(engine: Engine, prefill: Iterable[bytes], timed: Iterable[bytes]) -> float:
    """CPU seconds to make log records of the timed batches and apply them."""
    for payload in prefill:
        engine.apply(payload)
    records = RecordChain(engine.epoch, engine.sequence, CHAIN_START)
    start = time.process_time()
    for payload in timed:
        records.batch(payload, records.check(payload))  # the parts that one gather write takes
        engine.apply(payload)
    return time.process_time() - start


def _write(
    file: CommandFile,
    prefill: Iterable[bytes],
    timed: Iterable[bytes],
    directory: Path,
    file_ids: "array[int]",
    event_hash: int,
) -> int:
    """Runs everything through a real log in `directory` and returns the hash of the timed part's trades."""
    log = FileLog.open(directory)
    engine = venue_for(file, append=log.append).engine
    for payload in prefill:
        log.append(payload)
        engine.apply(payload)
    hashed = HASH_START
    for payload in timed:
        log.append(payload)
        output = engine.apply(payload)
        named = (
            (price, lots, file_ids[maker], file_ids[taker]) for price, lots, maker, taker in trades(output)
        )
        hashed = trade_hash(named, hashed)
    log.close()
    _same(engine, event_hash)
    return hashed


def _replay_ratios(
    file: CommandFile, prefill: list[bytes], timed: list[bytes], directory: Path
) -> Iterator[float]:
    """Seconds live by seconds of replay, each pair taken at once: a shared machine's speed wanders."""
    for _ in range(REPLAYS):
        live = venue_for(file).engine
        live_seconds = timed_run(live, prefill, timed)
        yield live_seconds / _replay(directory, live.sequence - file.timed, live.event_hash)


def _replay(directory: Path, prefill_end: int, event_hash: int) -> float:
    """CPU seconds to read the timed part back through the verifying reader and apply it."""
    engine = Engine()
    start = 0.0
    for payload in read(directory):
        if engine.sequence == prefill_end:
            start = time.process_time()
        engine.apply(payload)
    seconds = time.process_time() - start
    _same(engine, event_hash)
    return seconds


def _latencies(file: CommandFile) -> dict[str, int]:
    """Nanoseconds of single commands, timed inside the engine, over the first million at most."""
    venue = venue_for(file)
    translator = Translator(file, venue)
    for payload in translator.batches(0, file.prefill):
        venue.engine.apply(payload)
    stop = file.prefill + min(file.timed, LATENCIES_MAX)
    singles = list(translator.batches(file.prefill, stop, size=1))
    taken = sorted(time_each(venue.engine, singles))
    return {name: taken[int((len(taken) - 1) * part)] for name, part in QUANTILES.items()}


def _same(engine: Engine, event_hash: int) -> None:
    if engine.event_hash != event_hash:
        raise Diverged(f"event hash {engine.event_hash:016x} instead of {event_hash:016x}")


def _resident_bytes() -> int:
    """Anonymous memory of this process in RAM; mapped files do not count."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("RssAnon:"))


def _in_child(measure: Callable[[Path], T], path: Path) -> T:
    """Runs `measure` in a process of its own, whose memory nothing else has touched."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, path).result()
