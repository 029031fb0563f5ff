"""An older backup, restored by the real commands: what was paid after it was made is not paid again.

And what nobody may ever read is in no file, log, environment or backup of all that.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from cambist.signer import keystore, setup
from cambist.signer.keystore import Keystore
from tests.e2e.customer import PASSWORD
from tests.e2e.harness import cambist
from tests.e2e.paying import ARRIVES, CONFIRMATIONS, PayingExchange, paying
from tests.e2e.test_demo import wait_for
from tests.nodes import ANVIL

pytestmark = pytest.mark.skipif(not ANVIL.exists(), reason="anvil is not installed: npm was missing at setup")


def secrets(exchange: PayingExchange) -> list[bytes]:
    """The words for all keys, keys made of them, and a user's password; in the forms that text would have."""
    directory, key_file = exchange.settings.signer_directory, setup.key_file(exchange.settings)
    keys = Keystore.open(directory, key_file)
    private = [keys.hot.private.to_bytes(), keys.deposit(0).private.to_bytes()]
    words = keystore.words(directory, key_file).encode()
    return [words, PASSWORD.encode(), *private, *(key.hex().encode() for key in private)]


def environments(exchange: PayingExchange) -> Iterator[bytes]:
    """And command lines, of its processes."""
    for name in ("exchange", "wallets", "signer", "office"):
        of_it = Path("/proc") / str(exchange.running.process(name))
        yield (of_it / "environ").read_bytes()
        yield (of_it / "cmdline").read_bytes()


def files(*places: Path) -> Iterator[bytes]:
    for place in places:
        found = [place] if place.is_file() else [each for each in place.rglob("*") if each.is_file()]
        yield from (each.read_bytes() for each in found)


def leaks(canaries: Iterable[bytes], contents: Iterable[bytes]) -> int:
    """How many of the contents have one in them."""
    wanted = list(canaries)
    return sum(any(canary in content for canary in wanted) for content in contents)


def test_W23_W25_a_restored_backup_does_not_pay_again_and_no_secret_is_to_be_read(tmp_path: Path) -> None:
    backup, new = tmp_path / "backup", tmp_path / "new"
    with paying(tmp_path / "home") as exchange:
        asked = exchange.ask()
        asked.finish()
        again = exchange.ask()
        again.reaches("held")
        cambist(exchange.home, "backup", str(backup), "--signer-key")
        again.finish()
        paid = exchange.nonce()
        canaries = secrets(exchange)
        assert not leaks(canaries, environments(exchange))
        exchange.running.stop()
        assert not leaks(canaries, files(exchange.home, backup, exchange.running.output))

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
