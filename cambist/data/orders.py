"""Orders as the journal's events leave them: a bounded memory of open ones in front of the table."""

from itertools import islice
from typing import Any, Self

import msgspec
from sqlalchemy import Connection, bindparam, select, update

from cambist.data.rows import insert_rows, write_rows
from cambist.engine.codes import OrderState
from cambist.engine.events import OrderAccepted, OrderAmended, OrderClosed, OrderTriggered
from cambist.errors import Broken
from cambist.store.views import orders

REMEMBERED_MAX = 200_000


class Order(msgspec.Struct, gc=False):
    """Fields as in the table; `reason` is 0 while the order is open.

    Codes are plain ints: the driver takes an enum's member for something to convert, at ten times the cost.
    """

    order_id: int
    account: int
    market: int
    side: int
    order_type: int
    time_in_force: int
    stp_mode: int
    price_ticks: int
    quantity_lots: int
    quote_budget_atoms: int
    executed_lots: int
    executed_quote_atoms: int
    accepted_ns: int
    updated_ns: int
    client_id: str
    reason: int
    by_quote: int
    sequence: int
    prevented_lots: int = 0
    stop_price_ticks: int = 0
    trailing_delta: int = 0
    iceberg_lots: int = 0
    list_id: int = 0
    working_ns: int = 0
    state: int = OrderState.RESTING.value
    is_stored: bool = False

    @classmethod
    def accepted(cls, event: OrderAccepted, sequence: int, time_ns: int) -> Self:
        return cls(
            event.order_id,
            event.account,
            event.market,
            int(event.side),
            int(event.order_type),
            int(event.time_in_force),
            int(event.stp_mode),
            event.price_ticks,
            event.quantity_lots,
            event.quote_budget_atoms,
            0,
            0,
            time_ns,
            time_ns,
            event.client_id.decode("ascii"),
            0,
            1 if event.quote_budget_atoms else 0,
            sequence,
            0,
            event.stop_price_ticks,
            event.trailing_delta,
            event.iceberg_lots,
            event.list_id,
            time_ns if event.state == OrderState.RESTING else 0,
            int(event.state),
        )


# What may change after an order was accepted.
_CHANGING = (
    "price_ticks",
    "quantity_lots",
    "executed_lots",
    "executed_quote_atoms",
    "updated_ns",
    "client_id",
    "reason",
    "by_quote",
    "sequence",
    "prevented_lots",
    "working_ns",
    "state",
)
_UPDATE = (
    update(orders)
    .where(orders.c.order_id == bindparam("key"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGING})
)


class Orders:
    """`load` first; changes reach the table with `flush`, which must be committed or end the process."""

    def __init__(self, remembered_max: int = REMEMBERED_MAX) -> None:
        self._remembered_max = remembered_max
        self._known: dict[int, Order] = {}  # the longest known first
        self._changed: dict[int, Order] = {}

    def load(self, db: Connection) -> None:
        self._db = db

    def get(self, order_id: int) -> Order:
        """As it stands after the last command that was applied. Raises Broken if it was never accepted."""
        order = self._known.get(order_id)
        return self._read(order_id) if order is None else order

    def accept(self, event: OrderAccepted, sequence: int, time_ns: int) -> None:
        order = Order.accepted(event, sequence, time_ns)
        self._known[event.order_id] = self._changed[event.order_id] = order

    def fill(self, order_id: int, lots: int, quote_atoms: int, sequence: int, time_ns: int) -> None:
        order = self._change(order_id, sequence, time_ns)
        order.executed_lots += lots
        order.executed_quote_atoms += quote_atoms

    def prevent(self, order_id: int, lots: int, sequence: int, time_ns: int) -> None:
        """Self-trade prevention has taken `lots` from the order."""
        self._change(order_id, sequence, time_ns).prevented_lots += lots

    def trigger(self, event: OrderTriggered, sequence: int, time_ns: int) -> None:
        order = self._change(event.order_id, sequence, time_ns)
        order.state = int(event.state)
        if event.state == OrderState.RESTING:
            order.working_ns = time_ns

    def close(self, event: OrderClosed, sequence: int, time_ns: int) -> None:
        order = self._change(event.order_id, sequence, time_ns)
        order.price_ticks = event.price_ticks
        order.quantity_lots = event.quantity_lots
        order.executed_lots = event.executed_lots
        order.executed_quote_atoms = event.executed_quote_atoms
        order.reason = int(event.reason)
        order.by_quote = int(event.by_quote)

    def amend(self, event: OrderAmended, sequence: int, time_ns: int) -> None:
        order = self._change(event.order_id, sequence, time_ns)
        order.price_ticks = event.price_ticks
        order.quantity_lots = event.quantity_lots
        order.client_id = event.client_id.decode("ascii")

    def flush(self, db: Connection) -> None:
        changed = self._changed.values()
        insert_rows(db, orders, [_row(order) for order in changed if not order.is_stored])
        write_rows(db, _UPDATE, [_update_row(order) for order in changed if order.is_stored])
        for order in changed:
            order.is_stored = True
            if order.reason:
                del self._known[order.order_id]
        self._changed.clear()
        self._forget(len(self._known) - self._remembered_max)

    def _change(self, order_id: int, sequence: int, time_ns: int) -> Order:
        order = self.get(order_id)
        order.sequence, order.updated_ns = sequence, time_ns
        self._changed[order_id] = order
        return order

    def _forget(self, excess: int) -> None:
        for order_id in list(islice(self._known, max(excess, 0))):
            del self._known[order_id]

    def _read(self, order_id: int) -> Order:
        row = self._db.execute(select(orders).where(orders.c.order_id == order_id)).first()
        if row is None:
            raise Broken(f"order {order_id} was changed before it was accepted")
        order = Order(*row)
        order.is_stored = True
        self._known[order_id] = order
        return order


def _row(order: Order) -> tuple[Any, ...]:
    return (
        order.order_id,
        order.account,
        order.market,
        order.side,
        order.order_type,
        order.time_in_force,
        order.stp_mode,
        order.price_ticks,
        order.quantity_lots,
        str(order.quote_budget_atoms),
        order.executed_lots,
        str(order.executed_quote_atoms),
        order.accepted_ns,
        order.updated_ns,
        order.client_id,
        order.reason,
        order.by_quote,
        order.sequence,
        order.prevented_lots,
        order.stop_price_ticks,
        order.trailing_delta,
        order.iceberg_lots,
        order.list_id,
        order.working_ns,
        order.state,
    )


def _update_row(order: Order) -> tuple[Any, ...]:
    return (
        order.price_ticks,
        order.quantity_lots,
        order.executed_lots,
        str(order.executed_quote_atoms),
        order.updated_ns,
        order.client_id,
        order.reason,
        order.by_quote,
        order.sequence,
        order.prevented_lots,
        order.working_ns,
        order.state,
        order.order_id,
    )
