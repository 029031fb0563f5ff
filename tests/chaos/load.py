"""Load that outlives faults: its connections come back, and everything sent and answered is written down.

It runs in this process, which no fault touches. A request without a whole answer, or answered with -1007, may
have been executed or not; any other answer is a promise.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Event
from typing import NamedTuple, Self

from cambist.flow.rest import Credentials
from tests.e2e.harness import HOST, WAIT_SECONDS
from tests.e2e.load import Flow, Kind, Record, Reply, read_answer

CONNECTIONS = 12
AGAIN_AFTER_S = 0.02
OUTCOME_UNKNOWN = 504  # -1007


class Told(NamedTuple):
    """When an order was sent, and when it was acknowledged (monotonic seconds)."""

    sent_s: float
    at_s: float


class Load:
    """Runs in a thread of its own during the block.

    A conversation that fails, other than by a broken connection, ends all of them; the failure is raised
    where somebody waits for the load (`require`), or at the end of the block.
    """

    def __init__(self, port: int, owners: Sequence[Credentials], name: str, chance: Random) -> None:
        self._port = port
        self._flows = [Flow(owners[nth % len(owners)], f"{name}-{nth}", chance) for nth in range(CONNECTIONS)]
        self._stop = Event()
        self._thread = ThreadPoolExecutor(1, "load")
        self.record = Record()
        self.told: list[Told] = []
        self.statuses: Counter[int] = Counter()
        self.connections = 0

    def __enter__(self) -> Self:
        self._running = self._thread.submit(self._run)
        return self

    def __exit__(self, *_: object) -> None:
        """What is under way gets its answer first, if it comes."""
        self._stop.set()
        self._thread.shutdown()
        self._running.result()

    def require(self) -> None:
        """Raises what has ended the load before its time."""
        if self._running.done():
            self._running.result()

    def acknowledged_since(self, moment_s: float) -> float | None:
        """When the first order that was sent behind a moment was acknowledged; None while none has been."""
        found = None
        for told in reversed(self.told):
            if told.at_s <= moment_s:
                break
            if told.sent_s > moment_s:
                found = told.at_s
        return found

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except ExceptionGroup as problems:
            raise AssertionError("; ".join(map(repr, problems.exceptions))) from problems

    async def _main(self) -> None:
        async with asyncio.TaskGroup() as conversations:
            for flow in self._flows:
                conversations.create_task(self._converse(flow))

    async def _converse(self, flow: Flow) -> None:
        while not self._stop.is_set():
            try:
                await self._connected(flow)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _connected(self, flow: Flow) -> None:
        """One request after the other, until the connection breaks or an answer does not come."""
        reader, writer = await asyncio.open_connection(HOST, self._port)
        self.connections += 1
        try:
            while not self._stop.is_set():
                request = flow.next()
                self.record.sent[request.name] = request
                sent_s = time.monotonic()
                writer.write(request.encode(flow.owner))
                async with asyncio.timeout(WAIT_SECONDS):
                    status, body = await read_answer(reader)
                reply = Reply(request, status, body)
                self.statuses[status] += 1
                if status == OUTCOME_UNKNOWN:
                    continue
                flow.learn(reply)
                self.record.replies.append(reply)
                if status == 200 and request.kind is Kind.PLACE:
                    self.told.append(Told(sent_s, time.monotonic()))
        finally:
            writer.close()
