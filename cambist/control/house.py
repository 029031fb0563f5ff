"""The house's account, which pays what transactions cost: letting it go on after a reversed deposit."""

from typing import Any

from cambist.control.exchange import Caller, Exchange, Request
from cambist.engine.commands import AccountFreeze
from cambist.engine.system_accounts import HOUSE
from cambist.errors import Refused
from cambist.match.queries import Account


class HouseNotFrozen(Refused):
    code = "house_not_frozen"

    def __init__(self) -> None:
        super().__init__("the house's account is not frozen")


class UnfreezeHouse(Request, tag="house.unfreeze"):
    """By two people at the console: why the deposit was reversed is understood."""

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        house = exchange.query(Account(HOUSE))
        assert house is not None, "every engine has it from the start"
        if not house.frozen:
            raise HouseNotFrozen
        exchange.execute(caller.act(self), AccountFreeze(account=HOUSE, frozen=False))
        return {"is_frozen": False}
