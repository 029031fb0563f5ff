"""What gateways ask the office about coins that come and go, and what it answers to them and to pages.

Amounts are decimal text in the asset, as it is kept in the ledger; times are milliseconds since 1970. What a
withdrawal names leaves the account; the network's fee is taken off it, and the rest arrives.
"""

import msgspec

ROWS_MAX = 1_000


class Question(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Of a gateway, for an account whose key it has checked."""


class Told(msgspec.Struct, rename="camel"):
    """An answer of the office."""


class Everything(Question):
    """No more to ask: all of it."""


class AddressOfAccount(Question):
    account: int
    network: str


class HistoryOfAccount(Question, kw_only=True):
    """Which deposits or withdrawals, newest first; None takes all of them. Both times are included.

    `name` is the id of a deposit's transaction, or the name that a program gave its withdrawal.
    """

    account: int
    states: list[str] | None = None
    asset: str | None = None
    name: str | None = None
    ids: list[int] | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    offset: int = 0
    limit: int


class WithdrawalOfAccount(Question):
    """`scopes` are the key's."""

    account: int
    scopes: int
    asset: str
    network: str
    address: str
    tag: str
    amount: str
    name: str | None


class NetworkShown(Told):
    """An asset on a network. `haltedReason` is empty if nothing stops it; no daily maximum is null.

    A deposit above `largeAbove` needs `largeConfirmations`; where that is null, all need `confirmations`.
    """

    asset: str
    network: str
    contract: str
    confirmations: int
    large_above: str | None
    large_confirmations: int
    deposit_min: str
    withdrawal_fee: str
    withdrawal_min: str
    withdrawal_daily_max: str | None
    is_deposit_open: bool
    is_withdrawal_open: bool
    halted_reason: str
    decimals: int


class DepositAddress(Told):
    network: str
    address: str
    tag: str


class DepositShown(Told):
    """`asset` is empty for a token that is not listed."""

    id: int
    asset: str
    network: str
    amount: str
    address: str
    txid: str
    state: str
    confirmations: int
    confirmations_needed: int
    time: int
    credited_at: int | None


class WithdrawalShown(Told):
    """`amount` arrives, `fee` was taken off. `name` is the one that a program gave it."""

    id: int
    asset: str
    network: str
    amount: str
    fee: str
    address: str
    tag: str
    state: str
    reason: str
    txid: str | None
    requested_at: int
    settled_at: int | None
    name: str | None
    confirmations: int
