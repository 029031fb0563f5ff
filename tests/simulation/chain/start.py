"""What every history begins with: an exchange's records and a signer's store, made once and copied.

Three customers with a deposit address each, an address book, and an approver's key for each of two reviewers.
"""

import os
import shutil
from functools import cache
from hashlib import blake2b
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert

import cambist
from cambist.accounts import address_book, people
from cambist.engine import commands
from cambist.engine.codes import AccountClass, MarketStatus
from cambist.engine.commands import Command, Filters
from cambist.settings import Accounts, Settings
from cambist.signer import approvals, console
from cambist.signer.keystore import Keystore
from cambist.signer.store import Limits, Network, Store
from cambist.store.records import Records
from cambist.store.tables import users
from cambist.store.wallet_tables import deposit_addresses, networks
from cambist.wallets import listing
from cambist.wallets.addresses import DERIVE
from cambist.wallets.evm import tokens
from cambist.wallets.listing import Terms
from tests.property.mixes import EVERYTHING
from tests.simulation.site import memory

from .ethereum import COIN, Ethereum
from .node import CHAIN_ID, DECIMALS, TOKEN, Node, SimRpc

ETHEREUM = "ETH"
ETH, ETP, MARKET = 1, 2, 1
SCALE = 8
ATOMS = 10**SCALE
UNITS = 10**DECIMALS
UNITS_IN_ATOM = UNITS // ATOMS
CUSTOMERS = 3
ACCOUNTS = [1_001 + nth for nth in range(CUSTOMERS)]
MIRRORS = {COIN: 1_001 + CUSTOMERS, TOKEN: 1_002 + CUSTOMERS}
ASSETS = {COIN: ETH, TOKEN: ETP}
OUTSIDE = ["0x" + "0d" * 20, "0x" + "0e" * 20]
REVIEWERS = ["rita", "sam"]

DEPOSIT_MIN = ATOMS // 100
FEE = ATOMS // 1_000
TWO_ABOVE = 3 * ATOMS

MADE_BY = ("accounts", "signer", "store", "wallets")

_FILTERS = Filters(
    price_min_ticks=1,
    price_max_ticks=1_000,
    lot_min=1,
    lot_max=1_000,
    market_lot_min=1,
    market_lot_max=1_000,
    notional_min_atoms=1,
    notional_max_atoms=1_000 * ATOMS,
    max_orders=100,
    notional_flags=3,
)

# The engine's side of it. Lots are tenths of an ETP.
SETUP: list[Command] = [
    commands.AssetList(scale=SCALE, name=b"ETH"),
    commands.AssetList(scale=SCALE, name=b"ETP"),
    commands.MarketList(
        base=ETP,
        quote=ETH,
        tick_atoms=10_000,
        lot_atoms=ATOMS // 10,
        filters=_FILTERS,
        state=MarketStatus.TRADING,
        symbol=b"ETPETH",
    ),
    *(
        commands.AccountCreate(
            account_class=AccountClass.USER, permissions=EVERYTHING, reference=b"user:%d" % nth
        )
        for nth in range(CUSTOMERS)
    ),
    *(
        commands.AccountCreate(
            account_class=AccountClass.MIRROR, permissions=EVERYTHING, reference=b"mirror:" + name
        )
        for name in (b"ETH", b"ETP")
    ),
]


def email(nth: int) -> str:
    return f"customer{nth}@example.org"


@cache
def keystore() -> Keystore:
    return Keystore(bytes(range(32)))


@cache
def hot_address() -> str:
    return keystore().hot.address


@cache
def deposit_address(nth: int) -> str:
    return keystore().deposit(nth).address


@cache
def reviewer_key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(blake2b(name.encode(), digest_size=32).digest())


def terms(confirmations: int, hot_max_coins: int) -> Terms:
    return Terms(
        confirmations=confirmations,
        large_above_atoms=0,
        large_confirmations=0,
        deposit_min_atoms=DEPOSIT_MIN,
        withdrawal_fee_atoms=FEE,
        withdrawal_min_atoms=10 * FEE,
        withdrawal_daily_max_atoms=0,
        review_two_above_atoms=TWO_ABOVE,
        hot_max_units=hot_max_coins * UNITS,
        is_deposit_open=True,
        is_withdrawal_open=True,
    )


def copy_into(home: Path) -> None:
    shutil.copytree(_made(), home, dirs_exist_ok=True)


@cache
def _made() -> Path:
    """Kept for the next run: making it takes seconds with all that is imported for it.

    As long as nothing that makes it has changed: in a database of other columns every history would fail.
    """
    product = Path(cambist.__file__).parent
    sources = [Path(__file__), *sorted(each for part in MADE_BY for each in (product / part).rglob("*.py"))]
    made_by = blake2b(b"".join(source.read_bytes() for source in sources), digest_size=8).hexdigest()
    directory = Path(memory() or gettempdir())
    kept = directory / f"cambist-simulation-coins-{made_by}-{os.getuid()}"
    if not kept.exists():
        home = Path(mkdtemp(prefix="cambist-simulation-", dir=directory))
        _make(Settings(home=home))
        try:
            home.rename(kept)
        except OSError:  # somebody else was faster
            shutil.rmtree(home)
    return kept


def _make(settings: Settings) -> None:
    settings.signer_directory.mkdir()
    own = Store(settings.signer_directory)
    most = 10_000 * UNITS
    with own.write() as db:
        console.set_network(db, Network(ETHEREUM, CHAIN_ID, UNITS, 100 * UNITS, UNITS))
        for contract in ASSETS:
            console.set_limits(db, Limits(ETHEREUM, contract, most, most, most, TWO_ABOVE * UNITS_IN_ATOM))
        for name in REVIEWERS:
            key = reviewer_key(name).public_key().public_bytes_raw()
            console.add_approver(db, name, approvals.ED25519, key)
    own.close()
    records = Records.create(settings)
    node = Node(Ethereum(0, 0, 1), 0)
    token = tokens.token(SimRpc(node, lambda: None, lambda: 1.0), TOKEN, hot_address(), 0)
    xpub = keystore().deposits_xpub
    with records.write() as db:
        row = {"name": ETHEREUM, "chain_id": CHAIN_ID, "xpub": xpub, "hot_address": hot_address()}
        db.execute(insert(networks).values(row))
        for (contract, asset), name in zip(ASSETS.items(), ("ETH", "ETP"), strict=True):
            listed = {
                "asset": asset,
                "asset_name": name,
                "scale": SCALE,
                "network": ETHEREUM,
                "contract": contract,
                "decimals": DECIMALS,
                "mirror": MIRRORS[contract],
                "token_code": token.code if contract else "",
            }
            listing.add(db, listed, terms(1, 0))
        for nth, account in enumerate(ACCOUNTS):
            user: dict[str, Any] = {
                "email": email(nth),
                "email_canonical": email(nth),
                "reference": str(UUID(int=nth)),
            }
            user |= {"account": account, "created_at_ns": 0, "created_by": "test", "sealed_totp": b"one"}
            db.execute(insert(users).values(user))
            given = {"network": ETHEREUM, "index": nth, "address": DERIVE[ETHEREUM](xpub, nth)}
            assert given["address"] == deposit_address(nth)
            given |= {"user_id": nth + 1, "account": account, "given_at_ns": 0}
            db.execute(insert(deposit_addresses).values(given))
            person = people.find(db, email(nth))
            assert person is not None and person.user.id == nth + 1
            for address in destinations():
                address_book.add(
                    db,
                    person,
                    network=ETHEREUM,
                    address=address,
                    tag="",
                    label="",
                    now_ns=0,
                    settings=Accounts(address_wait_hours=0),
                )
    records.close()


def destinations() -> list[str]:
    """Where customers withdraw to: outside, and to the deposit address of one of them."""
    return [*OUTSIDE, deposit_address(0)]
