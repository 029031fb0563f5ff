"""An exchange with one market, BASE/QUOTE in steps of 1, and two users who have more than they can spend."""

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from cambist import app
from cambist.control.exchange import Caller
from cambist.control.markets import AddAsset, AddMarket
from cambist.control.sandbox import CreditSandbox
from cambist.control.users import CreateApiKey, CreateUser
from cambist.flow.rest import Client, Credentials
from cambist.settings import Settings
from tests.e2e.harness import SETTINGS

SYMBOL = "BASEQUOTE"
FUNDS = "1000000000"


class Owner(NamedTuple):
    account: int
    credentials: Credentials


def create_exchange(home: Path) -> list[Owner]:
    app.create_exchange(home, sandbox=True)
    app.reset_exchange(settings_of(home))  # which makes the log again, now with small segments
    with closing(app.open_exchange(settings_of(home), report)) as exchange:
        operator = Caller("test", report)
        for asset in ("BASE", "QUOTE"):
            AddAsset(name=asset).perform(exchange, operator)
        AddMarket(base="BASE", quote="QUOTE", tick="1", lot="1").perform(exchange, operator)
        owners = []
        for email in ("ann@example.com", "bob@example.com"):
            account = CreateUser(email=email).perform(exchange, operator)["account"]
            for asset in ("BASE", "QUOTE"):
                credit = CreditSandbox(email=email, asset=asset, amount=FUNDS, reference=f"{email}:{asset}")
                credit.perform(exchange, operator)
            key = CreateApiKey(email=email, label="test", scopes=("read", "trade"))
            made = key.perform(exchange, operator)
            owners.append(Owner(account, Credentials(made["api_key"], made["secret_key"])))
    return owners


def place(client: Client, owner: Credentials, side: str, *, price: int = 100) -> int:
    """One lot, to rest or to trade; its order id."""
    answer = client.signed(
        owner,
        "POST",
        "/api/v3/order",
        symbol=SYMBOL,
        side=side,
        type="LIMIT",
        timeInForce="GTC",
        price=price,
        quantity=1,
    )
    return int(answer["orderId"])


def settings_of(home: Path) -> Settings:
    return Settings.load(home, SETTINGS)


def report(done: int, total: int) -> None:
    """Nobody watches."""
