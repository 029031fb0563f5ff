"""The operator's door to a running exchange: a Unix socket that only its owner can open.

Three locks, one behind the other: the directory (0700), the socket (0600), and the caller's user id, which
the kernel tells. Requests are performed one at a time and on threads of their own, beside the public API.
"""

import logging
import os
import socket
import socketserver
import struct
import threading
from pathlib import Path

import msgspec

from cambist.control.exchange import Caller, Exchange
from cambist.control.protocol import LINE_MAX, Line, Progress, encode, perform, read_request
from cambist.errors import Failure, Refused, Unavailable

log = logging.getLogger(__name__)

PATH_BYTES_MAX = 107  # what sockaddr_un holds on Linux, less the final zero
_POLL_S = 0.1  # how often it looks whether it should stop
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


class PathTooLong(Refused):
    code = "path_too_long"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is too long for a Unix socket ({PATH_BYTES_MAX} bytes at most): "
            "choose a data directory with a shorter path"
        )


class ControlServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Listens from its creation on. Its maker holds the exchange's lock, so a socket left there is dead."""

    daemon_threads = True

    def __init__(self, path: Path, exchange: Exchange) -> None:
        require_short(path)
        self.exchange = exchange
        self.turn = threading.Lock()
        self.is_stopping = False
        path.unlink(missing_ok=True)
        super().__init__(str(path), _Conversation)
        self._thread = threading.Thread(
            target=self.serve_forever, args=(_POLL_S,), name="control", daemon=True
        )

    def server_bind(self) -> None:
        # Before bind: the file is made with this mode, so there is no moment in which others could open it.
        os.fchmod(self.socket.fileno(), 0o600)
        super().server_bind()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Takes no more requests; returns when the one being performed is done."""
        self.shutdown()
        self._thread.join()
        with self.turn:
            self.is_stopping = True
        self.server_close()  # the file stays: who leads next may have made it anew already


class _Conversation(socketserver.StreamRequestHandler):
    server: ControlServer

    def handle(self) -> None:
        uid = peer_uid(self.request)
        while line := self.rfile.readline(LINE_MAX):
            if not may_operate(uid):
                self._say(Failure("not_permitted", f"user id {uid} may not operate this exchange"))
                return
            self._say(self._answer(line, Caller(f"operator, user id {uid}", self._report)))

    def _answer(self, line: bytes, caller: Caller) -> Line:
        try:
            request = read_request(line)
        except msgspec.DecodeError as problem:
            return Failure("malformed", f"the request cannot be read: {problem}")
        with self.server.turn:
            if self.server.is_stopping:
                return Failure.of(Unavailable("the exchange is stopping"))
            try:
                return perform(request, self.server.exchange, caller)
            except Exception:
                # A fault in one request is told in full in the log, and its caller is not left without an
                # answer. What is broken is no Exception and ends the exchange.
                log.exception("%s of %s", type(request).__name__, caller.name)
                return Failure("internal", "the exchange could not do this; its log says why")

    def _report(self, done: int, total: int) -> None:
        self._say(Progress(done, total))

    def _say(self, line: Line) -> None:
        self.wfile.write(encode(line) + b"\n")


def require_short(path: Path) -> None:
    """Raises PathTooLong."""
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise PathTooLong(path)


def may_operate(uid: int) -> bool:
    return uid in (0, os.getuid())


def peer_uid(connection: socket.socket) -> int:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(credentials)
    return int(uid)
