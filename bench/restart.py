"""How long an exchange with a full book takes from its start to its first answer.

python -m bench.restart FILE          ends with one JSON line

The prefill of the command file is written to a real log, a snapshot is made by the operator's command, and
then `cambist run` is timed until it answers a request for that book.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

from bench.processes import CAMBIST, free_port, server
from cambist.bench.cmdfile import load
from cambist.bench.engine import Translator, venue_for
from cambist.log.file import FileLog
from cambist.settings import Settings

CORE = 0
STARTS = 3


def main() -> None:
    file = Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="cambist-restart-") as folder:
        port = free_port()
        environment = {**os.environ, "CAMBIST_HOME": folder, "CAMBIST_PORT": str(port)}
        subprocess.run([CAMBIST, "init"], env=environment, check=True, stdout=subprocess.DEVNULL)
        symbol, open_orders = fill(file, Settings.load(Path(folder), environment))
        subprocess.run([CAMBIST, "snapshot"], env=environment, check=True, stdout=subprocess.DEVNULL)
        seconds = [start(symbol, port, environment) for _ in range(STARTS)]
    print(json.dumps({"open_orders": open_orders, "seconds": seconds}))


def start(symbol: str, port: int, environment: dict[str, str]) -> float:
    """Seconds from the start of the process to an answer that shows both sides of the book."""
    started = time.monotonic()
    with server([str(CAMBIST), "run"], port, environment, core=CORE):
        with urlopen(f"http://127.0.0.1:{port}/api/v3/depth?symbol={symbol}") as answer:
            book = json.load(answer)
        seconds = round(time.monotonic() - started, 3)
    if not book["bids"] or not book["asks"]:
        raise SystemExit("the exchange came back without its book")
    return seconds


def fill(file: Path, settings: Settings) -> tuple[str, int]:
    """Writes the prefill to the exchange's log; the symbol of its market and how many orders rest on it."""
    commands = load(file)
    log = FileLog.open(settings.log_directory, segment_bytes=settings.log.segment_bytes)
    try:
        venue = venue_for(commands, log.append)
        for payload in Translator(commands, venue).batches(0, commands.prefill):
            log.append(payload)
            venue.engine.apply(payload)
    finally:
        log.close()
    return venue.symbols[0], venue.engine.open_order_count


if __name__ == "__main__":
    main()
