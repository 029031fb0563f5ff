"""The exchange of tests/wallets/payout_site.py on a chain without nonces, balances and tokens."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest import MonkeyPatch

from cambist import app
from cambist.control.networks import AddNetwork, TermChanges
from cambist.control.users import CreateUser
from cambist.settings import Settings
from cambist.signer import families
from cambist.wallets import addresses, chains
from cambist.wallets.chain import Chain
from tests.wallets import utxo_family
from tests.wallets.local_signer import LocalSigner
from tests.wallets.payout_site import PayoutSite
from tests.wallets.site import ANN, BOB, OPERATOR
from tests.wallets.utxo_chain import CHAIN_ID, DECIMALS, NETWORK, UtxoChain, UtxoNode
from tests.wallets.utxo_family import Paid

COIN = 10**DECIMALS
CONFIRMATIONS = 3
SOMEBODY = "u1" + "0d" * 20


def register(monkeypatch: MonkeyPatch, node: UtxoNode) -> None:
    """The chain stands beside Ethereum in each of the three registries."""

    @contextmanager
    def opened(settings: Settings) -> Iterator[Chain]:
        yield UtxoChain(node)

    monkeypatch.setitem(chains.NETWORKS, NETWORK, chains.Kind(DECIMALS, lambda settings: True, opened))
    monkeypatch.setitem(addresses.DERIVE, NETWORK, utxo_family.derive)
    monkeypatch.setitem(families.FAMILIES, NETWORK, utxo_family)


class UtxoSite(PayoutSite):
    """Ann and Bob have addresses, and Ann may withdraw to SOMEBODY. The node is `coins`."""

    network = NETWORK
    outside = SOMEBODY

    def __init__(self, home: Path, node: UtxoNode) -> None:
        self.late_ns = 0
        self.coins = node
        self.exchange = app.open_exchange(app.create_exchange(home, sandbox=True), lambda done, total: None)
        self.records = self.exchange.records
        self.signer = LocalSigner(home / "signer", CHAIN_ID, NETWORK)
        self.list_asset(NETWORK, "")
        self._opened = chains.opened(self.exchange.settings, NETWORK)
        self.chain = self._opened.__enter__()
        self.start()
        for email in (ANN, BOB):
            CreateUser(email=email).perform(self.exchange, OPERATOR)
        self.open_payouts()

    def list_on_chain(
        self, name: str, contract: str, decimals: int = DECIMALS, deposit_min: str = "0.001"
    ) -> object:
        terms = TermChanges(confirmations=CONFIRMATIONS, deposit_min=deposit_min)
        listed = AddNetwork(network=NETWORK, asset=name, contract=contract, decimals=decimals, terms=terms)
        return listed.perform(self.exchange, OPERATOR)

    def mine(self, count: int = 1) -> None:
        for _ in range(count):
            self.coins.mine()
            self.settle()

    def give(self, email: str, *coins: int) -> str:
        """Whole coins from outside, in several outputs of one transaction."""
        return self.coins.give(*(Paid(self.address(email), each * COIN) for each in coins))

    def fund_hot(self, coins: int = 1) -> None:
        self.coins.give(Paid(self.signer.hot_address, coins * COIN))
        self.mine(CONFIRMATIONS + 1)

    def fund(self, coins: int = 10, email: str = ANN) -> None:
        self.fund_hot()
        self.give(email, coins)
        self.mine(8)

    def received(self, address: str = SOMEBODY) -> int:
        return self.on_chain(address)

    def on_chain(self, address: str, contract: str = "") -> int:
        return self.coins.balance(address, self.coins.height)
