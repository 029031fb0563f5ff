"""The signer's socket: who may ask, one call after the other, and no call that is not whole.

Only three users get through: root, the signer's own, and the owner of the exchange's data directory; the
kernel says who is asking. That keeps out other programs of the machine, not the exchange: what that may not
do, the signer itself refuses.
"""

import asyncio
import logging
import os
import socket
import struct
from pathlib import Path

import msgspec

from cambist.errors import ExchangeError, Unavailable
from cambist.frames import LENGTH, Frames, FrameTooLarge
from cambist.signer.calls import FRAME_MAX_BYTES, AnyAnswer, Declined, encode, read_call
from cambist.signer.service import Signer

_CREDENTIALS = struct.Struct("3i")  # ucred of SO_PEERCRED: process, user, group
_CONNECTIONS_MAX = 64

log = logging.getLogger(__name__)


class SignerServer:
    """Serves one signer from the running loop's thread."""

    def __init__(self, signer: Signer, allowed: frozenset[int]) -> None:
        self._signer = signer
        self._allowed = allowed
        self._connections: set[asyncio.Task[None]] = set()
        self.declined = 0
        self.signed = 0

    async def serve(self, path: Path, stop: asyncio.Event) -> None:
        """Until `stop`."""
        server = await asyncio.start_unix_server(self._converse, sock=_listener(path))
        async with server:
            await stop.wait()
        for task in self._connections:
            task.cancel()
        path.unlink(missing_ok=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "the loop runs each conversation as a task"
        self._connections.add(task)
        try:
            if len(self._connections) <= _CONNECTIONS_MAX and _user(writer) in self._allowed:
                await self._answer_all(reader, writer)
        except (ConnectionError, FrameTooLarge, asyncio.CancelledError):
            pass  # nothing is half done: a call is signed and stored, or it was never read
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = Frames(FRAME_MAX_BYTES)
        while data := await reader.read(65_536):
            for frame in frames.fed(data):
                answer = encode(self.answer(frame))
                writer.write(LENGTH.pack(len(answer)) + answer)
            await writer.drain()

    def answer(self, frame: bytes) -> AnyAnswer:
        """Never raises but for a broken signer: what is not signed is an answer."""
        try:
            answer = self._signer.answer(read_call(frame))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
            answer = Declined(code="malformed", message=f"not a call: {problem}")
        except ExchangeError as problem:
            answer = Declined(
                code=problem.code, message=str(problem), may_retry=isinstance(problem, Unavailable)
            )
        if isinstance(answer, Declined):
            self.declined += 1
            log.warning("declined (%s): %s", answer.code, answer.message)
        else:
            self.signed += 1
        return answer


def _listener(path: Path) -> socket.socket:
    """Everybody may knock: the directory keeps strangers out where all is one user's, the kernel else."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    os.fchmod(listener.fileno(), 0o666)
    listener.bind(str(path))
    path.chmod(0o666)  # bind takes the umask off
    listener.listen(_CONNECTIONS_MAX)
    listener.setblocking(False)
    return listener


def _user(writer: asyncio.StreamWriter) -> int:
    connection: socket.socket = writer.get_extra_info("socket")
    _, user, _ = _CREDENTIALS.unpack(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    return int(user)
