"""GET /health, /ready and /metrics: on a Unix socket for each process, on a port for all of them.

They are answered on threads of their own, so a process that hangs can still say so. Both documents are JSON,
with status 503 if there are `problems` in them.
"""

import asyncio
import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from msgspec import json
from prometheus_client import CONTENT_TYPE_LATEST

from cambist.ops.watched import Shown, Watched, loop_answers

ASK_WITHIN_S = 5
_POLL_S = 0.1  # how often it looks whether it should stop
_JSON = "application/json"


class Endpoint(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """Takes over a socket that listens. `start` it, and `close` it at the end."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, shown: Shown) -> None:
        super().__init__(listener.getsockname(), _Request)
        self.shown = shown
        self._listener = listener
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_S,), name="ops", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self._listener.close()

    def fileno(self) -> int:
        return self._listener.fileno()

    def get_request(self) -> tuple[socket.socket, object]:
        return self._listener.accept()

    def shutdown_request(self, request: object) -> None:
        self.close_request(request)

    def close_request(self, request: object) -> None:
        assert isinstance(request, socket.socket), "get_request gives nothing else"
        request.close()


class _Request(BaseHTTPRequestHandler):
    server: Endpoint
    timeout = ASK_WITHIN_S

    def do_GET(self) -> None:
        match self.path:
            case "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, self.server.shown.metrics_text())
            case "/health":
                self._say(self.server.shown.health())
            case "/ready":
                self._say(self.server.shown.ready())
            case _:
                self._answer(404, _JSON, b'{"problems":["there are /health, /ready and /metrics"]}')

    def _say(self, document: dict[str, object]) -> None:
        self._answer(503 if document["problems"] else 200, _JSON, json.encode(document))

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Who looks after an exchange asks every few seconds: no line for that."""


@contextmanager
def watching(watched: Watched, path: Path) -> Iterator[None]:
    """Shows it on a Unix socket during the block, and whether the running loop answers."""
    loop = asyncio.get_running_loop()
    watched.checks.append(lambda: loop_answers(loop))
    path.parent.mkdir(mode=0o700, exist_ok=True)
    endpoint = Endpoint(unix_listener(path), watched)
    endpoint.start()
    try:
        yield
    finally:
        endpoint.close()


def unix_listener(path: Path) -> socket.socket:
    """Only our own user can open it. One process of a name runs at a time: what is left there is dead."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    # Before bind: the file is made with this mode, so there is no moment in which others could open it.
    os.fchmod(listener.fileno(), 0o600)
    listener.bind(str(path))
    listener.listen()
    return listener
