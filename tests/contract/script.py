"""Trading as it is told: one line, one command, by people with names.

    ann sell 5 @ 100                    LIMIT, GTC; add ioc, fok or post-only
    bob buy 7 at market                 MARKET by quantity
    bob buy for 500 at market           MARKET by quote budget; `sell for 500` names what to receive
    ann sell 5 @ 100 as a1              with a client id; before it expire-taker, ..., or decrement
    ann sell 5 stop 98                  STOP_LOSS; with `@ 97` STOP_LOSS_LIMIT
    ann sell 5 @ 104 profit 105 ioc     TAKE_PROFIT_LIMIT; without `@ 104` TAKE_PROFIT
    ann sell 5 stop trailing 500        trailing by 500 bips; `stop 98 trailing 500` from 98 on
    ann sell 5 @ 100 showing 2          an iceberg
    ann oco l1: sell 5 stop 98, sell 5 @ 105 post-only
    ann oto: buy 5 @ 99, sell 5 @ 105   `otoco` has three orders
    ann cancel list l1
    ann cancel a1
    ann amend a1 to 3                   `as a2` gives it a new client id
    ann replace a1: sell 5 @ 101        `... or place it anyway` is ALLOW_FAILURE
    cat buy 7 @ 100 post-only -> WOULD_TAKE

A line must come to what stands after its arrow, or to OK. There is one market, BASE/QUOTE: a lot is one
base atom and worth one quote atom per tick. No fees; everybody starts with FUNDS of both.
"""

import re
from typing import Any

from cambist.engine import commands
from cambist.engine.codes import (
    AccountClass,
    CloseReason,
    Contingency,
    MarketStatus,
    OrderState,
    OrderType,
    Permission,
    ReplaceMode,
    Side,
    Status,
    StpMode,
    TimeInForce,
)
from cambist.engine.commands import Command, Filters, Limits
from cambist.engine.events import (
    Event,
    Level,
    OrderAccepted,
    OrderClosed,
    OrderList,
    OrderTriggered,
    PreventedMatch,
    Result,
    Trade,
)
from cambist.engine.views import OrderView

from .venues import Venue

FUNDS = 1_000_000
BASE, QUOTE, MARKET = 1, 2, 1
EVERYTHING = Permission.TRADE | Permission.DEPOSIT | Permission.WITHDRAW
FILTERS = Filters(
    price_min_ticks=1,
    price_max_ticks=10_000,
    lot_min=1,
    lot_max=10_000,
    market_lot_min=1,
    market_lot_max=10_000,
    notional_min_atoms=1,
    notional_max_atoms=10_000_000,
    max_orders=200,
    notional_flags=3,
)

ORDER = re.compile(
    r"(?P<side>buy|sell) (?P<by>for )?(?P<amount>\d+)(?: at market)?(?: @ (?P<price>\d+))?"
    r"(?: (?P<trigger>stop|profit)(?: (?P<stop>\d+))?(?: trailing (?P<delta>\d+))?)?"
    r"(?: showing (?P<iceberg>\d+))?"
    r"(?: (?P<force>ioc|fok|post-only))?(?: (?P<stp>expire-\w+|decrement))?(?: as (?P<name>\S+))?"
)
LIST = re.compile(r"(?P<contingency>oco|oto|otoco)(?: (?P<name>\S+))?: (?P<orders>.*)")
CANCEL_LIST = re.compile(r"cancel list (?P<target>\S+)")
CANCEL = re.compile(r"cancel (?P<target>\S+)")
AMEND = re.compile(r"amend (?P<target>\S+) to (?P<lots>\d+)(?: as (?P<name>\S+))?")
REPLACE = re.compile(r"replace (?P<target>\S+): (?P<order>.*?)(?P<anyway> or place it anyway)?")
FORCES = {None: TimeInForce.GTC, "post-only": TimeInForce.GTC, "ioc": TimeInForce.IOC, "fok": TimeInForce.FOK}
STP = {None: StpMode.NONE} | {mode.name.lower().replace("_", "-"): mode for mode in StpMode}


class BookScript:
    def __init__(self, venue: Venue, rules: int = 2) -> None:
        self.venue = venue
        self.events: list[Event] = []
        self.last: Result | None = None
        self._accounts: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._setup(commands.Rules(version=rules))
        self._setup(commands.AssetList(scale=0, name=b"BASE"))
        self._setup(commands.AssetList(scale=0, name=b"QUOTE"))
        self._setup(
            commands.MarketList(
                base=BASE,
                quote=QUOTE,
                tick_atoms=1,
                lot_atoms=1,
                filters=FILTERS,
                state=MarketStatus.TRADING,
                symbol=b"BASEQUOTE",
            )
        )
        mirror = commands.AccountCreate(
            account_class=AccountClass.MIRROR, permissions=EVERYTHING, reference=b"mirror"
        )
        self.mirror = self._setup(mirror)

    def run(self, script: str) -> None:
        for line in filter(None, map(str.strip, script.splitlines())):
            said, _, expected = line.partition(" -> ")
            status = self.send(self._command(said.strip()))
            assert status == Status[expected or "OK"], f"{line!r} came to {status.name}"

    def send(self, command: Command) -> Status:
        """Sends what no line can say; returns what it came to."""
        self.last, events = self.venue.send(command)
        self.events += events
        return self.last.status

    def account(self, name: str) -> int:
        """Opens and funds the account when the name is new."""
        if name not in self._accounts:
            reference = b"user:" + name.encode()
            account = self._setup(
                commands.AccountCreate(
                    account_class=AccountClass.USER, permissions=EVERYTHING, reference=reference
                )
            )
            self._accounts[name], self._names[account] = account, name
            for asset in (BASE, QUOTE):
                self.credit(name, asset, FUNDS)
        return self._accounts[name]

    def credit(self, name: str, asset: int, atoms: int) -> None:
        self._setup(
            commands.Credit(
                account=self.account(name),
                market=asset,
                counter_account=self.mirror,
                amount_atoms=atoms,
                reference=b"credit:%d" % len(self.venue.log),
            )
        )

    def filters(self, **changes: int) -> None:
        self._setup(commands.MarketFilters(market=MARKET, filters=FILTERS._replace(**changes)))

    def limits(self, **changes: int) -> None:
        """Those named, and no other."""
        self._setup(commands.MarketLimits(market=MARKET, limits=Limits(**changes)))

    def state(self, state: MarketStatus) -> None:
        self._setup(commands.MarketState(market=MARKET, state=state))

    def wait(self, seconds: float) -> None:
        """Time passes, and what was to happen by then happens."""
        self.venue.time_ns += round(seconds * 1_000_000_000)
        self.send(commands.Time())

    def trades(self) -> list[str]:
        return [
            f"{self._names[each.taker_account]} takes {each.quantity_lots}"
            f" from {self._names[each.maker_account]} @ {each.price_ticks}"
            for each in self._of(Trade)
        ]

    def closed(self) -> list[str]:
        """Orders that ended: whose, why, and how much of how much was executed."""
        return [
            f"{self._names[each.account]} {CloseReason(each.reason).name.lower()}"
            f" {each.executed_lots}/{each.quantity_lots}"
            for each in self._of(OrderClosed)
        ]

    def prevented(self) -> list[str]:
        """Trades that were not allowed: the lots that taker and maker lost."""
        return [
            f"{self._names[each.taker_account]} loses {each.taker_prevented_lots},"
            f" {self._names[each.maker_account]} loses {each.maker_prevented_lots} @ {each.price_ticks}"
            for each in self._of(PreventedMatch)
        ]

    def accepted(self) -> list[int]:
        return [each.order_id for each in self._of(OrderAccepted)]

    def levels(self) -> list[str]:
        return [
            f"{Side(each.side).name.lower()} {each.price_ticks}: {each.quantity_lots}"
            for each in self._of(Level)
        ]

    def resting(self) -> list[str]:
        """Sells from the best price up, then buys from the best price down; oldest first at one price."""
        orders = [order for order in self.venue.picture().orders if order.state == OrderState.RESTING]
        asks = sorted((o for o in orders if o.side == Side.SELL), key=lambda o: (o.price_ticks, o.order_id))
        bids = sorted((o for o in orders if o.side == Side.BUY), key=lambda o: (-o.price_ticks, o.order_id))
        return [self._told(order) for order in asks + bids]

    def waiting(self) -> list[str]:
        """Orders that are in no book: whose, what, and for what they wait."""
        orders = [order for order in self.venue.picture().orders if order.state != OrderState.RESTING]
        return [
            f"{self._names[order.account]} {Side(order.side).name.lower()} {order.quantity_lots}"
            f" {OrderState(order.state).name.lower()}"
            for order in sorted(orders)
        ]

    def lists(self) -> list[str]:
        """What was told of order lists."""
        return [f"{each.contingency.name.lower()} {each.status.name.lower()}" for each in self._of(OrderList)]

    def triggered(self) -> list[str]:
        return [
            f"{self._names[each.account]} {each.order_type.name.lower()} at {each.last_price_ticks}"
            for each in self._of(OrderTriggered)
        ]

    def trade_at(self, *prices: int) -> None:
        """Two people of their own trade one lot at each price; the book must have nothing nearer."""
        for price in prices:
            self.run(f"""
                xan sell 1 @ {price}
                yen buy 1 @ {price}
            """)

    def has(self, name: str) -> dict[str, tuple[int, int]]:
        """Gained or lost since the start, and held: of base and quote."""
        account = self.account(name)
        told = {}
        for asset, called in ((BASE, "base"), (QUOTE, "quote")):
            available, held = self.venue.balance(account, asset)
            told[called] = (available + held - FUNDS, held)
        return told

    def _told(self, order: OrderView) -> str:
        side, left = Side(order.side).name.lower(), order.quantity_lots - order.executed_lots
        left -= order.prevented_lots
        return f"{self._names[order.account]} {side} {left} @ {order.price_ticks}"

    def _of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def _setup(self, command: Command) -> int:
        result, _ = self.venue.send(command)
        assert result.status == Status.OK, f"{command} came to {result.status.name}"
        return result.value

    def _command(self, said: str) -> Command:
        name, _, rest = said.partition(" ")
        account = self.account(name)
        if rest == "cancel all":
            return commands.CancelAll(account=account, market=MARKET)
        if order := ORDER.fullmatch(rest):
            return commands.Place(account=account, market=MARKET, **_terms(order))
        if placed := LIST.fullmatch(rest):
            orders = [ORDER.fullmatch(told) for told in placed["orders"].split(", ")]
            return commands.ListPlace(
                account=account,
                market=MARKET,
                contingency=Contingency[placed["contingency"].upper()],
                legs=tuple(_leg(order) for order in orders if order),
                client_id=(placed["name"] or "").encode(),
            )
        if cancel := CANCEL_LIST.fullmatch(rest):
            return commands.ListCancel(account=account, market=MARKET, client_id=cancel["target"].encode())
        if cancel := CANCEL.fullmatch(rest):
            return commands.Cancel(account=account, market=MARKET, client_id=cancel["target"].encode())
        if amend := AMEND.fullmatch(rest):
            return commands.Amend(
                account=account,
                market=MARKET,
                quantity_lots=int(amend["lots"]),
                target_client_id=amend["target"].encode(),
                client_id=(amend["name"] or "").encode(),
            )
        replace = REPLACE.fullmatch(rest)
        order = replace and ORDER.fullmatch(replace["order"])
        if not replace or not order:
            raise ValueError(f"cannot read {said!r}")
        return commands.CancelReplace(
            account=account,
            market=MARKET,
            mode=ReplaceMode.ALLOW_FAILURE if replace["anyway"] else ReplaceMode.STOP_ON_FAILURE,
            target_client_id=replace["target"].encode(),
            **_terms(order),
        )


def _terms(order: re.Match[str]) -> dict[str, Any]:
    amount = int(order["amount"])
    terms = {
        "side": Side[order["side"].upper()],
        "stp_mode": STP[order["stp"]],
        "client_id": (order["name"] or "").encode(),
    }
    if order["iceberg"]:
        terms["iceberg_lots"] = int(order["iceberg"])
    if order["trigger"]:
        return terms | _triggered_terms(order) | {"quantity_lots": amount}
    if order["price"] is None:
        terms |= {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC}
        return terms | {"quote_budget_atoms" if order["by"] else "quantity_lots": amount}
    order_type = OrderType.LIMIT_MAKER if order["force"] == "post-only" else OrderType.LIMIT
    terms |= {"order_type": order_type, "time_in_force": FORCES[order["force"]]}
    return terms | {"price_ticks": int(order["price"]), "quantity_lots": amount}


def _triggered_terms(order: re.Match[str]) -> dict[str, Any]:
    kind = "STOP_LOSS" if order["trigger"] == "stop" else "TAKE_PROFIT"
    trigger = {
        "stop_price_ticks": int(order["stop"] or 0),
        "trailing_delta": int(order["delta"] or 0),
    }
    if order["price"] is None:
        return trigger | {"order_type": OrderType[kind], "time_in_force": TimeInForce.IOC}
    force = FORCES[order["force"]]
    limit = {
        "order_type": OrderType[kind + "_LIMIT"],
        "time_in_force": force,
        "price_ticks": int(order["price"]),
    }
    return trigger | limit


def _leg(order: re.Match[str]) -> commands.Leg:
    return commands.Leg(**_terms(order))
