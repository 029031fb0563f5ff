"""A switch for bots that may lose their connection: unless it is set anew in time, all orders are cancelled.

Not in the Binance Spot API; named like that of its futures API, which clients know.
"""

from cambist.engine.commands import Countdown
from cambist.gateway import errors
from cambist.gateway.calls import NS_PER_MS, Call
from cambist.gateway.errors import ApiError
from cambist.gateway.order_answers import require_ok
from cambist.gateway.schemas import Answer, encode

LONGEST_MS = 86_400_000


class CountdownSet(Answer):
    """`symbol` is "" for all markets."""

    symbol: str
    countdown_time: int


async def cancel_all_after(call: Call) -> bytes:
    """In `countdownTime` milliseconds, of one market or of all; 0 stops the countdown."""
    params = call.params
    market = None if params.get("symbol") is None else await call.services.markets.of(params)
    params.require("countdownTime")
    after_ms = params.integer("countdownTime") or 0
    if after_ms > LONGEST_MS:
        raise ApiError(errors.too_large("countdownTime", LONGEST_MS))
    command = Countdown(
        account=call.account,
        market=market.id if market else 0,
        deadline_ns=call.now_ns + after_ms * NS_PER_MS if after_ms else 0,
    )
    require_ok(await call.services.core.execute(command.encode()))
    return encode(CountdownSet(market.symbol if market else "", after_ms))
