"""Questions to the data process and the shapes of its answers, field for field as clients read them."""

import msgspec


class DayTickersOf(msgspec.Struct):
    """Question `dayTickers`. Times are counted in `unit_ns`; the answer is an array unless `is_single`."""

    markets: list[int]
    is_mini: bool
    is_single: bool
    unit_ns: int


class AveragePriceOf(msgspec.Struct):
    """Question `averagePrice`."""

    market: int
    unit_ns: int


class MiniTicker(msgspec.Struct, gc=False, rename="camel"):
    symbol: str
    open_price: str
    high_price: str
    low_price: str
    last_price: str
    volume: str
    quote_volume: str
    open_time: int
    close_time: int
    first_id: int
    last_id: int
    count: int


class DayTicker(msgspec.Struct, gc=False, rename="camel"):
    symbol: str
    price_change: str
    price_change_percent: str
    weighted_avg_price: str
    prev_close_price: str
    last_price: str
    last_qty: str
    bid_price: str
    bid_qty: str
    ask_price: str
    ask_qty: str
    open_price: str
    high_price: str
    low_price: str
    volume: str
    quote_volume: str
    open_time: int
    close_time: int
    first_id: int
    last_id: int
    count: int


class AveragePrice(msgspec.Struct, gc=False, rename="camel"):
    mins: int
    price: str
    close_time: int
