"""Packing and walking the engine's records by fixed offsets, for runs over millions of commands.

`cambist.engine` is the readable way to do this and costs a few microseconds a record; here it is one call of
a packed struct. The offsets are those of docs/formats, and a test holds both ways to the same bytes. Orders
are LIMIT orders without self-trade prevention, which is all that recorded command files contain.
"""

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

from cambist.engine.commands import Kind, OrderType, StpMode

HEADER = "<HBBIQII"  # length, kind, flags, session, number, account, market
PLACE = Struct(HEADER + "BBBBB3xQQ")
CANCEL = Struct(HEADER + "QBB6x")
REPLACE = Struct(HEADER + "BBBBBBBBQQQ")
BATCH = Struct("<QqIII4x")

RESULT = Struct("<3xBIH30xQ")  # command kind, bytes of events, status, value
EVENT = Struct("<HB")  # length, kind
ACCEPTED = Struct("<8xQ")  # order_id
TRADE = Struct("<16xQQQQ")  # price_ticks, quantity_lots, maker_order, taker_order
CLOSED = Struct("<3xB4xQ7xBQ")  # side and was-resting bits, order_id, reason, price_ticks
ACCEPTED_KIND, TRADE_KIND, CLOSED_KIND, BALANCE_KIND = 1, 2, 3, 6

PLACE_KIND, CANCEL_KIND, REPLACE_KIND = int(Kind.PLACE), int(Kind.CANCEL), int(Kind.CANCEL_REPLACE)
LIMIT, STP_NONE, STOP_ON_FAILURE = int(OrderType.LIMIT), int(StpMode.NONE), 0


class Packer:
    """Packs the commands of one session, numbering them from 1."""

    def __init__(self, session: int) -> None:
        self._session = session
        self._number = 0

    def place(
        self,
        account: int,
        market: int,
        side: int,
        time_in_force: int,
        price_ticks: int,
        quantity_lots: int,
        client_id: bytes = b"",
    ) -> bytes:
        self._number += 1
        tail = _padded(client_id)
        return (
            PLACE.pack(
                PLACE.size + len(tail),
                PLACE_KIND,
                0,
                self._session,
                self._number,
                account,
                market,
                side,
                LIMIT,
                time_in_force,
                STP_NONE,
                len(client_id),
                price_ticks,
                quantity_lots,
            )
            + tail
        )

    def cancel(self, account: int, market: int, order_id: int, client_id: bytes = b"") -> bytes:
        self._number += 1
        tail = _padded(client_id)
        return (
            CANCEL.pack(
                CANCEL.size + len(tail),
                CANCEL_KIND,
                0,
                self._session,
                self._number,
                account,
                market,
                order_id,
                len(client_id),
                0,
            )
            + tail
        )

    def replace(
        self,
        account: int,
        market: int,
        side: int,
        time_in_force: int,
        price_ticks: int,
        quantity_lots: int,
        target_order: int,
        client_id: bytes = b"",
        target_client_id: bytes = b"",
    ) -> bytes:
        """Cancel and place anew as one command; a quantity of 0 keeps what remains of the target."""
        self._number += 1
        tail = _padded(client_id + target_client_id)
        return (
            REPLACE.pack(
                REPLACE.size + len(tail),
                REPLACE_KIND,
                0,
                self._session,
                self._number,
                account,
                market,
                side,
                LIMIT,
                time_in_force,
                STP_NONE,
                len(client_id),
                len(target_client_id),
                0,
                STOP_ON_FAILURE,
                price_ticks,
                quantity_lots,
                target_order,
            )
            + tail
        )


def batch(first_sequence: int, time_ns: int, epoch: int, commands: Sequence[bytes]) -> bytes:
    body = b"".join(commands)
    return BATCH.pack(first_sequence, time_ns, epoch, len(commands), len(body)) + body


class Answer(NamedTuple):
    """One RESULT and where its events lie in the output."""

    kind: int
    status: int
    value: int
    start: int
    end: int


def answers(output: bytes) -> Iterator[Answer]:
    at = 0
    while at < len(output):
        kind, length, status, value = RESULT.unpack_from(output, at)
        start = at + 48
        at = start + length
        yield Answer(kind, status, value, start, at)


def trades(output: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(price_ticks, quantity_lots, maker_order, taker_order) of every trade, in order.

    A command's trades begin right after its ORDER_ACCEPTED, so one whose next event is another has none: most
    commands are left after a look at two of their events. Raises ValueError if a command was refused.
    """
    for kind, status, _, at, end in answers(output):
        if status:
            raise ValueError(f"a command was refused with status {status}")
        if kind == CANCEL_KIND:
            continue
        before = 0
        while at < end:
            length, event = EVENT.unpack_from(output, at)
            if event == TRADE_KIND:
                yield TRADE.unpack_from(output, at)
            elif event == BALANCE_KIND or before == ACCEPTED_KIND:
                break
            before = event
            at += length


def _padded(text: bytes) -> bytes:
    return text + bytes(-len(text) % 8) if text else text
