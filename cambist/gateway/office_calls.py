"""What the gateway asks the office for an account whose key it has checked: addresses, deposits, payouts."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec

from cambist.gateway import errors
from cambist.gateway.errors import ApiError, Refusal
from cambist.wallet_calls import Question

ANSWERED_WITHIN_S = 20.0
CONNECTIONS_MAX = 32

T = TypeVar("T")


class _Refused(msgspec.Struct):
    msg: str
    reason: str


# The office's reasons as the public API puts them; whatever is not here is an error of ours.
_REFUSALS: Mapping[str, Refusal] = {
    "withdrawals_closed": errors.NO_WITHDRAWALS,
    "network_unknown": errors.NO_NETWORK,
    "account_missing": errors.NO_DEPOSITS,
    "address_invalid": errors.BAD_ADDRESS,
    "address_unknown": errors.ADDRESS_NOT_LISTED,
    "address_waits": errors.ADDRESS_WAITS,
    "amount_between_units": errors.AMOUNT_BETWEEN_UNITS,
    "amount_out_of_range": errors.AMOUNT_TOO_SMALL,
    "over_daily_limit": errors.OVER_DAILY_MAXIMUM,
    "withdrawal_name_taken": errors.WITHDRAWAL_NAME_TAKEN,
    "second_factor_required": errors.WITHDRAWALS_WAIT,
    "withdrawals_held": errors.WITHDRAWALS_WAIT,
    "self_frozen": errors.WITHDRAWALS_WAIT,
    "scope_missing": errors.KEY_REJECTED,
}


class OfficeCalls:
    """`close` it at the end."""

    def __init__(self, socket: Path) -> None:
        self._office = httpx.AsyncHTTPTransport(
            uds=str(socket), limits=httpx.Limits(max_connections=CONNECTIONS_MAX)
        )

    async def ask(self, what: str, question: Question, answer: type[T]) -> T:
        """Raises ApiError: what the office refuses, or that it is away."""
        asked = httpx.Request(
            "POST",
            f"http://office/internal/wallet/{what}",
            headers={"content-type": "application/json"},
            content=msgspec.json.encode(question),
            extensions={"timeout": httpx.Timeout(ANSWERED_WITHIN_S).as_dict()},
        )
        try:
            found = await self._office.handle_async_request(asked)
            content = await found.aread()
        except httpx.HTTPError:
            raise ApiError(errors.TRY_AGAIN) from None
        if found.status_code == 200:
            return msgspec.json.decode(content, type=answer)
        reason = msgspec.json.decode(content, type=_Refused).reason
        raise ApiError(_REFUSALS.get(reason, errors.TRY_AGAIN))

    async def close(self) -> None:
        await self._office.aclose()
