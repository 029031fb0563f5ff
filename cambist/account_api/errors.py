"""Every refusal of the account API: HTTP status and number by its reason, which is an error's own code.

Pages translate the reason; the number never changes.
"""

from typing import NamedTuple

from cambist.account_api.bodies import Shown
from cambist.errors import ExchangeError, Refused


class Refusal(NamedTuple):
    http: int
    code: int


class NotSignedIn(Refused):
    code = "not_signed_in"

    def __init__(self) -> None:
        super().__init__("sign in first")


class FromElsewhere(Refused):
    """A request that another site may have made a browser send."""

    code = "from_elsewhere"

    def __init__(self) -> None:
        super().__init__("the request does not come from a page of this exchange")


class NoSuchRoute(Refused):
    code = "no_such_route"

    def __init__(self) -> None:
        super().__init__("there is nothing here")


class WrongMethod(Refused):
    code = "wrong_method"

    def __init__(self) -> None:
        super().__init__("this is not done with this method")


class WrongContentType(Refused):
    code = "wrong_content_type"

    def __init__(self) -> None:
        super().__init__("a body is application/json")


class BodyTooLarge(Refused):
    code = "body_too_large"

    def __init__(self) -> None:
        super().__init__("the body is too large")


class Unknown(Refused):
    code = "unknown"

    def __init__(self, what: str) -> None:
        super().__init__(f"there is no such {what}")


class Problem(Shown):
    code: int
    msg: str
    reason: str


BUG = Refusal(500, -7000)
REFUSALS: dict[str, Refusal] = {
    "internal_error": BUG,
    "malformed": Refusal(400, -7001),
    "wrong_content_type": Refusal(415, -7002),
    "body_too_large": Refusal(413, -7003),
    "no_such_route": Refusal(404, -7004),
    "wrong_method": Refusal(405, -7005),
    "unknown": Refusal(404, -7006),
    "from_elsewhere": Refusal(403, -7007),
    "not_signed_in": Refusal(401, -7008),
    "too_many_attempts": Refusal(429, -7009),
    "unavailable": Refusal(503, -7010),
    "overloaded": Refusal(503, -7011),
    "outcome_unknown": Refusal(504, -7012),
    "email_invalid": Refusal(400, -7020),
    "password_weak": Refusal(400, -7021),
    "code_wrong": Refusal(400, -7022),
    "sign_in_refused": Refusal(401, -7023),
    "second_factor_needed": Refusal(401, -7024),
    "second_factor_wrong": Refusal(401, -7025),
    "second_factor_not_begun": Refusal(400, -7026),
    "proof_needed": Refusal(403, -7030),
    "second_factor_required": Refusal(403, -7031),
    "withdrawals_held": Refusal(403, -7032),
    "self_frozen": Refusal(403, -7033),
    "scope_missing": Refusal(403, -7034),
    "account_incomplete": Refusal(403, -7035),
    "api_key_invalid": Refusal(400, -7040),
    "public_key_invalid": Refusal(400, -7041),
    "address_invalid": Refusal(400, -7050),
    "address_unknown": Refusal(404, -7051),
    "address_waits": Refusal(403, -7052),
    "withdrawals_closed": Refusal(403, -7060),
    "amount_out_of_range": Refusal(400, -7061),
    "over_daily_limit": Refusal(403, -7062),
    "withdrawal_name_taken": Refusal(409, -7063),
    "too_late": Refusal(409, -7064),
    "withdrawal_unknown": Refusal(404, -7065),
    "amount_between_units": Refusal(400, -7066),
    "network_unknown": Refusal(404, -7069),
    "account_missing": Refusal(403, -7070),
    "account_unknown": Refusal(404, -7071),
    "address_doubted": Refusal(503, -7072),
    "signer_away": Refusal(503, -7073),
    "signer_declined": Refusal(503, -7074),
}


def answer_to(problem: ExchangeError) -> tuple[int, Problem]:
    """Raises KeyError for one that has no place in the table, which is a bug."""
    refusal = REFUSALS[problem.code]
    return refusal.http, Problem(refusal.code, str(problem), problem.code)


def internal_error() -> tuple[int, Problem]:
    return BUG.http, Problem(
        BUG.code, "something went wrong here; it has been written down", "internal_error"
    )
