"""Every route of the console: what it takes and answers, and the action that a role must allow for it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from cambist.account_api.bodies import Body
from cambist.console import changes, entry, money, openapi, oversight, trading, users, withdrawals
from cambist.console.call import Call
from cambist.console.shown import Reason
from cambist.staff.roles import Action

PREFIX = "/api/console/v1"


class Route(NamedTuple):
    """`handle` gets the call, and what was sent. `action` is None where nobody is signed in yet."""

    summary: str
    handle: Callable[..., Any]
    answer: Any
    takes: type[Body] | None
    action: Action | None


def describe(_: Call) -> dict[str, Any]:
    return openapi.document(ROUTES)


def _by_path(routes: dict[tuple[str, str], Route]) -> dict[tuple[str, str], Route]:
    return {(method, PREFIX + path): route for (method, path), route in routes.items()}


# By method and path; `{id}` is one part of a path. A GET takes its parameters from the query.
ROUTES: dict[tuple[str, str], Route] = _by_path(
    {
        ("POST", "/first/begin"): Route(
            "Open a first-sign-in link", entry.begin_first, entry.KeyWanted, entry.Link, None
        ),
        ("POST", "/first"): Route(
            "Enrol the first key and sign in", entry.complete_first, entry.Me, entry.FirstKey, None
        ),
        ("POST", "/sign-in/begin"): Route(
            "What to sign", entry.begin_sign_in, entry.SignInWanted, None, None
        ),
        ("POST", "/sign-in"): Route(
            "Sign in with a key", entry.complete_sign_in, entry.Me, entry.SignIn, None
        ),
        ("GET", "/me"): Route("Who is signed in", entry.show_me, entry.Me, None, Action.OWN_KEYS),
        ("DELETE", "/session"): Route("Sign out", entry.sign_out, entry.Done, None, Action.OWN_KEYS),
        ("POST", "/keys/begin"): Route(
            "What a further key and an enrolled one have to sign",
            entry.begin_key,
            entry.KeyWanted,
            None,
            Action.OWN_KEYS,
        ),
        ("POST", "/keys"): Route("Enrol it", entry.add_key, entry.Me, entry.NewKey, Action.OWN_KEYS),
        ("DELETE", "/keys/{id}"): Route("Remove one", entry.remove_key, entry.Me, None, Action.OWN_KEYS),
        ("GET", "/withdrawals"): Route(
            "Withdrawals",
            withdrawals.list_withdrawals,
            list[withdrawals.Withdrawal],
            withdrawals.Wanted,
            Action.READ_WITHDRAWALS,
        ),
        ("GET", "/withdrawals/{id}"): Route(
            "One, with what is known of its owner",
            withdrawals.show,
            withdrawals.Detail,
            None,
            Action.READ_WITHDRAWALS,
        ),
        ("POST", "/withdrawals/{id}/approve"): Route(
            "Approve, with a signature over its digest",
            withdrawals.approve,
            withdrawals.Decided,
            withdrawals.Approve,
            Action.REVIEW_WITHDRAWALS,
        ),
        ("POST", "/withdrawals/{id}/reject"): Route(
            "Reject; the amount goes back",
            withdrawals.reject,
            withdrawals.Decided,
            withdrawals.Reject,
            Action.REVIEW_WITHDRAWALS,
        ),
        ("GET", "/users"): Route(
            "Find users", users.find_users, list[users.User], users.Find, Action.READ_USERS
        ),
        ("GET", "/users/{id}"): Route("One", users.show_user, users.UserDetail, None, Action.READ_USERS),
        ("POST", "/users/{id}/freeze"): Route(
            "Freeze: it may cancel and be credited, nothing else",
            users.freeze,
            users.User,
            Reason,
            Action.FREEZE_USERS,
        ),
        ("POST", "/users/{id}/unfreeze"): Route(
            "Lift that", users.unfreeze, users.User, Reason, Action.UNFREEZE_USERS
        ),
        ("POST", "/users/{id}/cancel-orders"): Route(
            "Cancel all open orders", users.cancel_orders, users.Cancelled, Reason, Action.CANCEL_ORDERS
        ),
        ("GET", "/orders"): Route(
            "Orders", trading.list_orders, list[trading.Order], trading.WantedOrders, Action.READ_ORDERS
        ),
        ("GET", "/trades"): Route(
            "Trades", trading.list_trades, list[trading.Trade], trading.WantedTrades, Action.READ_ORDERS
        ),
        ("GET", "/listed"): Route(
            "Markets and assets", trading.show_listed, trading.Listed, None, Action.READ_MARKETS
        ),
        ("POST", "/markets/{id}/halt"): Route(
            "Stop a market", trading.halt_market, trading.Listed, trading.HaltMarket, Action.HALT_MARKETS
        ),
        ("GET", "/deposits"): Route(
            "Deposits, and what was put aside",
            money.list_deposits,
            list[money.Deposit],
            money.WantedDeposits,
            Action.READ_MONEY,
        ),
        ("GET", "/wallets"): Route(
            "Networks, nodes and assets on them", money.show_wallets, money.Wallets, None, Action.READ_MONEY
        ),
        ("POST", "/wallets/halt"): Route(
            "Stop an asset on a network",
            money.halt_asset,
            money.Wallets,
            money.HaltAsset,
            Action.STOP_PAYOUTS,
        ),
        ("GET", "/own"): Route(
            "Fees earned, and the exchange's other accounts",
            money.list_own,
            list[money.OwnBalance],
            None,
            Action.READ_MONEY,
        ),
        ("GET", "/ledger"): Route("Trial balance", money.show_ledger, money.Ledger, None, Action.READ_MONEY),
        ("GET", "/payouts"): Route(
            "Are payouts stopped", oversight.show_payouts, oversight.Payouts, None, Action.OWN_KEYS
        ),
        ("POST", "/payouts/stop"): Route(
            "Stop all payouts, now", oversight.stop_payouts, oversight.Payouts, Reason, Action.STOP_PAYOUTS
        ),
        ("GET", "/proposals"): Route(
            "Changes that wait for a second person, and what came of others",
            changes.list_proposals,
            list[changes.ProposalShown],
            None,
            Action.READ_PROPOSALS,
        ),
        ("POST", "/proposals"): Route(
            "Propose one", changes.propose, changes.ProposalShown, changes.NewProposal, Action.READ_PROPOSALS
        ),
        ("POST", "/proposals/{id}/decide"): Route(
            "Accept or reject what somebody else has proposed",
            changes.decide,
            changes.Decided,
            changes.Decision,
            Action.READ_PROPOSALS,
        ),
        ("POST", "/proposals/{id}/withdraw"): Route(
            "Take an own one back", changes.withdraw, changes.ProposalShown, Reason, Action.READ_PROPOSALS
        ),
        ("GET", "/audit"): Route(
            "The audit trail, the newest first",
            oversight.list_audit,
            list[oversight.AuditRow],
            oversight.WantedAudit,
            Action.READ_AUDIT,
        ),
        ("GET", "/audit/check"): Route(
            "Verify all of it", oversight.check_audit, oversight.AuditChecked, None, Action.READ_AUDIT
        ),
        ("GET", "/staff"): Route(
            "Everybody", oversight.list_staff, list[oversight.StaffShown], None, Action.READ_STAFF
        ),
        ("POST", "/staff/{id}/disable"): Route(
            "End somebody's access",
            oversight.disable_staff,
            list[oversight.StaffShown],
            Reason,
            Action.MANAGE_STAFF,
        ),
        ("GET", "/openapi"): Route("This document", describe, dict[str, Any], None, Action.OWN_KEYS),
    }
)
