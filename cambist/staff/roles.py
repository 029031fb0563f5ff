"""What each role may do: the one table. Every route of the console names its action.

A person has the actions of its roles and no others. Whatever loosens a limit or lets money out takes a second
person besides (cambist/staff/proposals.py).
"""

from collections.abc import Iterable
from enum import StrEnum


class Action(StrEnum):
    OWN_KEYS = "own-keys"
    READ_WITHDRAWALS = "withdrawals.read"
    REVIEW_WITHDRAWALS = "withdrawals.review"
    READ_USERS = "users.read"
    FREEZE_USERS = "users.freeze"
    UNFREEZE_USERS = "users.unfreeze"
    CANCEL_ORDERS = "orders.cancel"
    READ_ORDERS = "orders.read"
    READ_MONEY = "money.read"
    READ_MARKETS = "markets.read"
    HALT_MARKETS = "markets.halt"
    CONFIGURE = "configure"
    STOP_PAYOUTS = "payouts.stop"
    RESUME_PAYOUTS = "payouts.resume"
    READ_PROPOSALS = "proposals.read"
    READ_AUDIT = "audit.read"
    READ_STAFF = "staff.read"
    MANAGE_STAFF = "staff.manage"


class Role(StrEnum):
    SUPPORT = "support"
    REVIEWER = "reviewer"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


_READING = frozenset(action for action in Action if action.value.endswith(".read"))

ROLES: dict[Role, frozenset[Action]] = {
    Role.SUPPORT: frozenset(
        {Action.READ_USERS, Action.READ_ORDERS, Action.READ_WITHDRAWALS, Action.FREEZE_USERS}
    ),
    Role.REVIEWER: frozenset(
        {
            Action.READ_USERS,
            Action.READ_ORDERS,
            Action.READ_WITHDRAWALS,
            Action.READ_MONEY,
            Action.REVIEW_WITHDRAWALS,
            Action.FREEZE_USERS,
            Action.STOP_PAYOUTS,
        }
    ),
    Role.OPERATOR: frozenset(
        {
            Action.READ_USERS,
            Action.READ_ORDERS,
            Action.READ_WITHDRAWALS,
            Action.READ_MONEY,
            Action.READ_MARKETS,
            Action.READ_PROPOSALS,
            Action.FREEZE_USERS,
            Action.UNFREEZE_USERS,
            Action.CANCEL_ORDERS,
            Action.HALT_MARKETS,
            Action.CONFIGURE,
            Action.STOP_PAYOUTS,
            Action.RESUME_PAYOUTS,
        }
    ),
    Role.AUDITOR: _READING,
    Role.ADMINISTRATOR: frozenset(
        {
            Action.READ_STAFF,
            Action.MANAGE_STAFF,
            Action.READ_PROPOSALS,
            Action.READ_AUDIT,
            Action.STOP_PAYOUTS,
            Action.RESUME_PAYOUTS,
        }
    ),
}
FOR_EVERYBODY = frozenset({Action.OWN_KEYS})


def actions_of(roles: Iterable[Role]) -> frozenset[Action]:
    return FOR_EVERYBODY.union(*(ROLES[role] for role in roles))
