"""Asks an exchange: one that runs, through its socket, or one in this process. Both answer alike."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from cambist.control.exchange import Caller, Exchange, Report, Request
from cambist.control.protocol import Progress, Result, encode, perform, read_line
from cambist.control.server import require_short
from cambist.errors import Failure


class Asked(Protocol):
    def perform(self, request: Request, report: Report) -> Any:
        """The answer's document. Raises RequestFailed."""


class RequestFailed(Exception):
    """What the exchange said no to; `failure` is the same whether it runs here or elsewhere."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Here:
    """An exchange in this process, opened for this one purpose."""

    def __init__(self, exchange: Exchange, name: str) -> None:
        self._exchange = exchange
        self._name = name

    def perform(self, request: Request, report: Report) -> Any:
        answer = perform(request, self._exchange, Caller(self._name, report))
        if isinstance(answer, Failure):
            raise RequestFailed(answer)
        return answer.document


class Running:
    """An exchange in another process."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")

    def perform(self, request: Request, report: Report) -> Any:
        try:
            self._connection.sendall(encode(request) + b"\n")
            for line in self._lines:
                match read_line(line):
                    case Progress(done, total):
                        report(done, total)
                    case Result(document):
                        return document
                    case Failure() as failure:
                        raise RequestFailed(failure)
        except ConnectionError:
            pass  # it stopped, as it does when the lines end
        raise RequestFailed(
            Failure(
                "no_answer", "the exchange stopped before it answered: look whether the request took effect"
            )
        )


@contextmanager
def running(path: Path) -> Iterator[Running | None]:
    """The exchange that listens at `path`, or None if none does. Raises PermissionError, PathTooLong."""
    require_short(path)
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            yield None
        else:
            yield Running(connection)
