"""What the gateway asks for and memory knows: tickers of the last 24 hours, and average prices."""

from collections.abc import Mapping
from typing import Any

import msgspec

from cambist.errors import Unavailable
from cambist.feed.answers import AveragePrice, AveragePriceOf, DayTicker, DayTickersOf, MiniTicker
from cambist.intervals import DAY_NS
from cambist.price.figures import begin_ns, rolling
from cambist.price.market import AVERAGE_MINUTES, Market
from cambist.price.messages import encode


class UnknownMarket(Unavailable):
    """Listed a moment ago, and not yet seen here."""

    code = "unknown_market"


def day_tickers(markets: Mapping[int, Market], params: Any, now_ns: int) -> bytes:
    """A market that is asked for among others and is not known yet is left out."""
    of = msgspec.convert(params, DayTickersOf)
    ticker = _mini if of.is_mini else _full
    if of.is_single:
        return encode(ticker(_market(markets, of.markets[0]), now_ns, of.unit_ns))
    return encode([ticker(markets[each], now_ns, of.unit_ns) for each in of.markets if each in markets])


def average_price(markets: Mapping[int, Market], params: Any, now_ns: int) -> bytes:
    of = msgspec.convert(params, AveragePriceOf)
    market = _market(markets, of.market)
    price = market.average_price(now_ns)
    return encode(AveragePrice(AVERAGE_MINUTES, price, market.last.time_ns // of.unit_ns))


def _market(markets: Mapping[int, Market], number: int) -> Market:
    if number not in markets:
        raise UnknownMarket(f"market {number} is not known here yet")
    return markets[number]


def _full(market: Market, now_ns: int, unit_ns: int) -> DayTicker:
    day = rolling(market, DAY_NS, now_ns)
    (bid, bid_lots), (ask, ask_lots) = market.book.best()
    return DayTicker(
        market.symbol,
        day.change,
        day.change_percent,
        day.mean,
        day.before,
        day.last,
        market.quantity(market.last.quantity_lots),
        market.price(bid),
        market.quantity(bid_lots),
        market.price(ask),
        market.quantity(ask_lots),
        day.open,
        day.high,
        day.low,
        day.volume,
        day.quote_volume,
        begin_ns(DAY_NS, now_ns) // unit_ns,
        now_ns // unit_ns,
        day.first_trade,
        day.last_trade,
        day.trades,
    )


def _mini(market: Market, now_ns: int, unit_ns: int) -> MiniTicker:
    day = rolling(market, DAY_NS, now_ns)
    return MiniTicker(
        market.symbol,
        day.open,
        day.high,
        day.low,
        day.last,
        day.volume,
        day.quote_volume,
        begin_ns(DAY_NS, now_ns) // unit_ns,
        now_ns // unit_ns,
        day.first_trade,
        day.last_trade,
        day.trades,
    )
