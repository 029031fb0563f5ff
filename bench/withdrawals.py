"""A thousand approved withdrawals signed and sent on a real node: the wallets, the signer with its own store.

What is measured is all from the last approval to the last transaction that the node has taken: approvals
checked, nonces given, caps counted, each transaction signed, stored by signer and wallets, and sent.

python -m bench.withdrawals [COUNT]                      ends with one JSON line
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from cambist.wallets import sends
from tests.integration.operator import Operator
from tests.nodes import anvil
from tests.wallets.payout_site import PayoutSite
from tests.wallets.site import ATOMS, CHAIN_ID, CONFIRMATIONS

COUNT = 1_000
EACH_ATOMS = ATOMS // 100


def measure(site: PayoutSite, count: int) -> float:
    """Seconds."""
    numbers = [site.ask(atoms=EACH_ATOMS) for _ in range(count)]
    site.settle()
    for number in numbers:
        site.approve(number)
    before, began_s = site.hot_nonce(), time.perf_counter()
    site.settle()
    took_s = time.perf_counter() - began_s
    states = {site.state(number) for number in numbers}
    assert states == {"sent"}, states
    site.mine(CONFIRMATIONS)
    assert site.hot_nonce() - before == count
    states = {site.state(number) for number in numbers}
    assert states == {"settled"} and site.drifts() == {"0"}, states
    with site.records.read() as db:
        assert not sends.under_way(db, "ETH", [sends.Kind.GAS])
    return took_s


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    with tempfile.TemporaryDirectory() as directory, anvil("--slots-in-an-epoch", "1") as node:
        operator = Operator(Path(directory) / "home")
        os.environ |= operator.environment | {
            "CAMBIST_WALLETS_EVM_RPC": node.url,
            "CAMBIST_WALLETS_EVM_CHAIN_ID": str(CHAIN_ID),
        }
        site = PayoutSite(operator.home, node)
        site.fund(100)
        took_s = measure(site, count)
        site.close()
    told = {"withdrawals": count, "seconds": round(took_s, 1)}
    print(json.dumps(told | {"per_second": round(count / took_s, 1)}))


if __name__ == "__main__":
    main()
