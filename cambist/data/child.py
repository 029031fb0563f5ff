"""Keeps the data server running as a process of its own: started, started again, stopped.

Killing it loses nothing, so it is killed whenever it does not end by itself in time. It ends when its
standard input does, so none outlives the exchange that started it.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any

from cambist.errors import Unavailable

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 10.0
STEADY_AFTER_S = 30.0  # who ran that long is started again at once
END_WITHIN_S = 5.0

log = logging.getLogger(__name__)


class DataProcess:
    """`run` in an event loop; the rest from any thread while it runs there."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._may_run = asyncio.Event()
        self._may_run.set()

    @property
    def pid(self) -> int | None:
        """None while none runs."""
        return None if self._process is None else self._process.pid

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set."""
        self._loop = asyncio.get_running_loop()
        stopping = asyncio.create_task(stop.wait())
        wait_s = FIRST_WAIT_S
        while not stop.is_set():
            await _first(stopping, self._may_run.wait())
            if stop.is_set():
                return
            began_s = self._loop.time()
            status = await self._run_once(stopping)
            if stop.is_set() or not self._may_run.is_set():
                continue
            if self._loop.time() - began_s > STEADY_AFTER_S:
                wait_s = FIRST_WAIT_S
            log.warning("the data server has ended (status %s); it starts again in %.1f s", status, wait_s)
            await _first(stopping, asyncio.sleep(wait_s))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nobody follows the journal during the block; from any other thread. Raises Unavailable."""
        pausing = self._pause()
        try:
            asyncio.run_coroutine_threadsafe(pausing, self._loop).result()
        except (RuntimeError, CancelledError):  # the loop is closed, or is being
            pausing.close()
            raise Unavailable("the exchange is stopping") from None
        try:
            yield
        finally:
            with suppress(RuntimeError):  # the loop is closed, so nobody is to go on
                self._loop.call_soon_threadsafe(self._may_run.set)

    async def _run_once(self, stopping: "asyncio.Task[bool]") -> int | None:
        """One process from its start to its end; returns its status."""
        # A session of its own: Ctrl-C is for the exchange, which stops this one when it is ready.
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
            env=dict(self._environment),
        )
        self._process = process
        await _first(stopping, process.wait())
        if process.returncode is None:
            process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), END_WITHIN_S)
        if process.returncode is None:
            process.kill()
            await process.wait()
        self._process = None
        return process.returncode

    async def _pause(self) -> None:
        self._may_run.clear()
        if self._process is not None:
            process = self._process
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _first(stopping: "asyncio.Task[bool]", other: Coroutine[Any, Any, object]) -> None:
    """Returns when either is done."""
    task = asyncio.create_task(other)
    await asyncio.wait({stopping, task}, return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
