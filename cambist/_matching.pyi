"""The Rust engine as Python sees it. Formats: docs/formats/commands.md and events.md.

Rows come back as plain tuples, named by the aliases below; `cambist.engine` gives them field names.
"""

from collections.abc import Callable
from typing import TypeAlias

from typing_extensions import Buffer

# order_id, account, market, side, order_type, time_in_force, stp_mode, price_ticks, quantity_lots (original),
# executed_lots, executed_quote_atoms, accepted_ns, updated_ns, client_id, prevented_lots, stop_price_ticks,
# trailing_delta, iceberg_lots, visible_lots, list_id, state (OrderState), working_ns, trailing_ns,
# hold_price_ticks
OrderRow: TypeAlias = tuple[
    int, int, int, int, int, int, int, int, int, int, int, int, int, bytes,
    int, int, int, int, int, int, int, int, int, int,
]  # fmt: skip
# price_min, price_max, lot_min, lot_max, market_lot_min, market_lot_max, notional_min_atoms,
# notional_max_atoms, max_orders, notional_flags
FiltersRow: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int]
# market, symbol, base, quote, tick_atoms, lot_atoms, tick_lot_atoms, filters, state, update_id,
# last_price_ticks, last trade_id
MarketRow: TypeAlias = tuple[int, str, int, int, int, int, int, FiltersRow, int, int, int, int]
# maker, taker, buyer, seller (fee_rate_e8)
FeesRow: TypeAlias = tuple[int, int, int, int]

class EngineBroken(Exception):
    """A batch that may not exist (gap, time going back, wrong epoch, framing) or a broken invariant."""

class Engine:
    def __init__(self) -> None: ...
    @staticmethod
    def restore(snapshot: Buffer) -> Engine: ...
    def snapshot(self) -> bytes: ...
    # of those 32 bytes that a money command leaves for ever: where the first begins in `snapshot`, how many
    def references_in_snapshot(self) -> tuple[int, int]: ...
    def apply(self, batch: Buffer) -> bytes: ...
    @property
    def sequence(self) -> int: ...
    @property
    def time_ns(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def rules(self) -> int: ...
    @property
    def event_hash(self) -> int: ...
    @property
    def pending(self) -> bool: ...
    # when a TIME command is to be sent at the latest
    @property
    def next_deadline_ns(self) -> int | None: ...
    # market (0: all of them), deadline_ns
    def countdowns(self, account: int) -> list[tuple[int, int]]: ...
    # a limits block
    def limits(self, market: int) -> bytes: ...
    # ticks; 0 before the first trade
    def reference_price(self, market: int) -> int: ...
    @property
    def market_count(self) -> int: ...
    @property
    def open_order_count(self) -> int: ...
    def state_hash(self) -> bytes: ...
    def business_hash(self) -> bytes: ...
    def check(self) -> None: ...
    # role, name, last number; None if there is no such session, or no longer
    def session(self, session: int) -> tuple[int, bytes, int] | None: ...
    # class, tier, permissions, frozen, stp_group, owner
    def account(self, account: int) -> tuple[int, int, int, bool, int, int] | None: ...
    def account_ids(self) -> list[int]: ...
    # asset, available_atoms, held_atoms
    def balances(self, account: int) -> list[tuple[int, int, int]]: ...
    # asset, account class, available_atoms, held_atoms; summed over the class
    def trial_balance(self) -> list[tuple[int, int, int, int]]: ...
    # asset, name, scale, state
    def assets(self) -> list[tuple[int, str, int, int]]: ...
    def markets(self) -> list[MarketRow]: ...
    # (standard of the tier, special, tax)
    def fees(self, market: int, tier: int) -> tuple[FeesRow, FeesRow, FeesRow]: ...
    def order(self, order_id: int) -> OrderRow | None: ...
    def order_by_client_id(self, account: int, client_id: bytes) -> OrderRow | None: ...
    def open_orders(self, account: int, market: int = 0) -> list[OrderRow]: ...
    # update_id, bids best first, asks best first; (price_ticks, quantity_lots)
    def depth(self, market: int, limit: int) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]]: ...

class HmacKey:
    """A secret that signs requests with HMAC-SHA256."""

    def __init__(self, secret: bytes) -> None: ...
    def __call__(self, signature: str, payload: bytes) -> bool:
        """Whether 64 hex digits of either case are its signature. A nearly right one takes as long as any."""

class PlainTerms:
    """How a market's prices and quantities are read and written."""

    def __init__(
        self,
        market: int,
        base: str,
        quote: str,
        base_scale: int,
        quote_scale: int,
        tick_atoms: int,
        lot_atoms: int,
    ) -> None: ...

class PlainDesk:
    """Takes plain requests: whose key it is, whether it is signed and in time, and the command.

    Whose a key is `find_holder` says (api key, client ip): check, account and end in ns of one that may trade
    from there. That is kept until the version of the records changes; terms are kept for good.
    """

    def __init__(
        self,
        window_default_ms: int,
        window_max_ms: int,
        find_holder: Callable[[str, str], tuple[HmacKey, int, int] | None],
        find_terms: Callable[[str], PlainTerms | None],
        new_client_id: Callable[[], str],
    ) -> None: ...
    def take(self, data: bytes, now_ns: int, client_ip: str, version: tuple[int, int]) -> PlainOrder | None:
        """None unless these are the bytes of exactly one plain request, and all is in order with it."""

class PlainOrder:
    """A request to place or cancel one order that was taken."""

    @property
    def command(self) -> bytearray: ...
    @property
    def account(self) -> int: ...
    @property
    def symbol(self) -> str: ...
    @property
    def is_place(self) -> bool: ...
    # newClientOrderId, or the one made up
    @property
    def client_id(self) -> str: ...
    # query or body, as it came
    @property
    def parameters(self) -> bytes: ...
    # JSON; empty before `answer`
    @property
    def body(self) -> bytes: ...
    # sequence, order id, accounts and ids of the orders that it traded with, whether it is open
    def answer(self, record: bytes) -> tuple[int, int, list[tuple[int, int]], bool] | None:
        """None if the engine refused it, or did more than it does for most orders."""

    def response(
        self,
        first_lines: bytes,
        request_id: bytes,
        order_counts: tuple[int, int] | None,
        used_weight: int,
        *,
        is_last: bool,
    ) -> bytes:
        """What was answered, over HTTP. `first_lines` are headers; counts are of ten seconds and of a day."""

def split(output: bytes) -> list[bytes]:
    """One record per command: its RESULT and the events it caused. Raises ValueError."""

def log_header(
    kind: int, version: int, first_sequence: int, epoch: int, commands: int, previous: bytes, payload: bytes
) -> tuple[bytes, bytes]:
    """Header of a log record (docs/formats/log.md), and what the next one calls `previous`."""

def constants() -> dict[str, dict[str, int]]: ...
def time_each(engine: Engine, batches: list[bytes]) -> list[int]:
    """Nanoseconds of each `apply`, measured inside Rust; one command per batch."""
