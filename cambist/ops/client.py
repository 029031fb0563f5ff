"""Asks the endpoint of one process."""

import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from msgspec import json

ANSWER_WITHIN_S = 5.0


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_WITHIN_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(path: Path, what: str) -> bytes | None:
    """The body of the answer, whatever its status; None if nobody answers there."""
    connection = _UnixConnection(path)
    try:
        connection.request("GET", what)
        return connection.getresponse().read()
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def ask_document(path: Path, what: str) -> dict[str, Any]:
    """The JSON of /health or /ready; nobody there is one of the problems."""
    body = ask(path, what)
    if body is None:
        return {"problems": ["it does not answer"]}
    document: dict[str, Any] = json.decode(body)
    return document
