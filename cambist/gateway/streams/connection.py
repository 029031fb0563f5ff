"""One WebSocket: whole text messages in, text frames out, and everything that ends it.

A peer that does not read is cut off when what waits for it exceeds a bound. The transport's high-water mark
is that bound, so nothing is asked per message. Whoever sends more than allowed, does not answer pings or has
been connected for a day is closed, with a code that says why.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

PING_EVERY_S = 20
SILENT_PINGS_MAX = 3  # a minute without a pong
LIFE_S = 24 * 3_600
CLOSED_WITHIN_S = 5  # a peer's time to answer a close, and to read what was written before it

log = logging.getLogger(__name__)


class Registry(Protocol):
    """Who counts the open connections."""

    def opened(self, connection: "Connection") -> None: ...
    def ended(self, connection: "Connection") -> None: ...


class Connection(WSListener):
    """Subclasses read messages (`on_message`), let go of what they hold (`on_end`), take leave (`shutdown`).

    `put` sends a message from a buffer with room for its frame's head before it, `write` sends whole frames.
    Both are the transport's own, because they are what a fan-out spends its time in.
    """

    __slots__ = (
        "_loop",
        "_messages_max",
        "_parts",
        "_parts_bytes",
        "_ping",
        "_received",
        "_received_s",
        "_registry",
        "_silent",
        "client_ip",
        "is_open",
        "opened_s",
        "put",
        "transport",
        "write",
    )

    message_max_bytes = 65_536
    cut_off = 0  # of this process: who did not read

    def __init__(self, registry: Registry, client_ip: str, messages_max: int) -> None:
        """At most `messages_max` of what `counted` counts in a second; 0 is no limit."""
        self._loop = asyncio.get_running_loop()
        self._registry = registry
        self._messages_max = messages_max
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._received = self._received_s = 0
        self._ping = b""
        self._silent = 0
        self.client_ip = client_ip
        self.is_open = False
        self.opened_s = self._loop.time()
        self.transport: WSTransport | None = None
        self.put: Callable[[WSMsgType, bytearray, int], None] = _nowhere
        self.write: Callable[[bytes], None] = _nowhere

    # What a subclass does

    async def prepare(self) -> None:
        """What is to be known before the peer is told that it is connected. Raises ExchangeError."""

    def needs_to_prepare(self) -> bool:
        return False

    def on_open(self) -> None:
        """Frames may be written from now on."""

    def on_message(self, message: bytes) -> None:
        """A whole text message. What is raised here is a fault of ours and ends the connection."""

    def on_end(self) -> None:
        """The peer is gone or is being sent away: nothing more may be written. Called once."""

    def on_unread(self) -> None:
        """More waits for the peer than may."""
        Connection.cut_off += 1
        self.close(WSCloseCode.POLICY_VIOLATION, "too slow: messages wait to be read")

    def on_read_again(self) -> None:
        """It waits no more."""

    def shutdown(self) -> None:
        """The exchange stops."""
        self.close(WSCloseCode.SERVICE_RESTART, "the exchange is being stopped")

    # What a subclass uses

    def send(self, payload: bytes) -> None:
        if self.transport is not None and self.is_open:
            self.transport.send(WSMsgType.TEXT, payload)

    def close(self, code: WSCloseCode, reason: str) -> None:
        """Says goodbye, and lets go of the peer when it has answered or when its time is over."""
        if not self.is_open or self.transport is None:
            return
        self._end()
        self.transport.send_close(code, reason)
        self._loop.call_later(CLOSED_WITHIN_S, self.transport.underlying_transport.abort)

    def counted(self) -> bool:
        """Counts one message of the peer; False if that was one too many, and the connection is closed."""
        if not self._messages_max:
            return True
        now_s = int(self._loop.time())
        if now_s != self._received_s:
            self._received_s, self._received = now_s, 0
        self._received += 1
        if self._received <= self._messages_max:
            return True
        self.close(WSCloseCode.POLICY_VIOLATION, "too many messages in a second")
        return False

    def beat(self, now_s: float, payload: bytes) -> None:
        """Comes every PING_EVERY_S."""
        if now_s - self.opened_s > LIFE_S:
            self.close(WSCloseCode.GOING_AWAY, "connected for 24 hours")
        elif self._silent >= SILENT_PINGS_MAX:
            self.close(WSCloseCode.GOING_AWAY, "no pong within a minute")
        elif self.transport is not None and self.is_open:
            self._silent += 1
            self._ping = payload
            self.transport.send_ping(payload)

    # What picows calls; a fault in here would be told in its log only, and not in ours

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.put = transport.send_reuse_external_bytearray
        self.write = transport.underlying_transport.write
        self.is_open = True
        self._registry.opened(self)
        self.on_open()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if not self.is_open:
            if frame.msg_type == WSMsgType.CLOSE:  # the answer to ours
                transport.disconnect()
            return
        try:
            self._take(frame)
        except Exception:
            # The last resort: a fault in one connection is told in full and ends that connection alone.
            log.exception("a WebSocket message could not be handled")
            self.close(WSCloseCode.INTERNAL_ERROR, "")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self.is_open:
            self._end()
        self._registry.ended(self)

    def pause_writing(self) -> None:
        """May come from within a write, when others are still to be written to: so not at once."""
        self._loop.call_soon(self._unread)

    def resume_writing(self) -> None:
        if self.is_open:
            self.on_read_again()

    def _unread(self) -> None:
        if self.is_open:
            self.on_unread()

    def _end(self) -> None:
        self.is_open = False
        self.put = self.write = _nowhere
        self._parts.clear()
        self.on_end()

    def _take(self, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.TEXT or kind == WSMsgType.CONTINUATION:
            if (kind == WSMsgType.CONTINUATION) != bool(self._parts):
                self.close(WSCloseCode.PROTOCOL_ERROR, "a part of another message was due")
            else:
                self._take_part(frame)
        elif kind == WSMsgType.PONG:
            if self.counted() and frame.get_payload_as_bytes() == self._ping:
                self._silent = 0
        elif kind == WSMsgType.PING:
            if self.counted() and self.transport is not None:
                self.transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            self._answer_close(frame)
        else:
            self.close(WSCloseCode.UNSUPPORTED_DATA, "messages are text")

    def _take_part(self, frame: WSFrame) -> None:
        part = frame.get_payload_as_bytes()
        if frame.fin and not self._parts:
            self.on_message(part)
            return
        self._parts.append(part)
        self._parts_bytes += len(part)
        if self._parts_bytes > self.message_max_bytes or len(self._parts) > self.message_max_bytes:
            self.close(WSCloseCode.MESSAGE_TOO_BIG, "")
        elif frame.fin:
            message = b"".join(self._parts)
            self._parts, self._parts_bytes = [], 0
            self.on_message(message)

    def _answer_close(self, frame: WSFrame) -> None:
        assert self.transport is not None, "frames come from a transport"
        self._end()
        code = frame.get_close_code()
        self.transport.send_close(WSCloseCode.OK if code == WSCloseCode.NO_INFO else code)
        self.transport.disconnect()


def _nowhere(*_: object) -> None:
    """Where messages for a connection go that has ended."""
