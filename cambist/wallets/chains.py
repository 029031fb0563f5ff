"""Which chain stands behind a network's name, and how long its nodes may take."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from cambist.errors import Refused
from cambist.settings import Settings
from cambist.wallets.chain import Chain

ETHEREUM = "ETH"


class NoNode(Refused):
    code = "no_node"


class Kind(NamedTuple):
    """A chain that is known. `has_node`: whether the settings name one."""

    coin_decimals: int
    has_node: Callable[[Settings], bool]
    opened: Callable[[Settings], AbstractContextManager[Chain]]


@contextmanager
def _ethereum(settings: Settings) -> Iterator[Chain]:
    # Every process knows the networks; only one that opens a chain shall load what it takes (half a second).
    from cambist.wallets.evm.chain import EvmChain
    from cambist.wallets.evm.rpc import Rpc

    wallets = settings.wallets
    urls = [url for url in (wallets.evm_rpc, wallets.evm_rpc_second) if url]
    chain = EvmChain(ETHEREUM, wallets.evm_chain_id, *(Rpc(url, wallets.timeout_ms / 1_000) for url in urls))
    try:
        yield chain
    finally:
        chain.close()


NETWORKS: dict[str, Kind] = {
    ETHEREUM: Kind(18, lambda settings: bool(settings.wallets.evm_rpc), _ethereum),
}


def configured(settings: Settings) -> list[str]:
    """The networks that have a node."""
    return [name for name, kind in NETWORKS.items() if kind.has_node(settings)]


def opened(settings: Settings, network: str) -> AbstractContextManager[Chain]:
    """Raises NoNode if the settings name none."""
    if network not in configured(settings):
        raise NoNode(f"no node of the network {network} is set: see wallets.evm_rpc")
    return NETWORKS[network].opened(settings)
