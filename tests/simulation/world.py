"""Time and turns: every process is an event loop whose callbacks wait in one queue, ordered by virtual time.

A process that is killed never runs again; one that is paused finds, when it wakes, all that came meanwhile.
"""

import asyncio
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from hashlib import blake2b
from random import Random
from typing import Any, cast

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000
NS_PER_S = 1_000_000_000
TRACE_LINES = 400


class Violation(AssertionError):
    """Something happened that must not happen under any fault."""


class Crash(BaseException):
    """The process ends here, in the middle of what it does."""


class World:
    """The queue, the clock, and an account of what happened that two runs of one seed share."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.now_ns = 0
        self.wall_offset_ns = 0  # clock jumps of the machine
        self.trace: deque[str] = deque(maxlen=TRACE_LINES)
        self._digest = blake2b(digest_size=16)
        self._queue: list[tuple[int, int, Process, asyncio.Handle]] = []
        self._posted = 0
        self._dice: dict[str, Random] = {}

    def dice(self, purpose: str) -> Random:
        """A stream of its own for each purpose, so that what one draws does not move what others draw."""
        if purpose not in self._dice:
            self._dice[purpose] = Random(f"{self.seed}:{purpose}")
        return self._dice[purpose]

    def note(self, text: str, *more: bytes) -> None:
        self.trace.append(f"{self.now_ns / 1e6:12.3f} ms  {text}")
        self._digest.update(b"%d %s " % (self.now_ns, text.encode()))
        for part in more:
            self._digest.update(part)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def wall_ns(self) -> int:
        return START_NS + self.now_ns + self.wall_offset_ns

    def post(self, when_ns: int, process: "Process", handle: asyncio.Handle) -> None:
        self._posted += 1
        heapq.heappush(self._queue, (max(when_ns, self.now_ns), self._posted, process, handle))

    def run(self, until: Callable[[], bool], within_ns: int) -> bool:
        """Steps until the condition holds; False if it does not within that time."""
        deadline_ns = self.now_ns + within_ns
        while not until():
            if not self._queue or self._queue[0][0] > deadline_ns:
                self.now_ns = max(self.now_ns, deadline_ns)  # a call that blocked may have ended later
                return False
            self._step()
        return True

    def pass_time(self, for_ns: int) -> None:
        self.run(lambda: False, for_ns)

    def _step(self) -> None:
        when_ns, _, process, handle = heapq.heappop(self._queue)
        self.now_ns = when_ns
        if not process.is_alive or handle.cancelled():
            return
        if process.is_paused:
            process.missed.append(handle)
            return
        outer = events._get_running_loop()
        events._set_running_loop(process.loop)
        try:
            handle._run()
        finally:
            events._set_running_loop(outer)
        if process.loop.problem is not None:
            raise process.loop.problem


class Process:
    """What can be killed and paused as one. A restart makes a new one."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.is_alive = True
        self.is_paused = False
        self.missed: list[asyncio.Handle] = []
        self.loop: SimLoop = cast(Any, SimLoop)(self)

    def later(self, delay_ns: int, call: Callable[..., None], *arguments: Any) -> None:
        handle = asyncio.Handle(call, arguments, self.loop)
        self.world.post(self.world.now_ns + delay_ns, self, handle)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Runs it as a task; what it raises is a fault, unless the process has ended."""
        self.loop.create_task(work).add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[Any]") -> None:
        if not task.cancelled() and (problem := task.exception()) is not None and self.is_alive:
            self.loop.problem = problem

    def kill(self) -> None:
        self.is_alive = False
        self.missed.clear()
        self.world.note(f"{self.name} is gone")

    def pause(self) -> None:
        self.is_paused = True
        self.world.note(f"{self.name} is paused")

    def resume(self) -> None:
        if self.is_alive and self.is_paused:
            self.is_paused = False
            self.world.note(f"{self.name} goes on")
            for handle in self.missed:
                self.world.post(self.world.now_ns, self, handle)
            self.missed.clear()

    def sleep_while_others_run(self, for_ns: int) -> None:
        """Stands still inside a call, as a stopped process does in the middle of a system call.

        Raises Crash if it was killed meanwhile.
        """
        self.pause()
        self.world.pass_time(for_ns)
        self.resume()
        if not self.is_alive:
            raise Crash


class SimLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as the product uses, on virtual time."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._world = process.world
        self.problem: BaseException | None = None

    def time(self) -> float:
        return self._world.now_ns / NS_PER_S

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._world.post(self._world.now_ns, self._process, handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._world.post(round(when * NS_PER_S), self._process, handle)
        return handle

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> "asyncio.Task[Any]":
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return not self._process.is_alive

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What no code of the product catches is a fault of the product, or of the simulation."""
        if self._process.is_alive:
            self.problem = context.get("exception") or Violation(str(context))

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when its time comes."""
