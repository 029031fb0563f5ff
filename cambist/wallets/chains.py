"""Which chain stands behind a network's name, and how long its nodes may take."""

from collections.abc import Iterator
from contextlib import contextmanager

from cambist.errors import Refused
from cambist.settings import Settings
from cambist.wallets.chain import Chain
from cambist.wallets.evm.chain import EvmChain
from cambist.wallets.evm.rpc import Rpc

ETHEREUM = "ETH"
COIN_DECIMALS = {ETHEREUM: 18}


class NoNode(Refused):
    code = "no_node"


def configured(settings: Settings) -> list[str]:
    """The networks that have a node."""
    return [ETHEREUM] if settings.wallets.evm_rpc else []


@contextmanager
def opened(settings: Settings, network: str) -> Iterator[Chain]:
    """Raises NoNode if the settings name none."""
    if network not in configured(settings):
        raise NoNode(f"no node of the network {network} is set: see wallets.evm_rpc")
    wallets = settings.wallets
    urls = [url for url in (wallets.evm_rpc, wallets.evm_rpc_second) if url]
    chain = EvmChain(network, wallets.evm_chain_id, *(Rpc(url, wallets.timeout_ms / 1_000) for url in urls))
    try:
        yield chain
    finally:
        chain.close()
