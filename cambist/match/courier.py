"""Sends what one sender's outbox holds to the engine, in order and each once, and takes the answers in.

Whatever ends this process on the way, the next `resume` goes on: the engine answers a number that it has seen
with the first result. There the two memories are compared as well:

- Records that know of a command behind the log's end are refused: the log has lost what it acknowledged.
- A log in which the sender has gone on without these records shows that they are an older copy. The numbers
  that are missing are written down as the event journal has them, and payouts stop until somebody has looked
  (`Records.payouts_stopped`), because what was decided meanwhile is not known here.

Known limit: a session that 1,024 newer ones have pushed out of the engine is followed by a new one, in which
what had no answer is sent again; only a reference keeps such a command from running twice.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from sqlalchemy import Connection

from cambist.engine import commands, events
from cambist.engine.commands import Command, Role
from cambist.engine.events import Result
from cambist.errors import OutcomeUnknown, Refused, Unavailable
from cambist.match.server import MatchServer, StampedPort
from cambist.store import outbox
from cambist.store.audit import Act
from cambist.store.outbox import LOST, NOT_SENT, Answer, Waiting
from cambist.store.records import Records

ACTOR = "exchange"


class LogOlder(Refused):
    """The records know of a command that the log has not."""

    code = "log_older"


class Post(NamedTuple):
    """A command to send; with a purpose, what follows from its answer is done for `subject`."""

    command: Command
    purpose: str = ""
    subject: str = ""


# What follows from the answer to a command with a purpose: it gets the subject, in the answer's transaction.
Effect: TypeAlias = Callable[[Connection, str, Answer], None]
# The answered commands of a session behind a sequence, oldest first.
Results: TypeAlias = Callable[[int, int], Iterable[Result]]


class Courier:
    """`name` is the sender's for ever. Usable from every thread; one command is under way at a time."""

    def __init__(
        self,
        records: Records,
        server: MatchServer,
        name: str,
        role: Role,
        *,
        effects: Mapping[str, Effect],
        results: Results,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._records = records
        self._server = server
        self._port = StampedPort(server)
        self._name = name
        self._role = role
        self._effects = effects
        self._results = results
        self._clock = clock
        self._session: int | None = None
        self._act: tuple[Act, int] | None = None  # the newest, and its audit row
        self._turn = threading.Lock()

    def resume(self) -> None:
        """Compares the records with the log and sends what has no answer. Raises LogOlder or Unavailable."""
        with self._turn:
            self._resume()

    def send(self, act: Act, prepare: Callable[[Connection], Post]) -> Answer:
        """Writes down what `act` does and the command that it takes, sends that, and returns the answer.

        An act that takes several commands, one after the other, has one audit row.
        `prepare` makes the other changes in the same transaction; what it raises undoes everything. Raises
        Unavailable if the command was not sent and never will be; after OutcomeUnknown (which is one too) the
        next `resume` finds out.
        """
        with self._turn:
            if self._session is None:  # what was cut off goes first, in the session that it has its number in
                self._resume()
            if self._session is None:
                self._session = self._open_session()
            with self._records.write() as db:
                command, purpose, subject = prepare(db)
                encoded = bytes(command.encode())
                audit_id = self._audit_row(db, act)
                number = outbox.put(db, self._name, audit_id, purpose, subject, encoded)
            self._act = (act, audit_id)
            waiting = Waiting(number, purpose, subject, encoded)
            try:
                return self._deliver(waiting)
            except OutcomeUnknown:
                raise
            except Unavailable:
                with self._records.write() as db:
                    outbox.take_in(db, self._name, number, NOT_SENT)
                raise

    def _resume(self) -> None:
        with self._records.read() as db:
            sender = outbox.sender(db, self._name)
        if sender is None:  # it has never sent anything, so nothing can be missing
            return
        sequence, session = self._server.query_blocking(
            lambda engine: (engine.sequence, engine.session(sender.session))
        )
        if sender.sequence > sequence:
            raise LogOlder(
                f"the records know of the command with sequence {sender.sequence}, but the log ends with "
                f"{sequence}: it is an older copy; restore the newest log, or both from one backup"
            )
        self._session = sender.session if session is not None else self._open_session()
        if session is not None:
            self._catch_up(session[2])
        with self._records.read() as db:
            unanswered = outbox.waiting(db, self._name)
        for waiting in unanswered:
            self._deliver(waiting)

    def _audit_row(self, db: Connection, act: Act) -> int:
        if self._act is not None and self._act[0] is act:
            return self._act[1]
        return self._records.audit.append(db, act)

    def _open_session(self) -> int:
        session = self._server.open_session(self._role, self._name)
        with self._records.write() as db:
            outbox.set_session(db, self._name, session)
        return session

    def _deliver(self, waiting: Waiting) -> Answer:
        assert self._session is not None  # opened by whoever calls this
        command = bytearray(waiting.command)
        commands.stamp(command, self._session, waiting.number)
        result = events.result(self._port.call(command))
        answer = _answer(result)
        with self._records.write() as db:
            outbox.take_in(db, self._name, waiting.number, answer)
            if waiting.purpose:
                self._effects[waiting.purpose](db, waiting.subject, answer)
        return answer

    def _catch_up(self, last_number: int) -> None:
        """Writes down what the sender has done in the log without these records."""
        assert self._session is not None
        with self._records.read() as db:
            known = outbox.last_number(db, self._name)
            sender = outbox.sender(db, self._name)
        if last_number <= known or sender is None:
            return
        missing = [each for each in self._results(self._session, sender.sequence) if each.number > known]
        details = {"sender": self._name, "known": known, "last": last_number, "found": len(missing)}
        with self._records.write() as db:
            audit_id = self._records.audit.append(db, Act(ACTOR, "records.older", details, self._clock()))
            for result in missing:
                outbox.recover(db, self._name, audit_id, result.number, _answer(result))
            if not missing or missing[-1].number < last_number:  # its number must not be used again
                outbox.recover(db, self._name, audit_id, last_number, LOST)
            self._records.stop_payouts(
                db,
                f"the records are older than the log: {self._name} has sent {last_number - known} commands "
                "that they do not know of",
            )


def _answer(result: Result) -> Answer:
    return Answer(result.sequence, int(result.status), result.value)
