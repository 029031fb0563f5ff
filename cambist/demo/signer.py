"""`python -m cambist.demo.signer`: makes a signer for the demo's chain. It may become another user by that.

A real operator decides this at the signer's console: docs/operating.md.
"""

import sys

from cambist.demo.anvil import CHAIN_ID
from cambist.demo.node import ETP
from cambist.errors import ExchangeError
from cambist.match import recovery
from cambist.settings import Settings
from cambist.signer import console, setup
from cambist.signer.store import Limits, Network, Store

NETWORK = "ETH"
COIN = 10**18
GWEI = 10**9
FEES = Network(NETWORK, CHAIN_ID, fee_max=COIN // 10, fee_day_max=100 * COIN, gas_max=COIN // 100)
LIMITS = (
    Limits(NETWORK, "", per_payment=100 * COIN, per_hour=500 * COIN, per_day=1_000 * COIN, two_above=COIN),
    Limits(
        NETWORK,
        ETP,
        per_payment=10_000 * COIN,
        per_hour=50_000 * COIN,
        per_day=100_000 * COIN,
        two_above=5 * COIN,
    ),
)


def main() -> None:
    settings = Settings.load()
    try:
        setup.create(settings, recovery.log_id(settings.log_directory).hex())
    except ExchangeError as refused:
        sys.exit(str(refused))
    own = Store(settings.signer_directory)
    try:
        with own.write() as db:
            console.set_network(db, FEES)
            for limits in LIMITS:
                console.set_limits(db, limits)
            console.set_page(db, "localhost", [settings.console_origin])
    finally:
        own.close()


if __name__ == "__main__":
    main()
