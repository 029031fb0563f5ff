"""The staff, as the operator of the machine sees it: the first administrator can come from nowhere else."""

import time
from collections.abc import Sequence
from typing import Any

from cambist.control.exchange import Caller, Exchange, Request, iso_time
from cambist.staff import people
from cambist.staff.people import Member
from cambist.staff.roles import Role


class InviteStaff(Request, tag="staff.invite"):
    """The answer is the only place where the link is shown. Whoever is there already loses all keys."""

    name: str
    email: str
    roles: Sequence[Role]

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        act = caller.act(self)
        with exchange.records.write() as db:
            code = people.invite(
                db, self.name, self.email, self.roles, now_ns=act.time_ns, acting_user=caller.name
            )
            exchange.records.audit.append(db, act)
        origin = exchange.settings.console_origin
        return {"name": self.name, "link": f"{origin}/#first={code}", "good_for": "24 hours, once"}


class ListStaff(Request, tag="staff.list"):
    def perform(self, exchange: Exchange, caller: Caller) -> list[dict[str, Any]]:
        with exchange.records.read() as db:
            return [_shown(member) for member in people.list_all(db)]


class DisableStaff(Request, tag="staff.disable"):
    """For good, at once: sessions, keys and links."""

    name: str

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        with exchange.records.write() as db:
            member = people.disable(db, self.name, time.time_ns())
            exchange.records.audit.append(db, caller.act(self))
        return _shown(member)


def _shown(member: Member) -> dict[str, Any]:
    return {
        "name": member.name,
        "email": member.email,
        "roles": [role.value for role in member.roles],
        "state": "left" if member.is_disabled else "invited" if member.is_invited else "active",
        "created_at": iso_time(member.created_at_ns),
    }
