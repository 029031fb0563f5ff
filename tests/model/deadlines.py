"""What happens by itself when time passes (rules version 2): countdowns and pauses end."""

from cambist.engine.codes import CountdownState, MarketStatus
from cambist.engine.commands import Countdown
from cambist.engine.events import CountdownEvent

from . import stops
from .markets import tell_market
from .state import Pending, State
from .trading import cancel_step

DUE_PER_STEP = 16


def countdown(state: State, command: Countdown) -> int:
    state.account(command.account)
    if command.market:
        state.market(command.market)
    state.deadlines.pop((command.account, command.market), None)
    told = CountdownState.STOPPED
    if command.deadline_ns:
        state.deadlines[command.account, command.market] = command.deadline_ns
        told = CountdownState.SET
    state.events.append(CountdownEvent(command.market, told, command.account, command.deadline_ns))
    return command.account


def time_passes(state: State) -> tuple[int, bool]:
    """How many deadlines were dealt with, and whether more have passed."""
    due = sorted((at_ns, owner) for owner, at_ns in state.deadlines.items() if at_ns <= state.time_ns)
    for _, (account, market) in due[:DUE_PER_STEP]:
        del state.deadlines[account, market]
        if account:
            _cancel(state, account, market)
        else:
            state.market(market).state = MarketStatus.TRADING
            tell_market(state, market)
            stops.resume(state, market)
    return min(len(due), DUE_PER_STEP), len(due) > DUE_PER_STEP


def _cancel(state: State, account: int, market: int) -> None:
    state.events.append(CountdownEvent(market, CountdownState.FIRED, account, 0))
    work = Pending(account, market, state.last_order_id, state.sequence)
    _, more = cancel_step(state, work)
    if more:
        state.pending.append(work)
