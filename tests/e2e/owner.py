"""Somebody with coins from the demo's chain, and a key that may withdraw them from this machine."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from cambist.flow.rest import Credentials
from tests.e2e.customer import API, Customer
from tests.e2e.harness import HOST, Exchange, cambist
from tests.e2e.staff import Colleague
from tests.e2e.test_demo import wait_for
from tests.ports import free_port

ASSET, NETWORK = "ETP", "ETH"
OUTSIDE = "0x" + "d0" * 20
AMOUNT = "2"  # one of the staff may approve it: see cambist/demo/signer.py


def settings() -> dict[str, str]:
    """A demo with its own chain, in which no new key and no new address has to wait."""
    return {
        "CAMBIST_MODE_DEMO_CHAIN": "true",
        "CAMBIST_PROCESSES_OFFICE": "true",
        "CAMBIST_CONSOLE_PORT": str(free_port()),
        "CAMBIST_ACCOUNTS_ADDRESS_WAIT_HOURS": "0",
        "CAMBIST_ACCOUNTS_CHANGE_WAIT_HOURS": "0",
    }


class Owner(NamedTuple):
    """`OUTSIDE` is in the address book; `colleague` may approve what is asked for."""

    customer: Customer
    key: Credentials
    colleague: Colleague

    def approve(self, withdrawal: int) -> Any:
        """The withdrawal, as the page shows it once it is settled."""
        assert self.colleague.approve(withdrawal) == "approved"
        wait_for("the settlement", lambda: self.customer.withdrawal(withdrawal)["state"] == "settled")
        return self.customer.withdrawal(withdrawal)


@contextmanager
def owner_of_coins(exchange: Exchange, email: str = "owner@example.org") -> Iterator[Owner]:
    wait_for("the office", lambda: exchange.get(f"{API}/openapi").status == 200)
    with (
        closing(Customer(f"http://{HOST}:{exchange.port}", email)) as customer,
        closing(Colleague("admin", exchange.said("console_link"))) as colleague,
    ):
        cambist(exchange.home, "signer", "approver", "add", "admin", "--key", colleague.public_key)
        wait_for("the chain", lambda: _has_asset(customer))
        customer.done("POST", "/faucet", {"asset": ASSET})
        wait_for("the deposit", lambda: customer.free(ASSET) == "100.00000000")
        customer.set_up_second_factor()
        customer.done("POST", "/addresses", {"network": NETWORK, "address": OUTSIDE, "label": "mine"})
        wanted = {"label": "all", "scopes": ["read", "trade", "withdraw"], "ipAllow": [HOST]}
        made = customer.done("POST", "/api-keys", wanted)
        yield Owner(customer, Credentials(made["apiKey"], made["secretKey"]), colleague)


def _has_asset(customer: Customer) -> bool:
    return any(each["asset"] == ASSET for each in customer.done("GET", "/wallet/networks"))
