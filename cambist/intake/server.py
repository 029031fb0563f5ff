"""The match server's end of an intake connection: who is there, what he sends, what he is told. No I/O here.

A connection proves that it knows the secret of its role, and gets a session of that role or goes on with the
one it had. Its commands carry session and number, so each is executed once, however often it is sent: what
the engine had before the connection began is answered from the event journal, as it was answered first.

The server never says that an outcome is unknown because it ends: it hangs up, and the sender asks whoever
leads next.
Known limit: after the handshake nothing is encrypted or signed; over TCP that is for a private network.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Set
from enum import Enum, auto
from functools import partial
from hmac import compare_digest
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from cambist._matching import Engine
from cambist.engine import events
from cambist.engine.commands import Role, SessionOpen
from cambist.engine.events import Status
from cambist.errors import OutcomeUnknown, Overloaded, Unavailable
from cambist.frames import Frames, FrameTooLarge
from cambist.intake import protocol
from cambist.intake.first_results import FirstResults, first_results
from cambist.intake.protocol import (
    HANDSHAKE_MAX_BYTES,
    NONCE_BYTES,
    TO_SERVER_MAX_BYTES,
    VERSION,
    WINDOW,
    Answer,
    Challenge,
    Code,
    Hello,
    Kind,
    Refusal,
    Refused,
    Violation,
    Welcome,
    frame,
    to_json,
)
from cambist.match.queries import Query
from cambist.match.server import MatchServer, StampedPort

CONNECTIONS_MAX = 256
QUESTIONS_MAX = 8_192
SILENT_S = 5.0  # a client says something every HEARTBEAT_S
NAME_MAX_BYTES = 22

_STATUS = 8  # offset in a RESULT
_ROLES = {role.name.lower(): role for role in Role}

T = TypeVar("T")

log = logging.getLogger(__name__)


class Line(Protocol):
    """What carries the bytes of one connection."""

    def wake(self) -> None:
        """There is something to send: `outgoing` is to be asked for soon."""

    def close(self) -> None:
        """What was to be sent is sent first."""


class Aside(Protocol):
    """Does what would keep the event loop waiting, and tells the loop what came of it."""

    def __call__(self, work: Callable[[], T], done: Callable[[T], None]) -> None: ...


class Intake:
    """What the connections share: the match server, the secrets, and which session is whose."""

    def __init__(
        self, server: MatchServer, journal: Path, secrets: Callable[[Role], bytes], aside: Aside
    ) -> None:
        self.server = server
        self.port = StampedPort(server)
        self.journal = journal
        self.secret = secrets
        self.aside = aside
        self.connections: set[Connection] = set()
        self.by_session: dict[int, Connection] = {}


class _State(Enum):
    NEW = auto()
    CHALLENGED = auto()
    OPENING = auto()
    OPEN = auto()
    CLOSED = auto()


class Connection:
    def __init__(self, intake: Intake, line: Line, now_s: float) -> None:
        self._intake = intake
        self._line = line
        self._state = _State.NEW
        self._frames = Frames(HANDSHAKE_MAX_BYTES)
        self._began_s = self._heard_s = now_s
        self._has_sent = False
        self._out: list[bytes] = []
        self._answers: list[bytes] = []
        self._open_commands = self._open_questions = 0
        self._hello = Hello(0, "", "", 0, 0, b"")
        self._said = b""  # the hello as it came
        self._nonce = b""
        self._role = Role.TRADE
        self._session = 0
        self._newest = 0  # number of the newest command
        # Of a session that goes on: what the engine had of it, and what is looked for.
        self._last_number = self._until = 0
        self._sought: set[int] = set()
        self._is_looking = False
        intake.connections.add(self)

    # What the line does with it.

    def received(self, data: bytes, now_s: float) -> None:
        self._heard_s = now_s
        try:
            for payload in self._frames.fed(data):
                if self._state is _State.CLOSED:
                    return
                self._take(payload)
        except (FrameTooLarge, Violation, msgspec.DecodeError) as problem:
            log.error("intake: %s sent what is not of the protocol and is cut off: %s", self, problem)
            self.close()

    def outgoing(self) -> bytes:
        """Everything that is to be sent now."""
        if self._answers:
            self._out += [frame(Kind.ANSWERS, piece) for piece in protocol.gathered(self._answers)]
            self._answers = []
        out, self._out = self._out, []
        self._has_sent = self._has_sent or bool(out)
        return b"".join(out)

    def tick(self, now_s: float) -> None:
        """Every HEARTBEAT_S."""
        is_open = self._state is _State.OPEN
        if now_s - (self._heard_s if is_open else self._began_s) > SILENT_S:
            self.close()
            return
        if is_open:
            if not self._has_sent:
                self._send(frame(Kind.HEARTBEAT))
            self._look()
        self._has_sent = False

    def close(self) -> None:
        """Safe to repeat. What is under way goes on; its answers are for the next connection."""
        if self._state is _State.CLOSED:
            return
        self._state = _State.CLOSED
        self._intake.connections.discard(self)
        if self._intake.by_session.get(self._session) is self:
            del self._intake.by_session[self._session]
        self._line.close()

    @property
    def is_closed(self) -> bool:
        return self._state is _State.CLOSED

    def __str__(self) -> str:
        return f"{self._hello.name or 'somebody'} ({self._hello.role or 'no role yet'})"

    # The handshake.

    def _take(self, payload: bytes) -> None:
        if not payload:
            raise Violation("an empty frame")
        kind, body = payload[0], payload[1:]
        if self._state is _State.OPEN:
            if kind == Kind.COMMANDS:
                self._commands(body)
            elif kind == Kind.QUERY:
                self._question(body)
            elif kind != Kind.HEARTBEAT:
                raise Violation(f"kind {kind}")
        elif self._state is _State.NEW and kind == Kind.HELLO:
            self._greet(body)
        elif self._state is _State.CHALLENGED and kind == Kind.PROOF:
            self._prove(body)
        else:
            raise Violation(f"kind {kind} in the handshake")

    def _greet(self, body: bytes) -> None:
        hello = self._hello = protocol.read_hello(body)
        if hello.version != VERSION:
            self._refuse(Refusal.BAD_VERSION)
        elif len(self._intake.connections) > CONNECTIONS_MAX:
            self._refuse(Refusal.TOO_MANY)
        elif hello.role not in _ROLES or not 0 < len(hello.name.encode()) <= NAME_MAX_BYTES:
            self._refuse(Refusal.BAD_NAME)
        else:
            self._said, self._role = body, _ROLES[hello.role]
            self._nonce = os.urandom(NONCE_BYTES)
            proof = protocol.prove(self._intake.secret(self._role), b"server", body, self._nonce)
            self._state = _State.CHALLENGED
            self._send(frame(Kind.CHALLENGE, to_json(Challenge(self._nonce, proof))))

    def _prove(self, body: bytes) -> None:
        secret = self._intake.secret(self._role)
        if not compare_digest(body, protocol.prove(secret, b"client", self._said, self._nonce)):
            self._refuse(Refusal.BAD_PROOF)
            return
        self._state = _State.OPENING
        self._frames.max_bytes = TO_SERVER_MAX_BYTES
        if self._hello.session:
            self._ask_state(self._hello.session)
        else:
            self._open_session()

    def _open_session(self) -> None:
        command = SessionOpen(role=self._role, name=self._hello.name.encode()).encode()
        try:
            self._intake.port.submit(command).add_done_callback(self._opened)
        except Unavailable:
            self.close()

    def _opened(self, future: "asyncio.Future[bytes]") -> None:
        result = None if future.exception() else events.result(future.result())
        if result is None or result.status != Status.OK:
            self.close()
        else:
            self._ask_state(result.value)

    def _ask_state(self, session: int) -> None:
        """Behind everything that came over an older connection of this session: that one ends here."""
        if session in self._intake.by_session:
            self._intake.by_session[session].close()
        try:
            future = self._intake.server.query(
                lambda engine: (engine.session(session), engine.epoch, engine.sequence)
            )
        except Unavailable:
            self.close()
        else:
            future.add_done_callback(partial(self._go_on, session))

    def _go_on(self, session: int, future: "asyncio.Future[Any]") -> None:
        if self._state is not _State.OPENING or future.exception() is not None:
            self.close()
            return
        known, epoch, self._until = future.result()
        if known is None:  # others have been used since: this one's results are gone
            self._open_session()
            return
        role, name, self._last_number = known
        if (role, name) != (self._role, self._hello.name.encode()):
            self._refuse(Refusal.SESSION_OF_ANOTHER)
            return
        if session in self._intake.by_session:  # it has sent something since, perhaps
            self._ask_state(session)
            return
        self._session, self._state = session, _State.OPEN
        self._intake.by_session[session] = self
        self._send(frame(Kind.WELCOME, to_json(Welcome(session, epoch, self._last_number))))

    def _refuse(self, why: Refusal) -> None:
        log.warning("intake: %s is refused: %s", self, why.name)
        self._send(frame(Kind.REFUSED, to_json(Refused(why))))
        self.close()

    # Commands and questions.

    def _commands(self, body: bytes) -> None:
        loop = asyncio.get_running_loop()
        for command in protocol.split_commands(body):
            session, number = protocol.stamp_of(command)
            if session != self._session or number <= self._newest:
                raise Violation(f"session {session} number {number} behind {self._newest}")
            self._newest = number
            if self._open_commands >= WINDOW:
                raise Violation(f"more than {WINDOW} commands at once")
            self._open_commands += 1
            if number <= self._last_number:
                self._sought.add(number)
            else:
                self._submit(number, command, loop)
        self._look()

    def _submit(self, number: int, command: bytearray, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._intake.port.send(command, _Sent(self, number), loop)
        except Overloaded:
            self.answer(Answer(number, Code.NOT_EXECUTED, b""))
        except Unavailable:
            self.close()
        except ValueError as problem:
            raise Violation(str(problem)) from None

    def answer(self, answer: Answer) -> None:
        self._open_commands -= 1
        self._answers.append(protocol.pack_answer(answer))
        self._line.wake()

    def _question(self, body: bytes) -> None:
        identity, ask = protocol.unpack_query(body)
        if self._open_questions >= QUESTIONS_MAX:
            self._send(protocol.pack_result(identity, Code.NOT_EXECUTED))
            return
        try:
            future = self._query(ask)
        except Overloaded:
            self._send(protocol.pack_result(identity, Code.NOT_EXECUTED))
            return
        if future is not None:
            self._open_questions += 1
            future.add_done_callback(partial(self._found, identity))

    def _found(self, identity: int, future: "asyncio.Future[Any]") -> None:
        self._open_questions -= 1
        problem = future.exception()
        if isinstance(problem, OutcomeUnknown | Unavailable):
            self.close()
        elif problem is not None:
            log.error("intake: a question of %s failed", self, exc_info=problem)
            self._send(protocol.pack_result(identity, Code.FAILED))
        else:
            self._send(protocol.pack_result(identity, Code.OK, to_json(future.result())))

    def _query(self, ask: Query[T] | Callable[[Engine], T]) -> "asyncio.Future[T] | None":
        """None if the match server ends. Raises Overloaded."""
        try:
            return self._intake.server.query(ask)
        except Overloaded:
            raise
        except Unavailable:
            self.close()
            return None

    # What was sent before the connection began.

    def _look(self) -> None:
        if not self._sought or self._is_looking:
            return
        self._is_looking = True
        numbers = frozenset(self._sought)
        self._intake.aside(
            partial(
                first_results, self._intake.journal, self._session, numbers, self._hello.after, self._until
            ),
            partial(self._looked, numbers),
        )

    def _looked(self, numbers: Set[int], found: FirstResults) -> None:
        self._is_looking = False
        if self._state is not _State.OPEN:
            return
        for number in sorted(numbers - found.unfinished):  # those are looked for again, at the next tick
            self._sought.discard(number)
            record = found.records.get(number)
            if record is not None:
                self.answer(Answer(number, Code.OK, record))
            else:
                self.answer(Answer(number, Code.NOT_EXECUTED if found.is_whole else Code.UNKNOWN, b""))

    def _send(self, framed: bytes) -> None:
        self._out.append(framed)
        self._line.wake()


class _Sent:
    """A command that the match server has, and what is done with its answer: a Waiter."""

    __slots__ = ("_connection", "_number")

    def __init__(self, connection: Connection, number: int) -> None:
        self._connection = connection
        self._number = number

    def done(self) -> bool:
        return self._connection.is_closed

    def set_result(self, record: bytes, /) -> None:
        if record[_STATUS] == Status.NOT_PERMITTED:
            log.error("intake: %s sent a command that its role may not send", self._connection)
        self._connection.answer(Answer(self._number, Code.OK, record))

    def set_exception(self, problem: BaseException, /) -> None:
        self._connection.close()  # the match server ends: whoever leads next knows what became of it
