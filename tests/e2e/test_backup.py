"""The restore drill: a busy exchange is backed up, made anew elsewhere, and trades on from where it stood."""

import threading
import time
from pathlib import Path

from cambist.flow.rest import Client, Credentials
from tests.e2e.harness import WAIT_SECONDS, cambist, running
from tests.e2e.market import SYMBOL, create_exchange, place


def orders(client: Client, owner: Credentials, first: int) -> dict[int, str]:
    """Status of each order by its id, from `first` on; closed ones are in the views."""
    found = client.signed(owner, "GET", "/api/v3/allOrders", symbol=SYMBOL, orderId=first, limit=1_000)
    return {order["orderId"]: order["status"] for order in found}


def test_a_backup_under_load_is_restored_elsewhere_and_trades_on(tmp_path: Path) -> None:
    old, backup, new = tmp_path / "old", tmp_path / "backup", tmp_path / "new"
    ann, bob = (owner.credentials for owner in create_exchange(old))
    acknowledged: list[int] = []
    stop = threading.Event()

    with running(old) as exchange:

        def trade() -> None:
            client = exchange.client()
            while not stop.is_set():
                acknowledged.append(place(client, ann, "SELL"))
                place(client, bob, "BUY")

        loader = threading.Thread(target=trade)
        loader.start()
        try:
            while len(acknowledged) < 50:
                assert loader.is_alive()
            before = list(acknowledged)
            made = cambist(old, "backup", str(backup))
            assert len(acknowledged) > len(before)
        finally:
            stop.set()
            loader.join()

    restored = cambist(new, "restore", str(backup))
    print(f"backup {made['seconds']} s, restore {restored['seconds']} s, {made['bytes']:,} bytes")
    for what in ("sequence", "event_hash", "state_hash"):
        assert restored[what] == made[what], what
    with running(new) as exchange:
        client = exchange.client()
        history = orders(client, ann, before[0])
        assert set(before) <= history.keys()
        assert all(history[order] == "FILLED" for order in before[:-1])
        after = place(client, ann, "SELL")
        assert after > max(history)
        for _ in range(2):  # the backup's moment may lie between a sale and its purchase
            place(client, bob, "BUY")
        # Bob bought, so Ann's history does not wait for it: it is as new as the views are.
        deadline_s = time.monotonic() + WAIT_SECONDS
        while orders(client, ann, after)[after] != "FILLED":
            assert time.monotonic() < deadline_s, "the restored exchange does not trade"
            time.sleep(0.05)
