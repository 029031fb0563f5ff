"""Runs in the clients' environment: deposits and withdrawals of one user as ccxt's unified API shows them.

python ccxt_wallet.py withdraw|read ADDRESS

One line of JSON comes out: the withdrawal's id, or everything that there is to read.
"""

import json
import os
import sys
from typing import Any

import ccxt

from tests.clients.ccxt_runner import moved

CODE, NETWORK = "ETP", "ERC20"  # as ccxt calls the network ETH of a token


def main(what: str, address: str) -> None:
    exchange = ccxt.binance(
        {
            "apiKey": os.environ["EXCHANGE_API_KEY"],
            "secret": os.environ["EXCHANGE_SECRET_KEY"],
            "options": {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False},
        }
    )
    exchange.urls["api"] = moved(exchange.urls["api"])
    exchange.load_markets()
    print(json.dumps(withdraw(exchange, address) if what == "withdraw" else read(exchange)))


def withdraw(exchange: Any, address: str) -> Any:
    made = exchange.withdraw(CODE, 2, address, params={"network": NETWORK, "withdrawOrderId": "by-ccxt"})
    return made["id"]


def read(exchange: Any) -> Any:
    currency = exchange.fetch_currencies()[CODE]
    return {
        "networks": currency["networks"],
        "address": exchange.fetch_deposit_address(CODE, {"network": NETWORK}),
        "deposits": exchange.fetch_deposits(CODE),
        "withdrawals": exchange.fetch_withdrawals(CODE),
        "fees": exchange.fetch_deposit_withdraw_fees([CODE])[CODE],
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
