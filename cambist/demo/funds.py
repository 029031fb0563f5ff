"""What the demo does on its chain: lists ETH and ETP as held there, and pays users and house for a start.

The payments go the way of every deposit. They are made once; of a start that was cut off between payment and
note somebody may have the double.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import msgspec

from cambist.accounts import users
from cambist.control.client import RequestFailed, running
from cambist.control.exchange import Request
from cambist.control.networks import AddNetwork, TermChanges
from cambist.demo.node import COIN_DECIMALS, ETP, ETP_DECIMALS, DemoNode
from cambist.demo.purse import ACCOUNT, nodes_file
from cambist.demo.setup import EMAILS, FUNDS
from cambist.demo.signer import NETWORK
from cambist.errors import Unavailable
from cambist.flow.house import ACCOUNTS, FUNDS_UNITS
from cambist.settings import Settings
from cambist.signer.client import SignerClient
from cambist.store.records import Records
from cambist.wallets import networks
from cambist.wallets.addresses import Addresses

GAS_COINS = 1_000  # beside what the house trades with
NOTE = "paid"
_AGAIN_S = 0.2

LISTED = (
    AddNetwork(
        network=NETWORK,
        asset="ETH",
        decimals=COIN_DECIMALS,
        terms=TermChanges(
            confirmations=2,
            deposit_min="0.0001",
            withdrawal_fee="0.0005",
            withdrawal_min="0.001",
            withdrawal_daily_max="100",
            review_two_above="1",
            withdrawals_open=True,
        ),
    ),
    AddNetwork(
        network=NETWORK,
        asset="ETP",
        contract=ETP,
        decimals=ETP_DECIMALS,
        terms=TermChanges(
            confirmations=2,
            deposit_min="0.01",
            withdrawal_fee="0",
            withdrawal_min="1",
            withdrawal_daily_max="10000",
            review_two_above="5",
            withdrawals_open=True,
        ),
    ),
)


def prepare(settings: Settings, node: DemoNode, is_stopped: Callable[[], bool]) -> None:
    """Blocks until all is paid, or it is to stop. Raises RequestFailed, Unavailable."""
    folder = settings.home / "demo"
    node.etp()
    for listed in LISTED:
        _perform(settings, listed, is_stopped)
    if (folder / NOTE).exists() or is_stopped():
        return
    records = Records.open(settings, is_shared=True)
    try:
        _pay(records, settings, node, is_stopped)
    finally:
        records.close()
    if not is_stopped():
        (folder / NOTE).touch()


def write_nodes(settings: Settings, node: DemoNode) -> None:
    """Where the chain is, and whose money there is everybody's."""
    folder = settings.home / "demo"
    folder.mkdir(mode=0o700, exist_ok=True)
    aside = folder / "nodes.json.new"
    aside.write_bytes(msgspec.json.encode({"evm": {"url": node.purse.url, "account": ACCOUNT}}))
    os.replace(aside, nodes_file(settings))


def _pay(records: Records, settings: Settings, node: DemoNode, is_stopped: Callable[[], bool]) -> None:
    addresses = Addresses(records, SignerClient(settings.signer_socket))
    while not is_stopped():
        with records.read() as db:
            network = networks.network(db, NETWORK)
        if network is not None:  # the wallets have asked the signer
            break
        time.sleep(_AGAIN_S)
    else:
        return
    node.purse.pay(network.hot_address, (ACCOUNTS * FUNDS_UNITS + GAS_COINS) * 10**COIN_DECIMALS)
    for email in EMAILS:
        address = addresses.of(NETWORK, users.get(records, email).id)
        node.purse.pay(address, int(FUNDS["ETH"]) * 10**COIN_DECIMALS)
        node.purse.pay_token(ETP, address, int(FUNDS["ETP"]) * 10**ETP_DECIMALS)


def _perform(settings: Settings, request: Request, is_stopped: Callable[[], bool]) -> Any:
    """Waits for the exchange, which starts beside this. Raises RequestFailed."""
    while not is_stopped():
        with running(settings.socket_file) as exchange:
            if exchange is not None:
                try:
                    return exchange.perform(request, lambda done, total: None)
                except RequestFailed as failed:
                    if failed.failure.code != Unavailable.code:
                        raise
        time.sleep(_AGAIN_S)
    return None
