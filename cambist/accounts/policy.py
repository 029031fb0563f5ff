"""The one answer to whether somebody may do what is dangerous, whichever way the request has come.

The account API, the signed API and the console ask here; what is true of the account holds on every way. What
proves the owner differs: a session needs password and second factor given anew, a key its own scope, address
list and signature, which the gateway has checked.
"""

from enum import StrEnum

from cambist.accounts.api_keys import Scope
from cambist.accounts.people import Person
from cambist.accounts.web_sessions import WebSession
from cambist.errors import Refused

PROVEN_FOR_NS = 5 * 60 * 1_000_000_000


class SensitiveAct(StrEnum):
    WITHDRAW = "withdraw"
    NEW_ADDRESS = "new_address"
    NEW_API_KEY = "new_api_key"
    NEW_WITHDRAWAL_KEY = "new_withdrawal_key"
    CHANGE_PASSWORD = "change_password"
    CHANGE_SECOND_FACTOR = "change_second_factor"
    CHANGE_EMAIL = "change_email"


# What moves coins, or lets something move them: never with a password alone.
_WITH_SECOND_FACTOR = {SensitiveAct.WITHDRAW, SensitiveAct.NEW_ADDRESS, SensitiveAct.NEW_WITHDRAWAL_KEY}


class NotAllowed(Refused):
    code = "not_allowed"


class ProofNeeded(NotAllowed):
    code = "proof_needed"

    def __init__(self) -> None:
        super().__init__("give password and second factor again first")


class SecondFactorRequired(NotAllowed):
    code = "second_factor_required"

    def __init__(self) -> None:
        super().__init__("this needs an authenticator app; set one up first")


class WithdrawalsHeld(NotAllowed):
    code = "withdrawals_held"

    def __init__(self, until_ns: int) -> None:
        super().__init__("withdrawals wait for a while after a change of password, second factor or address")
        self.until_ns = until_ns


class SelfFrozen(NotAllowed):
    code = "self_frozen"

    def __init__(self) -> None:
        super().__init__("the account was frozen by its owner; an operator can lift that")


class ScopeMissing(NotAllowed):
    code = "scope_missing"

    def __init__(self) -> None:
        super().__init__("the key may not withdraw")


def may(person: Person, act: SensitiveAct, by: WebSession | Scope, now_ns: int) -> None:
    """Raises NotAllowed, which says what to do about it. `by`: a session, or what the key may do.

    `person` is to be read in the transaction that acts.
    """
    if person.self_frozen_at_ns is not None:
        raise SelfFrozen
    if act in _WITH_SECOND_FACTOR and not person.has_second_factor:
        raise SecondFactorRequired
    if isinstance(by, WebSession):
        if now_ns - by.proven_at_ns > PROVEN_FOR_NS:
            raise ProofNeeded
    elif act is not SensitiveAct.WITHDRAW or Scope.WITHDRAW not in by:
        raise ScopeMissing
    if act is SensitiveAct.WITHDRAW and now_ns < person.withdrawals_held_until_ns:
        raise WithdrawalsHeld(person.withdrawals_held_until_ns)
