"""Snapshots and pruning beside a running exchange: it never stops for them, and starts from what is left."""

from pathlib import Path

from cambist.log.positions import pruned_through
from cambist.log.snapshots import sequences
from tests.e2e.harness import cambist, running
from tests.e2e.market import create_exchange, place
from tests.e2e.test_backup import orders

SETTINGS = {
    "CAMBIST_SNAPSHOTS_EVERY_COMMANDS": "100",
    "CAMBIST_KEEP_PRUNE": "1",
    "CAMBIST_KEEP_COMMANDS": "0",
    "CAMBIST_KEEP_ARCHIVE": "archive",
}
ENOUGH = 5_000  # orders in which two snapshots must come; as a rule it takes three hundred


def test_an_exchange_that_is_pruned_while_it_trades_starts_again_and_has_its_history(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ann, bob = (owner.credentials for owner in create_exchange(home))
    sold: list[int] = []
    with running(home, settings=SETTINGS) as exchange:
        client = exchange.client()
        while pruned_through(home / "log") == 0 and len(sold) < ENOUGH:
            sold.append(place(client, ann, "SELL"))
            place(client, bob, "BUY")
    pruned = pruned_through(home / "log")
    assert pruned > 0
    assert pruned in sequences(home / "snapshots")
    found = cambist(home, "verify")
    assert found["problems"] == []
    assert pruned in found["snapshots"]
    with running(home, settings=SETTINGS) as exchange:
        client = exchange.client()
        history = orders(client, ann, sold[0])
        assert set(sold) == history.keys()
        assert set(history.values()) == {"FILLED"}
        assert place(client, ann, "SELL") > sold[-1]
