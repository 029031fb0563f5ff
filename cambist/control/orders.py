"""What an operator does about somebody's orders."""

from typing import Any

from cambist.accounts import users
from cambist.control.exchange import Caller, Exchange, Request
from cambist.control.users import account_of
from cambist.engine.commands import CancelAll


class CancelUserOrders(Request, tag="user.cancel-orders"):
    """All open orders of one user, in every market."""

    email: str

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        user = users.get(exchange.records, self.email)
        account = account_of(user)
        open_orders = exchange.query(lambda engine: len(engine.open_orders(account)))
        exchange.execute(caller.act(self), CancelAll(account=account))
        return {"email": user.email, "orders": open_orders}
