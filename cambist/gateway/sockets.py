"""Which WebSocket paths there are, and what keeps them going."""

import asyncio
import time
from functools import partial

from cambist.feed.client import FeedClient
from cambist.gateway.api import Api
from cambist.gateway.calls import Services
from cambist.gateway.neighbours import BEAT_EVERY_S, Neighbours
from cambist.gateway.streams.connection import Connection
from cambist.gateway.streams.door import Door, Target
from cambist.gateway.streams.market import StreamConnection, Streams
from cambist.gateway.streams.streaming import Streaming
from cambist.gateway.wsapi.rate_limits import RateLimits
from cambist.gateway.wsapi.session import Session, Shared

API_PATH = "/ws-api/v3"
RAW_PATH, COMBINED_PATH = "/ws", "/stream"
_EXPIRE_EVERY_S = 1  # another gateway may have ended a key


class Sockets:
    """The door for WebSockets. `run` it, and `stop` it before the web server."""

    def __init__(self, api: Api, services: Services, streaming: Streaming, neighbours: Neighbours) -> None:
        limits = services.settings.limits
        messages_max = limits.websocket_messages_1s
        self._streams = Streams(
            streaming.hub, streaming.accounts, streaming.listen_keys, streaming.by_listen_key, messages_max
        )
        self._sessions = Shared(api, services, streaming.accounts, RateLimits(limits), messages_max)
        self._streaming = streaming
        self._neighbours = neighbours
        self._orders = services.orders
        self.door = Door(self._route, limits.websockets_5m, neighbours)

    @property
    def feed(self) -> FeedClient:
        return self._streaming.feed

    @property
    def slow_readers(self) -> int:
        """How many connections of this process were cut off because they left too much unread."""
        return Connection.cut_off

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._streaming.feed.run())
            tasks.create_task(self.door.run())
            tasks.create_task(self._expire())
            tasks.create_task(self._beat())

    async def stop(self) -> None:
        """Tells everybody to go, and gives them some seconds."""
        await self.door.stop()
        self._streaming.listen_keys.close()

    def _route(self, door: Door, target: Target, client_ip: str) -> Connection | None:
        """What answers there; None for any other path."""
        path, query = target
        time_unit = query.get("timeUnit", "")
        if path == API_PATH:
            shows_limits = query.get("returnRateLimits", "true") != "false"
            return Session(door, client_ip, self._sessions, time_unit=time_unit, shows_limits=shows_limits)
        connect = partial(
            StreamConnection,
            door,
            client_ip,
            self._streams,
            in_microseconds=time_unit.upper() == "MICROSECOND",
        )
        if path == RAW_PATH or path.startswith(RAW_PATH + "/"):
            return connect(_names(path.removeprefix(RAW_PATH)), combined=False)
        if path.rstrip("/") == COMBINED_PATH:
            return connect(_names(query.get("streams", "")), combined=True)
        return None

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(_EXPIRE_EVERY_S)
            self._streaming.expire_listen_keys()

    async def _beat(self) -> None:
        """With the other gateways of this machine."""
        while True:
            self._neighbours.beat(int(time.time()))
            self._orders.hear()
            await asyncio.sleep(BEAT_EVERY_S)


def _names(text: str) -> list[str]:
    return [name for name in text.split("/") if name]
