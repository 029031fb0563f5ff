"""The checks can fail: with any one rule of the model switched off or bent, a short history notices.

What is bent is the model, because the engine is compiled; a comparison cannot tell which of the two is wrong.
"""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import pytest
from msgspec.structs import replace

from cambist.engine.codes import MarketStatus, OrderType, Side, Status, StpMode
from cambist.engine.commands import Command, Place
from tests.model import deadlines, limits, markets, model, money, plans, shapes, special, stops, trading
from tests.model.state import Account, Ledger, Market, Order, State

from .mixes import Mix
from .pair import Pair

HISTORIES, COMMANDS = 40, 400  # the most that any fault stays unnoticed, with room
MAKERS = [Mix.any, Mix.order, Mix.money, Mix.operation, Mix.order, Mix.money, Mix.amend, Mix.of_the_sequencer]
# What only markets with limits show; limits stay for a while.
OF_LIMITS = [Mix.limits, *[Mix.order] * 12, *[Mix.list_place] * 8, *[Mix.amend] * 4]

GUARDS: dict[ModuleType, list[Status]] = {
    trading: [
        Status.WRONG_ACCOUNT_CLASS,
        Status.ACCOUNT_FROZEN,
        Status.ACCOUNT_MAY_NOT,
        Status.MARKET_CLOSED,
        Status.MAX_NUM_ORDERS,
        Status.DUPLICATE_CLIENT_ID,
        Status.WOULD_TAKE,
        Status.INSUFFICIENT_BALANCE,
        Status.UNKNOWN_ORDER,
        Status.AMEND_NOT_SMALLER,
        Status.LOT_SIZE,
        Status.MAX_NUM_ORDER_AMENDS,
    ],
    special: [
        Status.PRICE_FILTER,
        Status.LOT_SIZE,
        Status.NO_LAST_PRICE,
        Status.WOULD_TRIGGER,
        Status.BAD_LIST_PRICES,
        Status.INSUFFICIENT_BALANCE,
        Status.DUPLICATE_CLIENT_ID,
        Status.UNKNOWN_LIST,
    ],
    limits: [
        Status.PERCENT_PRICE_BY_SIDE,
        Status.MAX_POSITION,
        Status.BAD_LIMITS,
        Status.MAX_NUM_ALGO_ORDERS,
        Status.ICEBERG_PARTS,
        Status.TRAILING_DELTA,
    ],
    markets: [
        Status.PRICE_FILTER,
        Status.LOT_SIZE,
        Status.MARKET_LOT_SIZE,
        Status.NOTIONAL,
        Status.ALREADY_LISTED,
        Status.BAD_LISTING,
        Status.BAD_FILTERS,
        Status.BAD_STATE,
        Status.BAD_FEES,
        Status.WRONG_ACCOUNT_CLASS,
    ],
    money: [
        Status.BAD_AMOUNT,
        Status.WRONG_ACCOUNT_CLASS,
        Status.ACCOUNT_FROZEN,
        Status.ACCOUNT_MAY_NOT,
        Status.ASSET_SUSPENDED,
        Status.INSUFFICIENT_BALANCE,
        Status.UNKNOWN_REFERENCE,
        Status.ALREADY_ENDED,
    ],
    model: [Status.REFERENCE_CONFLICT, Status.WRONG_EPOCH, Status.UNKNOWN_RULES],
    shapes: [Status.MALFORMED],
}


def is_noticed(makers: Sequence[Callable[[Mix], Command]] = MAKERS, histories: int = HISTORIES) -> bool:
    """Whether a history on a bent model comes to a difference, a broken invariant or an error."""
    for seed in range(histories):
        pair = Pair.open()
        mix = pair.mix(seed)
        try:
            for nth in range(COMMANDS):
                pair.send(makers[nth % len(makers)](mix))
                pair.pass_time(100_000_000)
        except (AssertionError, ArithmeticError, LookupError, TypeError, ValueError):
            return True
    return False


def test_unbent_nothing_is_noticed():
    assert not is_noticed(histories=6)


@pytest.mark.parametrize(
    ("module", "guard"),
    [(module, guard) for module, guards in GUARDS.items() for guard in guards],
    ids=lambda value: value.name if isinstance(value, Status) else value.__name__.rpartition(".")[2],
)
def test_a_guard_switched_off_is_noticed(monkeypatch, module: ModuleType, guard: Status):
    require = module.require

    def all_but_one(condition: bool, otherwise: Status) -> None:
        require(condition or otherwise == guard, otherwise)

    monkeypatch.setattr(module, "require", all_but_one)
    of_limits = module is limits or guard == Status.MAX_NUM_ORDER_AMENDS
    assert is_noticed(OF_LIMITS if of_limits else MAKERS)


def _newest_first(self: State, market: int, side: Side) -> list[Order]:
    sign = -1 if side == Side.BUY else 1
    orders = self.open_orders(market=market, side=side)
    return sorted(orders, key=lambda order: (sign * order.price_ticks, -order.order_id))


def _worst_first(self: State, market: int, side: Side) -> list[Order]:
    return sorted(self.open_orders(market=market, side=side), key=lambda order: order.order_id)


def _fee_rounded_down(*arguments: Any, **how: Any) -> int:
    return max(0, UNBENT_FEE(*arguments, **how) - 1)


def _plan_without_prevention(state: State, market: Market, command: Place) -> plans.Plan:
    return UNBENT_PLAN(state, market, replace(command, stp_mode=StpMode.NONE))


def _forgotten(*_: Any, **__: Any) -> None:
    return None


def _the_other_way(order_type: OrderType, side: Side) -> bool:
    return not UNBENT_WAY(order_type, side)


def _nobody(*_: Any, **__: Any) -> int:
    return 0


def _always(*_: Any, **__: Any) -> bool:
    return True


UNBENT_WAY = stops.waits_for_rise
UNBENT_FEE, UNBENT_PLAN = markets.fee_atoms, plans.make_plan

FAULTS: dict[str, tuple[object, str, Any]] = {
    "the newest order at a price fills first": (State, "queue", _newest_first),
    "the price has no priority": (State, "queue", _worst_first),
    "fees are rounded down": (trading, "fee_atoms", _fee_rounded_down),
    "self-trades happen": (plans, "make_plan", _plan_without_prevention),
    "what is held is never released": (Ledger, "release", _forgotten),
    "a fill pays nothing": (Ledger, "pay_held", _forgotten),
    "levels are not told": (trading, "tell_level", _forgotten),
    "fees go to the house": (trading, "FEES", 2),
    "losses are the fee account's": (money, "LOSS", 1),
    "a cancel-all step is one order short": (trading, "CANCELS_PER_STEP", 1),
    "a taker stops at its second maker": (plans, "MAKERS_MAX", 1),
    "everybody is a customer": (Account, "is_customer", True),
    "nobody may owe": (Account, "may_owe", False),
    "a reversal freezes in silence": (money, "tell_account", _forgotten),
    "holds are kept in silence": (money, "_tell_hold", _forgotten),
    "a stop waits for the other direction": (stops, "waits_for_rise", _the_other_way),
    "prices trigger nothing": (stops, "_make_due", _forgotten),
    "what follows the price forgets where it was": (stops, "_follow", _forgotten),
    "triggers are told in silence": (stops, "tell_start", _forgotten),
    "both of a pair are executed": (special, "part_with_other", _forgotten),
    "the others of a list stay when one ends": (special, "leave_list", _nobody),
    "a pair holds twice": (special, "other_of_pair", _forgotten),
    "prevented matches are not told": (trading, "_tell_prevented", _forgotten),
    "markets trade at every price": (plans, "may_trade_at", _always),
    "markets never pause": (trading, "pause", _forgotten),
    "trades are not remembered": (trading, "remember_trade", _forgotten),
    "countdowns fire in silence": (deadlines, "CountdownEvent", _forgotten),
    "a market that opens lets orders rest only": (trading, "RESTING", tuple(MarketStatus)),
}

OF_REFERENCES = {"markets trade at every price", "markets never pause", "trades are not remembered"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bent_rule_is_noticed(monkeypatch, fault: str):
    monkeypatch.setattr(*FAULTS[fault])
    assert is_noticed(OF_LIMITS if fault in OF_REFERENCES else MAKERS)
