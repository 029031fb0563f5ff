"""A sender's end of the intake, over however many connections that takes. No I/O here.

Commands are numbered when they are sent. What is not answered when a connection is lost is sent again over
the next one with the same numbers, and so executed once; questions are asked again. Whoever leads may change
in between. A command that was sent and not answered in time is forgotten, its outcome is unknown (-1007); one
that was never sent was not executed.

Nothing here is unbounded: orders and questions are turned away (Overloaded) when the session has no number
free for them; cancels wait, CANCELS_MAX of them, which is for a bug and not for a busy day.
Known limit: a question asked while cancels wait for a number overtakes them.
"""

import asyncio
import itertools
import logging
import os
from collections import deque
from collections.abc import Mapping
from enum import Enum, auto
from hmac import compare_digest
from typing import Any, NamedTuple, Protocol

import msgspec

from cambist.engine import commands, events
from cambist.engine.commands import Role
from cambist.errors import OutcomeUnknown, Overloaded, Unavailable
from cambist.frames import Frames, FrameTooLarge
from cambist.intake import protocol
from cambist.intake.protocol import (
    HANDSHAKE_MAX_BYTES,
    NONCE_BYTES,
    TO_CLIENT_MAX_BYTES,
    VERSION,
    WINDOW,
    Answer,
    Code,
    Hello,
    Kind,
    Refusal,
    Violation,
    frame,
    to_json,
)
from cambist.match.queries import Query
from cambist.match.server import CANCELS, CANCELS_MAX, Waiter

ORDERS_MAX = WINDOW - 96  # the last numbers are for cancels
QUESTIONS_MAX = 4_096

_KIND = 2  # offset in a command

log = logging.getLogger(__name__)


class Line(Protocol):
    """What carries the bytes of one connection."""

    def wake(self) -> None:
        """There is something to send: `outgoing` is to be asked for soon."""

    def opened(self) -> None:
        """There is a session, and what had waited is on its way."""

    def close(self) -> None: ...


class _Command(NamedTuple):
    """`after` is a sequence before its own; `until_s` is when it is given up."""

    command: bytearray
    waiter: Waiter
    after: int
    until_s: float
    is_stamped: bool


class _Question(NamedTuple):
    framed: bytes
    ask: Query[Any]
    future: "asyncio.Future[Any]"
    until_s: float


class _State(Enum):
    CLOSED = auto()
    GREETED = auto()
    PROVED = auto()
    OPEN = auto()


class Client:
    def __init__(
        self,
        role: Role,
        name: str,
        secret: bytes,
        *,
        give_up_s: float,
        silent_s: float,
        session: int = 0,
        reached: int = 0,
    ) -> None:
        """`name` (at most 22 bytes) goes into the log with the session.

        A sender that remembers gives the `session` that it had, and the highest sequence `reached` in it.
        """
        self._role = role.name.lower()
        self._name = name
        self._secret = secret
        self._give_up_s = give_up_s
        self._silent_s = silent_s
        self._line: Line | None = None
        self._state = _State.CLOSED
        self._frames = Frames(HANDSHAKE_MAX_BYTES)
        self._heard_s = 0.0
        self._has_sent = False
        self._out: list[bytes] = []
        self._commands: list[bytearray] = []  # of the frame that is being gathered
        self._hello = b""
        self.session = session
        self.epoch = 0
        self._number = 0  # of the newest command
        self._oldest = 1  # no number below it is unanswered
        self._reached = reached  # the highest sequence of an answer
        self._unanswered: dict[int, _Command] = {}  # by number, oldest first
        self._unsent: deque[_Command] = deque()
        self._questions: dict[int, _Question] = {}
        self._ids = itertools.count(1)
        self.last_number = 0  # of the session when it was opened or taken up again
        self.refused: Refusal | None = None  # why no connection is taken

    @property
    def is_connected(self) -> bool:
        """Also while both sides still prove who they are."""
        return self._line is not None

    @property
    def is_open(self) -> bool:
        return self._state is _State.OPEN

    @property
    def waiting(self) -> int:
        """Commands and questions without an answer."""
        return len(self._unanswered) + len(self._unsent) + len(self._questions)

    # What the sender does with it.

    def send(self, command: bytearray, waiter: Waiter, now_s: float, *, is_stamped: bool = False) -> None:
        """The waiter gets RESULT and events, OutcomeUnknown, or Unavailable. Raises Overloaded.

        `is_stamped`: it carries session and number, of a sender that numbers its commands itself and sends
        the next one when it has the answer to the last. In another session than that one nothing is sent.
        """
        waiting = self._number - self._oldest + 1 + len(self._unsent)
        if waiting >= ORDERS_MAX and (command[_KIND] not in CANCELS or waiting >= CANCELS_MAX):
            raise Overloaded("the exchange is overloaded; the request was not executed")
        entry = _Command(command, waiter, self._reached, now_s + self._give_up_s, is_stamped)
        if self._state is _State.OPEN and not self._unsent and self._has_number():
            self._send_command(entry)
        else:
            self._unsent.append(entry)

    def query(self, ask: Query[Any], future: "asyncio.Future[Any]", now_s: float) -> None:
        """The future gets what the query gives, or Unavailable. Raises Overloaded."""
        if len(self._questions) >= QUESTIONS_MAX:
            raise Overloaded("the exchange is overloaded; the request was not executed")
        identity = next(self._ids) & 0xFFFF_FFFF
        framed = protocol.pack_query(identity, ask)
        self._questions[identity] = _Question(framed, ask, future, now_s + self._give_up_s)
        if self._state is _State.OPEN:
            self._send(framed)

    # What the line does with it.

    def opened(self, line: Line, now_s: float) -> None:
        """A new connection stands; the one before it is no more."""
        self._line = line
        self._state = _State.GREETED
        self._frames = Frames(HANDSHAKE_MAX_BYTES)
        self._heard_s = now_s
        self._out, self._commands = [], []
        after = min((entry.after for entry in self._unanswered.values()), default=self._reached)
        hello = Hello(VERSION, self._role, self._name, self.session, after, os.urandom(NONCE_BYTES))
        self._hello = to_json(hello)
        self._send(frame(Kind.HELLO, self._hello))

    def received(self, data: bytes, now_s: float) -> None:
        self._heard_s = now_s
        try:
            for payload in self._frames.fed(data):
                if self._state is _State.CLOSED:
                    return
                self._take(payload)
        except (FrameTooLarge, Violation, msgspec.DecodeError) as problem:
            log.error("intake: the match server sent what is not of the protocol: %s", problem)
            self.lost()

    def outgoing(self) -> bytes:
        """Everything that is to be sent now."""
        self._end_frame()
        out, self._out = self._out, []
        self._has_sent = self._has_sent or bool(out)
        return b"".join(out)

    def lost(self) -> None:
        """The connection is no more. Safe to repeat."""
        line, self._line = self._line, None
        self._state = _State.CLOSED
        self._out, self._commands = [], []
        if line is not None:
            line.close()

    def tick(self, now_s: float) -> None:
        """Every HEARTBEAT_S, with a connection and without."""
        self._give_up(now_s)
        if self._state is _State.CLOSED:
            return
        if now_s - self._heard_s > self._silent_s:
            log.warning("intake: the match server has said nothing for %.1f s", now_s - self._heard_s)
            self.lost()
            return
        if self._state is _State.OPEN and not self._has_sent:
            self._send(frame(Kind.HEARTBEAT))
        self._has_sent = False

    # The handshake.

    def _take(self, payload: bytes) -> None:
        if not payload:
            raise Violation("an empty frame")
        kind, body = payload[0], payload[1:]
        if self._state is _State.OPEN:
            if kind == Kind.ANSWERS:
                for answer in protocol.split_answers(body):
                    self._answered(answer)
                self._send_unsent()
            elif kind == Kind.RESULT:
                self._result(body)
            elif kind != Kind.HEARTBEAT:
                raise Violation(f"kind {kind}")
        elif kind == Kind.REFUSED:
            self._is_refused(protocol.read_refused(body).why)
        elif self._state is _State.GREETED and kind == Kind.CHALLENGE:
            self._prove(body)
        elif self._state is _State.PROVED and kind == Kind.WELCOME:
            self._begin(body)
        else:
            raise Violation(f"kind {kind} in the handshake")

    def _is_refused(self, why: Refusal) -> None:
        if why is not self.refused:  # it is tried again and again
            log.error("intake: the match server refuses %s as %s: %s", self._name, self._role, why.name)
        self.refused = why
        self.lost()

    def _prove(self, body: bytes) -> None:
        challenge = protocol.read_challenge(body)
        expected = protocol.prove(self._secret, b"server", self._hello, challenge.nonce)
        if not compare_digest(challenge.proof, expected):
            raise Violation("it does not know the secret of this role")
        self._state = _State.PROVED
        self._send(frame(Kind.PROOF, protocol.prove(self._secret, b"client", self._hello, challenge.nonce)))

    def _begin(self, body: bytes) -> None:
        welcome = protocol.read_welcome(body)
        self._frames.max_bytes = TO_CLIENT_MAX_BYTES
        self._state = _State.OPEN
        self.refused = None
        self.epoch, self.last_number = welcome.epoch, welcome.last_number
        if welcome.session != self.session:
            self._begin_session(welcome.session, welcome.last_number)
        for entry in self._unanswered.values():
            self._add(entry.command)
        self._send_unsent()
        for question in self._questions.values():
            self._send(question.framed)
        if self._line is not None:
            self._line.opened()

    def _begin_session(self, session: int, last_number: int) -> None:
        """What was sent in an older session cannot be asked for any more."""
        lost, self._unanswered = self._unanswered, {}
        for entry in lost.values():
            _fail(entry.waiter, OutcomeUnknown("the session has ended; the outcome is not known"))
        self.session, self._number, self._oldest = session, last_number, last_number + 1

    # Commands and questions.

    def _has_number(self) -> bool:
        """Whether the engine would keep the results of all that is unanswered and of one more."""
        while self._oldest <= self._number and self._oldest not in self._unanswered:
            self._oldest += 1
        return self._number - self._oldest + 1 < WINDOW

    def _send_command(self, entry: _Command) -> None:
        if entry.is_stamped:
            session, number = protocol.stamp_of(entry.command)
            if session != self.session:
                _fail(entry.waiter, OutcomeUnknown("the session has ended; the outcome is not known"))
                return
            self._number, self._oldest = number, min(self._unanswered, default=number)
        else:
            self._number += 1
            commands.stamp(entry.command, self.session, self._number)
        self._unanswered[self._number] = entry
        self._add(entry.command)

    def _send_unsent(self) -> None:
        while self._unsent and self._has_number():
            self._send_command(self._unsent.popleft())

    def _answered(self, answer: Answer) -> None:
        entry = self._unanswered.pop(answer.number, None)
        if entry is None:  # given up
            return
        if answer.code is Code.OK:
            self._reached = max(self._reached, events.place(answer.record)[0])
            if not entry.waiter.done():
                entry.waiter.set_result(answer.record)
        elif answer.code is Code.NOT_EXECUTED:
            _fail(entry.waiter, Overloaded("the exchange is overloaded; the request was not executed"))
        else:
            _fail(entry.waiter, OutcomeUnknown("nothing is left that says what became of it"))

    def _result(self, body: bytes) -> None:
        identity, code, result = protocol.unpack_result(body)
        question = self._questions.pop(identity, None)
        if question is None or question.future.done():
            return
        if code is Code.OK:
            question.future.set_result(protocol.reader_of(type(question.ask)).decode(result))
        elif code is Code.NOT_EXECUTED:
            _fail(question.future, Overloaded("the exchange is overloaded; the request was not executed"))
        else:
            _fail(question.future, RuntimeError(f"{question.ask} failed; the match server's log says why"))

    def _give_up(self, now_s: float) -> None:
        for number in _late(self._unanswered, now_s):
            late = self._unanswered.pop(number).waiter
            _fail(late, OutcomeUnknown("no answer in time; the outcome is not known"))
        while self._unsent and self._unsent[0].until_s <= now_s:
            late = self._unsent.popleft().waiter
            _fail(late, Unavailable("the match server cannot be reached; the request was not executed"))
        for identity in _late(self._questions, now_s):
            _fail(self._questions.pop(identity).future, Unavailable("no answer in time"))

    # What leaves.

    def _add(self, command: bytearray) -> None:
        self._commands.append(command)
        if len(self._commands) == 1 and self._line is not None:
            self._line.wake()

    def _end_frame(self) -> None:
        if self._commands:
            self._out += [frame(Kind.COMMANDS, piece) for piece in protocol.gathered(self._commands)]
            self._commands = []

    def _send(self, framed: bytes) -> None:
        """Behind the commands before it."""
        self._end_frame()
        self._out.append(framed)
        if self._line is not None:
            self._line.wake()


def _late(waiting: Mapping[int, _Command | _Question], now_s: float) -> list[int]:
    """They wait in the order in which they are given up."""
    return [key for key, _ in itertools.takewhile(lambda each: each[1].until_s <= now_s, waiting.items())]


def _fail(waiter: Waiter, problem: Exception) -> None:
    if not waiter.done():  # who asked may have gone
        waiter.set_exception(problem)
