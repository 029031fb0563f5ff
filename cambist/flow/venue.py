"""A market of one's own: an engine with funded accounts and every filter on, driven through `Engine.apply`
alone.

Replay, conformance and benchmarks run here. The filters' bounds are ones that no file reaches; they are
evaluated all the same. Self-trade prevention is chosen order by order, so it stays off when the orders say
NONE.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice, product
from typing import NamedTuple

from cambist._matching import Engine
from cambist.engine import commands
from cambist.engine.commands import AccountClass, FeeComponent, MarketStatus, Permission, Role
from cambist.engine.events import Status, result, split

TIME_NS = 1_700_000_000_000_000_000  # the engine needs a time; a fixed one keeps event hashes comparable
FUNDS_ATOMS = 1 << 80  # of each asset, for each account: 2^100 is the engine's bound for a whole market
PRICE_MAX_TICKS = (1 << 40) - 1
QUANTITY_MAX_LOTS = (1 << 50) - 1
FEE_MAKER_E8, FEE_TAKER_E8 = 100_000, 200_000  # 0.1 % and 0.2 %

BATCH = 1_024
FILTERS = commands.Filters(
    price_min_ticks=1,
    price_max_ticks=PRICE_MAX_TICKS,
    lot_min=1,
    lot_max=QUANTITY_MAX_LOTS,
    market_lot_min=1,
    market_lot_max=QUANTITY_MAX_LOTS,
    notional_min_atoms=1,
    notional_max_atoms=PRICE_MAX_TICKS * QUANTITY_MAX_LOTS,
    max_orders=(1 << 32) - 1,
    notional_flags=3,
)

Append = Callable[[bytes], None]


class Listing(NamedTuple):
    """What the market trades: scales are decimals of the ledger, tick and lot are atoms as in MARKET_LIST."""

    base_scale: int = 0
    quote_scale: int = 0
    tick_atoms: int = 1
    lot_atoms: int = 1


class Refused(Exception):
    """A set-up command was refused: the listing is impossible or the formats have drifted apart."""


class Venue:
    """`append` gets every batch before the engine does: a log's method, or nothing at all.

    `funded` names who gets what, as pairs of (nth account, nth asset) counted from 0, the quote asset first;
    everybody gets of everything if it is None.
    """

    def __init__(
        self,
        listing: Listing,
        accounts: int,
        *,
        markets: int = 1,
        epoch: int = 1,
        append: Append | None = None,
        funded: Iterable[tuple[int, int]] | None = None,
    ) -> None:
        self.engine = Engine()
        self._append = append
        self._epoch = epoch
        self._numbers: Counter[int] = Counter()
        admin = self._open_session(Role.ADMIN, b"set-up")
        self.symbols = [f"BASE{nth}QUOTE" for nth in range(1, markets + 1)]
        self.markets = self._list(admin, listing)
        self.accounts = self._open_accounts(admin, accounts)
        self._fund(admin, funded or product(range(accounts), range(len(self.assets))))
        self.session = self._open_session(Role.TRADE, b"flow")

    def trade(self, orders: Sequence[bytearray], time_ns: int = TIME_NS) -> bytes:
        """Runs commands of the trade session as one batch and returns what the engine answered."""
        return self._run(self.session, orders, max(time_ns, self.engine.time_ns))

    def _open_session(self, role: Role, name: bytes) -> int:
        return self._create(0, [commands.SessionOpen(role=role, name=name)])[0]

    def _list(self, admin: int, listing: Listing) -> "array[int]":
        names = [b"QUOTE", *(symbol.removesuffix("QUOTE").encode() for symbol in self.symbols)]
        scales = [listing.quote_scale] + [listing.base_scale] * len(self.symbols)
        listing_of = zip(scales, names, strict=True)
        self.assets = self._create(
            admin, [commands.AssetList(scale=scale, name=name) for scale, name in listing_of]
        )
        listed = self._create(
            admin,
            [
                commands.MarketList(
                    base=base,
                    quote=self.assets[0],
                    tick_atoms=listing.tick_atoms,
                    lot_atoms=listing.lot_atoms,
                    filters=FILTERS,
                    state=MarketStatus.TRADING,
                    symbol=symbol.encode(),
                )
                for base, symbol in zip(self.assets[1:], self.symbols, strict=True)
            ],
        )
        fees = [
            commands.MarketFees(
                market=market,
                component=FeeComponent.STANDARD,
                tier=0,
                maker=FEE_MAKER_E8,
                taker=FEE_TAKER_E8,
                buyer=0,
                seller=0,
            )
            for market in listed
        ]
        self._create(admin, fees)
        return listed

    def _open_accounts(self, admin: int, count: int) -> range:
        """The engine numbers accounts one after the other."""
        users = (_account(AccountClass.USER, b"user:%d" % nth) for nth in range(count))
        ids = self._create(admin, users)
        return range(ids[0], ids[-1] + 1)

    def _fund(self, admin: int, funded: Iterable[tuple[int, int]]) -> None:
        mirror = self._create(admin, [_account(AccountClass.MIRROR, b"mirror")])[0]
        credits = (
            commands.Credit(
                market=self.assets[asset],
                account=self.accounts[account],
                counter_account=mirror,
                fee_account=0,
                amount_atoms=FUNDS_ATOMS,
                fee_atoms=0,
                reference=b"funds:%d:%d" % (account, asset),
                origin=b"",
            )
            for account, asset in funded
        )
        self._create(admin, credits)

    def _create(self, session: int, wanted: Iterable[commands.Command]) -> "array[int]":
        """Runs set-up commands and returns the `value` of each result; all of them must succeed."""
        values = array("Q")
        wanted = iter(wanted)
        while chunk := list(islice(wanted, BATCH)):
            output = self._run(session, [command.encode() for command in chunk], TIME_NS)
            for command, record in zip(chunk, split(output), strict=True):
                answer = result(record)
                if answer.status != Status.OK:
                    raise Refused(f"{command}: {Status(answer.status).name}")
                values.append(answer.value)
        return values

    def _run(self, session: int, orders: Sequence[bytearray], time_ns: int) -> bytes:
        for order in orders:
            self._numbers[session] += 1
            commands.stamp(order, session, self._numbers[session])
        payload = commands.batch(self.engine.sequence + 1, time_ns, self._epoch, orders)
        if self._append is not None:
            self._append(payload)
        return self.engine.apply(payload)


def _account(account_class: AccountClass, reference: bytes) -> commands.AccountCreate:
    return commands.AccountCreate(
        account_class=account_class,
        tier=0,
        permissions=Permission.TRADE,
        stp_group=0,
        owner=0,
        reference=reference,
    )
