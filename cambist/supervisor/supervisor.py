"""The processes of one exchange together: who starts when, who stops when, and when all of them must."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from cambist.errors import Failure, Refused
from cambist.supervisor.child import Child
from cambist.supervisor.messages import Processes


class NoSuchProcess(Refused):
    code = "no_such_process"


class Supervisor:
    """The first of `children` is the one whose log the others follow: they start once it has that open."""

    def __init__(self, children: Sequence[Child]) -> None:
        self.children = {child.program.name: child for child in children}
        self._began_s = time.monotonic()
        self._runs: list[asyncio.Task[Failure | None]] = []
        self._over: asyncio.Future[Failure | None] = asyncio.get_running_loop().create_future()

    @property
    def status(self) -> Processes:
        up_s = time.monotonic() - self._began_s
        return Processes(os.getpid(), up_s, [child.status for child in self.children.values()])

    def child(self, name: str) -> Child:
        """Raises NoSuchProcess."""
        try:
            return self.children[name]
        except KeyError:
            raise NoSuchProcess(
                f"there is no process {name} here; there are {', '.join(self.children)}"
            ) from None

    async def run(self, ready: Callable[[], None], stopping: Callable[[], None]) -> Failure | None:
        """Until `stop`, or until a process has ended that must not be started again: then says why.

        `ready` is called once, when everything vital does its work, `stopping` before the first process is
        told to end. All have ended when this returns.
        """
        first, *others = self.children.values()
        try:
            self._keep(first)
            if await self._reached(first.opened):
                for child in others:
                    self._keep(child)
            vital = [child.ready for child in self.children.values() if child.program.is_vital]
            if all([await self._reached(each) for each in vital]):
                ready()
            return await self._over
        finally:
            stopping()
            await self._end()

    def stop(self) -> None:
        """Safe to repeat."""
        if not self._over.done():
            self._over.set_result(None)

    def _keep(self, child: Child) -> None:
        run = asyncio.create_task(child.run())
        run.add_done_callback(self._ended)
        self._runs.append(run)

    def _ended(self, run: "asyncio.Task[Failure | None]") -> None:
        if self._over.done():
            return
        if (problem := run.exception()) is not None:
            self._over.set_exception(problem)
        else:
            self._over.set_result(run.result())

    async def _reached(self, event: asyncio.Event) -> bool:
        """Whether it was set before it was all over."""
        waiting: asyncio.Future[Any] = asyncio.create_task(event.wait())
        await asyncio.wait({waiting, self._over}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        return not self._over.done()

    async def _end(self) -> None:
        """One after the other as their programs say; those of one turn together."""
        in_turn = sorted(self.children.values(), key=lambda child: child.program.stops)
        for _, turn in groupby(in_turn, key=lambda child: child.program.stops):
            await asyncio.gather(*(child.stop() for child in turn))
        await asyncio.gather(*self._runs)
