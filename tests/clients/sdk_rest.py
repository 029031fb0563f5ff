"""Runs in the clients' environment: every REST operation of binance-sdk-spot that is offered.

python sdk_rest.py REPORT
"""

import os
import sys
from pathlib import Path
from typing import Any

from binance_common.configuration import ConfigurationRestAPI
from binance_sdk_spot import Spot
from binance_sdk_spot.rest_api.rest_api import SpotRestAPI

from tests.clients.sdk_report import Report

SYMBOL = "BTCUSDT"
LIMIT: dict[str, Any] = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "time_in_force": "GTC"}


def main(report_file: Path) -> None:
    report = Report()
    configuration = ConfigurationRestAPI(
        api_key=os.environ["EXCHANGE_API_KEY"],
        api_secret=os.environ["EXCHANGE_SECRET_KEY"],
        base_path=os.environ["EXCHANGE_HTTP"],
        retries=0,
        timeout=60_000,
    )
    spot = Spot(config_rest_api=configuration).rest_api
    for suite in (market_data, orders, order_lists, account):
        with report.noted(f"suite {suite.__name__}"):
            suite(spot, report)
    report.write(report_file, SpotRestAPI)


def market_data(spot: Any, report: Report) -> None:
    ask = report.ask
    for operation in (spot.ping, spot.time, spot.exchange_info, spot.ticker_price, spot.ticker_book_ticker):
        ask(operation)
    ask(spot.ticker24hr)
    for type_ in ("FULL", "MINI"):
        ask(spot.ticker24hr, symbol=SYMBOL, type=type_)
        ask(spot.ticker, symbol=SYMBOL, window_size="1h", type=type_)
        ask(spot.ticker, symbols=["ETHUSDT", SYMBOL], type=type_)
        ask(spot.ticker_trading_day, symbol=SYMBOL, type=type_)
    for operation in (spot.exchange_info, spot.ticker_price, spot.ticker_book_ticker):
        ask(operation, symbol=SYMBOL)
        ask(operation, symbols=[SYMBOL, "ETHUSDT"])
    for operation in (spot.depth, spot.get_trades, spot.historical_trades, spot.agg_trades, spot.avg_price):
        ask(operation, symbol=SYMBOL)
    for operation in (spot.execution_rules, spot.reference_price):
        ask(operation, symbol=SYMBOL)
    for operation in (spot.klines, spot.ui_klines):
        ask(operation, symbol=SYMBOL, interval="1m")


def orders(spot: Any, report: Report) -> None:
    ask = report.ask
    price = float(ask(spot.ticker_price, symbol=SYMBOL).actual_instance.price)
    low = round(price * 0.9, 2)
    for response_type in ("ACK", "RESULT", "FULL"):
        ask(spot.new_order, **LIMIT, quantity=0.001, price=low, new_order_resp_type=response_type)
    market = {"symbol": SYMBOL, "type": "MARKET"}
    ask(spot.new_order, **market, side="BUY", quote_order_qty=20)
    ask(spot.new_order, **market, side="SELL", quantity=0.0002)
    ask(spot.order_test, **LIMIT, quantity=0.001, price=low)
    ask(spot.order_test, **LIMIT, quantity=0.001, price=low, compute_commission_rates=True)
    order = ask(spot.new_order, **LIMIT, quantity=0.002, price=low)
    ask(spot.order_amend_keep_priority, symbol=SYMBOL, order_id=order.order_id, new_qty=0.001)
    ask(spot.order_amendments, symbol=SYMBOL, order_id=order.order_id)
    replaced = ask(
        spot.order_cancel_replace,
        **LIMIT,
        cancel_replace_mode="STOP_ON_FAILURE",
        cancel_order_id=order.order_id,
        quantity=0.001,
        price=low,
    )
    ask(
        spot.new_order,
        **{**LIMIT, "type": "STOP_LOSS_LIMIT"},
        quantity=0.001,
        price=low,
        stop_price=round(price * 1.1, 2),
    )
    order_id = order.order_id if replaced is None else replaced.new_order_response.order_id
    ask(spot.get_order, symbol=SYMBOL, order_id=order_id)
    ask(spot.get_open_orders)
    ask(spot.get_open_orders, symbol=SYMBOL)
    ask(spot.delete_order, symbol=SYMBOL, order_id=order_id)
    ask(spot.delete_open_orders, symbol=SYMBOL)
    ask(spot.all_orders, symbol=SYMBOL)


def order_lists(spot: Any, report: Report) -> None:
    ask = report.ask
    price = float(ask(spot.ticker_price, symbol=SYMBOL).actual_instance.price)
    high, low = round(price * 1.1, 2), round(price * 0.9, 2)
    above = {"above_type": "LIMIT_MAKER", "above_price": high}
    below = {"below_type": "STOP_LOSS", "below_stop_price": low}
    placed = ask(spot.order_list_oco, symbol=SYMBOL, side="SELL", quantity=0.001, **above, **below)
    ask(spot.open_order_list)
    ask(spot.all_order_list)
    if placed is not None:
        ask(spot.get_order_list, order_list_id=placed.order_list_id)
        ask(spot.delete_order_list, symbol=SYMBOL, order_list_id=placed.order_list_id)
    ask(spot.order_oco, symbol=SYMBOL, side="SELL", quantity=0.001, price=high, stop_price=low)
    working = {
        "working_type": "LIMIT",
        "working_side": "BUY",
        "working_price": low,
        "working_quantity": 0.001,
        "working_time_in_force": "GTC",
    }
    pending = {"pending_side": "SELL", "pending_quantity": 0.001}
    ask(spot.order_list_oto, symbol=SYMBOL, **working, **pending, pending_type="MARKET")
    pending_oco = {f"pending_{name}": value for name, value in {**above, **below}.items()}
    ask(spot.order_list_otoco, symbol=SYMBOL, **working, **pending, **pending_oco)
    ask(spot.delete_open_orders, symbol=SYMBOL)


def account(spot: Any, report: Report) -> None:
    ask = report.ask
    ask(spot.get_account)
    ask(spot.get_account, omit_zero_balances=True)
    for operation in (spot.my_trades, spot.account_commission, spot.my_filters):
        ask(operation, symbol=SYMBOL)
    ask(spot.my_prevented_matches, symbol=SYMBOL, order_id=1)
    ask(spot.rate_limit_order)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
