"""The kill switch for payouts, the audit trail, and the staff itself."""

from typing import Any

from sqlalchemy import func, select

from cambist.account_api.bodies import Body, Shown
from cambist.account_api.shown import milliseconds
from cambist.console.call import Call
from cambist.console.shown import Reason
from cambist.staff import people
from cambist.store import anchors
from cambist.store.tables import audit

AUDIT_ROWS = 100


class Payouts(Shown):
    """`stopped` says why nothing is paid out; null if nothing stops it."""

    stopped: str | None


class WantedAudit(Body):
    """Rows before this one; the newest without it."""

    before: int | None = None


class AuditRow(Shown):
    row: int
    time: int
    actor: str
    action: str
    details: Any


class AuditChecked(Shown):
    """How many rows there are: the chain holds from the first to the last."""

    rows: int


class StaffShown(Shown):
    name: str
    email: str
    roles: list[str]
    state: str
    created_at: int


def show_payouts(call: Call) -> Payouts:
    return Payouts(call.console.records.payouts_stopped())


def stop_payouts(call: Call, why: Reason) -> Payouts:
    """Needs the records and nothing else: neither an exchange that runs nor a second person."""
    records = call.console.records
    with call.write("payouts.stop", reason=why.reason) as db:
        records.stop_payouts(db, f"{call.me().name}: {why.reason}")
    return Payouts(records.payouts_stopped())


def list_audit(call: Call, wanted: WantedAudit) -> list[AuditRow]:
    """The newest first, each verified to follow from the one before. Raises AuditBroken."""
    records = call.console.records
    with records.read() as db:
        newest = db.scalar(select(func.max(audit.c.id))) or 0
        last = newest if wanted.before is None else min(wanted.before - 1, newest)
        first = max(last - AUDIT_ROWS, 0)
        if last <= 0:
            return []
        rows = []
        for entry in records.audit.read(db, first):
            if entry.id > last:
                break
            rows.append(entry)
    return [
        AuditRow(each.id, milliseconds(each.act.time_ns), each.act.actor, each.act.action, each.act.details)
        for each in reversed(rows)
    ]


def check_audit(call: Call) -> AuditChecked:
    """Raises AuditBroken, which says where."""
    with call.console.records.read() as db:
        return AuditChecked(anchors.check(db, call.console.records.audit, call.console.settings))


def list_staff(call: Call) -> list[StaffShown]:
    with call.console.records.read() as db:
        return [
            StaffShown(
                member.name,
                member.email,
                [role.value for role in member.roles],
                "left" if member.is_disabled else "invited" if member.is_invited else "active",
                milliseconds(member.created_at_ns),
            )
            for member in people.list_all(db)
        ]


def disable_staff(call: Call, why: Reason) -> list[StaffShown]:
    """At once and for good. To let somebody in takes two people (a proposal)."""
    with call.write("staff.disable", name=call.subject, reason=why.reason) as db:
        people.disable(db, call.subject, call.now_ns)
    return list_staff(call)
