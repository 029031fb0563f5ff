"""Markets, users and their play money. Done once; what an interrupted start left is completed by the next.

`users.json` is written last: where it stands, all before it is done, and nothing is done again. So what
users and operators changed since then stays.
"""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec

from cambist.accounts import users
from cambist.control.exchange import Caller, Exchange
from cambist.control.limits import LimitChanges
from cambist.control.markets import AddAsset, AddMarket, FilterChanges
from cambist.control.sandbox import CreditSandbox
from cambist.control.staff import InviteStaff, ListStaff
from cambist.control.users import CreateApiKey, CreateUser, DeleteApiKey, ListApiKeys
from cambist.engine.views import MarketView
from cambist.settings import Settings
from cambist.staff.roles import Role

ASSETS = ("BTC", "ETH", "ETP", "USDT")
EMAILS = ("alice@demo.cambist.invalid", "bob@demo.cambist.invalid")
FUNDS = {"BTC": "1", "ETH": "20", "ETP": "1000", "USDT": "50000"}
KEY_LABEL = "demo"
ADMINISTRATOR, ADMINISTRATOR_EMAIL = "admin", "admin@demo.cambist.invalid"
CALLER = Caller("demo", lambda done, total: None)

# Far enough from the price for every honest order, and the average that the public API shows. ETP/BTC goes
# without: nobody but its two users makes its price.
PRICES = LimitChanges(
    bid_up="5",
    bid_down="0.2",
    ask_up="5",
    ask_down="0.2",
    range_bid_up="2",
    range_bid_down="0.5",
    range_ask_up="2",
    range_ask_down="0.5",
    average_minutes=5,
)

# One tick times one lot must be a whole number of quote atoms, which is why ETH/BTC has a lot of 0.001.
MARKETS = (
    AddMarket(
        base="BTC",
        quote="USDT",
        tick="0.01",
        lot="0.00001",
        limits=PRICES,
        filters=FilterChanges(
            price_max="1000000", quantity_max="9000", market_quantity_max="100", notional_min="5"
        ),
    ),
    AddMarket(
        base="ETH",
        quote="USDT",
        tick="0.01",
        lot="0.0001",
        limits=PRICES,
        filters=FilterChanges(
            price_max="1000000", quantity_max="9000", market_quantity_max="1000", notional_min="5"
        ),
    ),
    AddMarket(
        base="ETH",
        quote="BTC",
        tick="0.00001",
        lot="0.001",
        limits=PRICES,
        filters=FilterChanges(
            price_max="1000", quantity_max="90000", market_quantity_max="1000", notional_min="0.0001"
        ),
    ),
    AddMarket(
        base="ETP",
        quote="BTC",
        tick="0.0000001",
        lot="0.1",
        maker_fee="0",
        taker_fee="0",
        filters=FilterChanges(
            price_max="100", quantity_max="900000", market_quantity_max="10000", notional_min="0.0001"
        ),
    ),
)


def users_file(settings: Settings) -> Path:
    return settings.home / "demo" / "users.json"


def prepare(exchange: Exchange, on_chain: Collection[str] = ()) -> None:
    """No play money of assets that are held `on_chain`. Raises NotSandbox, or what the requests raise."""
    file = users_file(exchange.settings)
    if file.exists():
        return
    _list(exchange, CALLER)
    ready = [_user(exchange, CALLER, email, on_chain) for email in EMAILS]
    _write_private(file, msgspec.json.format(msgspec.json.encode(ready)))


def console_link(exchange: Exchange) -> str | None:
    """The first sign-in of the demo's administrator; None once somebody has used one."""
    if any(member["state"] != "invited" for member in ListStaff().perform(exchange, CALLER)):
        return None
    invite = InviteStaff(name=ADMINISTRATOR, email=ADMINISTRATOR_EMAIL, roles=tuple(Role))
    link: str = invite.perform(exchange, CALLER)["link"]
    return link


def _list(exchange: Exchange, caller: Caller) -> None:
    listed_assets = {asset.name for asset in exchange.assets().all}
    for name in ASSETS:
        if name not in listed_assets:
            AddAsset(name=name).perform(exchange, caller)
    rows = exchange.query(lambda engine: engine.markets())
    listed = {market.symbol: market.market for market in map(MarketView.of, rows)}
    for market in MARKETS:
        symbol = market.base + market.quote
        if symbol in listed:
            market.open(exchange, caller.act(market), listed[symbol])
        else:
            market.perform(exchange, caller)


def _user(exchange: Exchange, caller: Caller, email: str, on_chain: Collection[str]) -> dict[str, Any]:
    """A user with funds and one key; keys whose secrets an interrupted start has lost are revoked."""
    user = users.find(exchange.records, email)
    if user is None or user.account is None:
        CreateUser(email=email).perform(exchange, caller)
    for asset, amount in FUNDS.items():
        if asset not in on_chain:
            credit = CreditSandbox(email=email, asset=asset, amount=amount, reference=f"demo:{email}:{asset}")
            credit.perform(exchange, caller)
    for key in ListApiKeys(email=email).perform(exchange, caller):
        if key["label"] == KEY_LABEL and key["revoked_at"] is None:
            DeleteApiKey(api_key=key["api_key"]).perform(exchange, caller)
    made = CreateApiKey(email=email, label=KEY_LABEL, scopes=("read", "trade")).perform(exchange, caller)
    return {"email": email, "apiKey": made["api_key"], "secretKey": made["secret_key"]}


def _write_private(file: Path, content: bytes) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    file.parent.mkdir(mode=0o700, exist_ok=True)
    aside = file.with_suffix(".new")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(descriptor)
    aside.rename(file)
