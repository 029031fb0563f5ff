"""The sandbox's house flow: books that live without users, on every demo market but ETP/BTC.

BTC/USDT plays thirty recorded minutes over and over if the optional demo data is installed, and is generated
like the others if not. The three markets agree with each other: ETH/BTC is quoted at ETH/USDT divided by
BTC/USDT. Whatever is refused is left at that; a book that is halted, full or overloaded gets its next order a
moment later.
"""

import asyncio
import time
from asyncio import Future
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random

from cambist.engine.commands import OrderType, TimeInForce
from cambist.engine.views import AssetView, MarketView
from cambist.errors import Unavailable
from cambist.flow import recording
from cambist.flow.file import Add, AddType, Cancel
from cambist.flow.generator import RESTING_PER_SIDE, Action, FairPrice, Generator, Pull, Quote, Take
from cambist.flow.house import ACCOUNTS, House
from cambist.flow.replay import ORDER_TYPES, Owners
from cambist.match.server import MatchServer
from cambist.settings import Settings

BTC_USDT, ETH_USDT, ETH_BTC = "BTCUSDT", "ETHUSDT", "ETHBTC"
BTC_START, ETH_START = 78_300.0, 2_320.0
TRADED = ("BTC", "ETH", "USDT")
SMALL_ORDER = {BTC_USDT: 0.02, ETH_USDT: 0.6, ETH_BTC: 0.6}  # in base
SEED = 20_260_502
STEP_SECONDS = 0.5
FIRST_STEPS = 3 * RESTING_PER_SIDE  # taken at once, so that a book is there from the start
BATCH = 64
AHEAD_NS = 50_000_000  # recorded commands due within this time go out together
LOOP_PAUSE_SECONDS = 1.0
FOLLOW_SECONDS = 1.0


class Grid:
    """The steps of one market: whole ticks and lots from plain numbers."""

    def __init__(self, market: MarketView, scales: dict[int, int]) -> None:
        self.market = market.market
        self._tick: float = market.tick_atoms / 10 ** scales[market.quote]
        self._lot: float = market.lot_atoms / 10 ** scales[market.base]

    def ticks(self, price: float) -> int:
        return max(1, round(price / self._tick))

    def lots(self, quantity: float) -> int:
        return max(1, round(quantity / self._lot))

    def price(self, ticks: float) -> float:
        return ticks * self._tick


async def run(
    server: MatchServer,
    settings: Settings,
    markets: Sequence[MarketView],
    stop: asyncio.Event,
    *,
    on_chain: Collection[str] = (),
) -> None:
    """Keeps the demo's books alive until `stop` is set; refuses to work outside sandbox mode.

    Of assets that are held `on_chain` there is no play money: their books begin when the exchange has some.
    """
    if not settings.mode.sandbox:
        raise ValueError("house flow trades play money: it runs in sandbox mode only")
    assets = await server.query(lambda engine: [AssetView(*row) for row in engine.assets()])
    scales = {asset.asset: asset.scale for asset in assets}
    grids = {market.symbol: Grid(market, scales) for market in markets}
    house = await House.open(server, [asset for asset in assets if asset.name not in on_chain])
    prices = _Prices()
    held = [asset for asset in assets if asset.name in on_chain and asset.name in TRADED]
    flows = [_eth(house, grids, prices, held)]
    if data := recording.find(Path(__file__).parents[2]):
        flows += [_recorded(house, grids[BTC_USDT], data), _follow(server, grids[BTC_USDT], prices)]
    else:
        flows.append(_generated(house, grids[BTC_USDT], BTC_USDT, prices.btc_usdt))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(flow) for flow in flows]
        await stop.wait()
        for task in tasks:
            task.cancel()


class _Prices:
    """The fair prices of the three markets, two of which wander while the third follows from them."""

    def __init__(self) -> None:
        self._btc = FairPrice(Random(f"{SEED} {BTC_USDT}"), BTC_START)
        self._eth = FairPrice(Random(f"{SEED} {ETH_USDT}"), ETH_START)
        self.last_btc = BTC_START
        self.last_eth = ETH_START

    def btc_usdt(self) -> float:
        self.last_btc = self._btc.step()
        return self.last_btc

    def eth_usdt(self) -> float:
        self.last_eth = self._eth.step()
        return self.last_eth

    def eth_btc(self) -> float:
        return self.last_eth / self.last_btc


async def _eth(house: House, grids: dict[str, Grid], prices: _Prices, held: Sequence[AssetView]) -> None:
    for asset in held:
        await house.share_out(asset)
    async with asyncio.TaskGroup() as group:
        group.create_task(_generated(house, grids[ETH_USDT], ETH_USDT, prices.eth_usdt))
        group.create_task(_generated(house, grids[ETH_BTC], ETH_BTC, prices.eth_btc))


async def _generated(house: House, grid: Grid, symbol: str, fair: Callable[[], float]) -> None:
    chance = Random(f"{SEED} flow {symbol}")
    generator = Generator(chance)
    send = partial(_send, house, grid, symbol)
    for _ in range(FIRST_STEPS):
        await send(generator.actions(fair()))
    while True:
        await asyncio.sleep(chance.expovariate(1 / STEP_SECONDS))
        await send(generator.actions(fair()))


async def _send(house: House, grid: Grid, symbol: str, actions: Iterable[Action]) -> None:
    for action in actions:
        with suppress(Unavailable):
            match action:
                case Pull():
                    await house.cancel(action.name, grid.market, _client_id(symbol, action.name))
                case Quote():
                    await house.place(
                        action.name,
                        grid.market,
                        action.side,
                        OrderType.LIMIT_MAKER,
                        TimeInForce.GTC,
                        grid.ticks(action.price),
                        grid.lots(action.size * SMALL_ORDER[symbol]),
                        _client_id(symbol, action.name),
                    )
                case Take():
                    await house.place(
                        0,
                        grid.market,
                        action.side,
                        OrderType.LIMIT,
                        TimeInForce.IOC,
                        grid.ticks(action.price),
                        grid.lots(action.size * SMALL_ORDER[symbol]),
                    )


async def _recorded(house: House, grid: Grid, data: Path) -> None:
    while True:
        await _play(house, grid, data)
        await asyncio.sleep(LOOP_PAUSE_SECONDS)


async def _play(house: House, grid: Grid, data: Path) -> None:
    """One pass over the recording at its own pace; it ends with an empty book, as the recording does."""
    traded = await asyncio.to_thread(recording.traded_orders, data)
    owners = Owners(ACCOUNTS)
    sent: list[Future[bytes]] = []
    offset_ns = 0
    for row in recording.read(data, traded):
        offset_ns = offset_ns or time.monotonic_ns() - row.time_ns
        early_ns = row.time_ns + offset_ns - time.monotonic_ns()
        if early_ns > AHEAD_NS or len(sent) == BATCH:
            await _answered(sent)
            await asyncio.sleep(max(0, early_ns) / 1e9)
        with suppress(Unavailable):
            sent.append(_replayed(house, grid, owners, row))
    await _answered(sent)


def _replayed(house: House, grid: Grid, owners: Owners, row: Add | Cancel) -> Future[bytes]:
    if isinstance(row, Cancel):
        return house.cancel(owners.of(row.order), grid.market, row.order.encode())
    order_type, time_in_force = ORDER_TYPES[row.type]
    price = row.price / 10**recording.PRICE_DECIMALS
    return house.place(
        owners.of_new(row.order),
        grid.market,
        row.side,
        order_type,
        time_in_force,
        0 if row.type == AddType.MARKET else grid.ticks(price),
        grid.lots(row.quantity / 10**recording.QUANTITY_DECIMALS),
        row.order.encode(),
    )


async def _answered(sent: list[Future[bytes]]) -> None:
    for answer in sent:
        with suppress(Unavailable):
            await answer
    sent.clear()


async def _follow(server: MatchServer, grid: Grid, prices: _Prices) -> None:
    """Takes BTC's price from the book, which the recording moves."""
    while True:
        _, bids, asks = await server.query(lambda engine: engine.depth(grid.market, 1))
        if bids and asks:
            prices.last_btc = grid.price((bids[0][0] + asks[0][0]) / 2)
        await asyncio.sleep(FOLLOW_SECONDS)


def _client_id(symbol: str, name: int) -> bytes:
    return f"{symbol}-{name}".encode()
