"""What transactions of ours cost, in the ledger: the house pays the mirror of the network's coin.

    HOLD gas:<network>:<txid>    SETTLE gas:<network>:<txid>:settle

Both are sent again after whatever happened in between; their references make them count once. A fee is
booked up to a whole atom, and what that is too much is a rest held on the chain. While the house has no
coins the fees wait, and reconciliation counts them as under way.
"""

from typing import NamedTuple

from sqlalchemy import Connection, select, update

from cambist.engine.codes import Status
from cambist.engine.commands import Hold, Settle
from cambist.engine.system_accounts import HOUSE
from cambist.errors import Refused
from cambist.match.courier import Courier, Post
from cambist.store.audit import Act
from cambist.store.outbox import Answer
from cambist.store.records import Records
from cambist.store.wallet_tables import chain_sends
from cambist.wallets import networks, sends
from cambist.wallets.networks import AssetNetwork

BOOKED = "gas.booked"  # stored: never rename
ACTOR = "wallets"


class NotBooked(Refused):
    """The fee waits, and is under way in the reconciliation."""

    code = "fee_not_booked"


class HouseFrozen(NotBooked):
    """A deposit of the house was reversed; two people at the console let its account go on."""

    def __init__(self) -> None:
        super().__init__("fees are not booked: the house's account is frozen (see `house.unfreeze`)")


class _Fee(NamedTuple):
    id: int
    txid: str
    fee_units: int


def book(records: Records, courier: Courier, network: str, final_height: int, now_ns: int) -> bool:
    """Books one that no reorg takes back; whether there was one. Raises Unavailable, NotBooked."""
    with records.read() as db:
        coin = next((each for each in networks.all_of(db, network) if not each.contract), None)
        fee = None if coin is None else _oldest(db, network, final_height)
    if coin is None or fee is None:
        return False
    reference = f"gas:{network}:{fee.txid}".encode()
    amount_atoms = coin.atoms_up(fee.fee_units)
    act = Act(ACTOR, "gas.book", {"network": network, "txid": fee.txid, "atoms": str(amount_atoms)}, now_ns)
    hold = Hold(account=HOUSE, market=coin.asset, amount_atoms=amount_atoms, reference=reference)
    _require_ok(courier.send(act, lambda _: Post(hold)))
    settle = Settle(
        account=HOUSE,
        market=coin.asset,
        counter_account=coin.mirror,
        amount_atoms=amount_atoms,
        reference=reference + b":settle",
        origin=reference,
    )
    _require_ok(courier.send(act, lambda _: Post(settle, BOOKED, str(fee.id))))
    return True


def booked(db: Connection, subject: str, answer: Answer) -> None:
    """What follows from the SETTLE."""
    row = db.execute(select(chain_sends).where(chain_sends.c.id == int(subject))).one()
    if answer.status != Status.OK or row.is_fee_booked:
        return
    db.execute(update(chain_sends).where(chain_sends.c.id == row.id).values(is_fee_booked=True))
    coin = next(each for each in networks.all_of(db, row.network) if not each.contract)
    networks.add_rest(db, coin.id, _too_much(coin, int(row.fee_units)))


def _require_ok(answer: Answer) -> None:
    if answer.status == Status.ACCOUNT_FROZEN:
        raise HouseFrozen
    if answer.status != Status.OK:
        raise NotBooked(f"a fee is not booked, has the house no coins? ({Status(answer.status).name})")


def _too_much(coin: AssetNetwork, fee_units: int) -> int:
    return coin.chain_units(coin.atoms_up(fee_units)) - fee_units


def _oldest(db: Connection, network: str, final_height: int) -> _Fee | None:
    row = db.execute(
        select(chain_sends.c.id, chain_sends.c.txid, chain_sends.c.fee_units)
        .where(*sends.unbooked(network), chain_sends.c.height <= final_height)
        .order_by(chain_sends.c.id)
        .limit(1)
    ).one_or_none()
    return None if row is None else _Fee(row.id, row.txid, int(row.fee_units))
