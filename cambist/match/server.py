"""Who is next, and who waits for which result: one thread owns log, engine and event journal.

It takes everything that waits (a batch at most), makes the batch durable, applies it, and only then answers;
each event loop is woken once per batch, and wakes this thread once per turn of its own, however much it has
sent by then. Queries run on the same thread between batches, so they see exactly what is durable and nothing
in between.

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
import logging
import threading
import time
from collections import defaultdict, deque
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
from cambist.match.stats import MatchStats
from cambist.settings import Log, Match

CANCELS_MAX = 1 << 16
_TURN_LONGEST = 256  # commands that wait for the end of a loop's turn

CANCELS = frozenset({Kind.CANCEL, Kind.CANCEL_ALL})
_NEW_ORDERS = frozenset({Kind.PLACE, Kind.CANCEL_REPLACE})
_HEADER_BYTES = 24  # of a command
_KIND = 2  # offset in a command
_FLAGS = 10  # offset in a RESULT
_MORE = 2

log = logging.getLogger(__name__)

T = TypeVar("T")
_Loop: TypeAlias = asyncio.AbstractEventLoop | None  # whose waiters are told there; None: by this thread
_Answers: TypeAlias = "defaultdict[_Loop, list[tuple[Waiter, Any]]]"
# A plain tuple: it is made for every command, and a named one costs as much as all the rest of the way.
_Command: TypeAlias = "tuple[bytearray, Waiter, _Loop, Port]"
_Item: TypeAlias = "_Command | Query"


class Waiter(Protocol):
    """Who is told what became of a command: a future of asyncio or of a thread, or what acts like one."""

    def done(self) -> bool:
        """Whether it has been told, or waits no more."""

    def set_result(self, result: Any, /) -> None: ...

    def set_exception(self, problem: Any, /) -> None: ...


class CommandLog(Protocol):
    """What the server needs of a log. After a LogFailed only `close` is called."""

    def append(self, payload: bytes) -> None:
        """Returns when the batch is durable."""

    def seal(self) -> None: ...

    def require_leading(self) -> None:
        """Raises Fenced if another process leads; it has looked within the last second."""

    def beat(self) -> None:
        """Shows those who watch that this process leads; from any thread, and in vain after `close`."""

    def close(self) -> None: ...


class EventJournal(Protocol):
    """Where consumers read what the engine said."""

    def append(self, record: JournalRecord) -> None:
        """Raises LogFailed."""

    def close(self) -> None: ...


class Query(NamedTuple):
    ask: Callable[[Engine], Any]
    waiter: Waiter
    loop: _Loop


class Unfinished(NamedTuple):
    """A cancel-all that goes on in CONTINUE commands; its answer waits for the last of them."""

    waiter: Waiter
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
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()
        self.send(command, future, loop)
        return future

    def send(self, command: bytearray, waiter: Waiter, loop: asyncio.AbstractEventLoop) -> None:
        """The same for one who is no future. `waiter` is told in `loop`, from which this is called.

        Asking which loop runs costs a system call with Python 3.11.
        """
        _require_framed(command)
        self._server._accept((command, waiter, loop, self), loop, command[_KIND])

    def call(self, command: bytearray) -> bytes:
        """The same from any thread but the match thread, which it would wait for."""
        _require_framed(command)
        future: concurrent.futures.Future[bytes] = concurrent.futures.Future()
        self._server._accept((command, future, None, self), None, command[_KIND])
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
        self._seal_after_ns = log_settings.seal_idle_ms * 1_000_000
        self._seal_at_ns = 0
        self._disk = disk
        self._clock = clock
        self._queue: deque[_Item] = deque()
        self._calls: SimpleQueue[None] = SimpleQueue()  # at most one: what waits is to be taken
        self._is_called = False
        self._calling: _Loop = None  # the loop that calls at the end of its turn
        self._has_left = False  # what the last batch had no room for
        self._sequencer = StampedPort(self)
        self._in_flight: list[_Item] = []
        self._unfinished: dict[int, Unfinished] = {}  # by the cancel-all's sequence
        self._is_sealed = False  # a log that was opened may end in a batch without a seal
        self._is_stopping = False
        self._ended = False
        self.problem: BaseException | None = None
        self.stats = MatchStats(engine.sequence)
        self._thread = threading.Thread(target=self._run, name="match", daemon=True)

    @property
    def queue_length(self) -> int:
        return len(self._queue)

    def start(self) -> None:
        self._disk.check()
        self._thread.start()

    def stop(self) -> None:
        """Answer what waits, seal the log and close it; returns when that is done. Safe to repeat."""
        self._is_stopping = True
        self._call()
        self.join()

    def join(self) -> None:
        """Returns when the server has ended, by `stop` or by itself."""
        self._thread.join()

    def beat(self) -> None:
        """Shows a standby that this process can run. Raises OSError."""
        self._log.beat()

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
        self._accept(Query(ask, future, loop), loop)
        return future

    def query_blocking(self, ask: Callable[[Engine], T]) -> T:
        """The same from any thread but the match thread."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._accept(Query(ask, future, None), None)
        return future.result()

    def _accept(self, item: _Item, loop: _Loop, kind: int = 0) -> None:
        if self._is_stopping:
            raise _stopped(self.problem)
        room = self._queue_max + CANCELS_MAX if kind in CANCELS else self._queue_max
        if len(self._queue) >= room:
            self.stats.shed += 1
            raise Overloaded("the exchange is overloaded; the request was not executed")
        if self._disk.is_low and kind in _NEW_ORDERS:
            raise Overloaded("no new orders: the exchange is low on disk space; cancels go on")
        self._queue.append(item)
        if loop is None or len(self._queue) >= _TURN_LONGEST:
            self._call()
        elif self._calling is not loop:
            self._calling = loop
            loop.call_soon(self._call)
        if self._ended:  # it ended between the first line and the last: nobody else would answer this
            self._turn_away()

    def _call(self) -> None:
        """What waits is to be taken. A loop does this once it has read all that it can: a batch costs as much
        as several orders, and waking a thread as much as one.
        """
        self._calling = None
        if not self._is_called:
            self._is_called = True
            self._calls.put(None)

    # From here on: the match thread.

    def _run(self) -> None:
        while self.turn():
            pass

    def turn(self, sleep_max_s: float = 1) -> bool:
        """One round: what waits is logged, applied and answered. False once the server has ended.

        The match thread does nothing else. Who never calls `start` can take the rounds itself.
        """
        try:
            if not self._is_stopping or self._queue or self._engine.pending:
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
        self._in_flight = taken = self._take(sleep_max_s)  # whatever raises from here on leaves it for `_end`
        self._log.require_leading()
        self._disk.check()
        waiting = [item for item in taken if item.__class__ is tuple]
        if waiting or self._engine.pending or self._is_due():
            self._execute(cast(list[_Command], waiting))
        if len(waiting) < len(taken):
            self._ask(item for item in taken if isinstance(item, Query))
        self._in_flight = []

    def _is_due(self) -> bool:
        """Whether a deadline has passed that the engine will deal with in a TIME command."""
        deadline_ns = self._engine.next_deadline_ns
        return deadline_ns is not None and deadline_ns <= max(self._engine.time_ns, self._clock())

    def _take(self, sleep_max_s: float) -> list[_Item]:
        """Everything that waits, at most a batch. Sleeps only if there is nothing else to do."""
        if not self._has_left and not self._engine.pending and not self._is_due():
            self._sleep(sleep_max_s)
        take = self._queue.popleft
        taken = [take() for _ in range(min(len(self._queue), self._batch_max))]
        self._has_left = len(taken) == self._batch_max
        return taken

    def _sleep(self, max_s: float) -> None:
        """Until somebody calls, or (with a log to seal, or the disk to look at again) for a while.

        Deadlines are met on the way.
        """
        timeout_s = max_s if self._is_sealed else min(max_s, self._seal_after_ns / 1_000_000_000)
        deadline_ns = self._engine.next_deadline_ns
        if deadline_ns is not None:
            timeout_s = min(timeout_s, max(0, deadline_ns - self._clock()) / 1_000_000_000)
        try:
            self._calls.get(timeout=0 if self._is_stopping else timeout_s)
            self._is_called = False  # before the look at what waits: who sends after that calls again
        except Empty:
            if not self._queue and not self._is_due() and self._clock() >= self._seal_at_ns:
                self._seal()

    def _execute(self, waiting: list[_Command]) -> None:
        """Log, apply, answer."""
        batch = [commands.Time().encode()] if self._is_due() else []
        is_due = bool(batch)
        if has_continue := self._engine.pending:
            batch.append(commands.Continue().encode())
        for command, _, _, port in waiting:
            port.stamp(command)
            batch.append(command)
        engine = self._engine
        first_sequence = engine.sequence + 1
        now_ns = self._clock()
        self._seal_at_ns = now_ns + self._seal_after_ns
        time_ns = max(engine.time_ns, now_ns)
        payload = commands.batch(first_sequence, time_ns, engine.epoch, batch)
        self._is_sealed = False
        began_ns = time.perf_counter_ns()
        self._log.append(payload)
        self.stats.logged(len(waiting), time.perf_counter_ns() - began_ns)
        output = engine.apply(payload)
        records = events.split(output)
        if is_due:
            next(records)  # nobody waits for what time does
        self.stats.sequence = engine.sequence
        self._answer(waiting, records, has_continue)
        self._journal.append(
            JournalRecord(first_sequence, engine.sequence, engine.event_hash, time_ns, output)
        )
        self.stats.journal_sequence = engine.sequence

    def _answer(self, waiting: list[_Command], records: Iterator[bytes], has_continue: bool) -> None:
        answers: _Answers = defaultdict(list)
        if has_continue:
            self._go_on(next(records), answers)
        for (_, waiter, loop, _), record in zip(waiting, records, strict=True):
            if record[_FLAGS] & _MORE:
                self._unfinished[events.result(record).sequence] = Unfinished(waiter, loop, [record])
            else:
                answers[loop].append((waiter, record))
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
            answers[work.loop].append((work.waiter, b"".join(work.records)))

    def _ask(self, queries: Iterable[Query]) -> None:
        results: _Answers = defaultdict(list)
        problems: _Answers = defaultdict(list)
        for ask, waiter, loop in queries:
            try:
                results[loop].append((waiter, ask(self._engine)))
            except Exception as problem:  # noqa: BLE001  the query's own, and for who asked
                problems[loop].append((waiter, problem))
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
        unfinished = [(work.waiter, work.loop) for work in self._unfinished.values()]
        for waiter, loop in [(item[1], item[2]) for item in self._in_flight] + unfinished:
            unknown[loop].append((waiter, OutcomeUnknown("the exchange stopped; the outcome is not known")))
        _deliver(unknown, _set_problems)
        self._turn_away()
        self._journal.close()
        self._log.close()

    def _turn_away(self) -> None:
        """What was never taken was not executed, and can be told so."""
        problems: _Answers = defaultdict(list)
        while True:
            try:
                _, waiter, loop, *_ = self._queue.popleft()
            except IndexError:
                break
            problems[loop].append((waiter, _stopped(self.problem)))
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


def _deliver(answers: _Answers, tell: Callable[[list[tuple[Waiter, Any]]], None]) -> None:
    for loop, told in answers.items():
        if loop is None:
            tell(told)
            continue
        try:
            loop.call_soon_threadsafe(tell, told)
        except RuntimeError:  # the loop is closed, so nobody there waits any more
            continue


def _set_results(answers: list[tuple[Waiter, Any]]) -> None:
    for waiter, result in answers:
        if not waiter.done():  # who asked may have given up
            try:
                waiter.set_result(result)
            # Whatever it is: the commands of one batch belong to many clients, who are durable and wait.
            except Exception:
                log.exception("an answer could not be given; the others are not held up by it")


def _set_problems(answers: list[tuple[Waiter, Any]]) -> None:
    for waiter, problem in answers:
        if not waiter.done():
            waiter.set_exception(problem)
