"""Gives deposit addresses in a process of its own: `python -m tests.wallets.giving HOME FIRST COUNT`.

One line a user: the user's number and the address.
"""

import sys
from pathlib import Path

from sqlalchemy.exc import OperationalError

from cambist.settings import Settings
from cambist.store.records import Records
from cambist.wallets.addresses import Addresses
from cambist.wallets.evm import xpub
from tests.wallets.settled import NETWORK, XPUB


class Signer:
    def derive(self, network: str, indexes: list[int]) -> list[str]:
        return [xpub.address(XPUB, index) for index in indexes]


def main(home: str, first: str, count: str) -> None:
    records = Records.open(Settings(home=Path(home)), is_shared=True)
    addresses = Addresses(records, Signer())
    for user in range(int(first), int(first) + int(count)):
        print(user, ask(addresses, user))
    records.close()


def ask(addresses: Addresses, user: int) -> str:
    """Writers that never rest can keep another one out for longer than it waits: then it asks again."""
    while True:
        try:
            return addresses.of(NETWORK, user)
        except OperationalError as problem:
            if "locked" not in str(problem):
                raise


if __name__ == "__main__":
    main(*sys.argv[1:])
