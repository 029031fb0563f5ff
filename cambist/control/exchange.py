"""What an operator's request acts on: settings, records, and a match server that is running."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, Self, TypeAlias, TypeVar

import msgspec
from sqlalchemy import Connection

from cambist._matching import Engine
from cambist.accounts import users
from cambist.engine.commands import AccountClass, AccountCreate, Command, Permission, Role
from cambist.engine.events import Status
from cambist.engine.views import AssetView, MarketView
from cambist.errors import Refused
from cambist.match.courier import Courier, Effect, LocalDesk, Post, results
from cambist.match.server import MatchServer
from cambist.settings import Settings
from cambist.store.audit import Act
from cambist.store.records import Records

T = TypeVar("T")

# (steps done, steps in all, or 0 if that is not known)
Report: TypeAlias = Callable[[int, int], None]

# Every sandbox credit comes from here, so play money is told apart from everything that is owed to anybody.
SANDBOX_MIRROR = AccountCreate(
    account_class=AccountClass.MIRROR, permissions=Permission.TRADE, reference=b"mirror:sandbox"
)

SENDER = "operator"  # stored: never rename

_WHY = {
    Status.ALREADY_LISTED: "it is listed already",
    Status.BAD_LISTING: "one tick times one lot must be a whole number of quote atoms, or trades would round",
    Status.BAD_FILTERS: "the filters contradict each other, or price times quantity could overflow",
    Status.BAD_FEES: "no side may pay more than 50 % in all",
    Status.BAD_LIMITS: "the limits contradict each other",
    Status.UNKNOWN_KIND: "this needs newer rules; see `cambist rules`",
    Status.BAD_STATE: "not from its present state; delisting needs an empty book and is final",
    Status.LIMIT_REACHED: "a limit of the engine is reached",
    Status.REFERENCE_CONFLICT: "this reference was used before with other content",
    Status.MALFORMED: "a value is out of range or a name has characters that are not allowed",
}


class CommandRefused(Refused):
    """The engine declined an operator's command; `status` says why."""

    code = "command_refused"

    def __init__(self, status: Status) -> None:
        super().__init__(f"refused ({status.name}): {_WHY.get(status, 'see docs/formats/events.md')}")
        self.status = status


class OutOfRange(Refused):
    """A value that no command can carry."""

    code = "out_of_range"


class AssetUnknown(Refused):
    code = "asset_unknown"


class MarketUnknown(Refused):
    code = "market_unknown"


class Caller(NamedTuple):
    """On whose behalf something is done, and how to show that it goes on."""

    name: str
    report: Report
    reason: str = ""

    def act(self, request: "Request") -> Act:
        """What the audit trail says of it."""
        details: dict[str, Any] = msgspec.to_builtins(request)
        if self.reason:
            details["reason"] = self.reason
        return Act(self.name, details.pop("operation"), details, time.time_ns())


class Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="operation"):
    """One thing an operator can ask for. The CLI builds it; it is performed where the exchange is."""

    def perform(self, exchange: "Exchange", caller: Caller) -> Any:
        """Returns something that is JSON already. Raises ExchangeError."""
        # Abstract: each request has its own. A struct's metaclass leaves no room for ABCMeta.
        raise NotImplementedError


class Exchange:
    def __init__(self, settings: Settings, records: Records, server: MatchServer) -> None:
        self.settings = settings
        self.records = records
        self.server = server
        self.courier = Courier(
            records,
            LocalDesk(server),
            SENDER,
            Role.ADMIN,
            effects=_EFFECTS,
            results=partial(results, settings),
        )

    def close(self) -> None:
        """The match server first: its last commands may still be recorded."""
        self.server.stop()
        self.records.close()

    def execute(self, act: Act, command: Command) -> int:
        """The value of the command's result. Raises CommandRefused, OutOfRange, Overloaded or Unavailable."""
        return self.change(act, lambda _: Post(command))

    def change(self, act: Act, prepare: Callable[[Connection], Post]) -> int:
        """The same for a command that goes with a change of the records, which `prepare` makes."""
        try:
            answer = self.courier.send(act, prepare)
        except ValueError as problem:
            raise OutOfRange(f"a value of this {act.action} is out of range") from problem
        if answer.status != Status.OK:
            raise CommandRefused(Status(answer.status))
        return answer.value

    def query(self, ask: Callable[[Engine], T]) -> T:
        return self.server.query_blocking(ask)

    def assets(self) -> "Assets":
        return self.query(lambda engine: Assets.of(engine))

    def market(self, symbol: str) -> MarketView:
        """Raises MarketUnknown."""
        for market in self.query(lambda engine: [MarketView.of(row) for row in engine.markets()]):
            if market.symbol == symbol:
                return market
        raise MarketUnknown(f"there is no market {symbol}; `cambist market list` shows all")


class Assets:
    """Assets by id and by name."""

    def __init__(self, views: list[AssetView]) -> None:
        self.all = views
        self._by_id = {asset.asset: asset for asset in views}
        self._by_name = {asset.name: asset for asset in views}

    @classmethod
    def of(cls, engine: Engine) -> Self:
        return cls([AssetView(*row) for row in engine.assets()])

    def __getitem__(self, asset: int) -> AssetView:
        return self._by_id[asset]

    def named(self, name: str) -> AssetView:
        """Raises AssetUnknown."""
        try:
            return self._by_name[name]
        except KeyError:
            raise AssetUnknown(f"there is no asset {name}; `cambist asset list` shows all") from None


_EFFECTS: Mapping[str, Effect] = {users.CREATED: users.created}


def iso_time(time_ns: int) -> str:
    """A Unix time as people write it: UTC, to the second."""
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).isoformat().replace("+00:00", "Z")
