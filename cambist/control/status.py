"""`cambist status`, the part that only the leading match server knows."""

from typing import Any

from cambist._matching import Engine
from cambist.control.exchange import Caller, Exchange, Request, iso_time
from cambist.control.markets import shown_markets
from cambist.match.disk import free_bytes
from cambist.settings import MIB

DURABILITY = "fsync"  # what an acknowledged command has gone through


class ShowStatus(Request, tag="status"):
    """Where the exchange stands, and what its markets do."""

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        settings = exchange.settings
        found = exchange.query(_standing)
        free = free_bytes(settings.log_directory)
        return found | {
            "mode": "sandbox" if settings.mode.sandbox else "real money",
            "durability": DURABILITY,
            "disk_free_mib": free // MIB,
            "is_low_on_disk": free < settings.log.low_disk_bytes,
        }


def _standing(engine: Engine) -> dict[str, Any]:
    return {
        "sequence": engine.sequence,
        "epoch": engine.epoch,
        "rules": engine.rules,
        "time": iso_time(engine.time_ns),
        "open_orders": engine.open_order_count,
        "markets": [
            {"symbol": market["symbol"], "state": market["state"]} for market in shown_markets(engine)
        ],
    }
