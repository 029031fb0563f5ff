"""Stopped or killed and opened again: every balance, order, trade and answer is where it was."""

import json
import shutil
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import text

from cambist import app
from cambist.accounts import users
from cambist.control.exchange import Caller, Exchange
from cambist.control.markets import AddAsset, AddMarket
from cambist.control.records import ShowAudit, ShowRecords
from cambist.control.sandbox import CreditSandbox
from cambist.control.users import CreateUser, FreezeUser, account_of
from cambist.control.verify import make_snapshot, verify
from cambist.engine import events
from cambist.engine.commands import OrderType, Place, Role, Side, TimeInForce
from cambist.engine.events import Status
from cambist.engine.views import MarketView
from cambist.errors import Broken
from cambist.log.errors import LogInUse
from cambist.settings import Settings
from cambist.store.sqlite import open_database
from tests.integration.operator import Operator

ANN, BOB = "ann@example.org", "bob@example.org"


def quiet(done: int, total: int) -> None:
    pass


OPERATOR = Caller("operator", quiet)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """An exchange on which Ann and Bob have traded and left orders behind; nobody has it open."""
    operator = Operator(tmp_path / "home")
    for name, value in operator.environment.items():
        monkeypatch.setenv(name, value)
    settings = app.create_exchange(operator.home, sandbox=True)
    with closing(opened(settings)) as exchange:
        prepare(exchange)
        trade(exchange)
    return settings


def opened(settings: Settings) -> Exchange:
    return app.open_exchange(settings, quiet)


def prepare(exchange: Exchange) -> None:
    for asset in ("BTC", "USDT"):
        AddAsset(name=asset).perform(exchange, OPERATOR)
    AddMarket(base="BTC", quote="USDT", tick="0.01", lot="0.00001").perform(exchange, OPERATOR)
    for email in (ANN, BOB):
        CreateUser(email=email).perform(exchange, OPERATOR)
        for asset, amount in (("BTC", "10"), ("USDT", "100000")):
            credit = CreditSandbox(email=email, asset=asset, amount=amount, reference=f"{email}-{asset}")
            credit.perform(exchange, OPERATOR)


def account(exchange: Exchange, email: str) -> int:
    return account_of(users.get(exchange.records, email))


def order(
    exchange: Exchange, email: str, side: Side, price: int, lots: int, client_id: bytes = b""
) -> bytearray:
    return Place(
        account=account(exchange, email),
        market=1,
        side=side,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price_ticks=price,
        quantity_lots=lots,
        client_id=client_id,
    ).encode()


def trade(exchange: Exchange, round: bytes = b"1") -> None:
    """Two trades, a closed order each, and orders that rest on both sides."""
    port = exchange.server.open_port(Role.TRADE, "test")
    for command in (
        order(exchange, ANN, Side.SELL, 6_500_000, 1_000, b"first-" + round),
        order(exchange, ANN, Side.SELL, 6_600_000, 2_000, b"second-" + round),
        order(exchange, BOB, Side.BUY, 6_550_000, 1_500),
        order(exchange, BOB, Side.BUY, 6_400_000, 3_000, b"third-" + round),
        order(exchange, ANN, Side.SELL, 6_550_000, 200),
    ):
        assert events.result(port.call(command)).status == Status.OK


def everything(exchange: Exchange) -> dict[str, Any]:
    """What users could ask for, and the hash that stands for the rest."""
    ann, bob = account(exchange, ANN), account(exchange, BOB)
    return exchange.query(
        lambda engine: {
            "balances": [engine.balances(who) for who in (ann, bob)],
            "orders": [engine.open_orders(who) for who in (ann, bob)],
            "depth": engine.depth(1, 100),
            "markets": engine.markets(),
            "last_trade": MarketView.of(engine.markets()[0]).last_trade_id,
            "sequence": engine.sequence,
            "event_hash": engine.event_hash,
            "state_hash": engine.state_hash(),
        }
    )


def killed(settings: Settings, exchange: Exchange) -> Settings:
    """The data directory as a kill at this moment leaves it: nothing sealed, nothing closed."""
    home = settings.home.with_name("killed")
    shutil.copytree(settings.home, home)
    return Settings.load(home)


def test_a_stop_and_a_start_change_nothing(settings):
    with closing(opened(settings)) as exchange:
        before = everything(exchange)
    with closing(opened(settings)) as exchange:
        assert everything(exchange) == before
    assert [len(orders) for orders in before["orders"]] == [1, 2]


def test_a_kill_and_a_start_change_nothing(settings):
    with closing(opened(settings)) as exchange:
        trade(exchange, b"2")
        before = everything(exchange)
        copy = killed(settings, exchange)
    with closing(opened(copy)) as exchange:
        assert everything(exchange) == before


def test_trading_goes_on_with_the_next_numbers(settings):
    with closing(opened(settings)) as exchange:
        before = everything(exchange)
        port = exchange.server.open_port(Role.TRADE, "test")
        answer = events.result(port.call(order(exchange, BOB, Side.BUY, 6_600_000, 100)))
        after = everything(exchange)
    assert (answer.status, answer.number) == (Status.OK, 1)
    assert (before["last_trade"], after["last_trade"]) == (2, 3)


def test_a_reference_is_still_known_after_a_restart(settings):
    with closing(opened(settings)) as exchange:
        before = everything(exchange)["balances"]
        CreditSandbox(email=ANN, asset="BTC", amount="10", reference=f"{ANN}-BTC").perform(exchange, OPERATOR)
        assert everything(exchange)["balances"] == before


def test_a_start_from_a_snapshot_leads_to_the_same_state(settings):
    with closing(opened(settings)) as exchange:
        make_snapshot(settings, None, quiet)
        trade(exchange, b"2")
        before = everything(exchange)
        copy = killed(settings, exchange)
    with closing(opened(copy)) as exchange:
        assert everything(exchange) == before
    assert verify(copy, None, quiet)["problems"] == []


def test_a_start_needs_only_the_log_behind_its_snapshot(settings):
    reported: list[int] = []
    with closing(opened(settings)) as exchange:
        before = everything(exchange)
    make_snapshot(settings, None, quiet)
    with closing(app.open_exchange(settings, lambda done, total: reported.append(done))) as exchange:
        assert everything(exchange) == before
    assert reported == []


def test_a_damaged_snapshot_is_passed_over(settings, caplog):
    make_snapshot(settings, None, quiet)
    (file,) = settings.snapshots_directory.glob("*.snapshot")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with closing(opened(settings)) as exchange:
        assert everything(exchange)["last_trade"] == 2
    assert "passed over a snapshot" in caplog.text


def test_a_snapshot_of_another_log_stops_the_start(settings, tmp_path):
    make_snapshot(settings, None, quiet)
    (file,) = settings.snapshots_directory.glob("*.snapshot")
    other = app.create_exchange(tmp_path / "other", sandbox=True)
    other.snapshots_directory.mkdir()
    shutil.copy(file, other.snapshots_directory)
    with pytest.raises(Broken, match="belongs to another log"):
        opened(other)


def test_a_log_that_ends_before_its_snapshot_stops_the_start(settings):
    old_log = settings.home / "old-log"
    shutil.copytree(settings.log_directory, old_log)
    with closing(opened(settings)) as exchange:
        trade(exchange, b"2")
    make_snapshot(settings, None, quiet)
    shutil.rmtree(settings.log_directory)
    old_log.rename(settings.log_directory)
    with pytest.raises(Broken, match="the log ends at sequence"):
        opened(settings)


def test_a_start_that_failed_leaves_the_directory_free(settings):
    settings.records_file.rename(settings.home / "aside.db")
    for _ in range(2):
        with pytest.raises(Exception, match="missing or empty"):
            opened(settings)
    (settings.home / "aside.db").rename(settings.records_file)
    opened(settings).close()


def test_records_and_log_of_different_exchanges_do_not_start_together(settings, tmp_path):
    other = app.create_exchange(tmp_path / "other", sandbox=True)
    shutil.rmtree(settings.log_directory)
    other.log_directory.rename(settings.log_directory)
    with pytest.raises(Exception, match="belongs to log"):
        opened(settings)


def test_two_cannot_have_it_open_at_once(settings):
    with closing(opened(settings)), pytest.raises(LogInUse):
        opened(settings)


def test_a_frozen_user_stays_frozen(settings):
    with closing(opened(settings)) as exchange:
        FreezeUser(email=ANN, frozen=True).perform(exchange, OPERATOR)
    with closing(opened(settings)) as exchange:
        ann = account(exchange, ANN)
        row = exchange.query(lambda engine: engine.account(ann))
    assert row is not None and row[3] is True


def test_a_user_whose_creation_was_cut_off_is_there_after_the_next_start(settings, monkeypatch):
    with closing(opened(settings)) as exchange:
        call = exchange.courier._desk.call

        def cut(command):
            call(command)
            raise KeyboardInterrupt

        monkeypatch.setattr(exchange.courier._desk, "call", cut)
        with pytest.raises(KeyboardInterrupt):
            CreateUser(email="cut@example.org").perform(exchange, OPERATOR)
        assert users.get(exchange.records, "cut@example.org").account is None
    with closing(opened(settings)) as exchange:
        assert users.get(exchange.records, "cut@example.org").account is not None
        assert ShowRecords().perform(exchange, OPERATOR)["commands_without_answer"] == 0


def test_who_changed_what_is_in_the_audit_trail_and_a_bent_trail_is_found(settings):
    with closing(opened(settings)) as exchange:
        before = ShowAudit().perform(exchange, OPERATOR)[-1]["row"]
        FreezeUser(email=ANN, frozen=True).perform(exchange, OPERATOR)
        (row,) = ShowAudit(after=before).perform(exchange, OPERATOR)
        assert (row["actor"], row["action"]) == ("operator", "user.freeze")
        assert json.loads(row["details"]) == {"email": ANN, "frozen": True}
    assert verify(settings, None, quiet)["audit_rows"] == before + 1
    with open_database(settings.records_file).begin() as db:
        db.execute(text("UPDATE audit SET actor = 'somebody else' WHERE id = :id"), {"id": before})
    assert verify(settings, None, quiet)["problems"] == [
        f"the audit trail is broken at row {before}: something else wrote to it"
    ]
