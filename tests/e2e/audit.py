"""What a log says happened, found by an engine of our own, held against what clients were told.

The engine starts empty and runs every command of the log once, in the order of the log, as it grows.
"""

from collections.abc import Container, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from cambist._matching import Engine
from cambist.engine import events
from cambist.engine.events import CloseReason, OrderAccepted, OrderClosed, Trade
from cambist.engine.names import CLOSED_NAMES, open_name
from cambist.ledger.trial_balance import is_balanced, trial_balance
from cambist.log.file import read
from tests.e2e.forked import Position
from tests.e2e.load import Kind, Reply


class Placed(NamedTuple):
    """A new order as it stood right after its command."""

    order_id: int
    status: str
    executed_lots: int
    trade_ids: list[int]


class Audit:
    """Every refusal is an AssertionError that says what is lost, made up, or done twice."""

    def __init__(self, log_directory: Path) -> None:
        self.engine = Engine()
        self.trades: list[Trade] = []
        self._log_directory = log_directory
        self._placed: dict[str, Placed] = {}
        self._closed: dict[int, CloseReason] = {}
        self._cancels: dict[str, int] = {}  # order ids by the id of the cancel

    def catch_up(self, live: Position, sent: Container[str]) -> None:
        """Runs the log as far as the exchange had come, which must lead to where it stood."""
        self.run_to(live.sequence, sent)
        assert Position.of(self.engine) == live, "the exchange and its log have come apart"

    def run_to(self, sequence: int, sent: Container[str]) -> None:
        for payload in read(self._log_directory, self.engine.sequence, sequence):
            output = self.engine.apply(payload)
            for record in events.split(output):
                self._note(events.decode(record), sent)
        self.engine.check()
        assert is_balanced(trial_balance(self.engine))

    def check(self, replies: Iterable[Reply]) -> None:
        """Whatever a client was told must be in the log, in every detail."""
        for reply in replies:
            body, name = reply.body, reply.request.name
            match reply.request.kind, reply.status:
                case Kind.PLACE, 200:
                    self._check_placed(name, body)
                case Kind.CANCEL, 200:
                    assert self._cancels.get(name) == body["orderId"], f"cancel {name} is lost"
                case Kind.CANCEL_ALL, 200:
                    for order in body:
                        assert self._closed.get(order["orderId"]) == CloseReason.CANCELLED, order
                case _, 400 | 503:  # refused by a rule, or turned away before the log
                    assert name not in self._placed and name not in self._cancels, f"{name} was refused"
                case _:
                    raise AssertionError(f"unexpected answer: {reply}")

    def executed(self, names: Iterable[str]) -> int:
        """How many of these orders and cancels took effect."""
        return sum(name in self._placed or name in self._cancels for name in names)

    def _check_placed(self, name: str, body: Any) -> None:
        placed = self._placed.get(name)
        assert placed is not None, f"order {name} is lost"
        told = Placed(
            body["orderId"],
            body["status"],
            int(Decimal(body["executedQty"])),  # one lot is 1
            [fill["tradeId"] for fill in body["fills"]],
        )
        assert told == placed, f"order {name} is another one now"
        assert body["clientOrderId"] == name

    def _note(self, caused: list[events.Event], sent: Container[str]) -> None:
        trades = [event for event in caused if isinstance(event, Trade)]
        self.trades += trades
        closed = {event.order_id: event for event in caused if isinstance(event, OrderClosed)}
        for event in caused:
            if isinstance(event, OrderAccepted):
                name = event.client_id.decode()
                assert name in sent, f"nobody has sent order {name}"
                assert name not in self._placed, f"order {name} was executed twice"
                self._placed[name] = _placed(event.order_id, trades, closed.get(event.order_id))
        for order_id, end in closed.items():
            assert order_id not in self._closed, f"order {order_id} ended twice"
            self._closed[order_id] = end.reason
            if name := end.request_id.decode():
                assert name in sent, f"nobody has sent cancel {name}"
                assert name not in self._cancels, f"cancel {name} was executed twice"
                self._cancels[name] = order_id


def _placed(order_id: int, trades: list[Trade], closed: OrderClosed | None) -> Placed:
    executed_lots = sum(trade.quantity_lots for trade in trades)
    return Placed(
        order_id,
        CLOSED_NAMES[closed.reason] if closed else open_name(executed_lots),
        executed_lots,
        [trade.trade_id for trade in trades],
    )
