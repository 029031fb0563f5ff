"""What the model knows between commands, and the money that moves while one runs."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple, TypeAlias

from cambist.engine.codes import (
    AccountClass,
    AssetStatus,
    Contingency,
    MarketStatus,
    OrderState,
    OrderType,
    Permission,
    Side,
    Status,
    StpMode,
    TimeInForce,
)
from cambist.engine.commands import Command, Filters, Limits
from cambist.engine.events import Balance, Event

FEES, LOSS = 1, 3  # system accounts
FIRST_ACCOUNT = 1001
AMOUNT_LIMIT = 1 << 100  # amounts in commands stay below
BALANCE_LIMIT = 1 << 120  # and balances below this
TIERS = 16
RESTING = OrderState.RESTING

NO_LIMITS = Limits()

Rates: TypeAlias = tuple[int, int, int, int]  # maker, taker, buyer, seller; fee_rate_e8


class Refused(Exception):
    """The command changes nothing; `status` says why."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.name)
        self.status = status


def require(condition: bool, otherwise: Status) -> None:
    if not condition:
        raise Refused(otherwise)


@dataclass
class Account:
    account_class: AccountClass
    tier: int
    permissions: Permission
    stp_group: int
    owner: int = 0
    frozen: bool = False
    markets: list[int] = field(default_factory=list)  # in the order of the first order accepted there

    @property
    def is_customer(self) -> bool:
        """Users and the house trade and withdraw; the other classes are bookkeeping."""
        return self.account_class in (AccountClass.USER, AccountClass.HOUSE)

    @property
    def may_owe(self) -> bool:
        return self.account_class in (AccountClass.MIRROR, AccountClass.LOSS)


@dataclass
class Asset:
    name: bytes
    scale: int
    state: AssetStatus = AssetStatus.ACTIVE


class Traded(NamedTuple):
    """A trade that the reference price is an average of."""

    second: int
    price_ticks: int
    lots: int


@dataclass
class Market:
    symbol: bytes
    base: int
    quote: int
    tick_atoms: int
    lot_atoms: int
    tick_lot_atoms: int
    filters: Filters
    state: MarketStatus
    standard: list[Rates] = field(default_factory=lambda: [(0, 0, 0, 0)] * TIERS)
    special: Rates = (0, 0, 0, 0)
    tax: Rates = (0, 0, 0, 0)
    update_id: int = 0
    trade_id: int = 0
    last_price_ticks: int = 0
    prevented_match_id: int = 0
    limits: Limits = NO_LIMITS
    traded: list[Traded] = field(default_factory=list)

    def notional(self, price_ticks: int, lots: int) -> int:
        """Quote atoms; exact."""
        return price_ticks * lots * self.tick_lot_atoms

    def hold_of(self, side: Side, price_ticks: int, lots: int) -> int:
        """What an order at rest holds: quote atoms of a buy, base atoms of a sell."""
        return self.notional(price_ticks, lots) if side == Side.BUY else lots * self.lot_atoms

    def paid_asset(self, side: Side) -> int:
        return self.quote if side == Side.BUY else self.base

    def received_asset(self, side: Side) -> int:
        return self.base if side == Side.BUY else self.quote


@dataclass
class Order:
    """A MARKET order by budget has no lots of its own: its `quantity_lots` is what it executed or lost.

    `turn` is its place in time among the orders of a level. A stop `is_due` from when its turn has come
    until it works; `best_ticks` is the best price since it began to follow the price.
    """

    order_id: int
    account: int
    market: int
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    stp_mode: StpMode
    price_ticks: int
    quantity_lots: int
    by_quote: bool
    client_id: bytes
    accepted_ns: int
    updated_ns: int
    executed_lots: int = 0
    executed_quote_atoms: int = 0
    prevented_lots: int = 0
    amends: int = 0
    stop_price_ticks: int = 0
    trailing_delta: int = 0
    iceberg_lots: int = 0
    list_id: int = 0
    state: OrderState = OrderState.RESTING
    hold_price_ticks: int = 0
    working_ns: int = 0
    trailing_ns: int = 0
    turn: int = 0
    visible_lots: int = 0
    best_ticks: int = 0
    is_due: bool = False

    @property
    def remaining_lots(self) -> int:
        return self.quantity_lots - self.executed_lots - self.prevented_lots

    @property
    def is_plain(self) -> bool:
        return not (self.stop_price_ticks or self.trailing_delta or self.iceberg_lots or self.list_id)

    @property
    def has_limit(self) -> bool:
        return has_limit(self.order_type)

    @property
    def is_stop(self) -> bool:
        return is_stop(self.order_type)


def has_limit(order_type: OrderType) -> bool:
    return order_type not in (OrderType.MARKET, OrderType.STOP_LOSS, OrderType.TAKE_PROFIT)


def is_stop(order_type: OrderType) -> bool:
    return order_type not in (OrderType.LIMIT, OrderType.MARKET, OrderType.LIMIT_MAKER)


class Phase(Enum):
    """What the orders of a list still mean to each other."""

    WORKING = auto()  # the first works, the others are pending
    PAIR = auto()  # of the last two, only one can be executed
    SINGLE = auto()  # at most one is left


@dataclass
class OrderList:
    list_id: int
    account: int
    market: int
    contingency: Contingency
    order_ids: tuple[int, ...]
    client_id: bytes
    phase: Phase


class Hold(NamedTuple):
    account: int
    asset: int
    amount_atoms: int


class FirstUse(NamedTuple):
    """What a reference was first used for, and the value of that result."""

    command: Command
    value: int


class Pending(NamedTuple):
    """A cancel-all that is not done. Orders after `last_order_id` came later and stay."""

    account: int
    market: int
    last_order_id: int
    sequence: int


@dataclass
class Row:
    available: int = 0
    held: int = 0


class Ledger:
    """Balances, and which of them the running command touched first, second, third."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], Row] = {}
        self._before: dict[tuple[int, int], tuple[int, int]] = {}

    def __repr__(self) -> str:
        return f"Ledger({self.rows})"

    def available(self, account: int, asset: int) -> int:
        return self.rows.get((account, asset), Row()).available

    def _touch(self, account: int, asset: int) -> Row:
        row = self.rows.setdefault((account, asset), Row())
        self._before.setdefault((account, asset), (row.available, row.held))
        return row

    def hold(self, account: int, asset: int, atoms: int) -> None:
        row = self._touch(account, asset)
        row.available -= atoms
        row.held += atoms

    def release(self, account: int, asset: int, atoms: int) -> None:
        self.hold(account, asset, -atoms)

    def pay_held(self, account: int, asset: int, atoms: int) -> None:
        self._touch(account, asset).held -= atoms

    def receive(self, account: int, asset: int, atoms: int) -> None:
        self._touch(account, asset).available += atoms

    def changes(self) -> list[Balance]:
        """One event for each row that the command changed, in the order of first touch. Forgets them."""
        events = []
        for (account, asset), (available, held) in self._before.items():
            row = self.rows[account, asset]
            if (row.available, row.held) != (available, held):
                posting = row.available + row.held - available - held
                events.append(Balance(asset, account, row.available, row.held, posting))
        self._before.clear()
        return events


class State:
    """Everything that commands change, and the events of the running one."""

    def __init__(self) -> None:
        self.sequence = 0
        self.time_ns = 0
        self.epoch = 1
        self.rules = 1
        self.accounts = _system_accounts()
        self.next_account = FIRST_ACCOUNT
        self.assets: list[Asset] = []  # by id - 1
        self.markets: list[Market] = []  # by id - 1
        self.orders: dict[int, Order] = {}  # open ones, oldest first
        self.last_order_id = 0
        self.ledger = Ledger()
        self.references: dict[bytes, FirstUse] = {}
        self.reversed: set[bytes] = set()
        self.holds: dict[bytes, Hold] = {}
        self.pending: list[Pending] = []
        self.deadlines: dict[tuple[int, int], int] = {}  # by account (0: a pause) and market (0: all)
        self.lists: dict[int, OrderList] = {}
        self.last_list_id = 0
        self.due: list[int] = []  # orders whose turn has come; some may have ended since
        self.deferred: list[tuple[int, int]] = []  # market and order, of those that did not trade then
        self.last_turn = 0
        self.touched = 0  # makers, by the running command
        self.events: list[Event] = []

    def account(self, account: int) -> Account:
        require(account in self.accounts, Status.UNKNOWN_ACCOUNT)
        return self.accounts[account]

    def asset(self, asset: int) -> Asset:
        require(0 < asset <= len(self.assets), Status.UNKNOWN_ASSET)
        return self.assets[asset - 1]

    def market(self, market: int) -> Market:
        require(0 < market <= len(self.markets), Status.UNKNOWN_MARKET)
        return self.markets[market - 1]

    def open_orders(self, *, account: int = 0, market: int = 0, side: Side | None = None) -> list[Order]:
        """Open orders, oldest first; 0 and None mean all."""
        return [
            order
            for order in self.orders.values()
            if account in (0, order.account)
            and market in (0, order.market)
            and (side is None or side == order.side)
        ]

    def queue(self, market: int, side: Side) -> list[Order]:
        """One side of a book: best price first, oldest first at one price."""
        sign = -1 if side == Side.BUY else 1
        orders = [each for each in self.open_orders(market=market, side=side) if each.state == RESTING]
        return sorted(orders, key=lambda order: (sign * order.price_ticks, order.turn))

    def level_lots(self, market: int, side: Side, price_ticks: int) -> int:
        """What the level shows."""
        return sum(each.visible_lots for each in self.queue(market, side) if each.price_ticks == price_ticks)

    def line_up(self, order: Order) -> None:
        """Gives an order the last place of its level, and shows what it shows there."""
        self.last_turn += 1
        order.turn = self.last_turn
        order.visible_lots = min(order.iceberg_lots or order.remaining_lots, order.remaining_lots)

    def order_by_client_id(self, account: int, client_id: bytes) -> Order | None:
        orders = self.open_orders(account=account)
        return next((order for order in orders if client_id and order.client_id == client_id), None)


def _system_accounts() -> dict[int, Account]:
    classes = [
        AccountClass.FEES,
        AccountClass.HOUSE,
        AccountClass.LOSS,
        AccountClass.SUSPENSE,
        AccountClass.NETWORK_FEES,
        AccountClass.WITHDRAWAL_FEES,
    ]
    everything = Permission.TRADE | Permission.DEPOSIT | Permission.WITHDRAW
    return {at: Account(each, 0, everything, stp_group=at) for at, each in enumerate(classes, start=1)}
