"""What can be asked of the model, with the names and rows of the engine's own queries."""

from cambist.engine.codes import OrderState, Side
from cambist.engine.views import FiltersView, MarketView, OrderView

from .limits import reference_ticks
from .state import Order, Rates, State


class Queries:
    state: State

    def account(self, account: int) -> tuple[int, int, int, bool, int, int] | None:
        """Class, tier, permissions, frozen, self-trade group, owner."""
        found = self.state.accounts.get(account)
        if found is None:
            return None
        return (
            found.account_class,
            found.tier,
            found.permissions,
            found.frozen,
            found.stp_group,
            found.owner,
        )

    def account_ids(self) -> list[int]:
        return sorted(self.state.accounts)

    def balances(self, account: int) -> list[tuple[int, int, int]]:
        """Asset, available and held atoms."""
        return [
            (asset, row.available, row.held)
            for (owner, asset), row in self.state.ledger.rows.items()
            if owner == account
        ]

    def markets(self) -> list[MarketView]:
        return [
            MarketView(
                at,
                market.symbol.decode(),
                market.base,
                market.quote,
                market.tick_atoms,
                market.lot_atoms,
                market.tick_lot_atoms,
                FiltersView(*market.filters),
                market.state,
                market.update_id,
                market.last_price_ticks,
                market.trade_id,
            )
            for at, market in enumerate(self.state.markets, start=1)
        ]

    def fees(self, market: int, tier: int) -> tuple[Rates, Rates, Rates]:
        """Standard of the tier, special and tax; maker, taker, buyer and seller of each."""
        found = self.state.market(market)
        return found.standard[tier], found.special, found.tax

    def limits(self, market: int) -> bytes:
        return self.state.market(market).limits.pack()

    def reference_price(self, market: int) -> int:
        return reference_ticks(self.state, self.state.market(market))

    @property
    def next_deadline_ns(self) -> int | None:
        return min(self.state.deadlines.values(), default=None)

    def countdowns(self, account: int) -> list[tuple[int, int]]:
        """Market (0: all of them) and deadline."""
        deadlines = sorted(self.state.deadlines.items())
        return [(market, at_ns) for (owner, market), at_ns in deadlines if owner == account]

    def order(self, order_id: int) -> OrderView | None:
        found = self.state.orders.get(order_id)
        return _view(found) if found else None

    def order_by_client_id(self, account: int, client_id: bytes) -> OrderView | None:
        found = self.state.order_by_client_id(account, client_id)
        return _view(found) if found else None

    def open_orders(self, account: int, market: int = 0) -> list[OrderView]:
        """Market by market, in the order in which the account first used them; oldest first in each."""
        found = self.state.accounts.get(account)
        return [
            _view(order)
            for each in (found.markets if found else [])
            if market in (0, each)
            for order in self.state.open_orders(account=account, market=each)
        ]

    def depth(self, market: int, limit: int) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]]:
        """Update id, bids and asks; price and total lots of each level, best first."""
        bids, asks = (self._levels(market, side)[:limit] for side in (Side.BUY, Side.SELL))
        return self.state.market(market).update_id, bids, asks

    def _levels(self, market: int, side: Side) -> list[tuple[int, int]]:
        prices = dict.fromkeys(order.price_ticks for order in self.state.queue(market, side))
        return [(price, self.state.level_lots(market, side, price)) for price in prices]


def _view(order: Order) -> OrderView:
    return OrderView(
        order.order_id,
        order.account,
        order.market,
        order.side,
        order.order_type,
        order.time_in_force,
        order.stp_mode,
        order.price_ticks,
        order.quantity_lots,
        order.executed_lots,
        order.executed_quote_atoms,
        order.accepted_ns,
        order.updated_ns,
        order.client_id,
        order.prevented_lots,
        order.stop_price_ticks,
        order.trailing_delta,
        order.iceberg_lots,
        order.visible_lots if order.state == OrderState.RESTING else 0,
        order.list_id,
        order.state,
        order.working_ns,
        order.trailing_ns,
        order.hold_price_ticks,
    )
