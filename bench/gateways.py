"""What an order costs through the exchange's own gateway, and through one in a process of its own.

python -m bench.gateways SECONDS          ends with one JSON line

Both are loaded in turn, ROUNDS times, on the same running exchange. Every process may use every core; told
are orders a second and the CPU time per order of each process, which a busy machine changes less.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.processes import CAMBIST, free_port, server
from bench.rest import TERMS, UNLIMITED, USERS, load, signed_orders
from cambist.cli.flow_market import clients
from cambist.settings import Settings
from cambist.supervisor.client import supervisor

ROUNDS = 3
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def main() -> None:
    seconds = int(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="cambist-gateways-") as folder:
        print(json.dumps(measure(Path(folder), seconds)))


def measure(home: Path, seconds: int) -> dict[str, Any]:
    inside, apart = free_port(), free_port()
    environment = {**os.environ, **UNLIMITED, "CAMBIST_HOME": str(home / "var"), "CAMBIST_OPS_PORT": "0"}
    of_first = {**environment, "CAMBIST_PORT": str(inside)}
    of_second = {**environment, "CAMBIST_PORT": str(apart)}
    subprocess.run([CAMBIST, "init", "--sandbox"], env=of_first, check=True, stdout=subprocess.DEVNULL)
    with (
        server([str(CAMBIST), "run"], inside, of_first, core=None),
        server([str(CAMBIST), "serve", "gateway"], apart, of_second, core=None) as gateway,
    ):
        settings = Settings.load(home / "var", of_first)
        with supervisor(settings.supervisor_file) as keeper:
            exchange = next(each.pid for each in keeper.status().processes if each.name == "exchange")
        assert exchange is not None
        pids = {"exchange": exchange, "gateway": gateway.pid}
        found: dict[str, Any] = {"inside": [], "apart": []}
        with clients(settings, TERMS, USERS) as owners:
            for _ in range(ROUNDS):
                for name, port in (("inside", inside), ("apart", apart)):
                    orders = home / "orders.txt"
                    orders.write_text("".join(f"/api/v3/order {order}\n" for order in signed_orders(owners)))
                    found[name].append(one_round(port, orders, seconds, pids))
    return found


def one_round(port: int, orders: Path, seconds: int, pids: dict[str, int]) -> dict[str, Any]:
    """CPU in microseconds per order, of each process; the warm-up's orders are in both sums."""
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    told = load(port, orders, seconds)
    if told["refused"] or told["broken"]:
        raise SystemExit(f"orders were refused or connections broke: {told}")
    executed = told["requests"] * (seconds + 1) / seconds
    costs = {name: round(1e6 * (cpu_s(pid) - before[name]) / executed) for name, pid in pids.items()}
    return {"orders_s": round(told["requests"] / told["seconds"]), "p50_us": told["p50_us"], "cpu_us": costs}


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


if __name__ == "__main__":
    main()
