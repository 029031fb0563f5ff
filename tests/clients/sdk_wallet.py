"""Runs in the clients' environment: every REST operation of binance-sdk-wallet that is offered.

python sdk_wallet.py REPORT

Stands for a user whose one deposit and one withdrawal are done; the address is in EXCHANGE_ADDRESS.
"""

import os
import sys
from pathlib import Path
from typing import Any

from binance_common.configuration import ConfigurationRestAPI
from binance_sdk_wallet import Wallet
from binance_sdk_wallet.rest_api.rest_api import WalletRestAPI

from tests.clients.sdk_report import Report

COIN, NETWORK = "ETP", "ETH"


def main(report_file: Path) -> None:
    report = Report()
    configuration = ConfigurationRestAPI(
        api_key=os.environ["EXCHANGE_API_KEY"],
        api_secret=os.environ["EXCHANGE_SECRET_KEY"],
        base_path=os.environ["EXCHANGE_HTTP"],
        retries=0,
        timeout=60_000,
    )
    api = Wallet(config_rest_api=configuration).rest_api
    for suite in (about_account, about_capital):
        with report.noted(f"suite {suite.__name__}"):
            suite(api, report)
    report.write(report_file, WalletRestAPI)


def about_account(api: Any, report: Report) -> None:
    ask = report.ask
    for operation in (
        *(api.system_status, api.trade_fee, api.get_api_key_permission, api.account_status),
        *(api.asset_detail, api.user_asset, api.funding_wallet),
        *(api.get_symbols_delist_schedule_for_spot, api.account_api_trading_status),
    ):
        ask(operation)
    ask(api.trade_fee, symbol="BTCUSDT")
    ask(api.query_user_universal_transfer_history, type="MAIN_UMFUTURE")


def about_capital(api: Any, report: Report) -> None:
    ask = report.ask
    coins = ask(api.all_coins_information)
    assert [each.network for coin in coins if coin.coin == COIN for each in coin.network_list] == [NETWORK]
    for network in ({}, {"network": NETWORK}):
        ask(api.deposit_address, coin=COIN, **network)
    (deposit,) = ask(api.deposit_history)
    assert ask(api.deposit_history, coin=COIN, tx_id=deposit.tx_id)[0].status == 1
    (done,) = ask(api.withdraw_history)
    assert done.status == 6 and done.complete_time and done.tx_id
    made = ask(
        api.withdraw,
        coin=COIN,
        address=os.environ["EXCHANGE_ADDRESS"],
        amount=1,
        network=NETWORK,
        withdraw_order_id="by-sdk",
    )
    (asked,) = ask(api.withdraw_history, withdraw_order_id="by-sdk")
    assert asked.id == made.id and asked.status == 2
    assert [each.id for each in ask(api.withdraw_history, id_list=made.id)] == [made.id]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
