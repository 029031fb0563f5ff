"""One process that is kept running: started, started again with growing waits, ended when it must be.

It reports on its standard output, and ends when its standard input does, so none outlives its supervisor.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from cambist.errors import Failure
from cambist.supervisor.messages import (
    DISK_FAILED,
    FENCED,
    STOPPED_BY_ITSELF,
    Opened,
    ProcessStatus,
    Ready,
    Starting,
    read_report,
)

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 10.0
STEADY_AFTER_S = 30.0  # who ran that long is started again at once
NOT_STARTED = 71  # in place of a status, as sysexits.h has it

log = logging.getLogger(__name__)


class Program(NamedTuple):
    """What to run. `stops` says when: the lowest first.

    `is_vital`: without it there is no exchange. If it refuses to run, the others are not kept up either.
    `has_deputy`: another process goes on in its place. Once it has been ready, that it was replaced or cannot
    stand by in its turn ends nothing: it is started again.
    `end_within_s`: how long it may take to end in order before it is killed.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    inherits: tuple[int, ...] = ()  # descriptors
    stops: int = 0
    is_vital: bool = False
    has_deputy: bool = False
    end_within_s: float = 5.0


class Child:
    """`run` it in an event loop; everything else is for that loop too.

    `opened` and `ready` are set while the process that runs has reported so.
    """

    def __init__(
        self, program: Program, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> None:
        """`progress` is told how far a start has come, in steps done and in all (0: not known)."""
        self.program = program
        self._progress = progress
        self._to_do = 0  # as it said last
        self.opened = asyncio.Event()
        self.ready = asyncio.Event()
        self.document: dict[str, Any] = {}  # what it said when it was ready
        self.restarts = 0
        self._has_run = self._has_been_ready = False
        self._failure: Failure | None = None  # the last one it reported
        self._ended_with: Failure | None = None  # what the one before it reported, if that ended by itself
        self._pid: int | None = None
        self._began_s = 0.0
        self._pauses = 0
        self._may_run = asyncio.Event()
        self._may_run.set()
        self._ending = asyncio.Event()  # the one that runs, or the wait for the next one, is to end
        self._gone = asyncio.Event()
        self._gone.set()
        self._is_stopping = False

    @property
    def status(self) -> ProcessStatus:
        up_s = None if self._pid is None else time.monotonic() - self._began_s
        is_steady = up_s is not None and up_s > STEADY_AFTER_S
        trouble = None if self._ended_with is None or is_steady else self._ended_with.message
        return ProcessStatus(
            self.program.name, self._pid, up_s, self.restarts, self.ready.is_set(), self._pauses > 0, trouble
        )

    async def run(self) -> Failure | None:
        """Until `stop`, which gives None, or an end of the process that forbids a new start."""
        wait_s = FIRST_WAIT_S
        while True:
            await self._may_run.wait()
            if self._is_stopping:
                return None
            self._ending.clear()
            status = await self._run_if_possible()
            if self._ending.is_set():  # as it was asked to
                continue
            self._ended_with = self._failure
            if (final := self._final(status)) is not None:
                return final
            if time.monotonic() - self._began_s > STEADY_AFTER_S:
                wait_s = FIRST_WAIT_S
            log.warning(
                "%s has ended (%s); it starts again in %.1f s", self.program.name, _words(status), wait_s
            )
            await _first(asyncio.sleep(wait_s), self._ending.wait())
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            self.restarts += 1

    async def stop(self) -> None:
        """Returns when it has ended, in order or not."""
        self._is_stopping = True
        self._may_run.set()
        await self._end()

    async def pause(self) -> None:
        """Returns when it has ended. It runs again after as many `resume`."""
        self._pauses += 1
        self._may_run.clear()
        await self._end()

    def resume(self) -> None:
        self._pauses -= 1
        if not self._pauses:
            self._may_run.set()

    async def restart(self) -> None:
        """Returns when the one that runs has ended in order."""
        self.restarts += 1
        await self._end()

    async def _end(self) -> None:
        self._ending.set()
        await self._gone.wait()

    async def _run_if_possible(self) -> int:
        """Raises OSError if it cannot be started even once."""
        try:
            return await self._run_once()
        except OSError as problem:  # no memory, no descriptor, no process left: that may pass
            if not self._has_run:
                raise
            log.error("%s cannot be started: %s", self.program.name, problem)
            return NOT_STARTED

    async def _run_once(self) -> int:
        """One process from its start to its end; returns its status, negative if a signal killed it."""
        self._gone.clear()
        self._failure = None
        self._began_s = time.monotonic()
        try:
            # A session of its own: Ctrl-C is for the supervisor, which stops this one when it is its turn.
            process = await asyncio.create_subprocess_exec(
                *self.program.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,
                env=self.program.environment,
                pass_fds=self.program.inherits,
            )
            self._pid = process.pid
            self._has_run = True
            return await self._until_end(process)
        finally:
            self._pid = None
            self.opened.clear()
            self.ready.clear()
            self._gone.set()

    async def _until_end(self, process: asyncio.subprocess.Process) -> int:
        assert process.stdout is not None, "it was asked for"
        listening = asyncio.create_task(self._listen(process.stdout))
        await _first(process.wait(), self._ending.wait())
        if process.returncode is None:
            await self._terminate(process)
        await listening
        return await process.wait()

    async def _terminate(self, process: asyncio.subprocess.Process) -> None:
        with suppress(ProcessLookupError):
            process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), self.program.end_within_s)
        if process.returncode is None:
            log.warning(
                "%s does not end within %g s: it is killed", self.program.name, self.program.end_within_s
            )
            process.kill()
            await process.wait()

    async def _listen(self, reports: asyncio.StreamReader) -> None:
        while line := await reports.readline():
            try:
                said = read_report(line)
            except msgspec.DecodeError:
                log.warning("%s says: %s", self.program.name, line.decode(errors="replace").rstrip())
                continue
            match said:
                case Starting(done, total):
                    self._to_do = total
                    self._progress(done, total)
                case Opened():
                    if self._to_do:
                        self._progress(self._to_do, self._to_do)
                    self.opened.set()
                case Ready(document):
                    self.document = document
                    if self._has_been_ready and not self.ready.is_set():
                        log.warning("%s is at work again", self.program.name)
                    self._has_been_ready = True
                    self.ready.set()
                case Failure():
                    self._failure = said

    def _final(self, status: int) -> Failure | None:
        """What ends the exchange; None if the process is to be started again."""
        name, failure = self.program.name, self._failure
        if self.program.has_deputy and self._has_been_ready and status != DISK_FAILED:
            return None
        if status in (DISK_FAILED, FENCED):
            return failure or Failure(STOPPED_BY_ITSELF, f"{name} has ended ({_words(status)})")
        if not self.program.is_vital or status < 0:
            return None
        if self._has_been_ready and (failure is None or failure.may_retry):
            return None
        return failure or Failure("not_started", f"{name} has ended before it was ready ({_words(status)})")


async def _first(*several: Coroutine[Any, Any, object]) -> None:
    """Returns when one of them is done."""
    tasks = [asyncio.create_task(each) for each in several]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _words(status: int) -> str:
    return f"status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"
