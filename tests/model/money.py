"""Money that enters, leaves or moves without a trade."""

from collections.abc import Callable

from cambist.engine.codes import AccountClass, AssetStatus, HoldState, Kind, Permission, Status
from cambist.engine.commands import Credit, Money
from cambist.engine.events import HoldEvent

from .markets import tell_account
from .state import AMOUNT_LIMIT, BALANCE_LIMIT, LOSS, FirstUse, Hold, Refused, State, require

CREDITED = (AccountClass.USER, AccountClass.HOUSE, AccountClass.SUSPENSE)
TAKES_FEES = (AccountClass.FEES, AccountClass.HOUSE, AccountClass.WITHDRAWAL_FEES)


def check_amounts(command: Money) -> None:
    is_release, is_settle = command.kind == Kind.RELEASE, command.kind == Kind.SETTLE
    amount_is_sound = command.amount_atoms == 0 if is_release else 0 < command.amount_atoms < AMOUNT_LIMIT
    fee_is_sound = command.fee_atoms < (AMOUNT_LIMIT if is_settle else 1)
    require(amount_is_sound and fee_is_sound, Status.BAD_AMOUNT)


def run(state: State, command: Money) -> int:
    """Runs a money command whose reference is new; returns its sequence."""
    _ACTIONS[command.kind](state, command)
    state.references[command.reference] = FirstUse(command, state.sequence)
    return state.sequence


def _post(state: State, asset: int, payer: int, payee: int, atoms: int) -> None:
    state.ledger.receive(payer, asset, -atoms)
    state.ledger.receive(payee, asset, atoms)


def _check_room(state: State, command: Money) -> None:
    """No balance comes near the end of its range."""
    for account in (command.account, command.counter_account):
        available = state.ledger.available(account, command.market)
        require(abs(available) + command.amount_atoms < BALANCE_LIMIT, Status.BAD_AMOUNT)


def _credit(state: State, command: Money) -> None:
    counter = state.account(command.counter_account)
    require(counter.account_class == AccountClass.MIRROR, Status.WRONG_ACCOUNT_CLASS)
    require(state.account(command.account).account_class in CREDITED, Status.WRONG_ACCOUNT_CLASS)
    _check_room(state, command)
    _post(state, command.market, command.counter_account, command.account, command.amount_atoms)


def _reverse(state: State, command: Money) -> None:
    """The account gives what it has available, the loss account the rest."""
    account, counter = state.account(command.account), state.account(command.counter_account)
    require(counter.account_class == AccountClass.MIRROR, Status.WRONG_ACCOUNT_CLASS)
    require(account.account_class != AccountClass.MIRROR, Status.WRONG_ACCOUNT_CLASS)
    first = state.references.get(command.origin)
    require(first is not None and first.command == _credit_undone_by(command), Status.UNKNOWN_REFERENCE)
    require(command.origin not in state.reversed, Status.ALREADY_ENDED)

    given = min(command.amount_atoms, max(0, state.ledger.available(command.account, command.market)))
    if given:
        _post(state, command.market, command.account, command.counter_account, given)
    if given < command.amount_atoms:
        _post(state, command.market, LOSS, command.counter_account, command.amount_atoms - given)
    state.reversed.add(command.origin)
    if account.is_customer:
        account.frozen = True
        tell_account(state, command.account)


def _credit_undone_by(command: Money) -> Credit:
    return Credit(
        account=command.account,
        market=command.market,
        counter_account=command.counter_account,
        amount_atoms=command.amount_atoms,
        reference=command.origin,
    )


def _hold(state: State, command: Money) -> None:
    account = state.account(command.account)
    require(account.is_customer, Status.WRONG_ACCOUNT_CLASS)
    require(not account.frozen, Status.ACCOUNT_FROZEN)
    require(Permission.WITHDRAW in account.permissions, Status.ACCOUNT_MAY_NOT)
    require(state.asset(command.market).state == AssetStatus.ACTIVE, Status.ASSET_SUSPENDED)
    enough = state.ledger.available(command.account, command.market) >= command.amount_atoms
    require(enough, Status.INSUFFICIENT_BALANCE)
    state.ledger.hold(command.account, command.market, command.amount_atoms)
    state.holds[command.reference] = Hold(command.account, command.market, command.amount_atoms)
    _tell_hold(state, command.reference, HoldState.HELD)


def _open_hold(state: State, command: Money) -> Hold:
    hold = state.holds.get(command.origin)
    if hold is None:
        ended = command.origin in state.references
        raise Refused(Status.ALREADY_ENDED if ended else Status.UNKNOWN_REFERENCE)
    require((hold.account, hold.asset) == (command.account, command.market), Status.UNKNOWN_REFERENCE)
    return hold


def _settle(state: State, command: Money) -> None:
    counter = state.account(command.counter_account)
    require(counter.account_class == AccountClass.MIRROR, Status.WRONG_ACCOUNT_CLASS)
    if command.fee_atoms:
        fee_class = state.account(command.fee_account).account_class
        require(fee_class in TAKES_FEES, Status.WRONG_ACCOUNT_CLASS)
    hold = _open_hold(state, command)
    require(command.amount_atoms + command.fee_atoms == hold.amount_atoms, Status.BAD_AMOUNT)
    state.ledger.pay_held(command.account, command.market, hold.amount_atoms)
    state.ledger.receive(command.counter_account, command.market, command.amount_atoms)
    if command.fee_atoms:
        state.ledger.receive(command.fee_account, command.market, command.fee_atoms)
    _tell_hold(state, command.origin, HoldState.SETTLED)
    del state.holds[command.origin]


def _release(state: State, command: Money) -> None:
    hold = _open_hold(state, command)
    state.ledger.release(command.account, command.market, hold.amount_atoms)
    _tell_hold(state, command.origin, HoldState.RELEASED)
    del state.holds[command.origin]


def _tell_hold(state: State, reference: bytes, hold_state: HoldState) -> None:
    """The model names a hold by its whole reference; the engine by a digest of it."""
    hold = state.holds[reference]
    state.events.append(HoldEvent(hold.asset, hold_state, hold.account, hold.amount_atoms, reference))


def _move(state: State, command: Money) -> None:
    classes = {state.account(each).account_class for each in (command.account, command.counter_account)}
    require(AccountClass.MIRROR not in classes, Status.WRONG_ACCOUNT_CLASS)
    require(command.account != command.counter_account, Status.WRONG_ACCOUNT_CLASS)
    require(not state.account(command.account).frozen, Status.ACCOUNT_FROZEN)
    _transfer(state, command)


def _correct(state: State, command: Money) -> None:
    state.account(command.counter_account)
    require(command.account != command.counter_account, Status.WRONG_ACCOUNT_CLASS)
    _transfer(state, command)


def _transfer(state: State, command: Money) -> None:
    available = state.ledger.available(command.account, command.market)
    may_pay = state.account(command.account).may_owe or available >= command.amount_atoms
    require(may_pay, Status.INSUFFICIENT_BALANCE)
    _check_room(state, command)
    _post(state, command.market, command.account, command.counter_account, command.amount_atoms)


_ACTIONS: dict[Kind, Callable[[State, Money], None]] = {
    Kind.CREDIT: _credit,
    Kind.REVERSE: _reverse,
    Kind.HOLD: _hold,
    Kind.SETTLE: _settle,
    Kind.RELEASE: _release,
    Kind.MOVE: _move,
    Kind.CORRECTION: _correct,
}
