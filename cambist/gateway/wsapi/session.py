"""A connection to the WebSocket API: requests, who is logged on, and account events.

Requests are started in the order in which they came and answered as they are done. What the endpoints decide
(weights, keys, rules, errors) is theirs; here are only the methods that concern the connection itself.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import NamedTuple

import msgspec
from picows import WSCloseCode

from cambist.accounts.api_keys import Scope
from cambist.engine.commands import CancelAll
from cambist.errors import ExchangeError
from cambist.feed.client import FeedRefused
from cambist.gateway import errors
from cambist.gateway.api import Answer, Api, Endpoint, find
from cambist.gateway.calls import NS_PER_MS, NS_PER_US, Call, Services
from cambist.gateway.errors import ApiError
from cambist.gateway.params import Params
from cambist.gateway.streams.accounts import AccountHub, AccountStream, Position
from cambist.gateway.streams.connection import Connection, Registry
from cambist.gateway.wsapi import messages
from cambist.gateway.wsapi.messages import Message, Unreadable
from cambist.gateway.wsapi.methods import METHODS
from cambist.gateway.wsapi.rate_limits import RateLimits

IN_WORK_MAX = 100  # requests of one connection; what comes beyond waits in its socket
UNREAD_MAX_BYTES = 1 << 20  # beyond which account events are not added
SUBSCRIPTIONS_MAX = 100

log = logging.getLogger(__name__)


class SessionStatus(msgspec.Struct, rename="camel"):
    api_key: str | None
    authorized_since: int | None
    connected_since: int
    return_rate_limits: bool
    server_time: int
    user_data_stream: bool


class Subscription(msgspec.Struct, rename="camel"):
    subscription_id: int


class Shared(msgspec.Struct, frozen=True):
    """What the connections share."""

    api: Api
    services: Services
    accounts: AccountHub
    limits: RateLimits
    control_frames_max: int


class _Request:
    """One message as the API takes requests. `after` runs when the answer is on its way."""

    __slots__ = ("_session", "_values", "after", "api_key", "client_ip", "is_known", "path", "time_unit")
    session = None  # of a browser: not over this way
    method = "WS"

    def __init__(self, session: "Session", message: Message, session_key: str | None, time_unit: str) -> None:
        self._session = session
        self._values = message.params
        self.path = message.method
        own_key = message.params.get("apiKey")
        self.is_known = (
            session_key is not None and own_key in (None, session_key) and "signature" not in message.params
        )
        self.api_key = own_key or session_key or ""
        self.client_ip = session.client_ip
        self.time_unit = time_unit
        self.after: Callable[[], None] | None = None

    def endpoint(self) -> Endpoint:
        """Raises ApiError if there is no such method."""
        place = METHODS.get(self.path)
        if place is not None:
            return find(*place)
        own = OWN_METHODS.get(self.path)
        if own is None:
            raise ApiError(errors.NO_SUCH_ROUTE)
        return Endpoint(partial(own.handle, self._session, self), own.weight, own.scope)

    def params(self) -> Params:
        return Params.of(self._values)

    def signed(self) -> bytes:
        return messages.signed(self._values)


class Session(Connection):
    __slots__ = (
        "_api_key",
        "_authorized_ns",
        "_cancels_on_end",
        "_connected_ns",
        "_in_work",
        "_is_leaving",
        "_next_subscription",
        "_of_session",
        "_opened_by",
        "_shared",
        "_shows_limits",
        "_subscriptions",
        "_time_unit",
    )

    def __init__(
        self, registry: Registry, client_ip: str, shared: Shared, *, time_unit: str, shows_limits: bool
    ) -> None:
        super().__init__(registry, client_ip, shared.control_frames_max)
        self._shared = shared
        self._time_unit = time_unit
        self._shows_limits = shows_limits
        self._connected_ns = time.time_ns()
        self._api_key: str | None = None
        self._authorized_ns = 0
        self._cancels_on_end: int | None = None  # the account
        self._in_work: set[asyncio.Task[None]] = set()
        self._is_leaving = False
        self._subscriptions: dict[int, AccountStream] = {}
        self._next_subscription = 0
        self._of_session: set[int] = set()  # subscriptions that a log-out ends
        self._opened_by: dict[int, str] = {}  # subscriptions, by which key

    # The connection

    def on_message(self, message: bytes) -> None:
        if self._is_leaving:
            return
        task = self._loop.create_task(self._handle(message))
        self._in_work.add(task)
        task.add_done_callback(self._done)
        if len(self._in_work) == IN_WORK_MAX:
            self._pause()

    def on_unread(self) -> None:
        """Answers that are not read: no more requests are taken until they are."""
        self._pause()

    def on_read_again(self) -> None:
        if len(self._in_work) < IN_WORK_MAX and self.transport is not None:
            self.transport.underlying_transport.resume_reading()

    def on_end(self) -> None:
        for stream in self._subscriptions.values():
            self._shared.accounts.close(stream)
        self._subscriptions.clear()
        if self._cancels_on_end is not None:
            task = self._loop.create_task(self._cancel_all(self._cancels_on_end))
            self._in_work.add(task)
            task.add_done_callback(self._in_work.discard)

    def beat(self, now_s: float, payload: bytes) -> None:
        """Also ends the account events of keys that may not read any more."""
        permits = self._shared.api.still_permits
        keys = {key for key in self._opened_by.values() if not permits(key, Scope.READ, self.client_ip)}
        if keys:
            self._terminate([number for number, key in self._opened_by.items() if key in keys])
        super().beat(now_s, payload)

    def shutdown(self) -> None:
        """Requests in work are answered first."""
        self._is_leaving = True
        event = {"e": "serverShutdown", "E": self._now()}
        self.send(b'{"event":%b}' % msgspec.json.encode(event))
        if not self._in_work:
            super().shutdown()

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._in_work.discard(task)
        if self._is_leaving and not self._in_work:
            super().shutdown()
        elif len(self._in_work) == IN_WORK_MAX - 1 and self.is_open:
            self.on_read_again()

    def _pause(self) -> None:
        if self.transport is not None:
            self.transport.underlying_transport.pause_reading()

    # Requests

    async def _handle(self, raw: bytes) -> None:
        try:
            message = messages.read(raw)
        except Unreadable as problem:
            self.send(messages.answer(problem.id, 400, errors.body(problem.refusal), None))
            return
        except ApiError as problem:
            self.send(messages.answer(messages.NO_ID, 400, errors.body(problem.refusal), None))
            return
        request = _Request(self, message, self._api_key, self._time_unit)
        answer = await self._shared.api.answer(request)
        if answer.status == 401 and request.is_known:
            self._log_out()
        wants_limits = message.params.get("returnRateLimits", "true" if self._shows_limits else "false")
        limits = self._shared.limits.show(answer) if wants_limits != "false" else None
        body = explained(answer, time.time_ns())
        self.send(messages.answer(message.id, answer.status, body, limits))
        if request.after is not None:
            request.after()

    async def log_on(self, request: _Request, call: Call) -> bytes:
        """`cancelOnDisconnect` (ours): the account's open orders end with this connection."""
        assert call.key is not None, "the endpoint asks for a key"
        cancels = call.params.flag("cancelOnDisconnect")
        if cancels and Scope.TRADE not in call.key.scopes:
            raise ApiError(errors.KEY_REJECTED)
        self._api_key, self._authorized_ns = call.key.id, call.now_ns
        self._cancels_on_end = call.account if cancels else None
        return self._status(call)

    async def log_out(self, request: _Request, call: Call) -> bytes:
        request.after = self._log_out
        self._api_key, self._cancels_on_end = None, None
        return self._status(call)

    async def status(self, request: _Request, call: Call) -> bytes:
        return self._status(call)

    async def subscriptions(self, request: _Request, call: Call) -> bytes:
        return msgspec.json.encode([Subscription(number) for number in self._subscriptions])

    async def subscribe(self, request: _Request, call: Call) -> bytes:
        """`afterPosition` (ours): first the events that came after that one."""
        after = _position(call.params)
        if len(self._subscriptions) >= SUBSCRIPTIONS_MAX:
            raise ApiError(errors.TOO_MANY_SUBSCRIPTIONS)
        number = self._next_subscription
        self._next_subscription += 1
        try:
            stream = await self._shared.accounts.open(
                call.account,
                partial(self._tell, number),
                after=after,
                in_microseconds=call.unit_ns == NS_PER_US,
            )
        except FeedRefused:
            raise ApiError(errors.POSITION_TOO_OLD) from None
        if not self.is_open:
            self._shared.accounts.close(stream)
            return b"{}"
        self._subscriptions[number] = stream
        self._opened_by[number] = request.api_key
        if request.is_known:
            self._of_session.add(number)
        request.after = stream.start
        return msgspec.json.encode(Subscription(number))

    async def unsubscribe(self, request: _Request, call: Call) -> bytes:
        """One subscription, or all of them. Some clients send the number as text, which is the same here."""
        number = call.params.integer("subscriptionId")
        wanted = list(self._subscriptions) if number is None else [number]
        if not self._subscriptions.keys() >= set(wanted):
            raise ApiError(errors.NO_SUCH_SUBSCRIPTION)
        request.after = partial(self._terminate, wanted)
        return b"{}"

    def _status(self, call: Call) -> bytes:
        return msgspec.json.encode(
            SessionStatus(
                self._api_key,
                None if self._api_key is None else call.time(self._authorized_ns),
                call.time(self._connected_ns),
                self._shows_limits,
                call.time(call.now_ns),
                bool(self._subscriptions if self._api_key else self._subscriptions.keys() - self._of_session),
            )
        )

    def _log_out(self) -> None:
        self._api_key, self._cancels_on_end = None, None
        self._terminate(self._of_session)

    def _terminate(self, numbers: Collection[int]) -> None:
        """Ends subscriptions and says so."""
        event = msgspec.json.encode({"e": "eventStreamTerminated", "E": self._now()})
        for number in tuple(numbers):
            stream = self._subscriptions.pop(number, None)
            self._opened_by.pop(number, None)
            self._of_session.discard(number)
            if stream is not None:
                self._shared.accounts.close(stream)
                self._tell(number, event)

    def _tell(self, number: int, event: bytes) -> None:
        self.send(b'{"subscriptionId":%d,"event":%b}' % (number, event))
        transport = self.transport
        if transport and transport.underlying_transport.get_write_buffer_size() > UNREAD_MAX_BYTES:
            self.close(WSCloseCode.POLICY_VIOLATION, "too slow: events wait to be read")

    def _now(self) -> int:
        return time.time_ns() // (NS_PER_US if self._time_unit.upper() == "MICROSECOND" else NS_PER_MS)

    async def _cancel_all(self, account: int) -> None:
        try:
            await self._shared.services.core.execute(CancelAll(account=account).encode())
        except ExchangeError as problem:
            log.error("open orders of account %d after its connection ended: %r", account, problem)


def explained(answer: Answer, now_ns: int) -> bytes:
    """The answer's body; a limit that was met says when to come back."""
    retry_after_s = next((value for name, value in answer.headers if name == b"retry-after"), None)
    if retry_after_s is None or b'"data":' in answer.body:
        return answer.body
    now_ms = now_ns // NS_PER_MS
    until_ms = now_ms + 1_000 * int(retry_after_s)
    return b'%b,"data":{"serverTime":%d,"retryAfter":%d}}' % (answer.body[:-1], now_ms, until_ms)


def _position(params: Params) -> Position | None:
    text = params.get("afterPosition")
    if text is None:
        return None
    position = Position.parse(text)
    if position is None:
        raise ApiError(errors.invalid("afterPosition"))
    return position


class _Own(NamedTuple):
    """A method that concerns the connection. Any key may log on: what it may do is asked of each request."""

    handle: Callable[[Session, _Request, Call], Awaitable[bytes]]
    weight: int
    scope: Scope | None = None


OWN_METHODS = {
    "session.logon": _Own(Session.log_on, 2, Scope(0)),
    "session.status": _Own(Session.status, 2),
    "session.logout": _Own(Session.log_out, 2),
    "session.subscriptions": _Own(Session.subscriptions, 2),
    "userDataStream.subscribe": _Own(Session.subscribe, 2, Scope.READ),
    "userDataStream.subscribe.signature": _Own(Session.subscribe, 2, Scope.READ),
    "userDataStream.unsubscribe": _Own(Session.unsubscribe, 2),
}
