"""The supervisor's door: a Unix socket that only its owner can open, for status, pauses and restarts."""

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path

import msgspec

from cambist.errors import ExchangeError, Failure
from cambist.supervisor.messages import (
    AnyAnswer,
    AnyQuestion,
    Done,
    Pause,
    Restart,
    Resume,
    Status,
    encode,
    read_question,
)
from cambist.supervisor.supervisor import Supervisor


class SupervisorControl:
    """Its maker holds the supervisor's lock, so a socket left at the path is dead."""

    def __init__(self, path: Path, supervisor: Supervisor) -> None:
        self._path = path
        self._supervisor = supervisor
        self._conversations: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        # Before bind: the file is made with this mode, so there is no moment in which others could open it.
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(self._path))
        self._server = await asyncio.start_unix_server(self._converse, sock=listener)

    async def stop(self) -> None:
        assert self._server is not None, "stopped before it was started"
        self._server.close()
        for writer in self._conversations.values():
            writer.close()
        await asyncio.gather(*self._conversations)
        self._path.unlink(missing_ok=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection has a task of its own"
        self._conversations[task] = writer
        paused: list[str] = []
        try:
            while line := await reader.readline():
                writer.write(encode(await self._answer(line, paused)) + b"\n")
                await writer.drain()
        except ConnectionError:
            pass  # it hung up, which is told below
        finally:
            for name in paused:  # who paused it and is gone will not resume it
                self._supervisor.child(name).resume()
            del self._conversations[task]
            writer.close()

    async def _answer(self, line: bytes, paused: list[str]) -> AnyAnswer:
        try:
            return await self._perform(read_question(line), paused)
        except msgspec.DecodeError as problem:
            return Failure("malformed", f"the question cannot be read: {problem}")
        except ExchangeError as problem:
            return Failure.of(problem)

    async def _perform(self, question: AnyQuestion, paused: list[str]) -> AnyAnswer:
        match question:
            case Status():
                return self._supervisor.status
            case Pause(name):
                child = self._supervisor.child(name)
                paused.append(name)
                await child.pause()
            case Resume(name):
                child = self._supervisor.child(name)
                with suppress(ValueError):  # not paused by this one: nothing to take back
                    paused.remove(name)
                    child.resume()
            case Restart(name):
                await self._supervisor.child(name).restart()
        return Done()
