"""Matching conformance: commands of the public matching-engine benchmark in, its report stream out.

Commands `op,seq,side,order_id,price,qty,ioc` (N new, C cancel, M modify) go through a funded venue; the
events that come back are rewritten as report lines, joined by a newline with none at the end:
`0,seq,side,id,price,qty` accepted, `1,seq,price,qty,maker,taker` trade, `2,seq,side,id,price` cancelled,
`3,seq,side,id,price,qty` modified, `4,seq,id` cancel refused, `5,seq,id` modify refused. The engine does the
matching; nothing here keeps a book. Numbers stay the bytes they are in the file wherever they are only
copied; a modify is reported after its trades, a new order before. An order's client id is the `seq` of the
command that made it, which names it while its engine id is still unknown, and never twice.
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeAlias

from cambist.bench.closing import closing
from cambist.bench.records import (
    ACCEPTED,
    ACCEPTED_KIND,
    BALANCE_KIND,
    CLOSED,
    CLOSED_KIND,
    EVENT,
    TRADE,
    TRADE_KIND,
    Answer,
    Packer,
    answers,
    batch,
)
from cambist.engine.commands import TimeInForce
from cambist.engine.events import CloseReason, Status
from cambist.flow.venue import BATCH, TIME_NS, Listing, Venue

HEADING = b"op,"
ACCOUNTS = 64
GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)
OK, UNKNOWN_ORDER = int(Status.OK), int(Status.UNKNOWN_ORDER)
CANCELLED, EXPIRED = int(CloseReason.CANCELLED), int(CloseReason.EXPIRED)
NEVER_MADE = b"none"


Message: TypeAlias = list[bytes]  # the fields of one row


class Unexpected(Exception):
    """The engine refused a command for a reason that the reports have no line for."""


def conform(lines: Iterable[bytes]) -> dict[str, object]:
    """Runs the commands and says how many reports came out, their SHA-256, and how the ledger closed."""
    run = Conformance()
    digest = hashlib.sha256()
    count = 0
    for reports in run.reports(lines):
        digest.update((b"\n" if count else b"") + b"\n".join(reports))
        count += len(reports)
    return {
        "messages": run.messages,
        "reports": count,
        "reports_sha256": digest.hexdigest(),
        **closing(run.venue.engine),
    }


class Conformance:
    def __init__(self) -> None:
        self.venue = Venue(Listing(), ACCOUNTS)
        self.messages = 0
        self._packer = Packer(self.venue.session)
        self._market = self.venue.markets[0]
        self._made_by: dict[bytes, tuple[bytes, int]] = {}  # order -> client id of its last maker, account
        self._names: dict[int, bytes] = {}  # engine's order id -> order

    def reports(self, lines: Iterable[bytes]) -> Iterator[list[bytes]]:
        """Report lines without their newline, one list per batch.

        `lines` are command rows, with or without the heading. Raises Unexpected.
        """
        engine = self.venue.engine
        rows = (line.rstrip().split(b",") for line in lines if not line.startswith(HEADING))
        while messages := list(islice(rows, BATCH)):
            packed = [self._command(message) for message in messages]
            output = engine.apply(batch(engine.sequence + 1, TIME_NS, engine.epoch, packed))
            reports: list[bytes] = []
            for message, answer in zip(messages, answers(output), strict=True):
                self._report(message, answer, output, reports)
            self.messages += len(messages)
            yield reports

    def _command(self, message: Message) -> bytes:
        op, seq, side, order, price, quantity, ioc = message
        target, account = self._made_by.get(order) or (
            NEVER_MADE,
            self.venue.accounts[len(self._made_by) % ACCOUNTS],
        )
        if op == b"C":
            return self._packer.cancel(account, self._market, 0, target)
        self._made_by[order] = (seq, account)
        terms = (account, self._market, int(side), IOC if ioc == b"1" else GTC, int(price), int(quantity))
        if op == b"N":
            return self._packer.place(*terms, seq)
        return self._packer.replace(*terms, 0, seq, target)

    def _report(self, message: Message, answer: Answer, output: bytes, reports: list[bytes]) -> None:
        op, seq, side, order, price, quantity, _ = message
        _, status, _, at, end = answer
        if status == UNKNOWN_ORDER and op != b"N":
            reports.append(b"%b,%b,%b" % (b"4" if op == b"C" else b"5", seq, order))
            return
        if status != OK:
            raise Unexpected(f"{b','.join(message).decode()}: {Status(status).name}")
        if op == b"N":
            reports.append(b"0,%b,%b,%b,%b,%b" % (seq, side, order, price, quantity))
        while at < end:
            length, kind = EVENT.unpack_from(output, at)
            if kind == ACCEPTED_KIND:
                self._names[ACCEPTED.unpack_from(output, at)[0]] = order
            elif kind == TRADE_KIND:
                ticks, lots, maker, taker = TRADE.unpack_from(output, at)
                reports.append(
                    b"1,%b,%d,%d,%b,%b" % (seq, ticks, lots, self._names[maker], self._names[taker])
                )
            elif kind == CLOSED_KIND:
                bits, _, reason, ticks = CLOSED.unpack_from(output, at)
                if reason in (CANCELLED, EXPIRED):
                    reports.append(b"2,%b,%d,%b,%d" % (seq, bits & 1, order, ticks))
            elif kind == BALANCE_KIND:  # the last of a command's events, and nothing to report
                break
            at += length
        if op == b"M":
            reports.append(b"3,%b,%b,%b,%b,%b" % (seq, side, order, price, quantity))
