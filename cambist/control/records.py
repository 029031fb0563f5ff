"""What the records say of themselves: the audit trail, how far they have the answers, are payouts stopped."""

from itertools import islice
from typing import Annotated, Any

import msgspec

from cambist.control.exchange import SENDER, Caller, Exchange, Request, iso_time
from cambist.errors import Refused
from cambist.settings import Settings
from cambist.store import anchors, outbox
from cambist.store.audit import Entry, Trail
from cambist.store.secrets import Vault
from cambist.store.sqlite import open_database
from cambist.wallets import strange

AUDIT_LIMIT = 1_000


class PayoutsStand(Refused):
    code = "payouts_stand"

    def __init__(self) -> None:
        super().__init__("payouts are not stopped")


class Unexplained(Refused):
    code = "unexplained_transactions"

    def __init__(self, txid: str) -> None:
        super().__init__(
            f"nobody has said what {txid} was, a transaction of ours that these records have not made: "
            "see `cambist network unexplained`"
        )


class ShowAudit(Request, tag="audit.show"):
    """Rows behind `after`, oldest first; refused if the chain does not hold up to there."""

    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=AUDIT_LIMIT)] = AUDIT_LIMIT

    def perform(self, exchange: Exchange, caller: Caller) -> list[dict[str, Any]]:
        with exchange.records.read() as db:
            entries = exchange.records.audit.read(db, self.after)
            return [_shown(entry) for entry in islice(entries, self.limit)]


class ShowRecords(Request, tag="records.show"):
    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        with exchange.records.read() as db:
            sender = outbox.sender(db, SENDER)
            waiting = len(outbox.waiting(db, SENDER))
        return {
            "session": None if sender is None else sender.session,
            "answered_sequence": None if sender is None else sender.sequence,
            "commands_without_answer": waiting,
            "payouts_stopped": exchange.records.payouts_stopped(),
        }


class ResumePayouts(Request, tag="records.resume-payouts"):
    """By two people at the console: what was missing is compared; `reason` says with what result."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        with exchange.records.read() as db:
            waiting = strange.unexplained(db)
        if waiting:
            raise Unexplained(waiting[0].txid)
        if not exchange.records.resume_payouts(caller.act(self)):
            raise PayoutsStand
        return {"payouts_stopped": None}


def audit_rows(settings: Settings) -> int:
    """How many rows the audit trail has, all of them looked at and compared with what was anchored of it.

    Beside a running exchange as well.

    Raises AuditBroken, or SecretsError.
    """
    engine = open_database(settings.records_file, read_only=True)
    try:
        with engine.begin() as db:
            return anchors.check(db, Trail(Vault.open(settings.secrets_directory)), settings)
    finally:
        engine.dispose()


def _shown(entry: Entry) -> dict[str, Any]:
    act = entry.act
    return {
        "row": entry.id,
        "time": iso_time(act.time_ns),
        "actor": act.actor,
        "action": act.action,
        "details": msgspec.json.encode(act.details).decode(),
    }
