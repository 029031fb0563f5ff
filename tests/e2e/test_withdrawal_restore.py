"""An older backup, restored by the real commands: what was paid after it was made is not paid again."""

from pathlib import Path

import pytest

from tests.e2e.harness import cambist
from tests.e2e.paying import ARRIVES, CONFIRMATIONS, paying
from tests.e2e.test_demo import wait_for
from tests.nodes import ANVIL

pytestmark = pytest.mark.skipif(not ANVIL.exists(), reason="anvil is not installed: npm was missing at setup")


def test_W25_a_restored_backup_does_not_pay_again(tmp_path: Path) -> None:
    backup, new = tmp_path / "backup", tmp_path / "new"
    with paying(tmp_path / "home") as exchange:
        asked = exchange.ask()
        asked.finish()
        again = exchange.ask()
        again.reaches("held")
        cambist(exchange.home, "backup", str(backup), "--signer-key")
        again.finish()
        paid = exchange.nonce()
        exchange.running.stop()

        restored = cambist(new, "restore", str(backup))
        assert restored["signer"] == "restored"
        assert all(path.stat().st_mode & 0o077 == 0 for path in (new / "signer").iterdir())
        exchange.move(new)
        assert again.state == "held"  # in the backup nobody had approved it
        wait_for("the alarm", lambda: exchange.records.payouts_stopped())
        assert exchange.rita.approve(again.number) == "approved"
        exchange.node.mine(CONFIRMATIONS + 1)
        wait_for("the newest block", lambda: exchange.height() == exchange.node.height)
        assert again.state == "approved"
        assert (exchange.received(again.address), exchange.nonce()) == (ARRIVES, paid)
        assert exchange.received(asked.address) == ARRIVES
