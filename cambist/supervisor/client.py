"""Asks a supervisor: from any thread, one question after the other."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from cambist.errors import Failure, Refused, Unavailable
from cambist.supervisor.messages import (
    AnyAnswer,
    AnyQuestion,
    Done,
    Pause,
    Processes,
    Restart,
    Resume,
    Status,
    encode,
    read_answer,
)


class NoSupervisor(Unavailable):
    """Nobody keeps the processes of this exchange: it does not run, or each was started by itself."""

    code = "no_supervisor"


class SupervisorRefused(Refused):
    code = "supervisor_refused"


class SupervisorClient:
    def __init__(self, connection: socket.socket, lines: BufferedReader) -> None:
        self._connection = connection
        self._lines = lines

    def status(self) -> Processes:
        answer = self._ask(Status())
        assert isinstance(answer, Processes), answer
        return answer

    def restart(self, name: str) -> None:
        """Returns when the one that ran has ended."""
        self._ask(Restart(name))

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """That process does not run during the block."""
        self._ask(Pause(name))
        try:
            yield
        finally:
            with suppress(NoSupervisor):  # it stops, so nothing is to go on
                self._ask(Resume(name))

    def _ask(self, question: AnyQuestion) -> Processes | Done:
        """Raises NoSupervisor, SupervisorRefused."""
        try:
            self._connection.sendall(encode(question) + b"\n")
            line = self._lines.readline()
        except ConnectionError:
            line = b""
        if not line:
            raise NoSupervisor("the exchange is stopping")
        answer: AnyAnswer = read_answer(line)
        if isinstance(answer, Failure):
            raise SupervisorRefused(answer.message)
        return answer


@contextmanager
def supervisor(path: Path) -> Iterator[SupervisorClient]:
    """The one that listens at `path`. Raises NoSupervisor."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            raise NoSupervisor(
                f"no supervisor at {path}: the exchange does not run, or by single processes"
            ) from None
        with connection.makefile("rb") as lines:
            yield SupervisorClient(connection, lines)
