"""What an operator does about somebody's orders."""

from typing import Any

from cambist.accounts import users
from cambist.control.exchange import Caller, Exchange, Request
from cambist.control.users import account_of
from cambist.engine.commands import CancelAll
from cambist.engine.views import MarketView


class CancelUserOrders(Request, tag="user.cancel-orders"):
    """All open orders of one user, market by market."""

    email: str

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        user = users.get(exchange.records, self.email)
        account, act = account_of(user), caller.act(self)
        markets = exchange.query(
            lambda engine: [
                (market.market, len(found))
                for market in map(MarketView.of, engine.markets())
                if (found := engine.open_orders(account, market.market))
            ]
        )
        for done, (market, _) in enumerate(markets, start=1):
            exchange.execute(act, CancelAll(account=account, market=market))
            caller.report(done, len(markets))
        return {"email": user.email, "orders": sum(count for _, count in markets)}
