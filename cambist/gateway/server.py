"""The gateway at work on its port: HTTP and, through its door, WebSockets; stopped without leaving anybody
unanswered.
"""

import asyncio
import gc
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from cambist.gateway.app import Gateway
from cambist.gateway.fast import trading_protocol
from cambist.gateway.history import History
from cambist.gateway.http import server_config
from cambist.settings import Settings

DATA_START_S = 20
LOOK_EVERY_S = 0.05
FAR_BEHIND = 100_000  # sequences: some seconds of the data server's work

log = logging.getLogger(__name__)


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals stop the whole process in its order, not only its web server."""
        yield


async def serve_gateway(
    app: Gateway, settings: Settings, listener: socket.socket, stop: asyncio.Event
) -> None:
    """Until `stop`: then WebSockets are told that the exchange stops, and requests in flight are answered.

    What ends one of the parts before is raised, after the rest has been stopped as well.
    """
    web = _Uvicorn(server_config(app, settings, http=trading_protocol(app, settings)))
    gc.collect()
    gc.freeze()  # what is here stays: looking at all of it again and again takes some 40 ms each time
    sockets = asyncio.create_task(app.sockets.run())
    serving = asyncio.create_task(web.serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({sockets, serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    await app.sockets.stop()
    web.should_exit = True
    await serving
    await app.office.close()
    await app.api.services.office.close()
    if sockets.done():
        sockets.result()
    sockets.cancel()


async def views_are_level(history: History, sequence: int, stop: asyncio.Event) -> None:
    """Waits a while for the data server, so that nobody who waited for the start is told to ask again.

    Not for views that have far to go, as after a restore: a market does not wait for its past.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + DATA_START_S
    while not stop.is_set() and loop.time() < deadline_s:
        lacks = await history.lacks(sequence)
        if lacks == 0:
            return
        if lacks is not None and lacks > FAR_BEHIND:
            break
        await asyncio.sleep(LOOK_EVERY_S)
    if not stop.is_set():
        log.warning("the data server is late: closed orders and trades are answered -1007 until it is there")
