"""The model's one entry, `apply`: sessions and references first, then the command's own rules."""

from dataclasses import dataclass, field
from struct import Struct
from typing import NamedTuple

from cambist.engine import commands
from cambist.engine.codes import Kind, MarketStatus, Role, Status
from cambist.engine.commands import Command
from cambist.engine.events import EpochEvent, Event, Result, RulesEvent, SessionEvent

from . import deadlines, limits, markets, money, special, stops, trading
from .queries import Queries
from .shapes import parse
from .state import Refused, State, require

WINDOW = 4_096  # results kept per session
SESSIONS_MAX = 1_024
RULES_NEWEST = 2

_HEADER = Struct("<2xBxIQ")  # kind, session, number
_TRADING = range(Kind.PLACE, Kind.AMEND + 1)
_TRADING_2 = (Kind.LIST_PLACE, Kind.LIST_CANCEL, Kind.COUNTDOWN)
_RUN_WHAT_IS_DUE = (Kind.PLACE, Kind.CANCEL_REPLACE, Kind.LIST_PLACE)
_WALLET = range(Kind.CREDIT, Kind.RELEASE + 1)
_MAY_SEND = {
    Role.TRADE: _TRADING,
    Role.WALLET: _WALLET,
    Role.FIAT: _WALLET,
    Role.ADMIN: range(Kind.SESSION_OPEN),
}
_OF_THE_SEQUENCER = (Kind.SESSION_OPEN, Kind.TAKE_OVER, Kind.RULES, Kind.TIME, Kind.CONTINUE)


class Outcome(NamedTuple):
    status: Status
    value: int = 0
    more: bool = False
    repeat: bool = False


@dataclass
class Session:
    role: Role
    last_used: int
    last_number: int = 0
    kept: dict[int, tuple[int, Outcome]] = field(default_factory=dict)  # slot -> number, its outcome


class Model(Queries):
    """Takes the commands that the engine takes, one at a time, and answers with the same events."""

    def __init__(self) -> None:
        self.state = State()
        self._sessions: dict[int, Session] = {}
        self._sessions_opened = 0

    def apply(self, sequence: int, time_ns: int, command: bytes) -> tuple[Result, list[Event]]:
        """Runs one encoded and stamped command; returns its result and its events."""
        state = self.state
        if sequence != state.sequence + 1 or time_ns < state.time_ns:
            raise ValueError(f"sequence {sequence} at {time_ns} after {state.sequence} at {state.time_ns}")
        state.sequence, state.time_ns, state.events, state.touched = sequence, time_ns, [], 0
        kind, session, number = _HEADER.unpack_from(command)
        if session:
            outcome = self._once(session, number, kind, command)
        else:
            is_own = kind in _OF_THE_SEQUENCER
            outcome = self._run(command) if is_own else Outcome(Status.UNKNOWN_SESSION)
        status, value, more, repeat = outcome
        result = Result(kind, status, repeat, more, session, number, sequence, time_ns, value)
        return result, state.events + state.ledger.changes()

    def _once(self, session_id: int, number: int, kind: int, command: bytes) -> Outcome:
        """Runs a new number of a session; an old one gets its first answer again, if that is still kept."""
        session = self._sessions.get(session_id)
        if session is None:
            return Outcome(Status.UNKNOWN_SESSION)
        if number <= session.last_number:
            kept_number, outcome = session.kept.get(number % WINDOW, (0, Outcome(Status.OK)))
            is_kept = kept_number == number != 0
            return outcome._replace(repeat=True) if is_kept else Outcome(Status.STALE_NUMBER)
        session.last_number, session.last_used = number, self.state.sequence
        of_version_2 = _TRADING_2 if self.state.rules >= 2 and session.role == Role.TRADE else ()
        may_send = kind in _MAY_SEND[session.role] or kind in of_version_2
        outcome = self._run(command) if may_send else Outcome(Status.NOT_PERMITTED)
        session.kept[number % WINDOW] = (number, outcome)
        return outcome

    def _run(self, raw: bytes) -> Outcome:
        try:
            outcome = self._decide(parse(raw, self.state.rules))
            if raw[2] in _RUN_WHAT_IS_DUE:
                stops.run_due(self.state)
            return outcome
        except Refused as refusal:
            return Outcome(refusal.status)

    def _decide(self, command: Command) -> Outcome:
        state = self.state
        match command:
            case commands.Place():
                return Outcome(Status.OK, trading.place(state, command))
            case commands.Cancel():
                return Outcome(Status.OK, trading.cancel(state, command))
            case commands.CancelAll():
                return Outcome(Status.OK, *trading.cancel_all(state, command))
            case commands.CancelReplace():
                return Outcome(*trading.cancel_replace(state, command))
            case commands.Amend():
                return Outcome(Status.OK, trading.amend(state, command))
            case commands.ListPlace():
                return Outcome(Status.OK, special.place_list(state, command))
            case commands.ListCancel():
                return Outcome(Status.OK, special.cancel_list(state, command))
            case commands.Money():
                money.check_amounts(command)
                state.account(command.account)
                state.asset(command.market)
                return self._first_use(command) or Outcome(Status.OK, money.run(state, command))
            case commands.AccountCreate():
                return self._first_use(command) or Outcome(Status.OK, markets.account_create(state, command))
            case commands.AccountSet():
                return Outcome(Status.OK, markets.account_set(state, command))
            case commands.AccountFreeze():
                return Outcome(Status.OK, markets.account_freeze(state, command))
            case commands.Countdown():
                return Outcome(Status.OK, deadlines.countdown(state, command))
            case commands.AssetList():
                return Outcome(Status.OK, markets.asset_list(state, command))
            case commands.AssetState():
                return Outcome(Status.OK, markets.asset_state(state, command))
            case commands.MarketList():
                return Outcome(Status.OK, markets.market_list(state, command))
            case commands.MarketState():
                market = markets.market_state(state, command)
                if command.state == MarketStatus.TRADING:
                    stops.resume(state, market)
                return Outcome(Status.OK, market)
            case commands.MarketFilters():
                return Outcome(Status.OK, markets.market_filters(state, command))
            case commands.MarketFees():
                return Outcome(Status.OK, markets.market_fees(state, command))
            case commands.MarketLimits():
                return Outcome(Status.OK, limits.market_limits(state, command))
            case commands.SessionOpen():
                return Outcome(Status.OK, self._open_session(command))
            case commands.TakeOver():
                require(command.epoch == state.epoch + 1, Status.WRONG_EPOCH)
                state.epoch = command.epoch
                state.events.append(EpochEvent(command.epoch))
                return Outcome(Status.OK, command.epoch)
            case commands.Rules():
                require(state.rules <= command.version <= RULES_NEWEST, Status.UNKNOWN_RULES)
                state.rules = command.version
                state.events.append(RulesEvent(command.version))
                return Outcome(Status.OK, command.version)
            case commands.Continue():
                return Outcome(Status.OK, *trading.go_on(state))
        return Outcome(Status.OK, *deadlines.time_passes(state))

    def _first_use(self, command: commands.Money | commands.AccountCreate) -> Outcome | None:
        """The answer that the command's reference got when it was used first; None if it is new."""
        first = self.state.references.get(command.reference)
        if first is None:
            return None
        require(first.command == command, Status.REFERENCE_CONFLICT)
        return Outcome(Status.OK, first.value, repeat=True)

    def _open_session(self, command: commands.SessionOpen) -> int:
        """The session unused longest makes room when there are too many."""
        if len(self._sessions) == SESSIONS_MAX:
            del self._sessions[min(self._sessions, key=lambda each: self._sessions[each].last_used)]
        self._sessions_opened += 1
        self._sessions[self._sessions_opened] = Session(command.role, self.state.sequence)
        self.state.events.append(SessionEvent(self._sessions_opened, command.role, command.name))
        return self._sessions_opened
