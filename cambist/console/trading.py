"""Markets, orders and trades, as they were a moment ago."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta
from sqlalchemy import Connection, or_, select

from cambist.account_api.bodies import Body, Shown
from cambist.account_api.shown import milliseconds
from cambist.console.call import Call
from cambist.console.shown import ROWS_MAX, Reason
from cambist.control.markets import ListAssets, ListMarkets, SetMarketState
from cambist.engine.events import CloseReason
from cambist.engine.names import CLOSED_NAMES, ORDER_TYPE_NAMES, SIDE_NAMES, open_name, time_in_force_name
from cambist.money import format_atoms
from cambist.store.views import assets, markets, orders, trades


class WantedOrders(Body):
    """The newest, of an account, a market, or with one number."""

    account: int | None = None
    market: Annotated[str, Meta(max_length=32)] = ""
    order: int | None = None
    is_open: bool = False


class WantedTrades(Body):
    account: int | None = None
    market: Annotated[str, Meta(max_length=32)] = ""
    order: int | None = None


class Order(Shown):
    order: int
    account: int
    market: str
    side: str
    type: str
    time_in_force: str
    price: str
    quantity: str
    executed: str
    executed_quote: str
    status: str
    client_id: str
    accepted_at: int
    updated_at: int


class Trade(Shown):
    market: str
    trade: int
    time: int
    taker_side: str
    price: str
    quantity: str
    quote: str
    maker_order: int
    taker_order: int
    maker_account: int
    taker_account: int


class Listed(Shown):
    """As `cambist market list` and `cambist asset list` show them."""

    markets: list[dict[str, Any]]
    assets: list[dict[str, Any]]


class HaltMarket(Reason):
    """Only what stops trading: to let it go on takes two people (a proposal)."""

    state: Literal["halted", "cancel-only"]


class _Market(NamedTuple):
    symbol: str
    tick_atoms: int
    lot_atoms: int
    base_scale: int
    quote_scale: int

    def price(self, ticks: int) -> str:
        return format_atoms(ticks * self.tick_atoms, self.quote_scale)

    def quantity(self, lots: int) -> str:
        return format_atoms(lots * self.lot_atoms, self.base_scale)

    def quote(self, atoms: int) -> str:
        return format_atoms(atoms, self.quote_scale)


def list_orders(call: Call, wanted: WantedOrders) -> list[Order]:
    found = select(orders)
    if wanted.account is not None:
        found = found.where(orders.c.account == wanted.account)
    if wanted.order is not None:
        found = found.where(orders.c.order_id == wanted.order)
    if wanted.is_open:
        found = found.where(orders.c.reason == 0)
    with call.console.views() as db:
        known = _markets(db)
        if wanted.market:
            found = found.where(orders.c.market.in_(list(_named(known, wanted.market))))
        rows = db.execute(found.order_by(orders.c.order_id.desc()).limit(ROWS_MAX)).all()
        return [_order(row, known[row.market]) for row in rows]


def list_trades(call: Call, wanted: WantedTrades) -> list[Trade]:
    with call.console.views() as db:
        known = _markets(db)
        newest = sorted(
            (
                row
                for market in (_named(known, wanted.market) if wanted.market else known)
                for row in _trades(db, market, wanted)
            ),
            key=lambda row: row.time_ns,
            reverse=True,
        )
        return [_trade(row, known[row.market]) for row in newest[:ROWS_MAX]]


def show_listed(call: Call) -> Listed:
    return Listed(call.ask(ListMarkets(), ""), call.ask(ListAssets(), ""))


def halt_market(call: Call, sent: HaltMarket) -> Listed:
    call.ask(SetMarketState(symbol=call.subject, state=sent.state), sent.reason)
    return show_listed(call)


def _markets(db: Connection) -> dict[int, _Market]:
    scales = {row.asset: row.scale for row in db.execute(select(assets.c.asset, assets.c.scale))}
    return {
        row.market: _Market(row.symbol, row.tick_atoms, row.lot_atoms, scales[row.base], scales[row.quote])
        for row in db.execute(select(markets))
    }


def _named(known: dict[int, _Market], symbol: str) -> Iterator[int]:
    return (number for number, market in known.items() if market.symbol == symbol)


def _trades(db: Connection, market: int, wanted: WantedTrades) -> list[Any]:
    found = select(trades).where(trades.c.market == market)
    if wanted.account is not None:
        mine = (trades.c.maker_account == wanted.account, trades.c.taker_account == wanted.account)
        found = found.where(or_(*mine))
    if wanted.order is not None:
        found = found.where(or_(trades.c.maker_order == wanted.order, trades.c.taker_order == wanted.order))
    return list(db.execute(found.order_by(trades.c.trade_id.desc()).limit(ROWS_MAX)).all())


def _order(row: Any, market: _Market) -> Order:
    return Order(
        order=row.order_id,
        account=row.account,
        market=market.symbol,
        side=SIDE_NAMES[row.side],
        type=ORDER_TYPE_NAMES[row.order_type],
        time_in_force=time_in_force_name(row.order_type, row.time_in_force),
        price=market.price(row.price_ticks),
        quantity=market.quantity(row.quantity_lots),
        executed=market.quantity(row.executed_lots),
        executed_quote=market.quote(row.executed_quote_atoms),
        status=CLOSED_NAMES[CloseReason(row.reason).value] if row.reason else open_name(row.executed_lots),
        client_id=row.client_id,
        accepted_at=milliseconds(row.accepted_ns),
        updated_at=milliseconds(row.updated_ns),
    )


def _trade(row: Any, market: _Market) -> Trade:
    return Trade(
        market=market.symbol,
        trade=row.trade_id,
        time=milliseconds(row.time_ns),
        taker_side=SIDE_NAMES[row.taker_side],
        price=market.price(row.price_ticks),
        quantity=market.quantity(row.quantity_lots),
        quote=market.quote(row.quote_atoms),
        maker_order=row.maker_order,
        taker_order=row.taker_order,
        maker_account=row.maker_account,
        taker_account=row.taker_account,
    )
