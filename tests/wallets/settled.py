"""An exchange's records with users and an Ethereum network, as the wallets find them."""

from pathlib import Path

from sqlalchemy import insert

from cambist.settings import Settings
from cambist.store.records import Records
from cambist.store.tables import users
from cambist.store.wallet_tables import networks

NETWORK = "ETH"
# Of the BIP-39 phrase "test test ... junk", m/44'/60'/0'/0: its children are the accounts that nodes for
# development unlock, so their addresses are known from elsewhere.
XPUB = (
    "xpub6DyUKdwoLWmUJ4Tn9Bbsdtx7B5Ws18mEN19e5HT52ikE53FiUheSQXrZUNPovqfyKmw4579A1Mm3GXXKM"
    "39N64uooBfJ4tNAzFsEbodRTx4"
)
HOT = "0x" + "ab" * 20
ANN, BOB = 1, 2


def open_records(home: Path) -> Records:
    """Ann and Bob have the engine's accounts 1001 and 1002."""
    records = Records.create(Settings(home=home))
    with records.write() as db:
        for number, name in ((ANN, "ann"), (BOB, "bob")):
            email = f"{name}@example.org"
            row = {"id": number, "email": email, "email_canonical": email, "account": 1_000 + number}
            row |= {"reference": name, "created_at_ns": 0, "created_by": "test"}
            db.execute(insert(users).values(row))
        db.execute(insert(networks).values(name=NETWORK, chain_id=31_337, xpub=XPUB, hot_address=HOT))
    return records
