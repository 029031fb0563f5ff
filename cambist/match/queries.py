"""What may be asked of the engine, and what comes back: plain values, so that a question can cross a socket.

A query is called with the engine, between two batches and on the thread that owns it. Its result is made of
NamedTuples and builtins whose types `__call__` declares; amounts have up to 128 bits, and so has whatever
carries them.
"""

from typing import Generic, NamedTuple, TypeAlias, TypeVar

import msgspec

from cambist._matching import Engine
from cambist.engine.commands import Limits
from cambist.engine.views import AssetView, FeesView, MarketView, OrderView

T = TypeVar("T")

Levels: TypeAlias = list[tuple[int, int]]  # (price_ticks, quantity_lots), best first


class Query(msgspec.Struct, Generic[T], frozen=True, tag=True):
    """One question. Two that are equal are the same question."""

    def __call__(self, engine: Engine) -> T:
        # Abstract: each query has its own. A struct's metaclass leaves no room for ABCMeta.
        raise NotImplementedError


class Listing(NamedTuple):
    """Everything that is listed, and at which sequence."""

    sequence: int
    markets: list[MarketView]
    assets: list[AssetView]


class Book(NamedTuple):
    update_id: int
    bids: Levels
    asks: Levels


class AccountView(NamedTuple):
    account_class: int
    tier: int
    permissions: int
    frozen: bool
    stp_group: int
    owner: int


class BalanceView(NamedTuple):
    """Of an asset that is listed; the amounts are 0 if the account has none."""

    asset: AssetView
    available_atoms: int
    held_atoms: int


class Statement(NamedTuple):
    """`fees` are the standard rates of the account's tier, of each market."""

    time_ns: int
    account: AccountView
    fees: list[FeesView]
    balances: list[BalanceView]


class Found(NamedTuple):
    """`order` is None if it is not open, `sequence` is when it was looked for."""

    order: OrderView | None
    sequence: int


class LastSequence(Query[int], frozen=True):
    def __call__(self, engine: Engine) -> int:
        return engine.sequence


class Rules(Query[int], frozen=True):
    def __call__(self, engine: Engine) -> int:
        return engine.rules


class MarketCount(Query[int], frozen=True):
    def __call__(self, engine: Engine) -> int:
        return engine.market_count


class Listed(Query[Listing], frozen=True):
    def __call__(self, engine: Engine) -> Listing:
        return Listing(engine.sequence, _markets(engine), _assets(engine))


class Markets(Query[list[MarketView]], frozen=True):
    """Oldest first."""

    def __call__(self, engine: Engine) -> list[MarketView]:
        return _markets(engine)


class Assets(Query[list[AssetView]], frozen=True):
    def __call__(self, engine: Engine) -> list[AssetView]:
        return _assets(engine)


class MarketLimits(Query[list[Limits]], frozen=True):
    """Of each of the markets."""

    markets: list[int]

    def __call__(self, engine: Engine) -> list[Limits]:
        return [Limits.unpack(engine.limits(market)) for market in self.markets]


class Depth(Query[Book], frozen=True):
    """At most `limit` levels of each side."""

    market: int
    limit: int

    def __call__(self, engine: Engine) -> Book:
        return Book(*engine.depth(self.market, self.limit))


class BestLevels(Query[list[Book]], frozen=True):
    """The first level of each side, of each of the markets."""

    markets: list[int]

    def __call__(self, engine: Engine) -> list[Book]:
        return [Book(*engine.depth(market, 1)) for market in self.markets]


class ReferencePrice(Query[int], frozen=True):
    """In ticks; 0 before the first trade."""

    market: int

    def __call__(self, engine: Engine) -> int:
        return engine.reference_price(self.market)


class Account(Query[AccountView | None], frozen=True):
    account: int

    def __call__(self, engine: Engine) -> AccountView | None:
        return _account(engine, self.account)


class Balances(Query[list[BalanceView]], frozen=True):
    account: int

    def __call__(self, engine: Engine) -> list[BalanceView]:
        return _balances(engine, self.account)


class AccountStatement(Query[Statement | None], frozen=True):
    """None if there is no such account."""

    account: int

    def __call__(self, engine: Engine) -> Statement | None:
        account = _account(engine, self.account)
        if account is None:
            return None
        fees = [FeesView(*engine.fees(market[0], account.tier)[0]) for market in engine.markets()]
        return Statement(engine.time_ns, account, fees, _balances(engine, self.account))


class Fees(Query[list[FeesView]], frozen=True):
    """Standard, special and tax rates of the account's tier; of each market, one after the other."""

    account: int
    markets: list[int]

    def __call__(self, engine: Engine) -> list[FeesView]:
        account = _account(engine, self.account)
        tier = 0 if account is None else account.tier
        return [FeesView(*fees) for market in self.markets for fees in engine.fees(market, tier)]


class OpenOrders(Query[list[OrderView]], frozen=True):
    """Of one market, or of all if `market` is 0."""

    account: int
    market: int = 0

    def __call__(self, engine: Engine) -> list[OrderView]:
        return [OrderView(*row) for row in engine.open_orders(self.account, self.market)]


class OpenOrder(Query[Found], frozen=True):
    """By its id, whosever it is, or by the account's client id if `order_id` is 0."""

    account: int
    order_id: int
    client_id: bytes

    def __call__(self, engine: Engine) -> Found:
        if self.order_id:
            row = engine.order(self.order_id)
        else:
            row = engine.order_by_client_id(self.account, self.client_id)
        return Found(None if row is None else OrderView(*row), engine.sequence)


class Untouched(Query[set[int]], frozen=True):
    """Those of the orders that rest and have no fill."""

    order_ids: list[int]

    def __call__(self, engine: Engine) -> set[int]:
        rows = ((order_id, engine.order(order_id)) for order_id in self.order_ids)
        return {order_id for order_id, row in rows if row and not OrderView(*row).executed_lots}


AnyQuery: TypeAlias = (
    LastSequence
    | Rules
    | MarketCount
    | Listed
    | Markets
    | Assets
    | MarketLimits
    | Depth
    | BestLevels
    | ReferencePrice
    | Account
    | Balances
    | AccountStatement
    | Fees
    | OpenOrders
    | OpenOrder
    | Untouched
)


def _markets(engine: Engine) -> list[MarketView]:
    return [MarketView.of(row) for row in engine.markets()]


def _assets(engine: Engine) -> list[AssetView]:
    return [AssetView(*row) for row in engine.assets()]


def _account(engine: Engine, account: int) -> AccountView | None:
    row = engine.account(account)
    return None if row is None else AccountView(*row)


def _balances(engine: Engine, account: int) -> list[BalanceView]:
    known = {asset: (available, held) for asset, available, held in engine.balances(account)}
    return [BalanceView(asset, *known.get(asset.asset, (0, 0))) for asset in _assets(engine)]
