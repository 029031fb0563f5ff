"""What a replay through the REST API needs of an exchange: a market of its own, and clients with play money.

All of it is asked for over the operator's socket and found again the next time, except the API keys, which
last for one replay.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple

import click

from cambist.control.client import Running, running
from cambist.control.exchange import Request
from cambist.control.markets import AddAsset, AddMarket, FilterChanges, ListAssets, ListMarkets
from cambist.control.sandbox import CreditSandbox
from cambist.control.users import CreateApiKey, CreateUser, DeleteApiKey, ListUsers
from cambist.flow.rest import Credentials
from cambist.settings import Settings

FUNDS_BASE, FUNDS_QUOTE = "1000000", "1000000000"  # the recorded minutes rest 36 million dollars of bids
# Evaluated for every order, and never in the way of a recorded one.
WIDE = FilterChanges(
    price_max="1000000000",
    quantity_max="1000000",
    market_quantity_max="1000000",
    notional_max="1000000000000000",
    max_orders=10_000,
)


class Terms(NamedTuple):
    """The market to replay on; assets and market are listed if they do not exist."""

    base: str
    quote: str
    base_scale: int
    quote_scale: int
    tick: Decimal
    lot: Decimal

    @property
    def symbol(self) -> str:
        return self.base + self.quote


@contextmanager
def clients(settings: Settings, terms: Terms, count: int) -> Iterator[list[Credentials]]:
    """The market is listed and funded clients have keys to it; the keys end with the replay.

    Raises UsageError if no exchange runs or the market exists with other steps.
    """
    with running(settings.socket_file) as exchange:
        if exchange is None:
            raise click.UsageError("no exchange runs here: start one with `cambist run`, or add --in-process")
        door = _Door(exchange)
        door.list_market(terms)
        emails = [f"flow-{nth}@replay.invalid" for nth in range(count)]
        door.create_users(emails)
        for email in emails:
            door.fund(email, terms)
        keys = [door.create_key(email) for email in emails]
        try:
            yield keys
        finally:
            for key in keys:
                door.ask(DeleteApiKey(api_key=key.api_key))


class _Door:
    def __init__(self, exchange: Running) -> None:
        self._exchange = exchange

    def ask(self, request: Request) -> Any:
        return self._exchange.perform(request, lambda done, total: None)

    def list_market(self, terms: Terms) -> None:
        known = {asset["name"] for asset in self.ask(ListAssets())}
        for name, scale in ((terms.base, terms.base_scale), (terms.quote, terms.quote_scale)):
            if name not in known:
                self.ask(AddAsset(name=name, scale=scale))
        steps = {market["symbol"]: (market["tick"], market["lot"]) for market in self.ask(ListMarkets())}
        if terms.symbol not in steps:
            self.ask(
                AddMarket(
                    base=terms.base,
                    quote=terms.quote,
                    tick=f"{terms.tick:f}",
                    lot=f"{terms.lot:f}",
                    filters=WIDE,
                )
            )
        elif tuple(map(Decimal, steps[terms.symbol])) != (terms.tick, terms.lot):
            raise click.UsageError(f"{terms.symbol} is there with other steps: {steps[terms.symbol]}")

    def create_users(self, emails: list[str]) -> None:
        known = {user["email"] for user in self.ask(ListUsers())}
        for email in emails:
            if email not in known:
                self.ask(CreateUser(email=email))

    def fund(self, email: str, terms: Terms) -> None:
        for asset, amount in ((terms.base, FUNDS_BASE), (terms.quote, FUNDS_QUOTE)):
            reference = f"flow:{email}:{asset}"
            self.ask(CreditSandbox(email=email, asset=asset, amount=amount, reference=reference))

    def create_key(self, email: str) -> Credentials:
        key = self.ask(CreateApiKey(email=email, label="replay-flow", scopes=["read", "trade"]))
        return Credentials(key["api_key"], key["secret_key"])
