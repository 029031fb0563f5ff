"""Replays a recorded flow and compares the trades printed with the trades recorded.

An order carries its recorded name as client id, and cancels name it by that, as a trading client would:
nothing here has to guess the ids that the market gives out.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from cambist.engine import commands
from cambist.engine.commands import Kind, OrderType, StpMode, TimeInForce
from cambist.engine.events import OrderAccepted, Status, Trade, decode, result, split
from cambist.flow.file import Add, AddType, Cancel, Execution, Reduce, Row
from cambist.flow.venue import BATCH, Venue

ORDER_TYPES = {
    AddType.LIMIT: (OrderType.LIMIT, TimeInForce.GTC),
    AddType.POST_ONLY: (OrderType.LIMIT_MAKER, TimeInForce.GTC),
    AddType.IMMEDIATE: (OrderType.LIMIT, TimeInForce.IOC),
    AddType.MARKET: (OrderType.MARKET, TimeInForce.IOC),
}

Command: TypeAlias = Add | Cancel | Reduce


class Scale(NamedTuple):
    """How many of the file's units make one tick and one lot of the market."""

    price_units: int = 1
    quantity_units: int = 1

    def ticks(self, price: int) -> int:
        return _whole(price, self.price_units, "price")

    def lots(self, quantity: int) -> int:
        return _whole(quantity, self.quantity_units, "quantity")


@dataclass
class Outcome:
    """What a replay found; `refusals` counts statuses other than the two that recorded flows are full of."""

    commands: int = 0
    recorded: list[Execution] = field(default_factory=list)
    printed: list[Execution] = field(default_factory=list)
    post_only_rejected: int = 0
    cancels_not_found: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    resting_at_end: int = 0

    @property
    def reproduced_trades(self) -> int:
        """Recorded trades that were printed at the same place of the tape, with the same orders on both
        sides."""
        return sum(a == b for a, b in zip(self.recorded, self.printed, strict=False))

    def report(self) -> dict[str, object]:
        return {
            "commands": self.commands,
            "recorded_trades": len(self.recorded),
            "printed_trades": len(self.printed),
            "reproduced_trades": self.reproduced_trades,
            "post_only_rejected": self.post_only_rejected,
            "cancels_not_found": self.cancels_not_found,
            "refusals": dict(self.refusals),
            "resting_at_end": self.resting_at_end,
        }


class Owners:
    """Deals orders out to accounts in turn and remembers whose each is."""

    def __init__(self, accounts: int) -> None:
        self._accounts = accounts
        self._by_order: dict[str, int] = {}

    def of_new(self, order: str) -> int:
        return self._by_order.setdefault(order, len(self._by_order) % self._accounts)

    def of(self, order: str) -> int:
        """The account's place; an order never seen is looked for in the first account, where it is not."""
        return self._by_order.get(order, 0)


def replay(rows: Iterable[Row], venue: Venue, scale: Scale) -> Outcome:
    """Runs the flow through the venue's log and engine in batches, in the file's order."""
    return _Replay(venue, scale).run(rows)


class _Replay:
    def __init__(self, venue: Venue, scale: Scale) -> None:
        self._venue = venue
        self._scale = scale
        self._owners = Owners(len(venue.accounts))
        self._pending: list[bytearray] = []
        self._names: dict[int, str] = {}
        self._original_lots: dict[str, int] = {}
        self._executed_lots: Counter[str] = Counter()
        self._outcome = Outcome()

    def run(self, rows: Iterable[Row]) -> Outcome:
        time_ns = 0
        for row in rows:
            if isinstance(row, Execution):
                self._outcome.recorded.append(self._scaled(row))
                continue
            if isinstance(row, Reduce) or len(self._pending) == BATCH:
                self._flush(
                    time_ns
                )  # a reduction names what was executed so far: the market has to say it first
            time_ns = row.time_ns
            self._pending.append(self._command(row))
            self._outcome.commands += 1
        self._flush(time_ns)
        self._outcome.resting_at_end = self._venue.engine.open_order_count
        return self._outcome

    def _command(self, row: Command) -> bytearray:
        match row:
            case Add():
                return self._place(row)
            case Reduce():
                return self._reduce(row)
        return self._cancel(row.order)

    def _place(self, row: Add) -> bytearray:
        order_type, time_in_force = ORDER_TYPES[row.type]
        quantity_lots = self._original_lots[row.order] = self._scale.lots(row.quantity)
        return commands.Place(
            account=self._venue.accounts[self._owners.of_new(row.order)],
            market=self._venue.markets[0],
            side=row.side,
            order_type=order_type,
            time_in_force=time_in_force,
            stp_mode=StpMode.NONE,
            price_ticks=self._scale.ticks(row.price),
            quantity_lots=quantity_lots,
            client_id=row.order.encode(),
        ).encode()

    def _cancel(self, order: str) -> bytearray:
        return commands.Cancel(
            account=self._venue.accounts[self._owners.of(order)],
            market=self._venue.markets[0],
            client_id=order.encode(),
        ).encode()

    def _reduce(self, row: Reduce) -> bytearray:
        """An amendment names the new original quantity; an order with nothing left is cancelled."""
        left = self._original_lots.get(row.order, 0) - self._scale.lots(row.quantity)
        if left <= self._executed_lots[row.order]:
            return self._cancel(row.order)
        self._original_lots[row.order] = left
        return commands.Amend(
            account=self._venue.accounts[self._owners.of(row.order)],
            market=self._venue.markets[0],
            quantity_lots=left,
            target_client_id=row.order.encode(),
        ).encode()

    def _flush(self, time_ns: int) -> None:
        if not self._pending:
            return
        for record in split(self._venue.trade(self._pending, time_ns)):
            self._count(record)
            for event in decode(record):
                match event:
                    case OrderAccepted():
                        self._names[event.order_id] = event.client_id.decode()
                    case Trade():
                        self._print(event)
        self._pending.clear()

    def _count(self, record: bytes) -> None:
        answer = result(record)
        match answer.status, answer.command:
            case Status.OK, _:
                pass
            case Status.WOULD_TAKE, Kind.PLACE:
                self._outcome.post_only_rejected += 1
            case Status.UNKNOWN_ORDER, Kind.CANCEL:
                self._outcome.cancels_not_found += 1
            case status, _:
                self._outcome.refusals[Status(status).name] += 1

    def _print(self, trade: Trade) -> None:
        maker, taker = self._names[trade.maker_order], self._names[trade.taker_order]
        for order in (maker, taker):
            self._executed_lots[order] += trade.quantity_lots
        self._outcome.printed.append(Execution(trade.price_ticks, trade.quantity_lots, maker, taker))

    def _scaled(self, row: Execution) -> Execution:
        return row._replace(price=self._scale.ticks(row.price), quantity=self._scale.lots(row.quantity))


def _whole(units: int, per_step: int, what: str) -> int:
    steps, rest = divmod(units, per_step)
    if rest:
        raise ValueError(f"a {what} of {units} units is no multiple of the market's step of {per_step}")
    return steps
