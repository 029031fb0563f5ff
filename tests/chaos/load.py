"""Load that outlives faults: its connections come back, and everything sent and answered is written down.

It runs in this process, which no fault touches. A request without a whole answer, or answered with -1007, may
have been executed or not; any other answer is a promise.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from random import Random
from threading import Thread
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
    """Runs in a thread of its own from `start` to `stop`."""

    def __init__(self, port: int, owners: Sequence[Credentials], name: str, chance: Random) -> None:
        self._port = port
        self._flows = [Flow(owners[nth % len(owners)], f"{name}-{nth}", chance) for nth in range(CONNECTIONS)]
        self._stop: asyncio.Event | None = None
        self._running: Future[None] = Future()
        self._thread = Thread(target=self._run, name="load")
        self._loop = asyncio.new_event_loop()
        self.record = Record()
        self.told: list[Told] = []
        self.statuses: Counter[int] = Counter()
        self.connections = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._running.result(WAIT_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        """What is under way gets its answer first, if it comes."""
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

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
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        self._running.set_result(None)
        await asyncio.gather(*map(self._converse, self._flows))

    async def _converse(self, flow: Flow) -> None:
        assert self._stop is not None
        while not self._stop.is_set():
            try:
                await self._connected(flow)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _connected(self, flow: Flow) -> None:
        """One request after the other, until the connection breaks or an answer does not come."""
        assert self._stop is not None
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
