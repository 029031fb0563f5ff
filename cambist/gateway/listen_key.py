"""Listen keys over REST, for clients that know no other way to an account's events.

As ever with these, the API key alone is asked for, without a signature: it lets its sender read, and no more.
"""

from cambist.gateway import errors
from cambist.gateway.calls import Call
from cambist.gateway.errors import ApiError
from cambist.gateway.schemas import Answer, encode


class ListenKey(Answer):
    listen_key: str


async def start(call: Call) -> bytes:
    return encode(ListenKey(call.services.listen_keys.start(call.account, call.now_ns)))


async def renew(call: Call) -> bytes:
    name = call.params.require("listenKey")
    if not call.services.listen_keys.renew(name, call.account, call.now_ns):
        raise ApiError(errors.NO_SUCH_LISTEN_KEY)
    return b"{}"


async def end(call: Call) -> bytes:
    name = call.params.require("listenKey")
    if not call.services.listen_keys.end(name, call.account, call.now_ns):
        raise ApiError(errors.NO_SUCH_LISTEN_KEY)
    return b"{}"
