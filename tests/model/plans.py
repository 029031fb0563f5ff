"""Whom a taker meets, and what comes of it: decided as a whole before anything happens."""

from collections import deque
from enum import Enum, auto
from itertools import groupby
from typing import NamedTuple

from cambist.engine.codes import Side, StpMode
from cambist.engine.commands import Place

from .limits import may_trade_at, reference_ticks
from .state import Market, Order, State, has_limit

MAKERS_MAX = 20_000  # makers that one command touches


class Fill(NamedTuple):
    maker: Order
    lots: int


class Prevent(NamedTuple):
    """Self-trade prevention: the lots that either order loses."""

    maker: Order
    taker_lots: int
    maker_lots: int


class Ending(Enum):
    """Why a taker stops."""

    NOTHING_LEFT = auto()  # nothing to execute, or a budget too small for one more lot
    NO_MAKER = auto()
    SELF_TRADE = auto()
    TOO_MANY_MAKERS = auto()
    OUT_OF_RANGE = auto()  # the market does not trade at the next maker's price now


class Plan(NamedTuple):
    """Everything that will happen to the makers, decided before anything does."""

    steps: list[Fill | Prevent]
    ending: Ending
    left_budget: int
    touched: int  # makers

    @property
    def fills(self) -> list[Fill]:
        return [step for step in self.steps if isinstance(step, Fill)]

    @property
    def lots(self) -> int:
        return sum(fill.lots for fill in self.fills)

    def quote_atoms(self, market: Market) -> int:
        return sum(market.notional(fill.maker.price_ticks, fill.lots) for fill in self.fills)


def acceptable_makers(state: State, command: Place) -> list[Order]:
    """Orders of the other side at prices that the taker accepts, in the order in which it meets them."""
    makers = state.queue(command.market, Side(1 - command.side))
    if not has_limit(command.order_type):
        return makers
    if command.side == Side.BUY:
        return [maker for maker in makers if maker.price_ticks <= command.price_ticks]
    return [maker for maker in makers if maker.price_ticks >= command.price_ticks]


class Part(NamedTuple):
    """What a taker meets of a maker at once, and what the maker still hides behind everybody else."""

    maker: Order
    shown: int
    hidden: int

    def next(self) -> "Part":
        shown = min(self.maker.iceberg_lots, self.hidden)
        return Part(self.maker, shown, self.hidden - shown)


def make_plan(state: State, market: Market, command: Place) -> Plan:
    group = state.accounts[command.account].stp_group
    left_lots, left_budget, touched = command.quantity_lots, command.quote_budget_atoms, 0
    reference = reference_ticks(state, market)
    steps: list[Fill | Prevent] = []
    makers = acceptable_makers(state, command)
    for price_ticks, level in groupby(makers, key=lambda maker: maker.price_ticks):
        lot_atoms = market.notional(price_ticks, 1)
        line = deque(
            Part(maker, maker.visible_lots, maker.remaining_lots - maker.visible_lots) for maker in level
        )
        while line:
            part = line.popleft()
            maker = part.maker
            wanted = left_budget // lot_atoms if command.quote_budget_atoms else left_lots
            if wanted == 0:
                return Plan(steps, Ending.NOTHING_LEFT, left_budget, touched)
            if not may_trade_at(market, command.side, price_ticks, reference):
                return Plan(steps, Ending.OUT_OF_RANGE, left_budget, touched)
            if touched == MAKERS_MAX:
                return Plan(steps, Ending.TOO_MANY_MAKERS, left_budget, touched)
            touched += 1
            lots = min(wanted, part.shown)
            is_own = state.accounts[maker.account].stp_group == group
            if command.stp_mode != StpMode.NONE and is_own:
                # A budget has no lots of its own: of it, what it wanted of this maker is prevented.
                expiring_lots = lots if command.quote_budget_atoms else left_lots
                match command.stp_mode:
                    case StpMode.EXPIRE_TAKER:
                        steps.append(Prevent(maker, expiring_lots, 0))
                        return Plan(steps, Ending.SELF_TRADE, left_budget, touched)
                    case StpMode.EXPIRE_MAKER:
                        steps.append(Prevent(maker, 0, maker.remaining_lots))
                        continue
                    case StpMode.EXPIRE_BOTH:
                        steps.append(Prevent(maker, expiring_lots, maker.remaining_lots))
                        return Plan(steps, Ending.SELF_TRADE, left_budget, touched)
                steps.append(Prevent(maker, lots, lots))
                if lots == wanted:
                    return Plan(steps, Ending.SELF_TRADE, left_budget, touched)
            else:
                steps.append(Fill(maker, lots))
                if lots < part.shown:
                    return Plan(steps, Ending.NOTHING_LEFT, left_budget - lots * lot_atoms, touched)
            left_lots -= lots
            left_budget -= lots * lot_atoms
            if part.hidden:
                line.append(part.next())
    return Plan(steps, Ending.NO_MAKER, left_budget, touched)
