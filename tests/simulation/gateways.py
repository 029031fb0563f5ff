"""Processes that reach the match server over the intake, and the wires between them.

A wire carries the bytes of one connection, cut anywhere, late, in order, until it is cut: then either end
learns of it, or nobody does and only silence tells.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from cambist.engine.codes import Role
from cambist.errors import ExchangeError
from cambist.intake.client import Client
from cambist.intake.protocol import HEARTBEAT_S
from cambist.intake.server import Connection

from .world import MS, NS_PER_S, Process

if TYPE_CHECKING:
    from .exchange import Exchange
    from .site import Site

ROLES = (Role.TRADE, Role.ADMIN, Role.WALLET)
GIVE_UP_S = 5.0
SILENT_S = 1.0

Told = Callable[[bytes | ExchangeError], None]


class Gateway(Process):
    def __init__(self, site: "Site", name: str) -> None:
        super().__init__(site.world, name)
        self.site = site
        self.is_mute = False  # its bytes get lost, and nobody is told
        self.clients = {
            role: Client(role, self.name, site.secret(role), give_up_s=GIVE_UP_S, silent_s=SILENT_S)
            for role in ROLES
        }
        self.wires: dict[Role, Wire] = {}
        self._dice = site.world.dice(self.name)

    def start(self) -> None:
        for role in self.clients:
            self.later(1, self._connect, role)
        self.later(1, self._tick)

    def submit(self, role: Role, command: bytearray, told: Told, *, is_stamped: bool = False) -> None:
        """`told` gets the record, or why there is none."""
        try:
            self.clients[role].send(command, _Waiter(told), self.loop.time(), is_stamped=is_stamped)
        except ExchangeError as problem:
            told(problem)

    @property
    def is_open(self) -> bool:
        return self.is_alive and all(client.is_open for client in self.clients.values())

    def kill(self) -> None:
        super().kill()
        for wire in self.wires.values():
            wire.near_is_gone()
        self.wires.clear()

    def cut(self) -> None:
        """Every connection breaks, and both ends learn of it."""
        for wire in [*self.wires.values()]:
            wire.cut()

    def speak(self) -> None:
        """What was lost while it was mute breaks the streams."""
        if self.is_mute:
            self.is_mute = False
            self.cut()

    def _tick(self) -> None:
        for client in self.clients.values():
            client.tick(self.loop.time())
        self.later(int(HEARTBEAT_S * NS_PER_S), self._tick)

    def _connect(self, role: Role) -> None:
        """Tries again and again while there is no connection."""
        leader = self.site.exchange
        if role not in self.wires and leader is not None and leader.is_alive:
            self.wires[role] = Wire(self, role, leader)
            self.clients[role].opened(self.wires[role], self.loop.time())
        self.later(self._dice.randrange(1, 60 * MS), self._connect, role)


class Wire:
    """The gateway's end of one connection; the other end is `far`."""

    def __init__(self, gateway: Gateway, role: Role, exchange: "Exchange") -> None:
        self._gateway = gateway
        self._role = role
        self._exchange = exchange
        self._dice = gateway.site.world.dice("wires")
        self._is_awake = False
        self._arrives_ns = [0, 0]  # there and back: the newest piece under way
        self.is_cut = False
        self.far: Connection | None = None
        self._far_line = FarLine(self)
        self._carry(exchange, 0, self._accept)

    # The client's line.

    def wake(self) -> None:
        if not self._is_awake:
            self._is_awake = True
            self._gateway.later(0, self._flush)

    def opened(self) -> None:
        pass

    def close(self) -> None:
        self.cut()

    def cut(self) -> None:
        """Safe to repeat."""
        if self.is_cut:
            return
        self.is_cut = True
        self._carry(self._exchange, 0, self._close_far)
        self._carry(self._gateway, 1, self._lose)

    def leads_to(self, exchange: "Exchange") -> bool:
        return self._exchange is exchange

    def near_is_gone(self) -> None:
        self.is_cut = True
        self._carry(self._exchange, 0, self._close_far)

    def far_is_gone(self) -> None:
        """The kernel of the other end says so, if anything gets through."""
        if not self.is_cut:
            self.is_cut = True
            self._carry(self._gateway, 1, self._lose)

    def _lose(self) -> None:
        if self._gateway.wires.get(self._role) is self:
            del self._gateway.wires[self._role]
            self._gateway.clients[self._role].lost()

    def _flush(self) -> None:
        self._is_awake = False
        if self._gateway.wires.get(self._role) is not self or self.is_cut:
            return
        data = self._gateway.clients[self._role].outgoing()
        for piece in self._pieces(data):
            self._carry(self._exchange, 0, self._arrive_there, piece)

    # The server's side.

    def _accept(self) -> None:
        self.far = Connection(self._exchange.intake, self._far_line, self._exchange.loop.time())
        self._exchange.connections.append(self.far)

    def _arrive_there(self, data: bytes) -> None:
        if self.far is not None and not self._gateway.is_mute:
            self.far.received(data, self._exchange.loop.time())
            self._exchange.round_soon()

    def _close_far(self) -> None:
        if self.far is not None:
            self.far.close()

    def wake_far(self) -> None:
        self._exchange.later(0, self.flush_far)

    def flush_far(self) -> None:
        self._far_line.is_awake = False
        if self.far is None:
            return
        for piece in self._pieces(self.far.outgoing()):
            self._carry(self._gateway, 1, self._arrive_here, piece)

    def _arrive_here(self, data: bytes) -> None:
        if self._gateway.wires.get(self._role) is self and not self._gateway.is_mute and not self.is_cut:
            self._gateway.clients[self._role].received(data, self._gateway.loop.time())

    def _pieces(self, data: bytes) -> list[bytes]:
        if not data:
            return []
        if len(data) == 1 or self._dice.random() < 0.7:
            return [data]
        at = self._dice.randrange(1, len(data))
        return [data[:at], data[at:]]

    def _carry(self, to: Process, direction: int, call: Callable[..., None], *arguments: bytes) -> None:
        """In order, each way."""
        now_ns = self._gateway.world.now_ns
        delay_ns = self._dice.randrange(1, self._gateway.site.programme.delay_max_ns)
        arrives_ns = max(self._arrives_ns[direction] + 1, now_ns + delay_ns)
        self._arrives_ns[direction] = arrives_ns
        to.later(arrives_ns - now_ns, call, *arguments)


class FarLine:
    """The connection's line at the server's end."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.is_awake = False

    def wake(self) -> None:
        if not self.is_awake:
            self.is_awake = True
            self._wire.wake_far()

    def close(self) -> None:
        self._wire.flush_far()
        self._wire.far_is_gone()


class _Waiter:
    def __init__(self, told: Told) -> None:
        self._told = told

    def done(self) -> bool:
        return False

    def set_result(self, record: bytes, /) -> None:
        self._told(record)

    def set_exception(self, problem: BaseException, /) -> None:
        assert isinstance(problem, ExchangeError), problem
        self._told(problem)
