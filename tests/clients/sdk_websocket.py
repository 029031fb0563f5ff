"""Runs in the clients' environment: binance-sdk-spot over WebSockets: methods, private events, streams.

python sdk_websocket.py REPORT
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_spot import Spot
from binance_sdk_spot.websocket_api.websocket_api import SpotWebSocketAPI
from binance_sdk_spot.websocket_streams.websocket_streams import SpotWebSocketStreams

from tests.clients.sdk_report import Report, result_of

SYMBOL = "BTCUSDT"
LIMIT: dict[str, Any] = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "time_in_force": "GTC"}
BUY: dict[str, Any] = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "quote_order_qty": 20}
PRIVATE_EVENTS = {"ExecutionReport", "OutboundAccountPosition", "ListStatus"}  # as its models are called
WAIT_SECONDS = 60


async def main(report_file: Path) -> None:
    report = Report()
    key = {"api_key": os.environ["EXCHANGE_API_KEY"], "api_secret": os.environ["EXCHANGE_SECRET_KEY"]}
    ws = os.environ["EXCHANGE_WS"]
    spot = Spot(
        config_rest_api=ConfigurationRestAPI(**key, base_path=os.environ["EXCHANGE_HTTP"]),
        config_ws_api=ConfigurationWebSocketAPI(**key, stream_url=f"{ws}/ws-api/v3", timeout=60_000),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=ws),
    )
    api = await spot.websocket_api.create_connection()
    try:
        for suite in (market_data, orders, order_lists, account, user_data):
            with report.noted(f"suite {suite.__name__}"):
                await suite(api, report)
    finally:
        await api.close_connection()
    await streams(spot, report)
    report.write(report_file, SpotWebSocketAPI, SpotWebSocketStreams)


async def market_data(api: Any, report: Report) -> None:
    ask = report.ask_socket
    for operation in (
        api.ping,
        api.time,
        api.exchange_info,
        api.ticker_price,
        api.ticker_book,
        api.ticker24hr,
    ):
        await ask(operation)
    for operation in (api.exchange_info, api.ticker_price, api.ticker_book, api.ticker24hr, api.ticker):
        await ask(operation, symbol=SYMBOL)
    for operation in (
        *(api.depth, api.trades_recent, api.trades_historical, api.trades_aggregate, api.avg_price),
        *(api.ticker_trading_day, api.execution_rules, api.reference_price),
    ):
        await ask(operation, symbol=SYMBOL)
    for operation in (api.klines, api.ui_klines):
        await ask(operation, symbol=SYMBOL, interval="1m")


async def low_price(api: Any) -> float:
    return round(float(result_of(await api.ticker_price(symbol=SYMBOL)).price) * 0.9, 2)


async def orders(api: Any, report: Report) -> None:
    ask, low = report.ask_socket, await low_price(api)
    for response_type in ("ACK", "RESULT", "FULL"):
        await ask(api.order_place, **LIMIT, quantity=0.001, price=low, new_order_resp_type=response_type)
    await ask(api.order_place, **BUY)
    await ask(api.order_test, **LIMIT, quantity=0.001, price=low)
    order = await ask(api.order_place, **LIMIT, quantity=0.002, price=low)
    named = {"symbol": SYMBOL, "order_id": order.order_id}
    await ask(api.order_amend_keep_priority, **named, new_qty=0.001)
    await ask(api.order_amendments, **named)
    await ask(api.order_status, **named)
    await ask(
        api.order_cancel_replace,
        **LIMIT,
        cancel_replace_mode="STOP_ON_FAILURE",
        cancel_order_id=order.order_id,
        quantity=0.001,
        price=low,
    )
    order = await ask(api.order_place, **LIMIT, quantity=0.001, price=low)
    await ask(api.order_cancel, symbol=SYMBOL, order_id=order.order_id)
    await ask(api.open_orders_status)
    await ask(api.open_orders_cancel_all, symbol=SYMBOL)


async def order_lists(api: Any, report: Report) -> None:
    ask, low = report.ask_socket, await low_price(api)
    high = round(low / 0.8, 2)
    above = {"above_type": "LIMIT_MAKER", "above_price": high}
    below = {"below_type": "STOP_LOSS", "below_stop_price": low}
    placed = await ask(api.order_list_place_oco, symbol=SYMBOL, side="SELL", quantity=0.001, **above, **below)
    old = {"price": high, "stop_price": low, "stop_limit_price": low, "stop_limit_time_in_force": "GTC"}
    await ask(api.order_list_place, symbol=SYMBOL, side="SELL", quantity=0.001, **old)
    await ask(api.open_order_lists_status)
    await ask(api.order_list_status, order_list_id=placed.order_list_id)
    await ask(api.order_list_cancel, symbol=SYMBOL, order_list_id=placed.order_list_id)
    await ask(api.all_order_lists)
    working: dict[str, Any] = {
        "symbol": SYMBOL,
        "working_type": "LIMIT",
        "working_side": "BUY",
        "working_price": low,
        "working_quantity": 0.001,
        "working_time_in_force": "GTC",
        "pending_side": "SELL",
        "pending_quantity": 0.001,
    }
    await ask(api.order_list_place_oto, **working, pending_type="MARKET")
    pending = {f"pending_{name}": value for name, value in {**above, **below}.items()}
    await ask(api.order_list_place_otoco, **working, **pending)
    await ask(api.open_orders_cancel_all, symbol=SYMBOL)


async def account(api: Any, report: Report) -> None:
    ask = report.ask_socket
    for operation in (api.account_status, api.account_rate_limits_orders):
        await ask(operation)
    for operation in (api.all_orders, api.my_trades, api.account_commission, api.my_filters):
        await ask(operation, symbol=SYMBOL)
    await ask(api.my_prevented_matches, symbol=SYMBOL, order_id=1)


async def user_data(api: Any, report: Report) -> None:
    """Private events arrive and have the declared types, with and without a session."""
    ask, seen = report.ask_socket, set[str]()
    await ask(api.session_status)
    for subscribe in (api.user_data_stream_subscribe_signature, api.user_data_stream_subscribe):
        seen.clear()
        if subscribe == api.user_data_stream_subscribe:
            await ask(api.session_logon)
        with report.noted(subscribe.__name__):
            answer = await subscribe()
            answer.stream.on("message", lambda event: seen.add(type(event.actual_instance).__name__))
            await cause_private_events(api)
            await wait_until(lambda: seen >= PRIVATE_EVENTS, lambda: f"no {PRIVATE_EVENTS - seen}")
        await ask(api.session_subscriptions)
        await ask(
            api.user_data_stream_unsubscribe, subscription_id=result_of(answer.response).subscription_id
        )
    await ask(api.session_logout)


async def cause_private_events(api: Any) -> None:
    low = await low_price(api)
    await api.order_place(**BUY)
    await api.order_list_place_oco(
        symbol=SYMBOL,
        side="SELL",
        quantity=0.001,
        above_type="LIMIT_MAKER",
        above_price=round(low / 0.8, 2),
        below_type="STOP_LOSS",
        below_stop_price=low,
    )
    await api.open_orders_cancel_all(symbol=SYMBOL)


async def streams(spot: Any, report: Report) -> None:
    """Every kind of stream, each until it has brought an event of the declared types."""
    connection = await spot.websocket_streams.create_connection()
    silent: set[str] = set()
    for subscribe, arguments in (
        *((each, {"symbol": SYMBOL}) for each in (connection.agg_trade, connection.trade, connection.ticker)),
        *((each, {"symbol": SYMBOL}) for each in (connection.mini_ticker, connection.avg_price)),
        *((each, {"symbol": SYMBOL}) for each in (connection.book_ticker, connection.diff_book_depth)),
        (connection.kline, {"symbol": SYMBOL, "interval": "1m"}),
        (connection.kline_offset, {"symbol": SYMBOL, "interval": "1h"}),
        (connection.partial_book_depth, {"symbol": SYMBOL, "levels": "5"}),
        (connection.rolling_window_ticker, {"symbol": SYMBOL, "window_size": "1h"}),
        (connection.all_market_rolling_window_ticker, {"window_size": "1h"}),
        (connection.all_mini_ticker, {}),
    ):
        await listen(subscribe, arguments, silent, report)
    for _ in range(5 * WAIT_SECONDS):
        if not silent:
            break
        spot.rest_api.new_order(**BUY)
        await asyncio.sleep(0.2)
    for name in silent:
        report.problems[name].append("no event")
    report.problems["diff_book_depth"] += report.warnings
    await connection.close_connection()


async def listen(
    subscribe: Callable[..., Awaitable[Any]], arguments: dict[str, str], silent: set[str], report: Report
) -> None:
    name = subscribe.__name__
    silent.add(name)
    with report.noted(name):
        stream = await subscribe(**arguments)
        stream.on("message", lambda _: silent.discard(name))


async def wait_until(is_so: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    for _ in range(10 * WAIT_SECONDS):
        if is_so():
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(otherwise())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
