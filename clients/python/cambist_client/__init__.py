"""A small typed client for a Cambist exchange: REST, market streams and private events.

Amounts are `decimal.Decimal`, never floats; times are milliseconds since 1970. A `Client` belongs to
one event loop.
"""

from cambist_client.client import Client
from cambist_client.errors import ConnectionLost, OutcomeUnknown, Refused
from cambist_client.keys import Ed25519Key, HmacKey, Key
from cambist_client.models import (
    Account,
    AccountTrade,
    Balance,
    Depth,
    Fill,
    Level,
    Order,
    PlacedOrder,
    PublicTrade,
)

__all__ = [
    "Account",
    "AccountTrade",
    "Balance",
    "Client",
    "ConnectionLost",
    "Depth",
    "Ed25519Key",
    "Fill",
    "HmacKey",
    "Key",
    "Level",
    "Order",
    "OutcomeUnknown",
    "PlacedOrder",
    "PublicTrade",
    "Refused",
]
