"""Two implementations behind one face: the plain Python model and the Rust engine, one command at a time."""

from abc import ABC, abstractmethod
from collections import Counter
from typing import NamedTuple, Self

from cambist._matching import Engine
from cambist.engine import commands, events
from cambist.engine.commands import Command, Kind, Limits, Role
from cambist.engine.events import Event, Result
from cambist.engine.views import MarketView, OrderView
from tests.model import Model

START_NS = 1_700_000_000_000_000_000


class Answer(NamedTuple):
    result: Result
    events: list[Event]


class AccountView(NamedTuple):
    account_class: int
    tier: int
    permissions: int
    frozen: bool
    stp_group: int
    owner: int

    @classmethod
    def of(cls, row: tuple[int, int, int, bool, int, int] | None) -> Self:
        assert row is not None
        return cls(*row)


class Picture(NamedTuple):
    """Everything that can be asked, at one moment. Amounts are atoms; balances of nothing are left out."""

    accounts: dict[int, AccountView]
    balances: dict[tuple[int, int], tuple[int, int]]  # of (account, asset): available, held
    orders: list[OrderView]
    markets: dict[int, MarketView]
    depths: dict[int, tuple[int, list[tuple[int, int]], list[tuple[int, int]]]]
    limits: dict[int, Limits]
    countdowns: dict[int, list[tuple[int, int]]]  # of an account: market, deadline
    next_deadline_ns: int | None


class Sent(NamedTuple):
    time_ns: int
    epoch: int
    command: bytes


class Venue(ABC):
    """Numbers commands, opens an admin session, and remembers every command for a replay."""

    def __init__(self) -> None:
        self.time_ns = START_NS
        self.log: list[Sent] = []
        self.numbers: Counter[int] = Counter()
        self.admin = self.send(commands.SessionOpen(role=Role.ADMIN, name=b"admin")).result.value

    def send(self, command: Command, session: int | None = None) -> Answer:
        return self.send_bytes(self.stamped(command, session))

    def stamped(self, command: Command, session: int | None = None) -> bytes:
        """The command under the next number of a session: the admin's, or the sequencer's own, by default."""
        encoded = command.encode()
        if session is None:
            session = 0 if command.kind >= Kind.SESSION_OPEN else self.admin
        self.numbers[session] += 1
        commands.stamp(encoded, session, self.numbers[session])
        return bytes(encoded)

    def send_bytes(self, command: bytes) -> Answer:
        self.log.append(Sent(self.time_ns, self.epoch, command))
        return self._apply(len(self.log), command)

    @abstractmethod
    def _apply(self, sequence: int, command: bytes) -> Answer: ...

    @property
    @abstractmethod
    def queries(self) -> Engine | Model: ...

    @property
    @abstractmethod
    def epoch(self) -> int: ...

    @abstractmethod
    def business(self) -> object:
        """All state but sequence, time and session results, to be compared with an earlier answer."""

    def balance(self, account: int, asset: int) -> tuple[int, int]:
        """Available and held atoms; zeros for an asset that the account never had."""
        rows = self.queries.balances(account)
        return next(((available, held) for found, available, held in rows if found == asset), (0, 0))

    def picture(self) -> Picture:
        queries = self.queries
        accounts = queries.account_ids()
        markets = [MarketView.of(row) for row in queries.markets()]
        return Picture(
            accounts={each: AccountView.of(queries.account(each)) for each in accounts},
            balances={
                (account, asset): (available, held)
                for account in accounts
                for asset, available, held in queries.balances(account)
                if available or held
            },
            orders=[OrderView(*row) for account in accounts for row in queries.open_orders(account)],
            markets={market.market: market for market in markets},
            depths={market.market: queries.depth(market.market, 1_000_000) for market in markets},
            limits={market.market: Limits.unpack(queries.limits(market.market)) for market in markets},
            countdowns={each: found for each in accounts if (found := queries.countdowns(each))},
            next_deadline_ns=queries.next_deadline_ns,
        )


class ModelVenue(Venue):
    def __init__(self) -> None:
        self.model = Model()
        super().__init__()

    @property
    def queries(self) -> Model:
        return self.model

    @property
    def epoch(self) -> int:
        return self.model.state.epoch

    def business(self) -> str:
        passing = ("sequence", "time_ns", "events", "touched")
        return repr({name: part for name, part in vars(self.model.state).items() if name not in passing})

    def _apply(self, sequence: int, command: bytes) -> Answer:
        result, following = self.model.apply(sequence, self.time_ns, command)
        return Answer(result, following)


class RustVenue(Venue):
    def __init__(self) -> None:
        self.engine = Engine()
        self.outputs: list[bytes] = []
        super().__init__()

    @property
    def queries(self) -> Engine:
        return self.engine

    @property
    def epoch(self) -> int:
        return self.engine.epoch

    def business(self) -> bytes:
        return self.engine.business_hash()

    def _apply(self, sequence: int, command: bytes) -> Answer:
        output = self.engine.apply(commands.batch(sequence, self.time_ns, self.epoch, [command]))
        self.outputs.append(output)
        return Answer(events.result(output), events.decode(output))
