"""The shape of every answer: field for field what clients of the Binance API read.

Decimals are strings, ids and times whole numbers. `cummulativeQuoteQty` is spelled as it always was.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

encode = msgspec.json.Encoder().encode

NO_LIST = -1  # orderListId of an order that is in none


class Answer(msgspec.Struct, rename="camel", gc=False):
    """What all answers have in common."""


class ServerTime(Answer):
    server_time: int


class RateLimit(Answer):
    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


class OrderCount(RateLimit):
    count: int


class Symbol(Answer, kw_only=True):
    symbol: str
    status: str
    base_asset: str
    base_asset_precision: int
    quote_asset: str
    quote_precision: int
    quote_asset_precision: int
    base_commission_precision: int
    quote_commission_precision: int
    order_types: tuple[str, ...]
    iceberg_allowed: bool
    oco_allowed: bool
    oto_allowed: bool
    opo_allowed: bool = False
    quote_order_qty_market_allowed: bool = True
    allow_trailing_stop: bool
    cancel_replace_allowed: bool = True
    amend_allowed: bool = True
    peg_instructions_allowed: bool = False
    is_spot_trading_allowed: bool = True
    is_margin_trading_allowed: bool = False
    filters: list[dict[str, Any]]
    permissions: tuple[str, ...] = ()  # one kind of client needs this one, another the next one
    permission_sets: tuple[tuple[str, ...], ...] = (("SPOT",),)
    default_self_trade_prevention_mode: str
    allowed_self_trade_prevention_modes: tuple[str, ...]


class ExchangeInfo(Answer):
    timezone: str
    server_time: int
    rate_limits: list[RateLimit]
    exchange_filters: list[dict[str, Any]]
    symbols: list[Symbol]


class AccountFilters(Answer):
    exchange_filters: list[dict[str, Any]]
    symbol_filters: list[dict[str, Any]]
    asset_filters: list[dict[str, Any]]


class SymbolRules(Answer):
    symbol: str
    rules: list[dict[str, str]]


class ExecutionRules(Answer):
    symbol_rules: list[SymbolRules]


class ReferencePrice(Answer):
    symbol: str
    reference_price: str | None
    timestamp: int


class Depth(Answer):
    last_update_id: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class PublicTrade(Answer):
    id: int
    price: str
    qty: str
    quote_qty: str
    time: int
    is_buyer_maker: bool
    is_best_match: bool = True


class AggregateTrade(msgspec.Struct, gc=False):
    a: int  # id
    p: str  # price
    q: str  # quantity
    f: int  # first trade
    l: int  # noqa: E741  last trade
    T: int  # time
    m: bool  # the buyer was the maker
    M: bool = True  # it was the best price


class PriceTicker(Answer):
    symbol: str
    price: str


class BookTicker(Answer):
    symbol: str
    bid_price: str
    bid_qty: str
    ask_price: str
    ask_qty: str


class OrderAck(Answer, kw_only=True):
    symbol: str
    order_id: int
    order_list_id: int = NO_LIST
    client_order_id: str
    transact_time: int


class OrderResult(OrderAck, kw_only=True):
    price: str
    orig_qty: str
    executed_qty: str
    orig_quote_order_qty: str
    cummulative_quote_qty: str
    status: str
    time_in_force: str
    type: str
    side: str
    working_time: int
    self_trade_prevention_mode: str
    stop_price: str | UnsetType = UNSET
    trailing_delta: int | UnsetType = UNSET
    trailing_time: int | UnsetType = UNSET
    iceberg_qty: str | UnsetType = UNSET
    strategy_id: int | UnsetType = UNSET
    strategy_type: int | UnsetType = UNSET
    prevented_match_id: int | UnsetType = UNSET
    prevented_quantity: str | UnsetType = UNSET
    expiry_reason: str | UnsetType = UNSET
    fills: "list[Fill] | UnsetType" = UNSET
    prevented_matches: "list[PreventedMatch] | UnsetType" = UNSET


class Fill(Answer):
    price: str
    qty: str
    commission: str
    commission_asset: str
    trade_id: int


class PreventedMatch(Answer, kw_only=True):
    """A trade with an order of the same owner that was not let happen, and what either lost to it."""

    prevented_match_id: int
    maker_order_id: int
    price: str
    taker_prevented_quantity: str | UnsetType = UNSET
    maker_prevented_quantity: str | UnsetType = UNSET


class CancelledOrder(Answer, kw_only=True):
    symbol: str
    orig_client_order_id: str
    order_id: int
    order_list_id: int = NO_LIST
    client_order_id: str
    transact_time: int
    price: str
    orig_qty: str
    executed_qty: str
    orig_quote_order_qty: str
    cummulative_quote_qty: str
    status: str = "CANCELED"
    time_in_force: str
    type: str
    side: str
    self_trade_prevention_mode: str
    stop_price: str | UnsetType = UNSET
    trailing_delta: int | UnsetType = UNSET
    iceberg_qty: str | UnsetType = UNSET


class Order(Answer, kw_only=True):
    symbol: str
    order_id: int
    order_list_id: int = NO_LIST
    client_order_id: str
    price: str
    orig_qty: str
    executed_qty: str
    cummulative_quote_qty: str
    status: str
    time_in_force: str
    type: str
    side: str
    stop_price: str
    iceberg_qty: str
    time: int
    update_time: int
    is_working: bool = True
    working_time: int
    orig_quote_order_qty: str
    self_trade_prevention_mode: str
    trailing_delta: int | UnsetType = UNSET
    trailing_time: int | UnsetType = UNSET
    prevented_quantity: str | UnsetType = UNSET


class CommissionRates(Answer):
    maker: str
    taker: str
    buyer: str
    seller: str


class AssetBalance(Answer):
    asset: str
    free: str
    locked: str


class Account(Answer, kw_only=True):
    maker_commission: int
    taker_commission: int
    buyer_commission: int
    seller_commission: int
    commission_rates: CommissionRates
    can_trade: bool
    can_withdraw: bool
    can_deposit: bool
    brokered: bool = False
    require_self_trade_prevention: bool = False
    prevent_sor: bool = False
    update_time: int
    account_type: str = "SPOT"
    balances: list[AssetBalance]
    permissions: tuple[str, ...] = ("SPOT",)
    uid: int


class AccountTrade(Answer, kw_only=True):
    symbol: str
    id: int
    order_id: int
    order_list_id: int = NO_LIST
    price: str
    qty: str
    quote_qty: str
    commission: str
    commission_asset: str
    time: int
    is_buyer: bool
    is_maker: bool
    is_best_match: bool = True


class TradeFee(Answer):
    symbol: str
    maker_commission: str
    taker_commission: str
