"""Runs in the clients' environment: deposits and withdrawals of one user by python-binance.

python python_binance_wallet.py ADDRESS

One line of JSON comes out: what it has read, after one more withdrawal.
"""

import json
import os
import re
import sys

from binance.base_client import BaseClient
from binance.client import Client

COIN, NETWORK = "ETP", "ETH"


def main(address: str) -> None:
    for name in [each for each in vars(BaseClient) if each.endswith("_URL")]:
        base = os.environ["EXCHANGE_WS" if getattr(BaseClient, name).startswith("ws") else "EXCHANGE_HTTP"]
        setattr(BaseClient, name, re.sub("^[a-z]+://[^/]+", base, getattr(BaseClient, name)))
    client = Client(os.environ["EXCHANGE_API_KEY"], os.environ["EXCHANGE_SECRET_KEY"])
    made = client.withdraw(coin=COIN, network=NETWORK, address=address, amount=1, withdrawOrderId="by-pb")
    read = {
        "address": client.get_deposit_address(coin=COIN, network=NETWORK),
        "deposits": client.get_deposit_history(coin=COIN),
        "withdrawal": client.get_withdraw_history_id(made["id"]),
        "withdrawals": client.get_withdraw_history(withdrawOrderId="by-pb"),
        "coins": [each for each in client.get_all_coins_info() if each["coin"] == COIN],
        "permissions": client.get_account_api_permissions(),
        "status": client.get_account_status(),
        "detail": client.get_asset_details(asset=COIN)[COIN],
    }
    print(json.dumps({"made": made["id"], **read}))


if __name__ == "__main__":
    main(*sys.argv[1:])
