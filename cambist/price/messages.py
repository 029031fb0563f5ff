"""The events of the public streams, field for field as clients of the Binance API read them."""

import msgspec

encode = msgspec.json.Encoder().encode

Levels = list[tuple[str, str]]


def _letters(**fields: str) -> dict[str, str]:
    return fields


class TradeEvent(
    msgspec.Struct,
    tag_field="e",
    tag="trade",
    gc=False,
    rename=_letters(
        event_time="E",
        symbol="s",
        trade_id="t",
        price="p",
        quantity="q",
        trade_time="T",
        buyer_is_maker="m",
        is_best_match="M",
    ),
):
    event_time: int
    symbol: str
    trade_id: int
    price: str
    quantity: str
    trade_time: int
    buyer_is_maker: bool
    is_best_match: bool = True


class AggregateTradeEvent(
    msgspec.Struct,
    tag_field="e",
    tag="aggTrade",
    gc=False,
    rename=_letters(
        event_time="E",
        symbol="s",
        aggregate_id="a",
        price="p",
        quantity="q",
        first_trade="f",
        last_trade="l",
        trade_time="T",
        buyer_is_maker="m",
        is_best_match="M",
    ),
):
    event_time: int
    symbol: str
    aggregate_id: int
    price: str
    quantity: str
    first_trade: int
    last_trade: int
    trade_time: int
    buyer_is_maker: bool
    is_best_match: bool = True


class DepthUpdate(
    msgspec.Struct,
    tag_field="e",
    tag="depthUpdate",
    gc=False,
    rename=_letters(event_time="E", symbol="s", first_id="U", last_id="u", bids="b", asks="a"),
):
    event_time: int
    symbol: str
    first_id: int
    last_id: int
    bids: Levels
    asks: Levels


class TopOfBook(msgspec.Struct, gc=False, rename=_letters(last_id="lastUpdateId")):
    last_id: int
    bids: Levels
    asks: Levels


class BookTickerEvent(
    msgspec.Struct,
    gc=False,
    rename=_letters(update_id="u", symbol="s", bid="b", bid_quantity="B", ask="a", ask_quantity="A"),
):
    update_id: int
    symbol: str
    bid: str
    bid_quantity: str
    ask: str
    ask_quantity: str


class Kline(
    msgspec.Struct,
    gc=False,
    rename=_letters(
        open_time="t",
        close_time="T",
        symbol="s",
        interval="i",
        first_trade="f",
        last_trade="L",
        open="o",
        close="c",
        high="h",
        low="l",
        volume="v",
        count="n",
        is_closed="x",
        quote_volume="q",
        taker_volume="V",
        taker_quote_volume="Q",
        unused="B",
    ),
):
    open_time: int
    close_time: int
    symbol: str
    interval: str
    first_trade: int
    last_trade: int
    open: str
    close: str
    high: str
    low: str
    volume: str
    count: int
    is_closed: bool
    quote_volume: str
    taker_volume: str
    taker_quote_volume: str
    unused: str = "0"


class KlineEvent(
    msgspec.Struct,
    tag_field="e",
    tag="kline",
    gc=False,
    rename=_letters(event_time="E", symbol="s", kline="k"),
):
    event_time: int
    symbol: str
    kline: Kline


class MiniTickerEvent(
    msgspec.Struct,
    tag_field="e",
    tag="24hrMiniTicker",
    gc=False,
    rename=_letters(
        event_time="E", symbol="s", last="c", open="o", high="h", low="l", volume="v", quote_volume="q"
    ),
):
    event_time: int
    symbol: str
    last: str
    open: str
    high: str
    low: str
    volume: str
    quote_volume: str


class TickerEvent(
    msgspec.Struct,
    tag_field="e",
    tag="24hrTicker",
    gc=False,
    rename=_letters(
        event_time="E",
        symbol="s",
        change="p",
        change_percent="P",
        mean="w",
        before="x",
        last="c",
        last_quantity="Q",
        bid="b",
        bid_quantity="B",
        ask="a",
        ask_quantity="A",
        open="o",
        high="h",
        low="l",
        volume="v",
        quote_volume="q",
        open_time="O",
        close_time="C",
        first_trade="F",
        last_trade="L",
        count="n",
    ),
):
    event_time: int
    symbol: str
    change: str
    change_percent: str
    mean: str
    before: str
    last: str
    last_quantity: str
    bid: str
    bid_quantity: str
    ask: str
    ask_quantity: str
    open: str
    high: str
    low: str
    volume: str
    quote_volume: str
    open_time: int
    close_time: int
    first_trade: int
    last_trade: int
    count: int


class WindowTickerEvent(
    msgspec.Struct,
    gc=False,
    rename=_letters(
        event="e",
        event_time="E",
        symbol="s",
        change="p",
        change_percent="P",
        open="o",
        high="h",
        low="l",
        last="c",
        mean="w",
        volume="v",
        quote_volume="q",
        open_time="O",
        close_time="C",
        first_trade="F",
        last_trade="L",
        count="n",
    ),
):
    event: str  # "1hTicker", "4hTicker", "1dTicker"
    event_time: int
    symbol: str
    change: str
    change_percent: str
    open: str
    high: str
    low: str
    last: str
    mean: str
    volume: str
    quote_volume: str
    open_time: int
    close_time: int
    first_trade: int
    last_trade: int
    count: int


class AveragePriceEvent(
    msgspec.Struct,
    tag_field="e",
    tag="avgPrice",
    gc=False,
    rename=_letters(event_time="E", symbol="s", interval="i", price="w", trade_time="T"),
):
    event_time: int
    symbol: str
    interval: str
    price: str
    trade_time: int
