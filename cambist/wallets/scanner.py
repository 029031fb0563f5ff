"""Reads a network block by block; what a block has brought and the cursor's move are one transaction.

A block counts only if it stands on the one that was read before. If it does not, the newest block that was
read is given up, with what it has brought, and so on down to where the branches part; then the new branch is
read. What was final is never given up, nor what is deeper than the blocks that are kept: nothing is read then
until the nodes say otherwise or a person has decided. If as many are given up as an asset needs
confirmations, the network is not what it was thought to be: all its assets are halted, whether or not a
deposit of ours was in them.

Who is watched is looked up after the newest height is known. An address that was given later cannot have been
paid in a block that was there before.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from cambist.errors import Refused
from cambist.store.records import Records
from cambist.store.wallet_tables import chain_blocks, chain_cursors
from cambist.wallets import deposits, networks, reconciliation, sends, strange
from cambist.wallets.chain import Block, Blocks, Header, NodesDisagree, Tip
from cambist.wallets.watched import Watched

BLOCKS_KEPT = 1_024
HALTED_LONGEST = 255

log = logging.getLogger(__name__)


class Scanner:
    """One network's. `step` it; it may be made anew at any time. Usable by one thread."""

    def __init__(self, records: Records, chain: Blocks, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._records = records
        self._chain = chain
        self._clock = clock
        self._watched = Watched(chain.network)
        self.tip: Tip | None = None
        self.given_up = 0  # blocks in a row, the last time that there were any

    def step(self) -> bool:
        """One block forward or back; False if there is nothing to read. Raises NodeFailed.

        What the nodes contradict each other about, or what a node refuses, is written down as the reason why
        nothing is read; raised as it is before the first block.
        """
        try:
            moved = self._step()
        except Refused as problem:
            if not self._say(str(problem)):
                raise
            return False
        self._say("")
        return moved

    def _step(self) -> bool:
        tip = self.tip = self._chain.tip()
        with self._records.read() as db:
            cursor = _cursor(db, self._chain.network)
            self._watched.refresh(db)
            own = sends.own(db, self._chain.network)
        if cursor is None:
            self._begin(self._chain.header(tip.height), tip)
            return True
        newest = self._newest(cursor.height)
        if tip.height <= cursor.height:
            is_ours = self._chain.header(tip.height).hash == self._hash(tip.height)
            return False if is_ours else self._back(newest, cursor)
        block = self._chain.read(cursor.height + 1, self._watched, own)
        if block.header.parent != newest.hash:
            return self._back(newest, cursor)
        self._forward(block, tip)
        return True

    def _begin(self, header: Header, tip: Tip) -> None:
        """A network is read from the block that is newest when it is set up: no address was known before."""
        with self._records.write() as db:
            row = {"network": self._chain.network, "height": header.height, "halted": ""}
            row |= {"branch_height": header.height, "final_height": tip.final_height}
            db.execute(insert(chain_cursors).values(row))
            self._keep(db, header)

    def _forward(self, block: Block, tip: Tip) -> None:
        network, height = self._chain.network, block.header.height
        with self._records.write() as db:
            self._keep(db, block.header)
            self._move(db, height, height, tip.final_height)
            strange.found(self._records, db, network, block, self._watched, self._clock())
            deposits.found(db, network, block, self._watched, self._clock())
            sends.mined(db, network, height, block.mined)
            sends.finish(db, network, min(tip.final_height, height))

    def _back(self, newest: Header, cursor: Row[Any]) -> bool:
        network, height = self._chain.network, newest.height
        if height <= cursor.final_height:
            raise NodesDisagree(f"{network}: block {height} was final and is not in the chain any more")
        with self._records.read() as db:
            if _block(db, network, height - 1) is None:
                raise NodesDisagree(f"{network}: the chain has changed below the blocks that are kept")
        self.given_up = cursor.branch_height - height + 1
        log.warning("%s: block %d %s is given up: another branch is longer", network, height, newest.hash)
        with self._records.write() as db:
            db.execute(
                delete(chain_blocks).where(chain_blocks.c.network == network, chain_blocks.c.height == height)
            )
            self._move(db, height - 1, cursor.branch_height, cursor.final_height)
            deposits.lost(db, network, newest.hash)
            self._halt_if_deep(db)
            sends.unmined(db, network, height - 1)
            reconciliation.lost(db, network, height - 1)
        return True

    def _halt_if_deep(self, db: Connection) -> None:
        assets = networks.all_of(db, self._chain.network)
        fewest = min((asset.confirmations for asset in assets), default=BLOCKS_KEPT)
        if self.given_up < fewest:
            return
        reason = (
            f"another branch took back {self.given_up} blocks at least: {fewest} confirmations do not hold"
        )
        halted = [networks.halt(db, asset, reason) for asset in assets]
        if any(halted):
            log.error("%s is halted: %s", self._chain.network, reason)

    def _keep(self, db: Connection, header: Header) -> None:
        network = self._chain.network
        db.execute(insert(chain_blocks).values(network=network, **header._asdict()))
        db.execute(
            delete(chain_blocks).where(
                chain_blocks.c.network == network, chain_blocks.c.height <= header.height - BLOCKS_KEPT
            )
        )

    def _move(self, db: Connection, height: int, branch_height: int, final_height: int) -> None:
        """The height that is final never goes down: a node that says so contradicts itself."""
        of_it = chain_cursors.c.network == self._chain.network
        db.execute(update(chain_cursors).where(of_it).values(height=height, branch_height=branch_height))
        db.execute(
            update(chain_cursors)
            .where(of_it, chain_cursors.c.final_height < final_height)
            .values(final_height=final_height)
        )

    def _newest(self, height: int) -> Header:
        with self._records.read() as db:
            found = _block(db, self._chain.network, height)
        assert found is not None, "the cursor's block is always kept"
        return found

    def _hash(self, height: int) -> str | None:
        with self._records.read() as db:
            found = _block(db, self._chain.network, height)
        return found and found.hash

    def _say(self, why: str) -> bool:
        """Why it does not go on; empty if it does. False if there is no cursor yet that could say it."""
        with self._records.read() as db:
            cursor = _cursor(db, self._chain.network)
        if cursor is None or cursor.halted == why[:HALTED_LONGEST]:
            return cursor is not None
        if why:
            log.error("%s is not read on: %s", self._chain.network, why)
        with self._records.write() as db:
            db.execute(
                update(chain_cursors)
                .where(chain_cursors.c.network == self._chain.network)
                .values(halted=why[:HALTED_LONGEST])
            )
        return True


def _cursor(db: Connection, network: str) -> Row[Any] | None:
    return db.execute(select(chain_cursors).where(chain_cursors.c.network == network)).one_or_none()


def _block(db: Connection, network: str, height: int) -> Header | None:
    found = select(chain_blocks.c.height, chain_blocks.c.hash, chain_blocks.c.parent)
    row = db.execute(
        found.where(chain_blocks.c.network == network, chain_blocks.c.height == height)
    ).one_or_none()
    return None if row is None else Header(*row)
