"""Every route of the account API: what it takes and answers, and who may ask. The document is made of it."""

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from cambist.account_api import book, entry, faucet, inbox, keys, openapi, security, wallet
from cambist.account_api.bodies import Body
from cambist.account_api.call import Call
from cambist.wallet_calls import (
    AddressOfAccount,
    DepositAddress,
    DepositShown,
    Everything,
    HistoryOfAccount,
    NetworkShown,
    Question,
    WithdrawalOfAccount,
    WithdrawalShown,
)

PREFIX = "/api/account/v1"


class Access(Enum):
    """INTERNAL: only our own processes, over the socket; gateways hand none of these on."""

    ANYBODY = 1
    OWNER = 2
    INTERNAL = 3


class Route(NamedTuple):
    """`handle` gets the call, and the body where there is one."""

    summary: str
    handle: Callable[..., Any]
    answer: Any
    takes: type[Body] | type[Question] | None = None
    access: Access = Access.OWNER


ANYBODY = Access.ANYBODY


def describe(_: Call) -> dict[str, Any]:
    return openapi.document(ROUTES)


# By method and path; `{id}` is one part of a path.
ROUTES: dict[tuple[str, str], Route] = {
    ("POST", f"{PREFIX}/sign-up"): Route(
        "Begin to sign up; a code comes by mail", entry.start_sign_up, entry.CodeSent, entry.SignUp, ANYBODY
    ),
    ("POST", f"{PREFIX}/sign-up/verify"): Route(
        "Give the code back: the account is made", entry.verify_sign_up, entry.Done, entry.Code, ANYBODY
    ),
    ("POST", f"{PREFIX}/sign-in"): Route(
        "Sign in", entry.start_session, entry.Session, entry.SignIn, ANYBODY
    ),
    ("POST", f"{PREFIX}/password/reset"): Route(
        "Ask for a new password; a code comes by mail",
        entry.start_reset,
        entry.CodeSent,
        entry.Email,
        ANYBODY,
    ),
    ("POST", f"{PREFIX}/password/reset/complete"): Route(
        "Set it, with the code and the second factor", entry.complete_reset, entry.Done, entry.Reset, ANYBODY
    ),
    ("GET", f"{PREFIX}/session"): Route("Who is signed in", entry.show_session, entry.Session),
    ("DELETE", f"{PREFIX}/session"): Route("Sign out", entry.end_session, entry.Done),
    ("POST", f"{PREFIX}/session/prove"): Route(
        "Password and second factor again, for what is sensitive", entry.prove, entry.Session, entry.Proof
    ),
    ("GET", f"{PREFIX}/sessions"): Route(
        "Where the owner is signed in", security.list_sessions, list[security.OpenSession]
    ),
    ("DELETE", f"{PREFIX}/sessions"): Route("End all but this one", security.end_other_sessions, entry.Done),
    ("DELETE", f"{PREFIX}/sessions/{{id}}"): Route("End one", security.end_one_session, entry.Done),
    ("GET", f"{PREFIX}/sign-ins"): Route(
        "The newest tries to sign in", security.list_sign_ins, list[security.SignInShown]
    ),
    ("POST", f"{PREFIX}/password"): Route(
        "Change the password", security.change_password, entry.Session, security.NewPassword
    ),
    ("POST", f"{PREFIX}/second-factor"): Route(
        "Begin to set up an authenticator app", security.begin_second_factor, security.Authenticator
    ),
    ("POST", f"{PREFIX}/second-factor/confirm"): Route(
        "A first code of it: from now on it is asked for",
        security.confirm_second_factor,
        security.RecoveryCodes,
        security.FactorCode,
    ),
    ("DELETE", f"{PREFIX}/second-factor"): Route(
        "Go on without one", security.remove_second_factor, entry.Done
    ),
    ("POST", f"{PREFIX}/recovery-codes"): Route(
        "New recovery codes", security.new_recovery_codes, security.RecoveryCodes
    ),
    ("POST", f"{PREFIX}/email"): Route(
        "Begin to change the e-mail address",
        security.begin_email_change,
        security.EmailCodesSent,
        security.NewEmail,
    ),
    ("POST", f"{PREFIX}/email/confirm"): Route(
        "Give both codes back", security.complete_email_change, entry.Done, security.EmailCodes
    ),
    ("PUT", f"{PREFIX}/profile"): Route(
        "Language, and a phrase for all mails", security.set_profile, entry.Session, security.Profile
    ),
    ("POST", f"{PREFIX}/freeze"): Route("Freeze the own account", security.freeze, entry.Done),
    ("GET", f"{PREFIX}/api-keys"): Route("The own API keys", keys.list_keys, list[keys.KeyShown]),
    ("POST", f"{PREFIX}/api-keys"): Route("A new one", keys.create_key, keys.KeyMade, keys.NewKey),
    ("DELETE", f"{PREFIX}/api-keys/{{id}}"): Route("End one", keys.delete_key, entry.Done),
    ("GET", f"{PREFIX}/addresses"): Route(
        "The withdrawal address book", book.list_addresses, list[book.AddressShown]
    ),
    ("POST", f"{PREFIX}/addresses"): Route(
        "A new address", book.add_address, book.AddressShown, book.NewAddress
    ),
    ("DELETE", f"{PREFIX}/addresses/{{id}}"): Route("Remove one", book.remove_address, entry.Done),
    ("GET", f"{PREFIX}/wallet/networks"): Route(
        "What can be paid in and out, and how", wallet.list_networks, list[NetworkShown]
    ),
    ("POST", f"{PREFIX}/wallet/deposit-addresses"): Route(
        "The address to pay to on a network",
        wallet.give_address,
        DepositAddress,
        wallet.AddressWanted,
    ),
    ("GET", f"{PREFIX}/wallet/deposits"): Route(
        "The newest deposits", wallet.list_deposits, list[DepositShown]
    ),
    ("GET", f"{PREFIX}/wallet/withdrawals"): Route(
        "The newest withdrawals", wallet.list_withdrawals, list[WithdrawalShown]
    ),
    ("POST", f"{PREFIX}/wallet/withdrawals"): Route(
        "Ask for a withdrawal", wallet.withdraw, WithdrawalShown, wallet.NewWithdrawal
    ),
    ("DELETE", f"{PREFIX}/wallet/withdrawals/{{id}}"): Route(
        "Cancel one that waits for approval", wallet.cancel_withdrawal, entry.Done
    ),
    ("POST", "/internal/wallet/networks"): Route(
        "", wallet.networks_for_all, list[NetworkShown], Everything, Access.INTERNAL
    ),
    ("POST", "/internal/wallet/deposit-address"): Route(
        "",
        wallet.address_of_account,
        DepositAddress,
        AddressOfAccount,
        Access.INTERNAL,
    ),
    ("POST", "/internal/wallet/deposits"): Route(
        "",
        wallet.deposits_of_account,
        list[DepositShown],
        HistoryOfAccount,
        Access.INTERNAL,
    ),
    ("POST", "/internal/wallet/withdrawals"): Route(
        "",
        wallet.withdrawals_of_account,
        list[WithdrawalShown],
        HistoryOfAccount,
        Access.INTERNAL,
    ),
    ("POST", "/internal/wallet/withdraw"): Route(
        "",
        wallet.withdraw_of_account,
        WithdrawalShown,
        WithdrawalOfAccount,
        Access.INTERNAL,
    ),
    ("POST", f"{PREFIX}/faucet"): Route(
        "Coins of the demo's own chain", faucet.pay, faucet.FaucetPaid, faucet.FaucetAsked
    ),
    ("GET", f"{PREFIX}/openapi"): Route("This document", describe, dict[str, Any], None, ANYBODY),
    ("GET", f"{PREFIX}/inbox"): Route(
        "A sandbox's mails", inbox.newest, list[inbox.MailShown], None, ANYBODY
    ),
}


def find(method: str, path: str) -> tuple[Route, str] | None:
    """The route, and what stands for `{id}`; None if there is none for this method."""
    route = ROUTES.get((method, path))
    if route is not None and "{" not in path:
        return route, ""
    parent, _, last = path.rpartition("/")
    route = ROUTES.get((method, f"{parent}/{{id}}"))
    return None if route is None or not last else (route, last)


def exists(path: str) -> bool:
    """With whatever method."""
    return any(find(method, path) for method in {method for method, _ in ROUTES})
