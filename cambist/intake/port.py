"""The way to a match server in another process, with the interface of its own Port.

It connects to whoever leads, and again whenever the connection is lost: over Unix sockets to the newest epoch
that answers, or over TCP to the first server that does. When a newer epoch begins it leaves the older one,
which may be at a write that does not end.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar, cast

from cambist.engine.commands import Role
from cambist.errors import Unavailable
from cambist.intake.client import Client
from cambist.intake.listener import sockets
from cambist.intake.protocol import HEARTBEAT_S, secret_of
from cambist.match.queries import Query
from cambist.match.server import Waiter
from cambist.settings import Settings, hosts_and_ports
from cambist.store.secrets import Vault

_RETRY_FIRST_S, _RETRY_MOST_S = 0.02, 0.5
_CONNECT_WITHIN_S = 1.0

# A path, or (host, port).
Address: TypeAlias = Path | tuple[str, int]

T = TypeVar("T")

log = logging.getLogger(__name__)


def addresses(directory: Path, servers: Sequence[tuple[str, int]]) -> list[Address]:
    """Where a leader may be found now: `servers` if there are any, else the sockets of this machine."""
    return list(servers) or [path for _, path in sockets(directory)]


def port_to_leader(
    settings: Settings, vault: Vault, role: Role, name: str, *, session: int = 0, reached: int = 0
) -> "IntakePort":
    """Of whoever leads, as the settings find it. For `session` and `reached` see the Client."""
    intake = settings.intake
    client = Client(
        role,
        name,
        secret_of(vault, role),
        give_up_s=intake.give_up_ms / 1_000,
        silent_s=intake.silent_ms / 1_000,
        session=session,
        reached=reached,
    )
    return IntakePort(client, partial(addresses, settings.run_directory, hosts_and_ports(intake.servers)))


class IntakePort:
    """`run` it. Commands and questions wait until there is a connection, but not for ever."""

    def __init__(self, client: Client, find: Callable[[], Sequence[Address]]) -> None:
        self._client = client
        self._find = find
        self._loop = asyncio.get_running_loop()
        self._opened = asyncio.Event()
        self._address: Address | None = None  # where it is, or tries to be
        self._passed: set[Address] = set()  # those before it, where nobody answered

    def submit(self, command: bytearray) -> "asyncio.Future[bytes]":
        """RESULT and events of the command, once it is durable; of a cancel-all, of all its parts.

        Raises Overloaded at once; the future may raise OutcomeUnknown or Unavailable.
        """
        future: asyncio.Future[bytes] = self._loop.create_future()
        self.send(command, future, self._loop)
        return future

    def send(
        self, command: bytearray, waiter: Waiter, loop: asyncio.AbstractEventLoop, *, is_stamped: bool = False
    ) -> None:
        """The same for one who is no future, and (`is_stamped`) for one who numbers his commands himself."""
        self._client.send(command, waiter, loop.time(), is_stamped=is_stamped)

    def query(self, ask: Query[T]) -> "asyncio.Future[T]":
        """What the engine says, seen after every command submitted before. Raises Overloaded at once."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._client.query(ask, future, self._loop.time())
        return future

    def leave(self) -> None:
        """Ends the connection; the next one is made at once, and begins with who has sent what."""
        self._client.lost()

    @property
    def session(self) -> int:
        """The session that the newest connection has; 0 before the first."""
        return self._client.session

    @property
    def last_number(self) -> int:
        """The newest of the session's numbers that the engine had when the connection began."""
        return self._client.last_number

    @property
    def is_open(self) -> bool:
        """Whether there is a match server that takes commands now."""
        return self._client.is_open

    @property
    def waiting(self) -> int:
        """Commands and questions without an answer."""
        return self._client.waiting

    async def opened(self, within_s: float) -> None:
        """Returns when there is a session. Raises Unavailable."""
        try:
            await asyncio.wait_for(self._opened.wait(), within_s)
        except TimeoutError:
            why = self._client.refused
            reason = "nobody leads here" if why is None else f"it refuses this process ({why.name})"
            raise Unavailable(f"no match server within {within_s:.0f} s: {reason}") from None

    async def run(self) -> None:
        """Connects, and connects again, until it is cancelled."""
        ticking = asyncio.create_task(self._tick())
        try:
            pause_s = _RETRY_FIRST_S
            while True:
                has_served = False
                self._passed = set()
                for address in self._find():
                    self._address = address
                    has_served = await self._serve(address)
                    if has_served:
                        break
                    self._passed.add(address)
                pause_s = _RETRY_FIRST_S if has_served else min(2 * pause_s, _RETRY_MOST_S)
                await asyncio.sleep(pause_s)
        finally:
            ticking.cancel()
            self._client.lost()

    async def _serve(self, address: Address) -> bool:
        """Until the connection is lost; whether there was a session."""
        loop = self._loop
        try:
            async with asyncio.timeout(_CONNECT_WITHIN_S):
                if isinstance(address, Path):
                    _, line = await loop.create_unix_connection(
                        lambda: _Line(self._client, self._opened), str(address)
                    )
                else:
                    _, line = await loop.create_connection(
                        lambda: _Line(self._client, self._opened), *address
                    )
        except (OSError, TimeoutError):
            return False
        try:
            await line.lost
        finally:
            line.close()
        return line.was_open

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            self._client.tick(self._loop.time())
            self._look_for_a_newer_one()

    def _look_for_a_newer_one(self) -> None:
        found = self._find()
        if self._client.is_connected and found and found[0] != self._address and found[0] not in self._passed:
            log.warning("intake: another match server leads now: %s", found[0])
            self._client.lost()


class _Line(asyncio.Protocol):
    def __init__(self, client: Client, is_open: asyncio.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._client = client
        self._is_open = is_open
        self._transport: asyncio.Transport | None = None
        self._is_awake = False
        self.was_open = False
        self.lost: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._client.opened(self, self._loop.time())

    def data_received(self, data: bytes) -> None:
        self._client.received(data, self._loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._client.lost()
        if not self.lost.done():
            self.lost.set_result(None)

    def opened(self) -> None:
        self.was_open = True
        self._is_open.set()

    def wake(self) -> None:
        if not self._is_awake:
            self._is_awake = True
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """At once: what was not sent yet is sent over the next connection."""
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        self._is_awake = False
        if self._transport is not None:
            self._transport.write(self._client.outgoing())
