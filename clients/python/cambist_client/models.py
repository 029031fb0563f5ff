"""Answers with their types. Fields that are not here may come too and are left out."""

from decimal import Decimal
from typing import NamedTuple

import msgspec


class Level(NamedTuple):
    price: Decimal
    quantity: Decimal


class Depth(msgspec.Struct, rename="camel", frozen=True):
    last_update_id: int
    bids: list[Level]  # best first
    asks: list[Level]


class PublicTrade(msgspec.Struct, rename="camel", frozen=True):
    id: int
    price: Decimal
    quantity: Decimal = msgspec.field(name="qty")
    quote_quantity: Decimal = msgspec.field(name="quoteQty")
    time: int
    is_buyer_maker: bool


class Fill(msgspec.Struct, rename="camel", frozen=True):
    trade_id: int
    price: Decimal
    quantity: Decimal = msgspec.field(name="qty")
    commission: Decimal
    commission_asset: str


class Order(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    symbol: str
    order_id: int
    client_order_id: str
    side: str
    type: str
    time_in_force: str
    status: str
    price: Decimal
    quantity: Decimal = msgspec.field(name="origQty")
    executed_quantity: Decimal = msgspec.field(name="executedQty")
    # Spelled so since the first version of this API.
    executed_value: Decimal = msgspec.field(name="cummulativeQuoteQty")


class PlacedOrder(Order, frozen=True, kw_only=True):
    transact_time: int
    fills: list[Fill] = []


class Balance(msgspec.Struct, frozen=True):
    asset: str
    free: Decimal
    locked: Decimal


class Account(msgspec.Struct, rename="camel", frozen=True):
    uid: int
    can_trade: bool
    balances: list[Balance]


class AccountTrade(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    symbol: str
    id: int
    order_id: int
    price: Decimal
    quantity: Decimal = msgspec.field(name="qty")
    commission: Decimal
    commission_asset: str
    time: int
    is_buyer: bool
    is_maker: bool
