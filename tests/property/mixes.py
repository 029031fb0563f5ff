"""Commands of every kind at random: mostly ones that hit something, now and then one that fits nowhere.

A mix looks at the model's state to aim at orders, holds and credits that exist. It is drawn from a seed, so
that a history is known by its seeds.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

from cambist.engine import commands
from cambist.engine.codes import (
    AccountClass,
    AssetStatus,
    Contingency,
    FeeComponent,
    MarketStatus,
    OrderType,
    Permission,
    ReplaceMode,
    Role,
    Side,
    StpMode,
    TimeInForce,
)
from cambist.engine.commands import Command, Filters, Limits
from tests.model.state import Order, State

USERS = [1001, 1002, 1003, 1004, 1005]
MIRROR = 1006
FEES, HOUSE, LOSS, SUSPENSE, WITHDRAWAL_FEES, NOBODY = 1, 2, 3, 4, 6, 999
ASSETS = [1, 2, 3]
MARKETS = [1, 2, 3]
EVERYTHING = Permission.TRADE | Permission.DEPOSIT | Permission.WITHDRAW

FILTERS = Filters(
    price_min_ticks=80,
    price_max_ticks=120,
    lot_min=1,
    lot_max=60,
    market_lot_min=2,
    market_lot_max=50,
    notional_min_atoms=90,
    notional_max_atoms=20_000,
    max_orders=75,
    notional_flags=3,
)

T = TypeVar("T")


class Mix:
    def __init__(self, seed: int, state: State) -> None:
        self._random = Random(seed)
        self._state = state

    def any(self) -> Command:
        """A command of any kind that sessions send; two of three are about orders."""
        makers = [self.order, self.cancel_all, self.countdown, self.money, self.operation]
        return self._random.choices(makers, weights=[85, 3, 3, 20, 8])[0]()

    def order(self) -> Command:
        makers: list[Callable[[], Command]] = [self.place, self.change, self.list_place, self.list_cancel]
        return self._random.choices(makers, weights=[6, 2, 2 if self._state.rules >= 2 else 0.1, 0.2])[0]()

    def change(self) -> Command:
        return self._one(self.cancel, self.replace, self.replace, self.amend)()

    def list_place(self) -> commands.ListPlace:
        contingency = self._one(*Contingency)
        side, lots = self._one(*Side), self._lots()
        stop_type = self._one(OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT)
        gains = self._one(
            OrderType.LIMIT_MAKER, OrderType.LIMIT_MAKER, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT
        )
        rises = side == Side.BUY
        pair = [
            self._leg(side, lots, **self._stop_terms(stop_type, rises)),
            self._leg(side, lots, **self._gain_terms(gains, not rises)),
        ]
        legs = pair
        if contingency != Contingency.OCO:
            working = {"order_type": OrderType.LIMIT, "price_ticks": self._price()}
            working["time_in_force"] = self._one(*TimeInForce, TimeInForce.GTC)
            if self._random.random() < 0.2:
                working |= {"order_type": OrderType.LIMIT_MAKER, "time_in_force": TimeInForce.GTC}
            first = self._leg(self._one(side, Side(1 - side)), self._lots(), **working)
            legs = [first, *pair] if contingency == Contingency.OTOCO else [first, self._any_leg()]
        if self._random.random() < 0.03:
            legs = self._one([*legs, legs[0]], legs[:1], legs[::-1])
        return commands.ListPlace(
            account=self._trader(),
            market=self._market(),
            contingency=contingency,
            legs=tuple(legs),
            client_id=self._client_id(),
        )

    def _any_leg(self) -> commands.Leg:
        terms = self._terms()
        terms.pop("quote_budget_atoms", None)
        side, lots = terms.pop("side"), terms.pop("quantity_lots", 3)
        return self._leg(side, lots, **terms)

    def _leg(self, side: Side, lots: int, **terms: Any) -> commands.Leg:
        terms = {"stp_mode": self._one(*StpMode)} | terms
        if self._random.random() < 0.15:
            terms["iceberg_lots"] = self._random.randint(1, 6)
        return commands.Leg(side=side, quantity_lots=lots, client_id=self._client_id(), **terms)

    def _stop_terms(self, order_type: OrderType, rises: bool) -> dict[str, Any]:
        """A trigger on the side of the last price from which a price comes that rises, or falls."""
        last = max((market.last_price_ticks for market in self._state.markets), default=0) or 100
        away = self._random.randint(1, 4)
        terms: dict[str, Any] = {"order_type": order_type, "time_in_force": TimeInForce.IOC}
        terms["stop_price_ticks"] = self._mostly(
            lambda: last + away if rises else last - away, 0, 79, 121, 1 << 63
        )
        if self._random.random() < 0.3:
            terms["trailing_delta"] = self._mostly(lambda: self._random.randint(50, 400), 9_999, 10_000)
            if self._random.random() < 0.5:
                terms["stop_price_ticks"] = 0
        if order_type in (OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT):
            terms |= {"price_ticks": self._price(), "time_in_force": self._one(*TimeInForce)}
        return terms

    def _gain_terms(self, order_type: OrderType, rises: bool) -> dict[str, Any]:
        if order_type != OrderType.LIMIT_MAKER:
            return self._stop_terms(order_type, rises)
        price = self._random.randint(101, 106) if rises else self._random.randint(94, 99)
        return {"order_type": order_type, "price_ticks": price, "time_in_force": TimeInForce.GTC}

    def list_cancel(self) -> commands.ListCancel:
        lists = [*self._state.lists.values()]
        if not lists or self._random.random() < 0.1:
            return commands.ListCancel(
                account=self._trader(),
                market=self._market(),
                list_id=self._one(0, 1, 9, 1 << 53),
                client_id=self._client_id(),
            )
        found = self._one(*lists)
        list_id, client_id = self._one(
            (found.list_id, b""),
            (found.list_id, found.client_id),
            (0, found.client_id),
            (found.list_id, b"o"),
        )
        return commands.ListCancel(
            account=self._mostly(lambda: found.account, *USERS),
            market=self._mostly(lambda: found.market, *MARKETS),
            list_id=list_id,
            client_id=client_id,
            request_id=self._client_id(),
        )

    def place(self) -> commands.Place:
        return commands.Place(
            account=self._trader(),
            market=self._market(),
            client_id=self._client_id(),
            **self._terms(),
        )

    def _terms(self) -> dict[str, Any]:
        """What PLACE and CANCEL_REPLACE say about the order itself."""
        random, terms = self._random, {"side": self._one(*Side), "stp_mode": self._one(*StpMode)}
        special = 20 if self._state.rules >= 2 else 0.5
        kinds = {
            "limit": 60,
            "maker": 10,
            "market": 12,
            "budget": 12,
            "odd": 3,
            "stop": special,
            "iceberg": 8,
        }
        match random.choices([*kinds], weights=[*kinds.values()])[0]:
            case "limit":
                terms |= {
                    "order_type": OrderType.LIMIT,
                    "price_ticks": self._price(),
                    "quantity_lots": self._lots(),
                }
                terms["time_in_force"] = random.choices(list(TimeInForce), weights=[6, 1, 1])[0]
            case "maker":
                terms |= {"order_type": OrderType.LIMIT_MAKER, "time_in_force": TimeInForce.GTC}
                terms |= {"price_ticks": self._price(), "quantity_lots": self._lots()}
            case "market":
                terms |= {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC}
                terms["quantity_lots"] = self._lots()
            case "budget":
                terms |= {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC}
                terms["quote_budget_atoms"] = self._budget()
            case "stop":
                order_type = self._one(*[each for each in OrderType if each >= OrderType.STOP_LOSS])
                takes_profit = order_type in (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
                rises = (terms["side"] == Side.BUY) != takes_profit
                if random.random() < 0.05:
                    rises = not rises
                terms |= self._stop_terms(order_type, rises) | {"quantity_lots": self._lots()}
            case "iceberg":
                terms |= {"order_type": self._one(OrderType.LIMIT, OrderType.LIMIT, OrderType.LIMIT_MAKER)}
                terms |= {"time_in_force": self._mostly(lambda: TimeInForce.GTC, TimeInForce.IOC)}
                terms |= {"price_ticks": self._price(), "quantity_lots": self._lots()}
                terms["iceberg_lots"] = self._mostly(lambda: random.randint(1, 8), 61, 1 << 63)
            case "odd":  # means nothing, most of the time
                terms |= {"order_type": self._one(*OrderType), "time_in_force": self._one(*TimeInForce)}
                terms |= {"price_ticks": self._one(0, 100), "quantity_lots": self._one(0, 5)}
                terms["quote_budget_atoms"] = self._one(0, 0, 500)
        return terms

    def cancel(self) -> commands.Cancel:
        order_id, client_id, account, market = self._target()
        return commands.Cancel(
            account=account,
            market=market,
            order_id=order_id,
            client_id=client_id,
            request_id=self._client_id(),
        )

    def replace(self) -> commands.CancelReplace:
        order_id, client_id, account, market = self._target()
        terms = self._terms()
        if self._random.random() < 0.1:
            terms["quantity_lots"] = 0
        return commands.CancelReplace(
            account=account,
            market=market,
            mode=self._one(*ReplaceMode),
            client_id=self._client_id(),
            target_order_id=order_id,
            target_client_id=client_id,
            request_id=self._client_id(),
            **terms,
        )

    def amend(self) -> commands.Amend:
        order_id, client_id, account, market = self._target()
        order = self._state.orders.get(order_id)
        one_less = max(1, order.quantity_lots - 1) if order else 1
        return commands.Amend(
            account=account,
            market=market,
            order_id=order_id,
            quantity_lots=self._mostly(lambda: self._one(one_less, self._random.randint(1, 9)), 0, 1 << 63),
            target_client_id=client_id,
            client_id=self._client_id(),
        )

    def cancel_all(self) -> commands.CancelAll:
        return commands.CancelAll(account=self._trader(), market=self._one(0, self._market()))

    def countdown(self) -> commands.Countdown:
        ends_in_ns = self._one(0, 1_000, 10**9, 3 * 10**9)
        return commands.Countdown(
            account=self._trader(),
            market=self._one(0, self._market()),
            deadline_ns=self._mostly(lambda: self._one(0, self._state.time_ns + ends_in_ns), 1, -1),
        )

    def money(self) -> commands.Money:
        makers = [self._pay, self._hold, self._end_hold, self._reverse]
        return self._random.choices(makers, weights=[6, 4, 4, 2])[0]()

    def _pay(self) -> commands.Money:
        kind = self._one(commands.Credit, commands.Credit, commands.Move, commands.Correction)
        counter = MIRROR if kind is commands.Credit else self._account()
        account = self._one(self._account(), MIRROR, LOSS) if kind is commands.Correction else self._account()
        return kind(
            account=account,
            market=self._asset(),
            counter_account=self._mostly(lambda: counter, NOBODY, HOUSE, LOSS),
            amount_atoms=self._amount(),
            fee_atoms=self._mostly(lambda: 0, 1),
            reference=self._reference(),
            origin=self._mostly(lambda: b"", b"ref:1"),
        )

    def _hold(self) -> commands.Money:
        return commands.Hold(
            account=self._account(),
            market=self._asset(),
            amount_atoms=self._amount(),
            reference=self._reference(),
        )

    def _end_hold(self) -> commands.Money:
        """Settles or releases a hold, mostly one that is open, mostly with the right amounts."""
        holds = [
            first.command
            for first in self._state.references.values()
            if isinstance(first.command, commands.Hold)
        ]
        still_open = [hold for hold in holds if hold.reference in self._state.holds]
        if not holds:
            return self._hold()
        hold = self._one(*(still_open or holds), self._one(*holds))
        fee = self._mostly(lambda: min(self._one(0, 7), hold.amount_atoms), 1 << 100)
        settles = self._random.random() < 0.6
        kind = commands.Settle if settles else commands.Release
        return kind(
            account=self._mostly(lambda: hold.account, *USERS),
            market=self._mostly(lambda: hold.market, *ASSETS),
            counter_account=self._mostly(lambda: MIRROR, HOUSE, NOBODY) if settles else 0,
            fee_account=self._mostly(lambda: WITHDRAWAL_FEES, FEES, HOUSE, LOSS, NOBODY) if fee else 0,
            amount_atoms=self._mostly(lambda: hold.amount_atoms - fee if settles else 0, 1, 5) % (1 << 128),
            fee_atoms=fee if settles else 0,
            reference=self._reference(),
            origin=self._mostly(lambda: hold.reference, b"funds:1001:1", b"never"),
        )

    def _reverse(self) -> commands.Money:
        """Undoes a credit, mostly one that was made, mostly as it was made."""
        credits = [
            first.command
            for first in self._state.references.values()
            if isinstance(first.command, commands.Credit)
        ]
        credit = self._one(*credits)
        return commands.Reverse(
            account=self._mostly(lambda: credit.account, *USERS),
            market=self._mostly(lambda: credit.market, *ASSETS),
            counter_account=self._mostly(lambda: credit.counter_account, HOUSE, NOBODY),
            amount_atoms=self._mostly(lambda: credit.amount_atoms, 1),
            reference=self._reference(),
            origin=self._mostly(lambda: credit.reference, b"funds:1001:1", b"never"),
        )

    def operation(self) -> Command:
        """Accounts, assets and markets; what closes them is undone more often than done."""
        weights: dict[Callable[[], Command], int] = {
            self._account_create: 2,
            self._account_set: 5,
            self._freeze: 1,
            self._thaw: 6,
            self._asset_list: 2,
            self._asset_state: 2,
            self._market_list: 2,
            self._market_state: 2,
            self._market_reopen: 3,
            self._market_filters: 4,
            self._market_fees: 3,
            self.limits: 8,
            self._market_unlimited: 4,
        }
        return self._random.choices([*weights], weights=[*weights.values()])[0]()

    def _account_create(self) -> Command:
        return commands.AccountCreate(
            account_class=self._mostly(lambda: AccountClass.USER, AccountClass.MIRROR, AccountClass.FEES),
            tier=self._mostly(lambda: self._one(0, 1, 15), 16),
            permissions=self._permissions(),
            stp_group=self._one(0, 0, 1001, 7),
            owner=self._one(0, 1, (1 << 64) - 1),
            reference=self._reference(),
        )

    def _account_set(self) -> Command:
        return commands.AccountSet(
            account=self._account(),
            tier=self._mostly(lambda: self._one(0, 1), 15, 16),
            permissions=self._permissions(),
            stp_group=self._one(0, 0, 1001, 7),
        )

    def _freeze(self) -> Command:
        return commands.AccountFreeze(account=self._account(), frozen=True)

    def _thaw(self) -> Command:
        frozen = [account for account, each in self._state.accounts.items() if each.frozen]
        return commands.AccountFreeze(account=self._one(*frozen, self._account()), frozen=False)

    def _asset_list(self) -> Command:
        names = [b"NEW", b"XRP", b"BTC", b"lower", b"", b"A" * 16, b"A" * 17]
        return commands.AssetList(scale=self._one(0, 8, 18, 19), name=self._one(*names))

    def _asset_state(self) -> Command:
        states = [AssetStatus.ACTIVE, AssetStatus.ACTIVE, AssetStatus.SUSPENDED]
        return commands.AssetState(market=self._asset(), state=self._one(*states))

    def _market_list(self) -> Command:
        return commands.MarketList(
            base=self._asset(),
            quote=self._asset(),
            tick_atoms=self._one(1, 50, 100, 0, (1 << 64) - 1),
            lot_atoms=self._one(1, 4, 0, (1 << 64) - 1),
            filters=self._mostly(lambda: FILTERS, FILTERS._replace(max_orders=0)),
            state=self._one(*MarketStatus),
            symbol=self._one(b"NEWONE", b"NEWTWO", b"BTCUSD", b"bad", b"", b"A" * 32, b"A" * 33),
        )

    def _market_state(self) -> Command:
        """Delists mostly what has orders, which is refused, because nothing trades there again otherwise."""
        state = self._random.choices(list(MarketStatus), weights=[4, 2, 2, 4, 2, 2, 1])[0]
        busy = sorted({order.market for order in self._state.orders.values()})
        is_final = state == MarketStatus.DELISTED and busy
        market = self._mostly(lambda: self._one(*busy), *MARKETS) if is_final else self._market()
        return commands.MarketState(market=market, state=state)

    def _market_reopen(self) -> Command:
        closed = [
            at
            for at, market in enumerate(self._state.markets, start=1)
            if market.state != MarketStatus.TRADING
        ]
        return commands.MarketState(market=self._one(*closed, self._market()), state=MarketStatus.TRADING)

    def _market_filters(self) -> Command:
        usual = {
            "max_orders": self._one(1, 2, 75),
            "lot_min": self._one(1, 4),
            "notional_flags": self._one(0, 1, 2, 3),
        }
        odd = [
            {"price_min_ticks": 0},
            {"price_min_ticks": 121},
            {"price_max_ticks": 1 << 52},
            {"lot_min": 0},
            {"lot_max": 1 << 52},
            {"market_lot_min": 0},
            {"market_lot_max": 1},
            {"notional_min_atoms": 20_001},
            {"notional_min_atoms": 0, "notional_max_atoms": 0},
            {"notional_max_atoms": 1 << 110},
            {"notional_flags": 4},
        ]
        changes = self._mostly(lambda: usual, *odd)
        return commands.MarketFilters(market=self._market(), filters=FILTERS._replace(**changes))

    def _market_fees(self) -> Command:
        def rate() -> int:
            return self._one(0, self._random.randint(0, 300_000), self._one(0, 30_000_000))

        return commands.MarketFees(
            market=self._market(),
            component=self._one(*FeeComponent),
            tier=self._one(0, 0, 1, 15, 16),
            maker=rate(),
            taker=rate(),
            buyer=rate(),
            seller=rate(),
        )

    def limits(self) -> Command:
        usual = Limits(
            bid_up_e4=self._one(0, 10_300, 50_000),
            bid_down_e4=self._one(0, 9_600),
            ask_up_e4=self._one(0, 10_400),
            ask_down_e4=self._one(0, 9_700, 2_000),
            range_bid_up_e4=self._one(0, 10_200, 10_300),
            range_bid_down_e4=self._one(0, 9_000),
            range_ask_up_e4=self._one(0, 11_000),
            range_ask_down_e4=self._one(0, 9_700, 9_801),
            average_minutes=self._one(0, 1, 2, 60),
            pause_seconds=self._one(0, 1, 2),
            max_amends=self._one(0, 1, 2),
            max_position_atoms=self._one(0, 3_010, 1_000_000, 1_000_080),
            max_algo_orders=self._one(0, 1, 3),
            max_iceberg_orders=self._one(0, 1, 2),
            iceberg_parts=self._one(0, 2, 4),
            max_order_lists=self._one(0, 1, 2),
            trailing_above_min=self._one(0, 100),
            trailing_above_max=self._one(100, 300),
            trailing_below_max=self._one(0, 200),
        )
        odd = [
            {"average_minutes": 61},
            {"pause_seconds": 365 * 86_400 + 1},
            {"bid_up_e4": 1, "bid_down_e4": 2},
            {"range_ask_up_e4": 9_000, "range_ask_down_e4": 9_001},
            {"trailing_above_min": 2, "trailing_above_max": 1},
            {"trailing_below_min": 1},
            {"max_position_atoms": 1 << 110},
        ]
        return commands.MarketLimits(
            market=self._market(), limits=usual._replace(**self._mostly(dict[str, int], *odd))
        )

    def _market_unlimited(self) -> Command:
        return commands.MarketLimits(market=self._market(), limits=Limits())

    def of_the_sequencer(self) -> Command:
        return self._one(
            commands.Continue(),
            commands.Continue(),
            commands.Time(),
            commands.Time(),
            commands.SessionOpen(role=self._one(*Role), name=self._one(b"", b"gateway", b"x" * 22, b"a b")),
            commands.Rules(version=self._one(0, 1, 2, 3)),
            commands.TakeOver(epoch=self._state.epoch + self._one(0, 1, 2)),
        )

    def _one(self, *choices: T) -> T:
        return self._random.choice(choices)

    def _mostly(self, usual: Callable[[], T], *odd: T) -> T:
        return self._one(*odd) if self._random.random() < 0.04 else usual()

    def _trader(self) -> int:
        return self._mostly(lambda: self._one(*USERS[:3], *USERS), FEES, HOUSE, MIRROR, 0, NOBODY)

    def _account(self) -> int:
        return self._mostly(lambda: self._one(*USERS), HOUSE, FEES, LOSS, SUSPENSE, MIRROR, NOBODY)

    def _market(self) -> int:
        return self._mostly(lambda: self._one(1, 1, 2, 3), 0, 4, 9)

    def _asset(self) -> int:
        return self._mostly(lambda: self._one(*ASSETS), 0, 4, 9)

    def _price(self) -> int:
        return self._mostly(lambda: self._random.randint(96, 104), 79, 80, 120, 121, 1 << 63)

    def _lots(self) -> int:
        return self._mostly(lambda: self._random.randint(1, 20), 60, 61, (1 << 52) - 1, 1 << 63)

    def _budget(self) -> int:
        odd = [1, 89, 20_000, 20_001, (1 << 100) - 1, 1 << 100]
        return self._mostly(lambda: self._random.randint(90, 6_000), *odd)

    def _amount(self) -> int:
        odd = [0, (1 << 100) - 1, 1 << 100, (1 << 128) - 1]
        return self._mostly(lambda: self._random.randint(1, 3_000), *odd)

    def _permissions(self) -> Permission:
        usual = [EVERYTHING] * 6 + [Permission.TRADE, Permission.WITHDRAW]
        return self._mostly(lambda: self._one(*usual), Permission(8))

    def _client_id(self) -> bytes:
        names = [b"", b"", b"", b"", b"a", b"b", b"c", b"d/e:f-g_h.i", b"x" * 36]
        return self._mostly(lambda: self._one(*names), b"x" * 37, b"sp ace", b"\xff", b"nul\0")

    def _reference(self) -> bytes:
        odd = [b"", b"r" * 120, b"r" * 121, b"with space", b"\x7f"]
        return self._mostly(lambda: b"ref:%d" % self._random.randint(0, 300), *odd)

    def _target(self) -> tuple[int, bytes, int, int]:
        """Order id, client id, account and market of an order to change; mostly of an open one."""
        orders: Sequence[Order] = [*self._state.orders.values()]
        if not orders or self._random.random() < 0.1:
            return self._one(0, 1, 5, 1 << 53), self._client_id(), self._trader(), self._market()
        order = self._one(*orders)
        names = [(order.order_id, b""), (order.order_id, order.client_id), (0, order.client_id)]
        order_id, client_id = self._mostly(lambda: self._one(*names), (order.order_id, b"other"))
        account, market = (
            self._mostly(lambda: order.account, *USERS),
            self._mostly(lambda: order.market, *MARKETS),
        )
        return order_id, client_id, account, market
