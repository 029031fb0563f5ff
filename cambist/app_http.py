"""How a process answers HTTP beside its other work: uvicorn, on a socket that is open already."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

STOP_WITHIN_S = 10


async def serve_http(app: ASGIApp, listener: socket.socket, stop: asyncio.Event) -> None:
    """Until `stop`; requests in flight are answered."""
    server = _Uvicorn(
        uvicorn.Config(
            app,
            loop="none",
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="error",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals stop the whole process in its order, not only its web server."""
        yield
