"""An exchange in this process with its wallets on a real node: deposits, sweeps and what they cost."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from sqlalchemy import select

from cambist import app
from cambist.accounts import users
from cambist.control.exchange import Caller
from cambist.control.markets import AddAsset
from cambist.control.networks import AddNetwork, TermChanges
from cambist.control.users import CreateUser, account_of
from cambist.engine.commands import Role
from cambist.match import courier
from cambist.match.courier import Courier, LocalDesk
from cambist.store.wallet_tables import asset_networks, chain_cursors, chain_sends, deposits, reconciliations
from cambist.wallets import chains, fees, sends
from cambist.wallets.addresses import Addresses
from cambist.wallets.chain import Chain
from cambist.wallets.deposits import effects
from cambist.wallets.service import NetworkService
from cambist.wallets.signing import SignerDoor
from tests.nodes import Node, contracts
from tests.wallets.local_signer import COIN, LocalSigner

CHAIN_ID = 31_337
CONFIRMATIONS = 3
ATOMS = 10**8  # of one coin in the ledger
HOUSE, LOSS, SUSPENSE = 2, 3, 4
ANN, BOB = "ann@example.org", "bob@example.org"
OPERATOR = Caller("operator", lambda done, total: None)
TOKEN = Path(__file__).resolve().parents[2] / "nodes" / "contracts" / "Token.sol"


class ChainSite:
    """Ann and Bob have addresses; ETH and the token ETP are listed on the node's network."""

    network = "ETH"  # its coin is called the same

    def __init__(self, home: Path, node: Node) -> None:
        self.node = node
        self.exchange = app.open_exchange(app.create_exchange(home, sandbox=True), lambda done, total: None)
        self.records = self.exchange.records
        self.signer = LocalSigner(home / "signer", CHAIN_ID)
        self.contract = deploy_token(node)
        self.list_asset("ETH", "")
        self.list_asset("ETP", self.contract)
        self._opened = chains.opened(self.exchange.settings, "ETH")
        self.chain = self._opened.__enter__()
        self.start()
        for email in (ANN, BOB):
            CreateUser(email=email).perform(self.exchange, OPERATOR)

    def list_asset(self, name: str, contract: str) -> None:
        """A token that the signer knows, too."""
        AddAsset(name=name).perform(self.exchange, OPERATOR)
        self.signer.trust(contract)
        self.list_on_chain(name, contract)

    def list_on_chain(self, name: str, contract: str, decimals: int = 18, deposit_min: str = "0.001") -> Any:
        terms = TermChanges(confirmations=CONFIRMATIONS, deposit_min=deposit_min)
        listed = AddNetwork(
            network=self.network, asset=name, contract=contract, decimals=decimals, terms=terms
        )
        return listed.perform(self.exchange, OPERATOR)

    def start(self, chain: Chain | None = None, *, clock: Callable[[], int] = time.time_ns) -> None:
        """The wallets' process begins; `chain` is what it has for one."""
        self.courier = Courier(
            self.records,
            LocalDesk(self.exchange.server),
            "wallets",
            Role.WALLET,
            effects={**effects(), fees.BOOKED: fees.booked},
            results=partial(courier.results, self.exchange.settings),
        )
        self.courier.resume()
        self.service = NetworkService(
            self.records,
            self.courier,
            chain or self.chain,
            SignerDoor(self.signer),
            self,
            self.exchange.settings.wallets,
            clock=clock,
        )
        self.settle()

    def settle(self) -> None:
        """Until there is nothing left to do before the next block."""
        while self.service.step():
            pass

    def mine(self, count: int = 1) -> None:
        for _ in range(count):
            self.node.mine()
            self.settle()

    def address(self, email: str) -> str:
        door = SignerDoor(self.signer)
        return Addresses(self.records, door).of(self.network, users.get(self.records, email).id)

    def owed_atoms(self, mirror: int, asset: int) -> int:
        rows = self.exchange.query(lambda engine: engine.balances(mirror))
        return -sum(available + held for held_asset, available, held in rows if held_asset == asset)

    def balance(self, who: str | int, asset: str | None = None) -> int:
        """Available, in atoms."""
        account = who if isinstance(who, int) else account_of(users.get(self.records, who))
        named = self.exchange.assets().named(asset or self.network).asset
        rows = self.exchange.query(lambda engine: engine.balances(account))
        return next((available for held_asset, available, _ in rows if held_asset == named), 0)

    def on_chain(self, address: str, contract: str = "") -> int:
        return self.chain.balance(contract, address, self.node.height)

    def states(self) -> list[str]:
        """Of all deposits, oldest first."""
        with self.records.read() as db:
            return list(db.scalars(select(deposits.c.state).order_by(deposits.c.id)))

    def sends(self) -> list[tuple[str, str]]:
        """Kind and state of our own transactions, oldest first."""
        with self.records.read() as db:
            rows = db.execute(select(chain_sends.c.kind, chain_sends.c.state).order_by(chain_sends.c.id))
            return [tuple(row) for row in rows]

    def unbooked(self) -> int:
        """Transactions of ours whose fees the ledger does not know of."""
        with self.records.read() as db:
            return len(db.execute(select(chain_sends.c.id).where(*sends.unbooked(self.network))).all())

    def drifts(self) -> set[str]:
        with self.records.read() as db:
            return set(db.scalars(select(reconciliations.c.drift_units)))

    def halted(self, asset: str | None = None) -> str:
        with self.records.read() as db:
            of_it = asset_networks.c.asset_name == (asset or self.network)
            found = db.scalar(select(asset_networks.c.halted).where(of_it))
        return str(found)

    def not_read_because(self) -> str:
        """Empty while blocks are read."""
        with self.records.read() as db:
            return str(db.scalar(select(chain_cursors.c.halted)))

    def fund_hot(self, coins: int = 10) -> None:
        """From outside: the house has coins for fees then."""
        self.node.send(self.signer.hot_address, value=coins * COIN)
        self.mine(2 * CONFIRMATIONS)

    def close(self) -> None:
        self._opened.__exit__(None, None, None)
        self.signer.close()
        self.exchange.close()


def deploy_token(node: Node) -> str:
    built = contracts(TOKEN)["Token"]["bytecode"]
    return node.deploy(
        built + encode(["string", "string", "uint8", "uint256"], ["Test", "ETP", 18, 10**30]).hex()
    )


def pay_token(node: Node, contract: str, to: str, units: int) -> str:
    return node.send(contract, data=f"0xa9059cbb{to[2:].rjust(64, '0')}{units:064x}")
