"""`make bench`: this exchange against plain yardsticks, side by side on this machine.

A rate alone says little on a shared machine, so every figure here is a ratio to something measured in the
same run, turn and turn about, as the median of several rounds; engine rates are of CPU time. Exit code 1 if a
required ratio is missed.

python bench/run.py [--quick] [--rounds N] [--commands N] [engine growth markets accounts ...]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

HERE = Path(__file__).parent
BUILT = HERE / "built"
# Recorded input lies beside a checkout, and is not the project's own.
RECORDED = Path(os.environ.get("CAMBIST_SHARED_DATA", HERE.parents[1] / "shared" / "data"))
CAMBIST = Path(sys.executable).with_name("cambist")
ANVIL = HERE.parent / "nodes/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
RUSTC = ["rustc", "--edition", "2021", "-C", "opt-level=3", "-C", "target-cpu=native"]
GROWN = 1_000_000  # resting orders of the large book
GROWN_BOOK = 100_000  # resting orders where accounts or markets grow
GROWN_COMMANDS = 1_000_000
GROWN_ROUNDS = 3


class Goal(NamedTuple):
    """One line of the table; `at_most` goals are good when low."""

    what: str
    values: list[float]
    required: float
    stretch: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        figure = median(self.values)
        return figure <= self.required if self.at_most else figure >= self.required

    def __str__(self) -> str:
        sign = "<=" if self.at_most else ">="
        spread = f"[{min(self.values):.3g} .. {max(self.values):.3g}]"
        verdict = "ok" if self.met else "MISSED"
        return (
            f"{self.what:<52} {median(self.values):>8.3g} {spread:<20} "
            f"{sign} {self.required:<5g} (stretch {self.stretch:g})  {verdict}"
        )


class Options(NamedTuple):
    rounds: int
    commands: int
    rest_seconds: int
    keep_up_seconds: int


def main() -> int:
    parser = argparse.ArgumentParser(description="The exchange against plain yardsticks, in ratios.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument(
        "--quick", action="store_true", help="shorter files and rounds; the figures are noisier"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--commands", type=int, help="timed commands of each file")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    options = Options(
        rounds=given.rounds,
        commands=given.commands or (1_000_000 if given.quick else 5_000_000),
        rest_seconds=3 if given.quick else 6,
        keep_up_seconds=30 if given.quick else 600,
    )

    started = time.monotonic()
    build()
    goals: list[Goal] = []
    for part in given.parts or PARTS:
        print(f"\n{part}: {PARTS[part].__doc__}\n(load average {os.getloadavg()[0]:.1f})", flush=True)
        goals += PARTS[part](options)
    print("\nmedian of the rounds [lowest .. highest]")
    for goal in goals:
        print(goal)
    print(f"\nload average {os.getloadavg()[0]:.1f}, {time.monotonic() - started:.0f} s")
    return 0 if all(goal.met for goal in goals) else 1


def engine(options: Options) -> Iterator[Goal]:
    """match, balances, fees, events and log bytes, against a bare order book on the same commands"""
    replays: list[float] = []
    for mix, required, stretch in (("lob", 0.35, 0.5), ("xcore", 0.5, 0.8)):
        file = generate(mix, resting=1_000, commands=options.commands)
        ratios = []
        for _ in range(options.rounds):
            book = run_json([BUILT / "ref_bench", file, "book"])
            ours = cambist_engine(file)
            same_trades(book, ours)
            ratios.append(ours["cpu_mops"] / book["cpu_mops"])
            replays.append(ours["replay_ratio"])
            print(
                f"  {mix}: ours {ours['cpu_mops']:.2f} M/s, bare book {book['cpu_mops']:.2f} M/s, "
                f"p50/p99/p99.9 {ours['p50']}/{ours['p99']}/{ours['p999']} ns, "
                f"trade hash {ours['trade_hash']}, event hash {ours['event_hash']}",
                flush=True,
            )
        yield Goal(f"engine / bare book, {mix}, 1,000 resting", ratios, required, stretch)
    yield Goal("replay / live", replays, 0.8, 0.95)


def growth(options: Options) -> Iterator[Goal]:
    """the same with a million resting orders, against itself with a thousand"""
    small = generate("lob", resting=1_000, commands=GROWN_COMMANDS)
    large = generate("lob", resting=GROWN, commands=GROWN_COMMANDS)
    slowdowns, sizes = [], []
    for _ in range(min(GROWN_ROUNDS, options.rounds)):
        of_small, of_large = cambist_engine(small), cambist_engine(large)
        slowdowns.append(of_small["cpu_mops"] / of_large["cpu_mops"])
        sizes.append(float(of_large["bytes_per_order"]))
        print(
            f"  1,000: {of_small['cpu_mops']:.2f} M/s, {of_large['resting_after_prefill']:,}: "
            f"{of_large['cpu_mops']:.2f} M/s, {of_large['bytes_per_order']} bytes per order",
            flush=True,
        )
    yield Goal("times slower at 1,000,000 resting", slowdowns, 5, 3, at_most=True)
    yield Goal("bytes per resting order", sizes, 128, 64, at_most=True)


def markets(options: Options) -> Iterator[Goal]:
    """the same orders of 10,000 accounts on one market and spread over a thousand"""
    one = generate("lob", resting=GROWN_BOOK, commands=GROWN_COMMANDS, users=10_000)
    many = generate("lob", resting=GROWN_BOOK, commands=GROWN_COMMANDS, users=10_000, markets=1_000)
    yield Goal("times slower on 1,000 markets", slowdowns(options, [one], [many]), 3, 2, at_most=True)


def accounts(options: Options) -> Iterator[Goal]:
    """one market and a thousand accounts, and then ten million that all hold both assets"""
    few = generate("lob", resting=GROWN_BOOK, commands=GROWN_COMMANDS, users=1_000)
    many = generate("lob", resting=GROWN_BOOK, commands=GROWN_COMMANDS, users=10_000_000)
    slower = slowdowns(options, [few, "1000"], [many, "10000000"])
    yield Goal("times slower with 10,000,000 accounts", slower, 5, 3, at_most=True)


def slowdowns(options: Options, small: list[Path | str], grown: list[Path | str]) -> list[float]:
    """How many times slower the second is, in each round."""
    found = []
    for _ in range(min(GROWN_ROUNDS, options.rounds)):
        of_small, of_grown = (
            run_json([sys.executable, "-m", "bench.growth", *each]) for each in (small, grown)
        )
        found.append(of_small["cpu_mops"] / of_grown["cpu_mops"])
        print(f"  {of_small['cpu_mops']:.2f} M/s and {of_grown['cpu_mops']:.2f} M/s", flush=True)
    return found


def restart(options: Options) -> Iterator[Goal]:
    """from the start of a match server to its first answer, with a million open orders"""
    file = generate("lob", resting=GROWN, commands=GROWN_COMMANDS)
    found = run_json([sys.executable, "-m", "bench.restart", file])
    print(f"  {found['open_orders']:,} open orders: {found['seconds']} s")
    yield Goal("seconds to restart with 1,000,000 open orders", found["seconds"], 5, 2, at_most=True)


def rest(options: Options) -> Iterator[Goal]:
    """signed orders per second over HTTP, durable before the answer, against a responder that only parses"""
    if shutil.which("wrk") is None:
        print("  skipped: wrk is missing (Debian package wrk)")
        return
    ratios = []
    for _ in range(options.rounds):
        found = run_json([sys.executable, "-m", "bench.rest", str(options.rest_seconds)])
        ratios.append(found["exchange"] / found["bare"])
        print(
            f"  exchange {found['exchange']:,.0f}/s, bare {found['bare']:,.0f}/s; "
            f"p50/p99 {found['p50_us']}/{found['p99_us']} us; views {found['lag_s']} s behind at the end; "
            f"limits {found['limits']}",
            flush=True,
        )
    yield Goal("durable REST orders / bare HTTP requests", ratios, 0.25, 0.4)


def sockets(options: Options) -> Iterator[Goal]:
    """the same orders over the WebSocket API, against bare picows that only parses"""
    ratios = []
    for _ in range(options.rounds):
        found = run_json([sys.executable, "-m", "bench.socket_orders", str(options.rest_seconds)])
        ratios.append(found["exchange"] / found["bare"])
        print(
            f"  exchange {found['exchange']:,.0f}/s, bare {found['bare']:,.0f}/s; "
            f"p50/p99 {found['p50_us']:.0f}/{found['p99_us']:.0f} us",
            flush=True,
        )
    yield Goal("durable WebSocket orders / bare picows", ratios, 0.08, 0.2)


def fanout(options: Options) -> Iterator[Goal]:
    """one stream to 1,000 and 5,000 listeners, against bare picows"""
    rounds, seconds = str(options.rounds), str(options.rest_seconds)
    found = run_json([sys.executable, "-m", "bench.fanout", rounds, seconds])
    for figures in found["figures"]:
        print(f"  {figures}")
    for listeners, ratios in found["ratios"].items():
        yield Goal(f"fan-out to {listeners}: bare picows' CPU time / ours", ratios, 0.8, 1)


def views(options: Options) -> Iterator[Goal]:
    """half the order rate that the exchange takes, for a while, and how far the SQL views fall behind"""
    found = run_json([sys.executable, "-m", "bench.keep_up", str(options.keep_up_seconds)])
    print(f"  {found}")
    yield Goal("seconds that the views lag, at most", [found["lag_max_s"]], 2, 0.5, at_most=True)


def gateways(options: Options) -> Iterator[Goal]:
    """what an order costs through a gateway in a process of its own, against one in the exchange's"""
    if shutil.which("wrk") is None:
        print("  skipped: wrk is missing (Debian package wrk)")
        return
    found = run_json([sys.executable, "-m", "bench.gateways", str(options.rest_seconds)])
    costs = []
    for inside, apart in zip(found["inside"], found["apart"], strict=True):
        costs.append(sum(apart["cpu_us"].values()) / sum(inside["cpu_us"].values()))
        print(f"  inside {inside}\n  apart  {apart}")
    yield Goal("CPU time of an order, gateway apart / inside", costs, 2, 1.25, at_most=True)


def scan(options: Options) -> Iterator[Goal]:
    """blocks of Ethereum's main network read for deposits, with a million addresses watched"""
    folder = RECORDED / "blocks"
    if not folder.is_dir():
        print(f"  skipped: no recorded blocks in {folder}; CAMBIST_SHARED_DATA may name another folder")
        return
    found = run_json([sys.executable, "-m", "bench.scan", folder, str(options.rest_seconds)])
    print(f"  {found}")
    yield Goal("blocks of Ethereum read in a CPU second", [found["blocks_a_second"]], 30, 60)


def withdrawals(options: Options) -> Iterator[Goal]:
    """a thousand approved withdrawals until a node of Ethereum has taken the last one"""
    if not ANVIL.exists():
        print("  skipped: anvil is missing (npm was missing at setup)")
        return
    found = run_json([sys.executable, "-m", "bench.withdrawals"])
    print(f"  {found}")
    yield Goal("seconds to sign and send 1,000 withdrawals", [found["seconds"]], 60, 20, at_most=True)


def market_data(options: Options) -> Iterator[Goal]:
    """the events of ten recorded peak seconds in one second, with every kind of stream watched"""
    shares = []
    for _ in range(min(GROWN_ROUNDS, options.rounds)):
        found = run_json([sys.executable, "-m", "bench.market_data"])
        shares.append(found["seconds_per_second"])
        print(f"  {found}", flush=True)
    yield Goal("CPU seconds of market data per second", shares, 0.7, 0.3, at_most=True)


Part = Callable[[Options], Iterator[Goal]]
PARTS: dict[str, Part] = {
    "engine": engine,
    "growth": growth,
    "markets": markets,
    "accounts": accounts,
    "restart": restart,
    "rest": rest,
    "sockets": sockets,
    "fanout": fanout,
    "market_data": market_data,
    "gateways": gateways,
    "scan": scan,
    "withdrawals": withdrawals,
    "views": views,
}


def build() -> None:
    """Compiles the yardsticks, unless that is done already."""
    BUILT.mkdir(exist_ok=True)
    for name in ("gen", "ref_bench"):
        source, binary = HERE / "yardsticks" / f"{name}.rs", BUILT / name
        if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
            subprocess.run([*RUSTC, source, "-o", binary], check=True)


def generate(mix: str, *, resting: int, commands: int, users: int = 1_000, markets: int = 1) -> Path:
    """A command file, made unless it is there already."""
    file = BUILT / f"{mix}-{resting}-{commands}-{users}-{markets}.cmd"
    if not file.exists():
        partial = file.with_suffix(".partial")
        sizes = [f"rest={resting}", f"n={commands}", f"users={users}", f"markets={markets}"]
        run_json([BUILT / "gen", partial, f"mix={mix}", *sizes])
        partial.rename(file)
    return file


def cambist_engine(file: Path) -> dict[str, Any]:
    found = run_json([CAMBIST, "bench", "engine", file, "--json"])
    if not found["ledger_balanced"]:
        raise SystemExit(f"{file}: the trial balance does not sum to zero: {found['trial_balance']}")
    return found


def same_trades(book: dict[str, Any], ours: dict[str, Any]) -> None:
    if book["hash"] != ours["trade_hash"]:
        raise SystemExit(f"other trades than the bare book: {ours['trade_hash']} against {book['hash']}")


def run_json(command: list[Path | str]) -> dict[str, Any]:
    """The last line that `command` prints, which is its result."""
    done = subprocess.run(command, check=True, cwd=HERE.parent, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    sys.exit(main())
