"""The trial balance by asset and account class."""

from cambist._matching import Engine
from cambist.engine import commands, events
from cambist.engine.commands import (
    AccountClass,
    AccountCreate,
    AssetList,
    Credit,
    Permission,
    Role,
    SessionOpen,
)
from cambist.engine.events import Status
from cambist.ledger.trial_balance import AssetTotals, is_balanced, trial_balance


def test_what_users_own_is_what_the_mirror_has_paid_in():
    engine = Engine()
    run(engine, SessionOpen(role=Role.ADMIN))
    run(engine, AssetList(scale=8, name=b"BTC"))
    run(engine, AssetList(scale=2, name=b"EUR"))
    mirror = run(engine, account(AccountClass.MIRROR, b"mirror"))
    for nth in range(2):
        user = run(engine, account(AccountClass.USER, b"user-%d" % nth))
        run(
            engine,
            Credit(market=1, account=user, counter_account=mirror, amount_atoms=5, reference=b"%d" % nth),
        )
    bitcoin, euro = trial_balance(engine)
    assert (bitcoin.name, bitcoin.scale, euro.name, euro.scale) == ("BTC", 8, "EUR", 2)
    assert bitcoin.by_class[AccountClass.USER] == 10
    assert bitcoin.by_class[AccountClass.MIRROR] == -10
    assert is_balanced([bitcoin, euro])


def test_one_atom_too_many_is_no_balance():
    totals = AssetTotals("BTC", 8, {AccountClass.USER: 11, AccountClass.MIRROR: -10})
    assert totals.sum_atoms == 1
    assert not is_balanced([totals])


def run(engine: Engine, command: commands.Command) -> int:
    encoded = command.encode()
    if engine.sequence:
        commands.stamp(encoded, 1, engine.sequence)
    output = engine.apply(commands.batch(engine.sequence + 1, engine.time_ns, engine.epoch, [encoded]))
    answer = events.result(output)
    assert answer.status == Status.OK
    return answer.value


def account(account_class: AccountClass, reference: bytes) -> AccountCreate:
    return AccountCreate(account_class=account_class, permissions=Permission.TRADE, reference=reference)
