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
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol, TypeAlias

from sqlalchemy import Connection

from cambist.engine import commands, events
from cambist.engine.commands import Command, Role
from cambist.engine.events import Result
from cambist.errors import OutcomeUnknown, Refused, Unavailable
from cambist.log import journal
from cambist.match import recovery
from cambist.match.server import MatchServer, StampedPort
from cambist.settings import Settings
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


class Desk(Protocol):
    """Where the engine takes a sender's commands. Blocks, but not for ever: then Unavailable."""

    def place(self, session: int) -> tuple[int, int | None]:
        """The engine's last sequence, and the session's last number; None if it has the session no more."""

    def open_session(self, role: Role, name: str) -> int: ...

    def call(self, command: bytearray) -> bytes:
        """RESULT and events of a command that carries session and number, sent before or not.

        Raises Unavailable if it was not executed, or OutcomeUnknown.
        """


class LocalDesk:
    """The match server in this process."""

    def __init__(self, server: MatchServer) -> None:
        self._server = server
        self.call = StampedPort(server).call
        self.open_session = server.open_session

    def place(self, session: int) -> tuple[int, int | None]:
        sequence, known = self._server.query_blocking(
            lambda engine: (engine.sequence, engine.session(session))
        )
        return sequence, known and known[2]


class Courier:
    """`name` is the sender's for ever. Usable from every thread; one command is under way at a time."""

    def __init__(
        self,
        records: Records,
        desk: Desk,
        name: str,
        role: Role,
        *,
        effects: Mapping[str, Effect],
        results: Results,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._records = records
        self._desk = desk
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
        Unavailable if the command was not sent and never will be: what `prepare` has changed stays, so
        whatever is to follow from the answer belongs into the purpose's effect. After OutcomeUnknown (which
        is one too) the next call finds out first.
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
                return self._deliver(self._session, waiting)
            except OutcomeUnknown:
                self._session = None
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
        sequence, last_number = self._desk.place(sender.session)
        if sender.sequence > sequence:
            raise LogOlder(
                f"the records know of the command with sequence {sender.sequence}, but the log ends with "
                f"{sequence}: it is an older copy; restore the newest log, or both from one backup"
            )
        if last_number is None:
            session = self._open_session()
        else:
            session = sender.session
            self._catch_up(session, last_number)
        with self._records.read() as db:
            unanswered = outbox.waiting(db, self._name)
        for waiting in unanswered:
            self._deliver(session, waiting)
        self._session = session

    def _audit_row(self, db: Connection, act: Act) -> int:
        if self._act is not None and self._act[0] is act:
            return self._act[1]
        return self._records.audit.append(db, act)

    def _open_session(self) -> int:
        session = self._desk.open_session(self._role, self._name)
        with self._records.write() as db:
            outbox.set_session(db, self._name, session)
        return session

    def _deliver(self, session: int, waiting: Waiting) -> Answer:
        command = bytearray(waiting.command)
        commands.stamp(command, session, waiting.number)
        result = events.result(self._desk.call(command))
        answer = _answer(result)
        with self._records.write() as db:
            outbox.take_in(db, self._name, waiting.number, answer)
            if waiting.purpose:
                self._effects[waiting.purpose](db, waiting.subject, answer)
        return answer

    def _catch_up(self, session: int, last_number: int) -> None:
        """Writes down what the sender has done in the log without these records."""
        with self._records.read() as db:
            known = outbox.last_number(db, self._name)
            sender = outbox.sender(db, self._name)
        if last_number <= known or sender is None:
            return
        missing = [each for each in self._results(session, sender.sequence) if each.number > known]
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


def results(settings: Settings, session: int, after_sequence: int) -> Iterator[Result]:
    """What the event journal says of a session's commands behind a sequence, oldest first."""
    archive = recovery.journal_in(recovery.archive_of(settings))
    for record in journal.read_behind(settings.journal_directory, after_sequence, archive):
        for answered in events.split(record.events):
            result = events.result(answered)
            if result.session == session and not result.repeat and result.sequence > after_sequence:
                yield result


def _answer(result: Result) -> Answer:
    return Answer(result.sequence, int(result.status), result.value)
