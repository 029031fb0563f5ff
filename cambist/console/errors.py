"""Every refusal of the console: HTTP status and number by its reason, which is an error's own code.

What this and the account API refuse alike has the same numbers. What the exchange itself has said no to keeps
the exchange's reason.
"""

from cambist.account_api import errors as account_errors
from cambist.account_api.errors import Problem, Refusal
from cambist.control.client import RequestFailed
from cambist.errors import ExchangeError, Failure, Refused

_SHARED = (
    "malformed",
    "wrong_content_type",
    "body_too_large",
    "no_such_route",
    "wrong_method",
    "unknown",
    "from_elsewhere",
    "not_signed_in",
    "too_many_attempts",
    "unavailable",
    "email_invalid",
)
REFUSALS: dict[str, Refusal] = {name: account_errors.REFUSALS[name] for name in _SHARED} | {
    "not_permitted": Refusal(403, -7100),
    "invite_invalid": Refusal(403, -7101),
    "challenge_invalid": Refusal(403, -7102),
    "proof_wrong": Refusal(403, -7103),
    "key_invalid": Refusal(400, -7104),
    "staff_invalid": Refusal(400, -7105),
    "staff_unknown": Refusal(404, -7106),
    "second_person_needed": Refusal(403, -7110),
    "not_waiting": Refusal(409, -7111),
    "not_proposable": Refusal(400, -7112),
    "out_of_bounds": Refusal(400, -7113),
    "withdrawal_unknown": Refusal(404, -7120),
    "withdrawal_not_held": Refusal(409, -7121),
    "said_already": Refusal(403, -7122),
    "payment_changed": Refusal(409, -7123),
    "own_withdrawal": Refusal(403, -7124),
    "audit_broken": Refusal(500, -7130),
}
BUG = account_errors.BUG
EXCHANGE_SAID_NO = Refusal(409, -7140)
EXCHANGE_IS_AWAY = Refusal(503, -7141)


class NotPermitted(Refused):
    code = "not_permitted"

    def __init__(self, action: str) -> None:
        super().__init__(f"none of your roles may do this ({action})")


def answer_to(problem: ExchangeError | RequestFailed) -> tuple[int, Problem] | None:
    """None for one that has no place in the table, which is a bug."""
    if isinstance(problem, RequestFailed):
        return _said(problem.failure)
    refusal = REFUSALS.get(problem.code)
    return None if refusal is None else (refusal.http, Problem(refusal.code, str(problem), problem.code))


def _said(failure: Failure) -> tuple[int, Problem]:
    refusal = EXCHANGE_IS_AWAY if failure.may_retry else EXCHANGE_SAID_NO
    return refusal.http, Problem(refusal.code, failure.message, failure.code)
