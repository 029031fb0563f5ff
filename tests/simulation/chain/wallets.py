"""The wallets' process and the signer's, as the product wires them, where every port is a place to end at.

A step of the wallets is one call that blocks, as its thread does: at a crossing time may pass for everybody
else, and whoever was killed meanwhile goes no further. What a transaction has committed stays.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from sqlalchemy import Connection, Engine

from cambist.engine.commands import Role
from cambist.errors import ExchangeError, OutcomeUnknown, Unavailable
from cambist.intake.client import Client
from cambist.match import courier
from cambist.match.courier import Courier
from cambist.match.queries import Balances, LastSequence, Query
from cambist.settings import Wallets as WalletSettings
from cambist.signer.calls import encode
from cambist.signer.client import SignerClient
from cambist.signer.server import SignerServer
from cambist.signer.service import Signer
from cambist.signer.store import Store
from cambist.store import outbox
from cambist.store.records import Records
from cambist.store.secrets import Vault
from cambist.store.sqlite import open_database
from cambist.wallets import deposits, fees, withdrawals
from cambist.wallets.evm.chain import EvmChain
from cambist.wallets.payouts import Payouts
from cambist.wallets.service import NetworkService
from cambist.wallets.signing import SignerDoor
from cambist.wallets.withdrawals import Withdrawals
from tests.simulation.gateways import GIVE_UP_S, SILENT_S, Gateway
from tests.simulation.world import MS, NS_PER_S, Crash, Process

from .node import CHAIN_ID, SimRpc
from .start import ETHEREUM, keystore

if TYPE_CHECKING:
    from .place import Place

NAME = "wallets"
REST_MAX_NS = 12 * MS
POLL_MAX_NS = 260 * MS
WORK_MAX_NS = 20 * MS
STUCK_NS = 60 * NS_PER_S

T = TypeVar("T")


class Wallets(Process):
    def __init__(self, place: "Place") -> None:
        super().__init__(place.world, NAME)
        self.place = place
        self.crossings = 0
        self.strikes: list[tuple[int, Callable[[], None]]] = []  # crossings until then
        self._dice = place.world.dice(NAME)
        self.records = CrossedRecords(open_database(place.settings.records_file), place.vault, self)
        self.port = Port(place, self.records)
        place.site.gateways[1] = self.port

    def start(self) -> None:
        self.port.start()
        self.later(1, self._begin)

    def kill(self) -> None:
        super().kill()
        if self.port.is_alive:
            self.port.kill()

    def cross(self) -> None:
        """Between any two things that others can see. Raises Crash if the process is no more."""
        self.crossings += 1
        due = [strike for left, strike in self.strikes if left <= 0]
        self.strikes = [(left - 1, strike) for left, strike in self.strikes if left > 0]
        for strike in due:
            strike()
        if self.is_alive and self._dice.random() < self.place.rest_share:
            self.wait(lambda: False, self._dice.randrange(1, REST_MAX_NS))
        if not self.is_alive:
            raise Crash

    def wait(self, until: Callable[[], bool], within_ns: int) -> None:
        """Others go on meanwhile. Raises Crash if the process was killed."""
        self.world.run(lambda: until() or not self.is_alive, within_ns)
        if not self.is_alive:
            raise Crash

    def _begin(self) -> None:
        place = self.place
        clock = place.clock
        desk = Desk(self)
        self._courier = Courier(
            self.records,
            desk,
            NAME,
            Role.WALLET,
            effects={
                **deposits.effects(clock),
                **withdrawals.effects(self.records, clock),
                fees.BOOKED: fees.booked,
            },
            results=partial(courier.results, place.settings),
            clock=clock,
        )
        try:
            desk.opened()
            self._courier.resume()
        except Crash:
            return
        except Unavailable as problem:
            self.world.note(f"the wallets do not start: {problem}")
            place.end_wallets()
            return
        chain = EvmChain(
            ETHEREUM, CHAIN_ID, *(SimRpc(node, self.cross, self._dice.random) for node in place.nodes)
        )
        signer = SimSignerClient(self)
        self.service = NetworkService(
            self.records,
            self._courier,
            chain,
            SignerDoor(signer),
            desk,
            WalletSettings(evm_waits_for_final=place.programme.waits_for_final),
            ledger_parts=[Withdrawals(self.records, self._courier, ETHEREUM, clock).step],
            payouts=[Payouts(self.records, chain, signer, clock).step],
            clock=clock,
        )
        self.world.note("the wallets work")
        self._step()

    def _step(self) -> None:
        self.place.steps += 1
        try:
            is_busy = self.service.step()
        except Crash:
            return
        self.later(self._dice.randrange(1, self.place.work_max_ns if is_busy else POLL_MAX_NS), self._step)


class CrossedRecords(Records):
    def __init__(self, engine: Engine, vault: Vault, wallets: Wallets) -> None:
        super().__init__(engine, vault, is_shared=True)
        self._wallets = wallets

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self._wallets.cross()
        with super().write() as db:
            yield db
        self._wallets.place.oracle.look_at_withdrawals()
        self._wallets.cross()


class Port(Gateway):
    """The wallets' connection to the match server: a process of its own, as its loop has a thread there."""

    def __init__(self, place: "Place", records: Records) -> None:
        super().__init__(place.site, NAME)
        with records.read() as db:
            sender = outbox.sender(db, NAME)
        session, reached = (0, 0) if sender is None else (sender.session, sender.sequence)
        self.clients = {
            Role.WALLET: Client(
                Role.WALLET,
                NAME,
                place.site.secret(Role.WALLET),
                give_up_s=GIVE_UP_S,
                silent_s=SILENT_S,
                session=session,
                reached=reached,
            )
        }

    @property
    def client(self) -> Client:
        return self.clients[Role.WALLET]


class Desk:
    """The courier's desk and the reconciliation's ledger, as cambist/intake/desk.py has them."""

    def __init__(self, wallets: Wallets) -> None:
        self._wallets = wallets
        self._port = wallets.port

    def opened(self) -> None:
        self._wallets.wait(lambda: self._port.is_open, STUCK_NS)
        if not self._port.is_open:
            raise Unavailable("no match server")

    def place(self, session: int) -> tuple[int, int | None]:
        sequence = self._ask(LastSequence())
        client = self._port.client
        return sequence, client.last_number if client.session == session else None

    def open_session(self, role: Role, name: str) -> int:
        self.opened()
        return self._port.client.session

    def call(self, command: bytearray) -> bytes:
        self._wallets.cross()
        told: list[bytes | ExchangeError] = []
        self._port.submit(Role.WALLET, command, told.append, is_stamped=True)
        self._wallets.wait(lambda: bool(told), STUCK_NS)
        (answer,) = told
        self._wallets.cross()
        if isinstance(answer, OutcomeUnknown):
            self._port.cut()
        if isinstance(answer, ExchangeError):
            raise answer
        return answer

    def owed_atoms(self, mirror: int, asset: int) -> int:
        balances = self._ask(Balances(mirror))
        return -sum(each.available_atoms + each.held_atoms for each in balances if each.asset.asset == asset)

    def _ask(self, query: Query[T]) -> T:
        future = self._port.loop.create_future()
        self._port.client.query(query, future, self._port.loop.time())
        self._wallets.wait(future.done, STUCK_NS)
        return cast(T, future.result())


class SignerProcess(Process):
    def __init__(self, place: "Place") -> None:
        super().__init__(place.world, "signer")
        self._place = place
        self.store = Store(place.settings.signer_directory)
        self.server = SignerServer(Signer(keystore(), self.store, place.clock), frozenset())
        self.strikes: list[int] = []  # calls until it ends, before or behind one

    def answer(self, frame: bytes) -> bytes:
        """Raises OSError if it ends on the way, before or after it has signed."""
        self.strikes = [left - 1 for left in self.strikes]
        if 0 in self.strikes:
            self._place.end_signer()
            raise OSError("it ended before it read the call")
        answer = encode(self.server.answer(frame))
        self.strikes = [left - 1 for left in self.strikes]
        if 0 in self.strikes:
            self._place.end_signer()
            raise OSError("it ended before it had answered")
        return answer

    def kill(self) -> None:
        super().kill()
        self.store.close()


class SimSignerClient(SignerClient):
    def __init__(self, wallets: Wallets) -> None:
        self._wallets = wallets

    def _exchange(self, call: bytes) -> bytes:
        self._wallets.cross()
        signer = self._wallets.place.signer
        if not signer.is_alive:
            raise OSError("nobody is there")
        try:
            return signer.answer(call)
        finally:
            self._wallets.cross()
