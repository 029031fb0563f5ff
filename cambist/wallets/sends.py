"""Our own transactions: each is stored before it is sent, and sent again until a block holds it.

    signed -> sent -> mined -> final        a block has it; no reorg is waited for any more
                   -> failed                a block has it, but it moved nothing: its fee is gone all the same
                   -> replaced              another one with its nonce was mined

A reorg takes what was in a block back to `sent`. `fee_units` counts from when it is in a block. What was
found in a block without having been stored before has no bytes to send again.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, func, insert, or_, select, update

from cambist.errors import Refused
from cambist.store.records import Records
from cambist.store.wallet_tables import chain_sends
from cambist.wallets.chain import Chain, Mined

# A node may have dropped what it took, and says nothing; a second copy is harmless.
AGAIN_AFTER_NS = 30_000_000_000


class Kind(StrEnum):
    WITHDRAWAL = "withdrawal"
    SWEEP = "sweep"
    GAS = "gas"
    # Found in a block, and not made by these records: see cambist/wallets/strange.py.
    UNKNOWN = "unknown"
    LOST = "lost"


class State(StrEnum):
    SIGNED = "signed"
    SENT = "sent"
    MINED = "mined"
    FAILED = "failed"
    FINAL = "final"
    REPLACED = "replaced"


OPEN = (State.SIGNED, State.SENT)


class SentElsewhere(Refused):
    """The chain has transactions of our address that these records do not know: an older copy of them, or
    somebody else has the key. Nothing may be signed for it until a person has looked.
    """

    code = "sent_elsewhere"


class Send(NamedTuple):
    """What is to be stored of a signed transaction. `subject`: a withdrawal's id, or an address's index."""

    network: str
    kind: Kind
    subject: int
    sender: str
    nonce: int
    contract: str
    amount_units: int
    raw: bytes
    txid: str


class Stuck(NamedTuple):
    """What is to be signed again, at a higher fee."""

    subject: int
    sender: str
    nonce: int
    contract: str
    amount_units: int


def next_nonce(db: Connection, network: str, sender: str, on_chain: int) -> int:
    """`on_chain`: how many of the sender's transactions the nodes have, in blocks or waiting for one.

    Raises SentElsewhere if that is more than were ever stored.
    """
    following = following_nonce(db, network, sender)
    if on_chain > following:
        raise SentElsewhere(
            f"{sender} on {network} has sent {on_chain} transactions, but the records know of {following}"
        )
    return following


def following_nonce(db: Connection, network: str, sender: str) -> int:
    """Behind all that were stored."""
    newest = db.scalar(
        select(func.max(chain_sends.c.nonce)).where(
            chain_sends.c.network == network, chain_sends.c.sender == sender
        )
    )
    return 0 if newest is None else int(newest) + 1


def store(db: Connection, send: Send, now_ns: int) -> int:
    """The row's id. What is stored twice, as after a crash behind the signer's answer, is one row."""
    known = db.scalar(
        select(chain_sends.c.id).where(chain_sends.c.network == send.network, chain_sends.c.txid == send.txid)
    )
    if known is not None:
        return int(known)
    row = send._asdict() | {
        "amount_units": str(send.amount_units),
        "state": State.SIGNED,
        "fee_units": "0",
        "is_fee_booked": False,
        "signed_at_ns": now_ns,
    }
    inserted = db.execute(insert(chain_sends).values(row)).inserted_primary_key
    assert inserted is not None
    return int(inserted[0])


def push(records: Records, chain: Chain, now_ns: int) -> int:
    """Sends what no block holds, in the order of nonces; how many went out. Raises NodeFailed.

    What the chain refuses is left for the next time: its fee may have become too low, or the coins that it
    needs are still on their way. A stuck one is replaced by whoever made it.
    """
    with records.read() as db:
        waiting = db.execute(
            select(chain_sends)
            .where(
                chain_sends.c.network == chain.network,
                chain_sends.c.state.in_(OPEN),
                chain_sends.c.raw != b"",
                or_(chain_sends.c.sent_at_ns.is_(None), chain_sends.c.sent_at_ns < now_ns - AGAIN_AFTER_NS),
            )
            .order_by(chain_sends.c.sender, chain_sends.c.nonce, chain_sends.c.id)
        ).all()
    sent = [row.id for row in waiting if _went_out(chain, row)]
    if waiting:
        with records.write() as db:
            _change(db, chain_sends.c.id.in_([row.id for row in waiting]), sent_at_ns=now_ns)
            _change(db, chain_sends.c.id.in_(sent), chain_sends.c.state == State.SIGNED, state=State.SENT)
    return len(sent)


def waiting(records: Records, network: str, sender: str, but_nonce: int) -> list[bytes]:
    """What the sender has signed at other nonces, and no block holds."""
    with records.read() as db:
        found = (
            select(chain_sends.c.raw)
            .where(*_of(network, sender), chain_sends.c.nonce != but_nonce)
            .where(chain_sends.c.state.in_(OPEN), chain_sends.c.raw != b"")
            .order_by(chain_sends.c.id)
        )
        return list(db.scalars(found))


def own(db: Connection, network: str) -> set[str]:
    """Ids of those that a block may still hold."""
    found = select(chain_sends.c.txid).where(
        chain_sends.c.network == network, chain_sends.c.state.in_([*OPEN, State.REPLACED])
    )
    return set(db.scalars(found))


def is_internal(db: Connection, network: str, txid: str) -> bool:
    """Whether it moves coins between addresses of ours: then it brings nothing.

    A withdrawal does not, even if its address is one that we have given: there it is a deposit.
    """
    found = select(chain_sends.c.id).where(
        chain_sends.c.network == network,
        chain_sends.c.txid == txid,
        chain_sends.c.kind.in_([Kind.SWEEP, Kind.GAS]),
    )
    return db.scalar(found) is not None


def mined(db: Connection, network: str, height: int, found: Mapping[str, Mined]) -> None:
    """A block of our branch holds these."""
    for txid, outcome in found.items():
        of_it = (chain_sends.c.network == network, chain_sends.c.txid == txid)
        state = State.MINED if outcome.is_ok else State.FAILED
        _change(db, *of_it, state=state, height=height, fee_units=str(outcome.fee_units))
        row = db.execute(select(chain_sends).where(*of_it)).one()
        _change(
            db,
            *_of(network, row.sender),
            chain_sends.c.nonce == row.nonce,
            chain_sends.c.id != row.id,
            state=State.REPLACED,
        )


def unmined(db: Connection, network: str, above: int) -> None:
    """The blocks above are no longer of our branch: what they held is open again, and sent again."""
    lost = db.execute(
        select(chain_sends.c.sender, chain_sends.c.nonce).where(
            chain_sends.c.network == network, chain_sends.c.height > above
        )
    ).all()
    for sender, nonce in lost:
        _change(
            db,
            *_of(network, sender),
            chain_sends.c.nonce == nonce,
            state=State.SENT,
            height=None,
            fee_units="0",
            sent_at_ns=None,
        )


def unbooked(network: str) -> tuple[ColumnElement[bool], ...]:
    """Which have spent a fee that the ledger does not know of."""
    return (
        chain_sends.c.network == network,
        chain_sends.c.state.in_([State.MINED, State.FAILED, State.FINAL]),
        chain_sends.c.is_fee_booked.is_(False),
    )


def finish(db: Connection, network: str, height: int) -> None:
    """No reorg reaches down to `height` any more, as far as we wait for that."""
    settled = (chain_sends.c.network == network, chain_sends.c.height <= height)
    _change(db, *settled, chain_sends.c.state == State.MINED, state=State.FINAL)


def stuck(db: Connection, network: str, kind: Kind, before_ns: int) -> Stuck | None:
    """The oldest of this kind that no block takes, if none of its nonce was signed since `before_ns`."""
    newest = func.max(chain_sends.c.id)
    row = db.execute(
        select(chain_sends)
        .where(
            chain_sends.c.id.in_(
                select(newest)
                .where(chain_sends.c.network == network, chain_sends.c.kind == kind)
                .where(chain_sends.c.state.in_(OPEN))
                .group_by(chain_sends.c.sender, chain_sends.c.nonce)
            ),
            chain_sends.c.signed_at_ns < before_ns,
        )
        .order_by(chain_sends.c.id)
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return Stuck(row.subject, row.sender, row.nonce, row.contract, int(row.amount_units))


def under_way(db: Connection, network: str, kinds: Iterable[Kind]) -> set[int]:
    """The subjects of those that are not final yet."""
    found = select(chain_sends.c.subject).where(
        chain_sends.c.network == network,
        chain_sends.c.kind.in_(kinds),
        chain_sends.c.state.in_([*OPEN, State.MINED]),
    )
    return set(db.scalars(found))


def on_the_way(db: Connection, network: str, contract: str) -> int:
    """How much sweeps that no block holds yet will bring to the hot address."""
    rows = db.execute(
        select(chain_sends.c.sender, chain_sends.c.nonce, chain_sends.c.amount_units)
        .where(
            chain_sends.c.network == network,
            chain_sends.c.contract == contract,
            chain_sends.c.kind == Kind.SWEEP,
            chain_sends.c.state.in_(OPEN),
        )
        .order_by(chain_sends.c.id)
    )
    # One that was signed again at a higher fee has two rows, and one of them is mined.
    return sum({(row.sender, row.nonce): int(row.amount_units) for row in rows}.values())


def _went_out(chain: Chain, row: Row[tuple[object, ...]]) -> bool:
    try:
        chain.send(row.raw)
    except Refused:
        return False
    return True


def _of(network: str, sender: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return chain_sends.c.network == network, chain_sends.c.sender == sender


def _change(db: Connection, *where: ColumnElement[bool], **values: object) -> None:
    db.execute(update(chain_sends).where(*where).values(values))
