"""An exchange in a process of its own that starts fast: what it is forked from has imported everything.

It is what `cambist run` keeps in its process `exchange`, from the log's lock to the listening socket, and it
owns the log; it keeps a data process itself, as the supervisor would.
"""

import asyncio
import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from cambist import app, app_exchange
from cambist._matching import Engine
from cambist.flow.rest import Client
from cambist.settings import Settings
from cambist.supervisor.child import Child, Program
from tests.e2e.harness import WAIT_SECONDS, Patient, environment
from tests.ports import free_port

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["pytest", "cambist.app_exchange"])


class Position(NamedTuple):
    """Where an engine stands, and that two of them stand at the same place in the same history."""

    sequence: int
    event_hash: int
    state_hash: bytes

    @classmethod
    def of(cls, engine: Engine) -> "Position":
        return cls(engine.sequence, engine.event_hash, engine.state_hash())


class Forked:
    """`position` is where the exchange stood when it was ready."""

    def __init__(self, home: Path) -> None:
        self.port = free_port()
        self._output = home.parent / f"{home.name}.output"
        self._ready, ready = _processes.Pipe(duplex=False)
        self._process = _processes.Process(target=_serve, args=(home, self.port, self._output, ready))
        self._process.start()
        ready.close()  # ours: the other end now closes when the process ends

    def wait(self) -> Position:
        """Where it stands, once it is ready for requests."""
        if not self._ready.poll(WAIT_SECONDS):
            raise AssertionError("the exchange did not start in time")
        try:
            position: Position = self._ready.recv()
        except EOFError:
            raise AssertionError(f"the exchange did not start:\n{self._output.read_text()}") from None
        return position

    def kill(self) -> None:
        """kill -9. Safe to repeat."""
        self._process.kill()

    def reap(self) -> None:
        self._process.kill()
        self._process.join(WAIT_SECONDS)
        self._ready.close()

    def client(self) -> Client:
        return Patient(self.port)


@contextmanager
def started(home: Path) -> Iterator[Forked]:
    """Killed at the end of the block, if not before."""
    exchange = Forked(home)
    try:
        yield exchange
    finally:
        exchange.reap()


def _serve(home: Path, port: int, output: Path, ready: Connection) -> None:
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    Thread(target=_end_with_parent, daemon=True).start()
    exchange = app.open_exchange(Settings.load(home, environment(home, port)), lambda done, total: None)
    Thread(target=_keep_data_process, args=(environment(home, port),), daemon=True).start()
    app_exchange.serve(
        exchange, demo=False, with_parent=False, started=lambda _: ready.send(exchange.query(Position.of))
    )


def _keep_data_process(variables: dict[str, str]) -> None:
    """Until this process is killed: then it ends, as its standard input does."""
    program = Program("data", [sys.executable, "-P", "-m", "cambist.app_data"], variables)
    asyncio.run(Child(program).run())


def _end_with_parent() -> None:
    """Or an exchange would outlive a test run that was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
