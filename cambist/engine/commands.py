"""Commands as Python values, to and from the bytes of docs/formats/commands.md.

`encode` refuses with ValueError only what the bytes cannot hold; whether a command makes sense is up to the
engine. Session and number stay zero until `stamp`, because only a session's sender knows them. In money
commands and in AssetState, `market` is the asset: they share the header's field.
"""

from collections.abc import Sequence
from struct import Struct, error
from typing import ClassVar, NamedTuple, Self, TypeAlias

from msgspec import Struct as Record

from .codes import (
    AccountClass,
    AssetStatus,
    Contingency,
    FeeComponent,
    Kind,
    MarketStatus,
    OrderType,
    Permission,
    ReplaceMode,
    Role,
    Side,
    StpMode,
    TimeInForce,
)

__all__ = [
    "RULES_NEWEST",
    "AccountClass",
    "AccountCreate",
    "AccountFreeze",
    "AccountSet",
    "Amend",
    "AssetList",
    "AssetState",
    "AssetStatus",
    "Cancel",
    "CancelAll",
    "CancelReplace",
    "Command",
    "Contingency",
    "Continue",
    "Correction",
    "Countdown",
    "Credit",
    "FeeComponent",
    "Filters",
    "Hold",
    "Kind",
    "Leg",
    "Limits",
    "ListCancel",
    "ListPlace",
    "MarketFees",
    "MarketFilters",
    "MarketLimits",
    "MarketList",
    "MarketState",
    "MarketStatus",
    "Money",
    "Move",
    "OrderType",
    "Permission",
    "Place",
    "Release",
    "ReplaceMode",
    "Reverse",
    "Role",
    "Rules",
    "SessionOpen",
    "Settle",
    "Side",
    "StpMode",
    "TakeOver",
    "Time",
    "TimeInForce",
    "account_of",
    "batch",
    "decode",
    "stamp",
]

Buffer: TypeAlias = bytes | bytearray

_HEADER = "<HBB12xII"  # length, kind, flags, (session and number), account, market or asset
_ACCOUNT_OF = Struct("<I")
_BARE = Struct(_HEADER)
_PLACE = Struct(_HEADER + "BBBBB3xQQ")
_CANCEL = Struct(_HEADER + "QBB6x")
_CANCEL_REPLACE = Struct(_HEADER + "BBBBBBBBQQQ")
_AMEND = Struct(_HEADER + "QQBB6x")
_MONEY = Struct(_HEADER + "IIBB6x16s16s")
_ACCOUNT_CREATE = Struct(_HEADER + "BBBBIQ")
_ACCOUNT_SET = Struct(_HEADER + "xBBxI")
_ASSET_LIST = Struct(_HEADER + "BB6x")
_MARKET_LIST = Struct(_HEADER + "IIQQ104sBB6x")
_MARKET_FILTERS = Struct(_HEADER + "104s")
_MARKET_LIMITS = Struct(_HEADER + "96s")
_MARKET_FEES = Struct(_HEADER + "BB6xIIII")
_SESSION_OPEN = Struct(_HEADER + "BB22s")
_CODE = Struct(_HEADER + "B7x")
_NUMBER = Struct(_HEADER + "I4x")
_DEADLINE = Struct(_HEADER + "q")
_EXTENSION = Struct("<16s8xQQI4x")  # budget, (list), stop, iceberg, trailing delta, (peg)
_LIST_PLACE = Struct(_HEADER + "BBB5x")
_LIST_CANCEL = Struct(_HEADER + "QBB6x")
_LEG = Struct("<BBBBB3xQQQQI4x")
_FILTERS = Struct("<QQQQQQ16s16sIB19x")
_LIMITS = Struct("<19I4x16s")
_STAMP = Struct("<IQ")
_BATCH = Struct("<QqIII4x")

_EXTENDED = 1  # header flag

RULES_NEWEST = 2  # that the engine knows (docs/formats/rules.md)


class Filters(NamedTuple):
    """What a market takes; bounds are inclusive.

    Bit 0 of `notional_flags` puts the notional minimum on MARKET orders too, bit 1 the maximum.
    """

    price_min_ticks: int
    price_max_ticks: int
    lot_min: int
    lot_max: int
    market_lot_min: int
    market_lot_max: int
    notional_min_atoms: int
    notional_max_atoms: int
    max_orders: int
    notional_flags: int

    def pack(self) -> bytes:
        *lots, low, high, max_orders, flags = self
        try:
            return _FILTERS.pack(*lots, _u128(low), _u128(high), max_orders, flags)
        except error as problem:
            raise ValueError(f"{self}: {problem}") from problem

    @classmethod
    def unpack(cls, block: Buffer) -> Self:
        *lots, low, high, max_orders, flags = _FILTERS.unpack(block)
        return cls._make((*lots, _int(low), _int(high), max_orders, flags))


class Limits(NamedTuple):
    """What a market limits beyond its filters; 0 limits nothing.

    `_e4` is a multiplier of the reference price in parts of 10,000. The first four bound the prices at which
    orders may be placed (PERCENT_PRICE_BY_SIDE), the `range` ones those at which takers may trade.
    """

    bid_up_e4: int = 0
    bid_down_e4: int = 0
    ask_up_e4: int = 0
    ask_down_e4: int = 0
    range_bid_up_e4: int = 0
    range_bid_down_e4: int = 0
    range_ask_up_e4: int = 0
    range_ask_down_e4: int = 0
    average_minutes: int = 0  # of trades that make the reference price; 0: it is the last price
    pause_seconds: int = 0  # when somebody would take outside his range
    max_algo_orders: int = 0
    max_iceberg_orders: int = 0
    iceberg_parts: int = 0
    max_order_lists: int = 0
    max_amends: int = 0
    trailing_above_min: int = 0  # basis points
    trailing_above_max: int = 0
    trailing_below_min: int = 0
    trailing_below_max: int = 0
    max_position_atoms: int = 0

    def pack(self) -> bytes:
        *numbers, position = self
        try:
            return _LIMITS.pack(*numbers, _u128(position))
        except error as problem:
            raise ValueError(f"{self}: {problem}") from problem

    @classmethod
    def unpack(cls, block: Buffer) -> Self:
        *numbers, position = _LIMITS.unpack(block)
        return cls._make((*numbers, _int(position)))


class Command(Record, frozen=True, kw_only=True):
    """Any of the commands below; two are equal if they are of one kind and say the same.

    Abstract: each kind has its own `encode` and `read`. A struct's metaclass leaves no room for ABCMeta.
    """

    kind: ClassVar[Kind]

    def encode(self) -> bytearray:
        """The command with session and number zero. Raises ValueError for what its fields cannot hold."""
        raise NotImplementedError

    @classmethod
    def read(cls, command: Buffer) -> Self:
        """The command that these bytes hold; their kind must be this one. Padding is not looked at."""
        raise NotImplementedError


class Place(Command, frozen=True, kw_only=True):
    """A new order. A MARKET order names a quantity, or in `quote_budget_atoms` what to spend or receive.

    A stop order has `stop_price_ticks`, or follows the price at a distance of `trailing_delta` bips, or both.
    """

    kind = Kind.PLACE
    account: int
    market: int
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    stp_mode: StpMode = StpMode.NONE
    price_ticks: int = 0
    quantity_lots: int = 0
    quote_budget_atoms: int = 0
    stop_price_ticks: int = 0
    iceberg_lots: int = 0
    trailing_delta: int = 0
    client_id: bytes = b""

    def encode(self) -> bytearray:
        extension = _extension(self)
        return _pack(
            _PLACE,
            self.kind,
            _EXTENDED if extension else 0,
            self.account,
            self.market,
            self.side,
            self.order_type,
            self.time_in_force,
            self.stp_mode,
            len(self.client_id),
            self.price_ticks,
            self.quantity_lots,
            tail=extension + self.client_id,
        )

    @classmethod
    def read(cls, command: Buffer) -> Self:
        _, _, flags, account, market, side, kind, tif, stp, length, price, quantity = _PLACE.unpack_from(
            command
        )
        extension, at = _extended(command, _PLACE.size, flags)
        return cls(
            account=account,
            market=market,
            side=Side(side),
            order_type=OrderType(kind),
            time_in_force=TimeInForce(tif),
            stp_mode=StpMode(stp),
            price_ticks=price,
            quantity_lots=quantity,
            quote_budget_atoms=extension.quote_budget_atoms,
            stop_price_ticks=extension.stop_price_ticks,
            iceberg_lots=extension.iceberg_lots,
            trailing_delta=extension.trailing_delta,
            client_id=_texts(command, at, length)[0],
        )


class Cancel(Command, frozen=True, kw_only=True):
    """Names an open order by id, by client id or by both; `request_id` comes back in ORDER_CLOSED."""

    kind = Kind.CANCEL
    account: int
    market: int
    order_id: int = 0
    client_id: bytes = b""
    request_id: bytes = b""

    def encode(self) -> bytearray:
        return _pack(
            _CANCEL,
            self.kind,
            0,
            self.account,
            self.market,
            self.order_id,
            len(self.client_id),
            len(self.request_id),
            tail=self.client_id + self.request_id,
        )

    @classmethod
    def read(cls, command: Buffer) -> Self:
        _, _, _, account, market, order_id, *lengths = _CANCEL.unpack_from(command)
        client_id, request_id = _texts(command, _CANCEL.size, *lengths)
        return cls(
            account=account, market=market, order_id=order_id, client_id=client_id, request_id=request_id
        )


class CancelAll(Command, frozen=True, kw_only=True):
    """All open orders of an account, or of one market if `market` is not 0."""

    kind = Kind.CANCEL_ALL
    account: int
    market: int = 0

    def encode(self) -> bytearray:
        return _pack(_BARE, self.kind, 0, self.account, self.market)

    @classmethod
    def read(cls, command: Buffer) -> Self:
        _, _, _, account, market = _BARE.unpack_from(command)
        return cls(account=account, market=market)


class CancelReplace(Command, frozen=True, kw_only=True):
    """Cancels one order and places another. `quantity_lots` 0 means what remains of the cancelled one."""

    kind = Kind.CANCEL_REPLACE
    account: int
    market: int
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    stp_mode: StpMode = StpMode.NONE
    mode: ReplaceMode = ReplaceMode.STOP_ON_FAILURE
    price_ticks: int = 0
    quantity_lots: int = 0
    quote_budget_atoms: int = 0
    stop_price_ticks: int = 0
    iceberg_lots: int = 0
    trailing_delta: int = 0
    client_id: bytes = b""
    target_order_id: int = 0
    target_client_id: bytes = b""
    request_id: bytes = b""

    def encode(self) -> bytearray:
        extension = _extension(self)
        return _pack(
            _CANCEL_REPLACE,
            self.kind,
            _EXTENDED if extension else 0,
            self.account,
            self.market,
            self.side,
            self.order_type,
            self.time_in_force,
            self.stp_mode,
            len(self.client_id),
            len(self.target_client_id),
            len(self.request_id),
            self.mode,
            self.price_ticks,
            self.quantity_lots,
            self.target_order_id,
            tail=extension + self.client_id + self.target_client_id + self.request_id,
        )

    @classmethod
    def read(cls, command: Buffer) -> Self:
        _, _, flags, account, market, side, kind, tif, stp, *rest = _CANCEL_REPLACE.unpack_from(command)
        *lengths, mode, price, quantity, target = rest
        extension, at = _extended(command, _CANCEL_REPLACE.size, flags)
        client_id, target_client_id, request_id = _texts(command, at, *lengths)
        return cls(
            account=account,
            market=market,
            side=Side(side),
            order_type=OrderType(kind),
            time_in_force=TimeInForce(tif),
            stp_mode=StpMode(stp),
            mode=ReplaceMode(mode),
            price_ticks=price,
            quantity_lots=quantity,
            quote_budget_atoms=extension.quote_budget_atoms,
            stop_price_ticks=extension.stop_price_ticks,
            iceberg_lots=extension.iceberg_lots,
            trailing_delta=extension.trailing_delta,
            client_id=client_id,
            target_order_id=target,
            target_client_id=target_client_id,
            request_id=request_id,
        )


class Amend(Command, frozen=True, kw_only=True):
    """Lessens an open order to `quantity_lots` in all. It keeps its place, and with b"" its client id."""

    kind = Kind.AMEND
    account: int
    market: int
    quantity_lots: int
    order_id: int = 0
    target_client_id: bytes = b""
    client_id: bytes = b""

    def encode(self) -> bytearray:
        return _pack(
            _AMEND,
            self.kind,
            0,
            self.account,
            self.market,
            self.order_id,
            self.quantity_lots,
            len(self.target_client_id),
            len(self.client_id),
            tail=self.target_client_id + self.client_id,
        )

    @classmethod
    def read(cls, command: Buffer) -> Self:
        _, _, _, account, market, order_id, quantity, *lengths = _AMEND.unpack_from(command)
        target_client_id, client_id = _texts(command, _AMEND.size, *lengths)
        return cls(
            account=account,
            market=market,
            quantity_lots=quantity,
            order_id=order_id,
            target_client_id=target_client_id,
            client_id=client_id,
        )


class Leg(Record, frozen=True, kw_only=True):
    """One order of a list; the same fields as a Place."""

    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    stp_mode: StpMode = StpMode.NONE
    price_ticks: int = 0
    quantity_lots: int = 0
    stop_price_ticks: int = 0
    iceberg_lots: int = 0
    trailing_delta: int = 0
    client_id: bytes = b""

    def pack(self) -> bytes:
        try:
            return _LEG.pack(
                self.side,
                self.order_type,
                self.time_in_force,
                self.stp_mode,
                len(self.client_id),
                self.price_ticks,
                self.quantity_lots,
                self.stop_price_ticks,
                self.iceberg_lots,
                self.trailing_delta,
            )
        except error as problem:
            raise ValueError(f"{self}: {problem}") from problem


class ListPlace(Command, frozen=True, kw_only=True):
    """Two or three orders that depend on each other, in the order in which they get their ids.

    OCO: the STOP_LOSS or STOP_LOSS_LIMIT leg, then the LIMIT_MAKER or TAKE_PROFIT one. OTO: the working
    order, then the pending one. OTOCO: the working order, then an OCO's two legs.
    """

    kind = Kind.LIST_PLACE
    account: int
    market: int
    contingency: Contingency
    legs: tuple[Leg, ...]
    client_id: bytes = b""

    def encode(self) -> bytearray:
        return _pack(
            _LIST_PLACE,
            self.kind,
            0,
            self.account,
            self.market,
            self.contingency,
            len(self.legs),
            len(self.client_id),
            tail=b"".join(leg.pack() for leg in self.legs)
            + self.client_id
            + b"".join(leg.client_id for leg in self.legs),
        )

    @classmethod
    def read(cls, command: Buffer) -> Self:
        _, _, _, account, market, contingency, count, length = _LIST_PLACE.unpack_from(command)
        places = [_LIST_PLACE.size + nth * _LEG.size for nth in range(count)]
        rows = [_LEG.unpack_from(command, place) for place in places]
        lengths = [row[4] for row in rows]
        client_id, *client_ids = _texts(command, _LIST_PLACE.size + count * _LEG.size, length, *lengths)
        legs = [
            Leg(
                side=Side(side),
                order_type=OrderType(kind),
                time_in_force=TimeInForce(tif),
                stp_mode=StpMode(stp),
                price_ticks=price,
                quantity_lots=quantity,
                stop_price_ticks=stop,
                iceberg_lots=iceberg,
                trailing_delta=delta,
                client_id=text,
            )
            for (side, kind, tif, stp, _, price, quantity, stop, iceberg, delta), text in zip(
                rows, client_ids, strict=True
            )
        ]
        return cls(
            account=account,
            market=market,
            contingency=Contingency(contingency),
            legs=tuple(legs),
            client_id=client_id,
        )


class ListCancel(Command, frozen=True, kw_only=True):
    """Names an order list by id, by client id or by both; `request_id` comes back in each ORDER_CLOSED."""

    kind = Kind.LIST_CANCEL
    account: int
    market: int
    list_id: int = 0
    client_id: bytes = b""
    request_id: bytes = b""

    def encode(self) -> bytearray:
        return _pack(
            _LIST_CANCEL,
            self.kind,
            0,
            self.account,
            self.market,
            self.list_id,
            len(self.client_id),
            len(self.request_id),
            tail=self.client_id + self.request_id,
        )

    @classmethod
    def read(cls, command: Buffer) -> Self:
        _, _, _, account, market, list_id, *lengths = _LIST_CANCEL.unpack_from(command)
        client_id, request_id = _texts(command, _LIST_CANCEL.size, *lengths)
        return cls(
            account=account, market=market, list_id=list_id, client_id=client_id, request_id=request_id
        )


class Money(Command, frozen=True, kw_only=True):
    """What the seven money commands have in common; `market` is the asset, `reference` is unique for ever."""

    account: int
    market: int
    counter_account: int = 0
    fee_account: int = 0
    amount_atoms: int = 0
    fee_atoms: int = 0
    reference: bytes
    origin: bytes = b""

    def encode(self) -> bytearray:
        return _pack(
            _MONEY,
            self.kind,
            0,
            self.account,
            self.market,
            self.counter_account,
            self.fee_account,
            len(self.reference),
            len(self.origin),
            _u128(self.amount_atoms),
            _u128(self.fee_atoms),
            tail=self.reference + self.origin,
        )

    @classmethod
    def read(cls, command: Buffer) -> Self:
        _, _, _, account, asset, counter, fee_account, *lengths, amount, fee = _MONEY.unpack_from(command)
        reference, origin = _texts(command, _MONEY.size, *lengths)
        return cls(
            account=account,
            market=asset,
            counter_account=counter,
            fee_account=fee_account,
            amount_atoms=_int(amount),
            fee_atoms=_int(fee),
            reference=reference,
            origin=origin,
        )


class Credit(Money, frozen=True, kw_only=True):
    """A mirror (`counter_account`) pays a user, the house or suspense."""

    kind = Kind.CREDIT


class Reverse(Money, frozen=True, kw_only=True):
    """Undoes the credit named by `origin`: the loss account gives what is gone, the account is frozen."""

    kind = Kind.REVERSE


class Hold(Money, frozen=True, kw_only=True):
    """Available to held, until a Settle or Release whose `origin` is this reference."""

    kind = Kind.HOLD


class Settle(Money, frozen=True, kw_only=True):
    """Pays a whole hold: `amount_atoms` to a mirror, `fee_atoms` to `fee_account`."""

    kind = Kind.SETTLE


class Release(Money, frozen=True, kw_only=True):
    """Held back to available."""

    kind = Kind.RELEASE


class Move(Money, frozen=True, kw_only=True):
    """`account` pays `counter_account`; neither is a mirror."""

    kind = Kind.MOVE


class Correction(Money, frozen=True, kw_only=True):
    """An operator's entry: any account pays any other."""

    kind = Kind.CORRECTION


class AccountCreate(Command, frozen=True, kw_only=True):
    """`stp_group` 0 makes the account a self-trade group of its own."""

    kind = Kind.ACCOUNT_CREATE
    account_class: AccountClass
    tier: int = 0
    permissions: Permission
    stp_group: int = 0
    owner: int = 0
    reference: bytes

    def encode(self) -> bytearray:
        return _pack(
            _ACCOUNT_CREATE,
            self.kind,
            0,
            0,
            0,
            self.account_class,
            self.tier,
            self.permissions,
            len(self.reference),
            self.stp_group,
            self.owner,
            tail=self.reference,
        )

    @classmethod
    def read(cls, command: Buffer) -> Self:
        *_, account_class, tier, permissions, length, group, owner = _ACCOUNT_CREATE.unpack_from(command)
        return cls(
            account_class=AccountClass(account_class),
            tier=tier,
            permissions=Permission(permissions),
            stp_group=group,
            owner=owner,
            reference=_texts(command, _ACCOUNT_CREATE.size, length)[0],
        )


class AccountSet(Command, frozen=True, kw_only=True):
    """Replaces all three; `stp_group` 0 makes the account a group of its own."""

    kind = Kind.ACCOUNT_SET
    account: int
    tier: int
    permissions: Permission
    stp_group: int = 0

    def encode(self) -> bytearray:
        return _pack(_ACCOUNT_SET, self.kind, 0, self.account, 0, self.tier, self.permissions, self.stp_group)

    @classmethod
    def read(cls, command: Buffer) -> Self:
        _, _, _, account, _, tier, permissions, group = _ACCOUNT_SET.unpack_from(command)
        return cls(account=account, tier=tier, permissions=Permission(permissions), stp_group=group)


class AccountFreeze(Command, frozen=True, kw_only=True):
    """Freezes or thaws. A frozen account may cancel and be credited."""

    kind = Kind.ACCOUNT_FREEZE
    account: int
    frozen: bool

    def encode(self) -> bytearray:
        return _pack(_CODE, self.kind, 0, self.account, 0, self.frozen)

    @classmethod
    def read(cls, command: Buffer) -> Self:
        _, _, _, account, _, frozen = _CODE.unpack_from(command)
        return cls(account=account, frozen=bool(frozen))


class Countdown(Command, frozen=True, kw_only=True):
    """At `deadline_ns`, all open orders of the account (in the market, or 0: in all) are cancelled.

    It takes the place of the one before; 0 stops it. It ends in the first Time after the deadline.
    """

    kind = Kind.COUNTDOWN
    account: int
    market: int = 0
    deadline_ns: int

    def encode(self) -> bytearray:
        return _pack(_DEADLINE, self.kind, 0, self.account, self.market, self.deadline_ns)

    @classmethod
    def read(cls, command: Buffer) -> Self:
        _, _, _, account, market, deadline_ns = _DEADLINE.unpack_from(command)
        return cls(account=account, market=market, deadline_ns=deadline_ns)


class AssetList(Command, frozen=True, kw_only=True):
    """`scale` is the ledger's number of decimals."""

    kind = Kind.ASSET_LIST
    scale: int
    name: bytes

    def encode(self) -> bytearray:
        return _pack(_ASSET_LIST, self.kind, 0, 0, 0, self.scale, len(self.name), tail=self.name)

    @classmethod
    def read(cls, command: Buffer) -> Self:
        *_, scale, length = _ASSET_LIST.unpack_from(command)
        return cls(scale=scale, name=_texts(command, _ASSET_LIST.size, length)[0])


class AssetState(Command, frozen=True, kw_only=True):
    """`market` is the asset."""

    kind = Kind.ASSET_STATE
    market: int
    state: AssetStatus

    def encode(self) -> bytearray:
        return _pack(_CODE, self.kind, 0, 0, self.market, self.state)

    @classmethod
    def read(cls, command: Buffer) -> Self:
        *_, asset, state = _CODE.unpack_from(command)
        return cls(market=asset, state=AssetStatus(state))


class MarketList(Command, frozen=True, kw_only=True):
    """One tick is `tick_atoms` of quote per whole base unit, one lot is `lot_atoms` of base."""

    kind = Kind.MARKET_LIST
    base: int
    quote: int
    tick_atoms: int
    lot_atoms: int
    filters: Filters
    state: MarketStatus
    symbol: bytes

    def encode(self) -> bytearray:
        return _pack(
            _MARKET_LIST,
            self.kind,
            0,
            0,
            0,
            self.base,
            self.quote,
            self.tick_atoms,
            self.lot_atoms,
            self.filters.pack(),
            self.state,
            len(self.symbol),
            tail=self.symbol,
        )

    @classmethod
    def read(cls, command: Buffer) -> Self:
        _, _, _, _, _, base, quote, tick, lot, filters, state, length = _MARKET_LIST.unpack_from(command)
        return cls(
            base=base,
            quote=quote,
            tick_atoms=tick,
            lot_atoms=lot,
            filters=Filters.unpack(filters),
            state=MarketStatus(state),
            symbol=_texts(command, _MARKET_LIST.size, length)[0],
        )


class MarketState(Command, frozen=True, kw_only=True):
    kind = Kind.MARKET_STATE
    market: int
    state: MarketStatus

    def encode(self) -> bytearray:
        return _pack(_CODE, self.kind, 0, 0, self.market, self.state)

    @classmethod
    def read(cls, command: Buffer) -> Self:
        *_, market, state = _CODE.unpack_from(command)
        return cls(market=market, state=MarketStatus(state))


class MarketFilters(Command, frozen=True, kw_only=True):
    """Replaces all filters of a market."""

    kind = Kind.MARKET_FILTERS
    market: int
    filters: Filters

    def encode(self) -> bytearray:
        return _pack(_MARKET_FILTERS, self.kind, 0, 0, self.market, self.filters.pack())

    @classmethod
    def read(cls, command: Buffer) -> Self:
        *_, market, filters = _MARKET_FILTERS.unpack_from(command)
        return cls(market=market, filters=Filters.unpack(filters))


class MarketLimits(Command, frozen=True, kw_only=True):
    """Replaces all limits of a market; its reference price begins anew, with the last price."""

    kind = Kind.MARKET_LIMITS
    market: int
    limits: Limits

    def encode(self) -> bytearray:
        return _pack(_MARKET_LIMITS, self.kind, 0, 0, self.market, self.limits.pack())

    @classmethod
    def read(cls, command: Buffer) -> Self:
        *_, market, limits = _MARKET_LIMITS.unpack_from(command)
        return cls(market=market, limits=Limits.unpack(limits))


class MarketFees(Command, frozen=True, kw_only=True):
    """Rates are `fee_rate_e8`. A side pays (maker or taker) + (buyer or seller) of each component."""

    kind = Kind.MARKET_FEES
    market: int
    component: FeeComponent
    tier: int = 0
    maker: int = 0
    taker: int = 0
    buyer: int = 0
    seller: int = 0

    def encode(self) -> bytearray:
        return _pack(
            _MARKET_FEES,
            self.kind,
            0,
            0,
            self.market,
            self.component,
            self.tier,
            self.maker,
            self.taker,
            self.buyer,
            self.seller,
        )

    @classmethod
    def read(cls, command: Buffer) -> Self:
        _, _, _, _, market, component, tier, maker, taker, buyer, seller = _MARKET_FEES.unpack_from(command)
        return cls(
            market=market,
            component=FeeComponent(component),
            tier=tier,
            maker=maker,
            taker=taker,
            buyer=buyer,
            seller=seller,
        )


class SessionOpen(Command, frozen=True, kw_only=True):
    kind = Kind.SESSION_OPEN
    role: Role
    name: bytes = b""

    def encode(self) -> bytearray:
        if len(self.name) > 22:
            raise ValueError(f"a session's name has at most 22 bytes, not {len(self.name)}: {self.name!r}")
        return _pack(_SESSION_OPEN, self.kind, 0, 0, 0, self.role, len(self.name), self.name)

    @classmethod
    def read(cls, command: Buffer) -> Self:
        *_, role, length, name = _SESSION_OPEN.unpack_from(command)
        return cls(role=Role(role), name=name[:length])


class TakeOver(Command, frozen=True, kw_only=True):
    """A new leader begins `epoch`, the present one + 1."""

    kind = Kind.TAKE_OVER
    epoch: int

    def encode(self) -> bytearray:
        return _pack(_NUMBER, self.kind, 0, 0, 0, self.epoch)

    @classmethod
    def read(cls, command: Buffer) -> Self:
        return cls(epoch=_NUMBER.unpack_from(command)[-1])


class Rules(Command, frozen=True, kw_only=True):
    """Activates a version of the rules."""

    kind = Kind.RULES
    version: int

    def encode(self) -> bytearray:
        return _pack(_NUMBER, self.kind, 0, 0, 0, self.version)

    @classmethod
    def read(cls, command: Buffer) -> Self:
        return cls(version=_NUMBER.unpack_from(command)[-1])


class Time(Command, frozen=True, kw_only=True):
    """Time passes, and what was to happen by then does: countdowns and pauses end."""

    kind = Kind.TIME

    def encode(self) -> bytearray:
        return _pack(_BARE, self.kind, 0, 0, 0)

    @classmethod
    def read(cls, command: Buffer) -> Self:
        return cls()


class Continue(Command, frozen=True, kw_only=True):
    """The next step of the oldest pending work."""

    kind = Kind.CONTINUE

    def encode(self) -> bytearray:
        return _pack(_BARE, self.kind, 0, 0, 0)

    @classmethod
    def read(cls, command: Buffer) -> Self:
        return cls()


def stamp(command: bytearray, session: int, number: int) -> None:
    """Writes the sender's session and its number into an encoded command."""
    _STAMP.pack_into(command, 4, session, number)


def account_of(command: Buffer) -> int:
    """The account in an encoded command's header; 0 where none applies."""
    account: int = _ACCOUNT_OF.unpack_from(command, 16)[0]
    return account


def batch(first_sequence: int, time_ns: int, epoch: int, commands: Sequence[Buffer]) -> bytes:
    """Encoded commands as `Engine.apply` and the log take them."""
    body = b"".join(commands)
    return _BATCH.pack(first_sequence, time_ns, epoch, len(commands), len(body)) + body


def decode(command: Buffer) -> Command:
    """The command that these bytes hold. Raises ValueError if they hold none; padding is not looked at."""
    if len(command) < _BARE.size or int.from_bytes(command[:2], "little") != len(command):
        raise ValueError(f"{len(command)} bytes that do not hold one command")
    try:
        return _CLASSES[Kind(command[2])].read(command)
    except error as problem:
        raise ValueError(f"a {Kind(command[2]).name} of {len(command)} bytes: {problem}") from problem


def _pack(
    layout: Struct, kind: int, flags: int, account: int, market: int, *fields: int | bytes, tail: bytes = b""
) -> bytearray:
    end = layout.size + len(tail)
    command = bytearray(end + 7 & ~7)
    try:
        layout.pack_into(command, 0, len(command), kind, flags, account, market, *fields)
    except error as problem:
        raise ValueError(f"{Kind(kind).name} of {(account, market, *fields)}: {problem}") from problem
    command[layout.size : end] = tail
    return command


def _texts(command: Buffer, at: int, *lengths: int) -> list[bytes]:
    texts = []
    for length in lengths:
        texts.append(bytes(command[at : at + length]))
        at += length
    if at > len(command):
        raise ValueError(f"texts end at {at}, beyond the command's {len(command)} bytes")
    return texts


class _Extension(NamedTuple):
    quote_budget_atoms: int = 0
    stop_price_ticks: int = 0
    iceberg_lots: int = 0
    trailing_delta: int = 0


def _extension(order: "Place | CancelReplace") -> bytes:
    budget, *others = (
        order.quote_budget_atoms,
        order.stop_price_ticks,
        order.iceberg_lots,
        order.trailing_delta,
    )
    if not budget and not any(others):
        return b""
    try:
        return _EXTENSION.pack(_u128(budget), *others)
    except error as problem:
        raise ValueError(f"{order}: {problem}") from problem


def _extended(command: Buffer, at: int, flags: int) -> tuple[_Extension, int]:
    """What the extension block says, and where the texts begin."""
    if not flags & _EXTENDED:
        return _Extension(), at
    budget, *others = _EXTENSION.unpack_from(command, at)
    return _Extension(_int(budget), *others), at + _EXTENSION.size


def _u128(value: int) -> bytes:
    try:
        return value.to_bytes(16, "little")
    except OverflowError as problem:
        raise ValueError(f"{value} does not fit 128 bits without sign") from problem


def _int(little_endian: bytes) -> int:
    return int.from_bytes(little_endian, "little")


_CLASSES: dict[Kind, type[Command]] = {
    each.kind: each
    for each in (
        Place,
        Cancel,
        CancelAll,
        CancelReplace,
        Amend,
        ListPlace,
        ListCancel,
        Credit,
        Reverse,
        Hold,
        Settle,
        Release,
        Move,
        Correction,
        AccountCreate,
        AccountSet,
        AccountFreeze,
        Countdown,
        AssetList,
        AssetState,
        MarketList,
        MarketState,
        MarketFilters,
        MarketFees,
        MarketLimits,
        SessionOpen,
        TakeOver,
        Rules,
        Time,
        Continue,
    )
}
