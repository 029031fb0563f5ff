"""Who is next, and who waits for which result: one thread owns log, engine and event journal.

It takes everything that waits (a batch at most), makes the batch durable, applies it, and only then answers;
each event loop is woken once per batch. Queries run on the same thread between batches, so they see exactly
what is durable and nothing in between.

What the engine said goes to the event journal after the answers, which do not depend on it: if it cannot be
written the exchange ends, and the next start writes it.

Nothing here is unbounded. Orders and queries are turned away (Overloaded, not logged) when `queue_max` items
wait. Cancels never are for load: the queue has CANCELS_MAX places more, which only they may take. One waits
per connection at most, and a process has fewer connections than that: the bound is for a bug, not for a busy
day.

Known limit: a command waits for the whole batch before it, at most `batch_max` commands and one disk sync.
"""

import asyncio
import concurrent.futures
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, cast

from cambist._matching import Engine
from cambist.engine import commands, events
from cambist.engine.commands import Kind, Role
from cambist.engine.events import Status
from cambist.errors import Broken, ExchangeError, OutcomeUnknown, Overloaded, Refused, Unavailable
from cambist.log.errors import LogFailed
from cambist.log.journal import JournalRecord
from cambist.match.disk import LowDiskMark
from cambist.settings import Log, Match

CANCELS_MAX = 1 << 16

CANCELS = frozenset({Kind.CANCEL, Kind.CANCEL_ALL})
_NEW_ORDERS = frozenset({Kind.PLACE, Kind.CANCEL_REPLACE})
_HEADER_BYTES = 24  # of a command
_KIND = 2  # offset in a command
_FLAGS = 10  # offset in a RESULT
_MORE = 2

T = TypeVar("T")
# Who is told: a coroutine of some event loop, or (loop None) a thread that waits.
_Future: TypeAlias = "asyncio.Future[Any] | concurrent.futures.Future[Any]"
_Loop: TypeAlias = asyncio.AbstractEventLoop | None
_Answers: TypeAlias = "defaultdict[_Loop, list[tuple[_Future, Any]]]"
# A plain tuple: it is made for every command, and a named one costs as much as all the rest of the way.
_Command: TypeAlias = "tuple[bytearray, _Future, _Loop, Port]"
_Item: TypeAlias = "_Command | Query"


class CommandLog(Protocol):
    """What the server needs of a log. After a LogFailed only `close` is called."""

    def append(self, payload: bytes) -> None:
        """Returns when the batch is durable."""

    def seal(self) -> None: ...

    def close(self) -> None: ...


class EventJournal(Protocol):
    """Where consumers read what the engine said."""

    def append(self, record: JournalRecord) -> None:
        """Raises LogFailed."""

    def close(self) -> None: ...


class Query(NamedTuple):
    ask: Callable[[Engine], Any]
    future: _Future
    loop: _Loop


class Unfinished(NamedTuple):
    """A cancel-all that goes on in CONTINUE commands; its answer waits for the last of them."""

    future: _Future
    loop: _Loop
    records: list[bytes]


class Port:
    """One sender's way in. Its session decides what it may send; the engine checks that, not the port."""

    def __init__(self, server: "MatchServer", session: int) -> None:
        self._server = server
        self._session = session
        self._number = 0

    def submit(self, command: bytearray) -> "asyncio.Future[bytes]":
        """From the event loop: RESULT and events of the command, once it is durable.

        A cancel-all is answered after its last part, with the records of all parts one after the other.
        Raises Overloaded or Unavailable at once; the future may raise OutcomeUnknown.
        """
        _require_framed(command)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()
        self._server._accept((command, future, loop, self), command[_KIND])
        return future

    def call(self, command: bytearray) -> bytes:
        """The same from any thread but the match thread, which it would wait for."""
        _require_framed(command)
        future: concurrent.futures.Future[bytes] = concurrent.futures.Future()
        self._server._accept((command, future, None, self), command[_KIND])
        return future.result()

    def query(self, ask: Callable[[Engine], T]) -> "asyncio.Future[T]":
        """From the event loop: what `ask` gives, seen after every command submitted before."""
        return self._server.query(ask)

    def stamp(self, command: bytearray) -> None:
        """Only the match thread does this, in queue order: so numbers grow without a lock."""
        self._number += 1
        commands.stamp(command, self._session, self._number)


class StampedPort(Port):
    """For commands that carry a session and a number already, or (the sequencer's own) neither.

    Who sends them sees to it that the numbers of a session grow.
    """

    def __init__(self, server: "MatchServer") -> None:
        super().__init__(server, session=0)

    def stamp(self, command: bytearray) -> None:
        pass


class MatchServer:
    """`problem` says why it ended by itself: LogFailed or Broken; None while it runs or after `stop`."""

    def __init__(
        self,
        log: CommandLog,
        engine: Engine,
        journal: EventJournal,
        *,
        match: Match,
        log_settings: Log,
        disk: LowDiskMark,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._log = log
        self._engine = engine
        self._journal = journal
        self._queue_max = match.queue_max
        self._batch_max = match.batch_max
        self._seal_after_s = log_settings.seal_idle_ms / 1_000
        self._disk = disk
        self._clock = clock
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self._sequencer = StampedPort(self)
        self._in_flight: list[_Command] = []
        self._unfinished: dict[int, Unfinished] = {}  # by the cancel-all's sequence
        self._is_sealed = False  # a log that was opened may end in a batch without a seal
        self._is_stopping = False
        self._ended = False
        self.problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="match", daemon=True)

    def start(self) -> None:
        self._disk.check()
        self._thread.start()

    def stop(self) -> None:
        """Answer what waits, seal the log and close it; returns when that is done. Safe to repeat."""
        self._is_stopping = True
        self._queue.put(Query(lambda engine: None, concurrent.futures.Future(), None))  # wakes it
        self.join()

    def join(self) -> None:
        """Returns when the server has ended, by `stop` or by itself."""
        self._thread.join()

    def open_port(self, role: Role, name: str) -> Port:
        """Blocks until the session is in the log."""
        return Port(self, self.open_session(role, name))

    def open_session(self, role: Role, name: str) -> int:
        """The number of a new session, once it is in the log."""
        command = commands.SessionOpen(role=role, name=name.encode()).encode()
        answer = events.result(self._sequencer.call(command))
        if answer.status != Status.OK:
            raise ValueError(f"no session {name!r} as {role!r}: {Status(answer.status).name}")
        return answer.value

    def activate_rules(self, version: int) -> None:
        """For good. Blocks until it is in the log; Refused if the engine does not know the version."""
        answer = events.result(self._sequencer.call(commands.Rules(version=version).encode()))
        if answer.status != Status.OK:
            raise Refused(f"no rules version {version}: {Status(answer.status).name}")

    def query(self, ask: Callable[[Engine], T]) -> "asyncio.Future[T]":
        """From the event loop: what `ask` returns or raises, seen after every command submitted before.

        Of a large cancel-all that was submitted before, it may see the first part only.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._accept(Query(ask, future, loop))
        return future

    def query_blocking(self, ask: Callable[[Engine], T]) -> T:
        """The same from any thread but the match thread."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._accept(Query(ask, future, None))
        return future.result()

    def _accept(self, item: _Item, kind: int = 0) -> None:
        if self._is_stopping:
            raise _stopped(self.problem)
        room = self._queue_max + CANCELS_MAX if kind in CANCELS else self._queue_max
        if self._queue.qsize() >= room:
            raise Overloaded("the exchange is overloaded; the request was not executed")
        if self._disk.is_low and kind in _NEW_ORDERS:
            raise Overloaded("no new orders: the exchange is low on disk space; cancels go on")
        self._queue.put(item)
        if self._ended:  # it ended between the first line and the last: nobody else would answer this
            self._turn_away()

    # From here on: the match thread.

    def _run(self) -> None:
        while self.turn():
            pass

    def turn(self, sleep_max_s: float = 1) -> bool:
        """One round: what waits is logged, applied and answered. False once the server has ended.

        The match thread does nothing else. Who never calls `start` can take the rounds itself; one that finds
        nothing to do within `sleep_max_s` seals the log.
        """
        try:
            if not self._is_stopping or self._queue.qsize() or self._engine.pending:
                self._turn(sleep_max_s)
                return True
            self._seal()
        except LogFailed as problem:
            self.problem = problem
        except BaseException as problem:  # noqa: BLE001  whatever it is, nobody may be left waiting
            self.problem = Broken(f"match thread: {problem!r}")
            self.problem.__cause__ = problem
        self._end()
        return False

    def _turn(self, sleep_max_s: float) -> None:
        taken = self._take(sleep_max_s)
        self._disk.check()
        waiting = [item for item in taken if item.__class__ is tuple]
        if waiting or self._engine.pending or self._is_due():
            self._execute(cast(list[_Command], waiting))
        if len(waiting) < len(taken):
            self._ask(item for item in taken if isinstance(item, Query))

    def _is_due(self) -> bool:
        """Whether a deadline has passed that the engine will deal with in a TIME command."""
        deadline_ns = self._engine.next_deadline_ns
        return deadline_ns is not None and deadline_ns <= max(self._engine.time_ns, self._clock())

    def _take(self, sleep_max_s: float) -> list[_Item]:
        """Everything that waits, at most a batch. Sleeps only if there is nothing else to do."""
        count = self._queue.qsize()
        if count == 0 and not self._engine.pending and not self._is_due():
            return self._sleep(sleep_max_s)
        return [self._queue.get_nowait() for _ in range(min(count, self._batch_max))]

    def _sleep(self, max_s: float) -> list[_Item]:
        """Until something comes, or (with a log to seal, or the disk to look at again) for a while.

        Deadlines are met on the way.
        """
        timeout_s = max_s if self._is_sealed else min(max_s, self._seal_after_s)
        deadline_ns = self._engine.next_deadline_ns
        if deadline_ns is not None:
            timeout_s = min(timeout_s, max(0, deadline_ns - self._clock()) / 1_000_000_000)
        try:
            first = self._queue.get(timeout=timeout_s)
        except Empty:
            if not self._is_due():
                self._seal()
            return []
        count = min(self._queue.qsize(), self._batch_max - 1)
        return [first, *(self._queue.get_nowait() for _ in range(count))]

    def _execute(self, waiting: list[_Command]) -> None:
        """Log, apply, answer. Whatever raises on the way leaves `_in_flight` for `_end`."""
        self._in_flight = waiting
        batch = [commands.Time().encode()] if self._is_due() else []
        is_due = bool(batch)
        if has_continue := self._engine.pending:
            batch.append(commands.Continue().encode())
        for command, _, _, port in waiting:
            port.stamp(command)
            batch.append(command)
        engine = self._engine
        first_sequence = engine.sequence + 1
        time_ns = max(engine.time_ns, self._clock())
        payload = commands.batch(first_sequence, time_ns, engine.epoch, batch)
        self._is_sealed = False
        self._log.append(payload)
        output = engine.apply(payload)
        records = events.split(output)
        if is_due:
            next(records)  # nobody waits for what time does
        self._answer(waiting, records, has_continue)
        self._in_flight = []
        self._journal.append(
            JournalRecord(first_sequence, engine.sequence, engine.event_hash, time_ns, output)
        )

    def _answer(self, waiting: list[_Command], records: Iterator[bytes], has_continue: bool) -> None:
        answers: _Answers = defaultdict(list)
        if has_continue:
            self._go_on(next(records), answers)
        for (_, future, loop, _), record in zip(waiting, records, strict=True):
            if record[_FLAGS] & _MORE:
                self._unfinished[events.result(record).sequence] = Unfinished(future, loop, [record])
            else:
                answers[loop].append((future, record))
        _deliver(answers, _set_results)

    def _go_on(self, record: bytes, answers: _Answers) -> None:
        """A CONTINUE's record belongs to the command it continues; the last one completes the answer."""
        sequence = events.result(record).value
        work = self._unfinished.get(sequence)
        if work is None:  # begun before a restart: who asked for it is gone
            return
        work.records.append(record)
        if not record[_FLAGS] & _MORE:
            del self._unfinished[sequence]
            answers[work.loop].append((work.future, b"".join(work.records)))

    def _ask(self, queries: Iterable[Query]) -> None:
        results: _Answers = defaultdict(list)
        problems: _Answers = defaultdict(list)
        for ask, future, loop in queries:
            try:
                results[loop].append((future, ask(self._engine)))
            except Exception as problem:  # noqa: BLE001  the query's own, and for who asked
                problems[loop].append((future, problem))
        _deliver(results, _set_results)
        _deliver(problems, _set_problems)

    def _seal(self) -> None:
        if not self._is_sealed:
            self._log.seal()
            self._is_sealed = True

    def _end(self) -> None:
        """Nobody is left waiting, and nothing is written any more."""
        self._is_stopping = self._ended = True
        unknown: _Answers = defaultdict(list)
        unfinished = [(work.future, work.loop) for work in self._unfinished.values()]
        for future, loop in [(item[1], item[2]) for item in self._in_flight] + unfinished:
            unknown[loop].append((future, OutcomeUnknown("the exchange stopped; the outcome is not known")))
        _deliver(unknown, _set_problems)
        self._turn_away()
        self._journal.close()
        self._log.close()

    def _turn_away(self) -> None:
        """What was never taken was not executed, and can be told so."""
        problems: _Answers = defaultdict(list)
        while True:
            try:
                _, future, loop, *_ = self._queue.get_nowait()
            except Empty:
                break
            problems[loop].append((future, _stopped(self.problem)))
        _deliver(problems, _set_problems)


def _require_framed(command: bytearray) -> None:
    """Raises ValueError for bytes that are no command by their own length.

    In the log they would be durable before the engine could refuse them, and no start would get past them.
    """
    length = len(command)
    if length < _HEADER_BYTES or length % 8 or command[0] | command[1] << 8 != length:
        raise ValueError(f"{length} bytes that are not one command")


def _stopped(problem: BaseException | None) -> ExchangeError:
    why = "is stopping" if problem is None else "has stopped after a failure"
    return Unavailable(f"the exchange {why}; the request was not executed")


def _deliver(answers: _Answers, tell: Callable[[list[tuple[_Future, Any]]], None]) -> None:
    for loop, told in answers.items():
        if loop is None:
            tell(told)
            continue
        try:
            loop.call_soon_threadsafe(tell, told)
        except RuntimeError:  # the loop is closed, so nobody there waits any more
            continue


def _set_results(answers: list[tuple[_Future, Any]]) -> None:
    for future, result in answers:
        if not future.done():  # who asked may have given up
            future.set_result(result)


def _set_problems(answers: list[tuple[_Future, Any]]) -> None:
    for future, problem in answers:
        if not future.done():
            future.set_exception(problem)
