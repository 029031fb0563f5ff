"""kill -9 in the middle of orders, again and again: what was answered is there, and nothing else.

The exchange is a process with gateway, match server, log and records; what it was asked and what it answered
is recorded by another one. After each kill it is started again on the same data, which so grows from cycle to
cycle, and its log is read by an engine of our own.
"""

import time
from pathlib import Path
from random import Random

import pytest

from cambist.control import verify
from cambist.engine.views import OrderView
from cambist.log.segments import segments
from cambist.money import format_atoms
from tests.e2e.audit import Audit
from tests.e2e.forked import Forked, started
from tests.e2e.load import Kind, Record, Request, load_until_killed
from tests.e2e.market import SYMBOL, Owner, create_exchange, report, settings_of

IN_FLIGHT_MIN = 8
SNAPSHOT_EVERY = 10  # kills; the next start begins there
TRADES = 200  # the newest of each user, compared after each kill
KILLED_WHILE_STARTING = 0.2  # part of the starts


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(50, marks=pytest.mark.timeout(1_800)),
        pytest.param(1_000, marks=[pytest.mark.long, pytest.mark.timeout(14_400)]),
    ],
)
def test_killed_under_load_it_forgets_nothing_and_invents_nothing(tmp_path: Path, kills: int) -> None:
    home = tmp_path / "home"
    owners = create_exchange(home)
    audit = Audit(settings_of(home).log_directory)
    record, sent, unanswered = Record(), set[str](), set[str]()
    for kill in range(kills + 1):
        chance = Random(kill)
        if chance.random() < KILLED_WHILE_STARTING:
            kill_while_it_starts(home, chance)
        with started(home) as exchange:
            audit.catch_up(exchange.wait(), sent)
            audit.check(record.replies)
            check_what_clients_see(exchange, owners, audit)
            if kill == kills:
                break
            keys = [owner.credentials for owner in owners]
            record, in_flight = load_until_killed(exchange.port, keys, f"k{kill}", chance, exchange.kill)
        assert in_flight >= IN_FLIGHT_MIN
        sent |= record.sent.keys()
        unanswered |= record.unanswered()
        if kill % SNAPSHOT_EVERY == SNAPSHOT_EVERY - 1:
            verify.make_snapshot(settings_of(home), None, report)
    found = verify.verify(settings_of(home), None, report)
    assert (found["problems"], len(found["snapshots"])) == ([], 2)
    assert len(segments(settings_of(home).log_directory)) > 1
    # Or the kills missed the moments between durable and answered, and between sent and durable.
    assert 0 < audit.executed(unanswered) < len(unanswered)
    print(
        f"{kills} kills: {len(sent) - len(unanswered)} answers kept; of {len(unanswered)} requests "
        f"without an answer {audit.executed(unanswered)} were executed"
    )


def test_the_audit_sees_what_it_is_there_to_see(tmp_path: Path) -> None:
    home = tmp_path / "home"
    keys = [owner.credentials for owner in create_exchange(home)]
    with started(home) as exchange:
        exchange.wait()
        record, _ = load_until_killed(exchange.port, keys, "k", Random(1), exchange.kill)
    with started(home) as exchange:
        position = exchange.wait()
    log_directory = settings_of(home).log_directory

    audit = Audit(log_directory)
    audit.catch_up(position, record.sent)
    audit.check(record.replies)
    placed = next(each for each in record.replies if (each.request.kind, each.status) == (Kind.PLACE, 200))
    lost = Request(Kind.PLACE, "lost", {})
    with pytest.raises(AssertionError, match="lost is lost"):
        audit.check([placed._replace(request=lost)])
    with pytest.raises(AssertionError, match="is another one now"):
        audit.check([placed._replace(body=placed.body | {"orderId": placed.body["orderId"] + 1})])
    with pytest.raises(AssertionError, match="was refused"):
        audit.check([placed._replace(status=400)])
    with pytest.raises(AssertionError, match="nobody has sent"):
        Audit(log_directory).catch_up(position, record.sent.keys() - {placed.request.name})
    with pytest.raises(AssertionError, match="have come apart"):
        Audit(log_directory).catch_up(position._replace(state_hash=bytes(16)), record.sent)


def kill_while_it_starts(home: Path, chance: Random) -> None:
    with started(home):
        time.sleep(chance.uniform(0, 0.2))


def check_what_clients_see(exchange: Forked, owners: list[Owner], audit: Audit) -> None:
    """Open orders, balances and own trades over REST are those of the audit's engine."""
    client = exchange.client()
    names = {asset: name for asset, name, *_ in audit.engine.assets()}
    for account, credentials in owners:
        orders = client.signed(credentials, "GET", "/api/v3/openOrders", symbol=SYMBOL)
        rows = [OrderView(*row) for row in audit.engine.open_orders(account)]
        assert {(order["orderId"], order["clientOrderId"]) for order in orders} == {
            (row.order_id, row.client_id.decode()) for row in rows
        }
        seen = client.signed(credentials, "GET", "/api/v3/account", omitZeroBalances="true")["balances"]
        assert {(each["asset"], each["free"], each["locked"]) for each in seen} == {
            (names[asset], format_atoms(available, 8), format_atoms(held, 8))
            for asset, available, held in audit.engine.balances(account)
        }
        trades = client.signed(credentials, "GET", "/api/v3/myTrades", symbol=SYMBOL, limit=TRADES)
        known = [
            (trade.trade_id, order)
            for trade in audit.trades
            for owner, order in (
                (trade.maker_account, trade.maker_order),
                (trade.taker_account, trade.taker_order),
            )
            if owner == account
        ]
        assert [(each["id"], each["orderId"]) for each in trades] == known[-TRADES:]
