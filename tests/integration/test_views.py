"""The event journal and the SQL views of an exchange that stops, is killed, or finds them damaged or gone.

Whatever happened to them, after the next start the journal says what the log leads to, and the views hold it.
"""

import shutil
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import text

from cambist import app
from cambist._matching import Engine
from cambist.accounts import users
from cambist.app_data import VIEWS_LOCK
from cambist.control.exchange import Caller, Exchange
from cambist.control.markets import AddAsset, AddMarket
from cambist.control.sandbox import CreditSandbox
from cambist.control.users import CreateUser, account_of
from cambist.control.verify import make_snapshot, verify
from cambist.engine import events
from cambist.engine.commands import OrderType, Place, Role, Side, TimeInForce
from cambist.engine.events import Status
from cambist.log.journal import JournalRecord, read, segments
from cambist.log.lock import DirectoryLock
from cambist.match import recovery
from cambist.settings import Settings
from cambist.store.records import Records
from cambist.store.sqlite import open_database
from tests.integration.operator import Operator
from tests.views import contents

ANN, BOB = "ann@example.org", "bob@example.org"


def quiet(done: int, total: int) -> None:
    pass


OPERATOR = Caller("operator", quiet)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The data directory of an exchange on which two users have traded; its views are complete."""
    operator = Operator(tmp_path_factory.mktemp("finished") / "home")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in operator.environment.items():
            environment.setenv(name, value)
        settings = app.create_exchange(operator.home, sandbox=True)
    with closing(app.open_exchange(settings, quiet)) as exchange:
        for asset in ("BTC", "USDT"):
            AddAsset(name=asset).perform(exchange, OPERATOR)
        AddMarket(base="BTC", quote="USDT", tick="0.01", lot="0.00001").perform(exchange, OPERATOR)
        for email in (ANN, BOB):
            CreateUser(email=email).perform(exchange, OPERATOR)
            for asset, amount in (("BTC", "10"), ("USDT", "100000")):
                credit = CreditSandbox(email=email, asset=asset, amount=amount, reference=f"{email}-{asset}")
                credit.perform(exchange, OPERATOR)
        trade(exchange)
    app.rebuild_views(settings, quiet)
    return settings.home


@pytest.fixture
def operator(tmp_path, finished, monkeypatch):
    operator = Operator(tmp_path / "home")
    for name, value in operator.environment.items():
        monkeypatch.setenv(name, value)
    shutil.copytree(finished, operator.home)
    return operator


@pytest.fixture
def settings(operator):
    """A copy of it that nobody has open."""
    return Settings.load(operator.home)


def trade(exchange: Exchange, rounds: int = 5) -> None:
    """Fills on both sides and orders that rest."""
    ann, bob = (account_of(users.get(exchange.records, email)) for email in (ANN, BOB))
    port = exchange.server.open_port(Role.TRADE, "test")
    for nth in range(rounds):
        for account, side, price in ((ann, Side.SELL, 6_500_000 + nth), (bob, Side.BUY, 6_500_002)):
            order = Place(
                account=account,
                market=1,
                side=side,
                order_type=OrderType.LIMIT,
                time_in_force=TimeInForce.GTC,
                price_ticks=price,
                quantity_lots=100 + nth,
            )
            assert events.result(port.call(order.encode())).status == Status.OK


def journal(settings: Settings) -> list[JournalRecord]:
    return list(read(settings.journal_directory))


def replayed(settings: Settings) -> list[JournalRecord]:
    engine = Engine()
    return list(recovery.replay(engine, settings.log_directory, None, quiet))


def start(settings: Settings) -> None:
    with closing(app.open_exchange(settings, quiet)) as exchange:
        trade(exchange, rounds=1)


def test_the_journal_says_what_the_log_leads_to(settings):
    start(settings)
    assert journal(settings) == replayed(settings)


def cut_short(settings: Settings) -> None:
    _, path = segments(settings.journal_directory)[-1]
    path.write_bytes(path.read_bytes()[:-10])


def damage_the_middle(settings: Settings) -> None:
    _, path = segments(settings.journal_directory)[-1]
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def remove(settings: Settings) -> None:
    shutil.rmtree(settings.journal_directory)


def lose_the_beginning(settings: Settings) -> None:
    _, path = segments(settings.journal_directory)[0]
    path.rename(path.with_name(f"{5:020}.journal"))


def tell_of_another_log(settings: Settings) -> None:
    other = settings.home.with_name("other")
    app.create_exchange(other, sandbox=True)
    with closing(app.open_exchange(Settings.load(other), quiet)) as exchange:
        AddAsset(name="DOGE").perform(exchange, OPERATOR)
    remove(settings)
    shutil.copytree(other / "journal", settings.journal_directory)


@pytest.mark.parametrize(
    "harm", [cut_short, damage_the_middle, remove, lose_the_beginning, tell_of_another_log]
)
@pytest.mark.parametrize("with_snapshot", [False, True])
def test_a_start_makes_the_journal_whole_again(settings, harm, with_snapshot):
    if with_snapshot:
        make_snapshot(settings, None, quiet)
    start(settings)
    harm(settings)
    start(settings)
    assert journal(settings) == replayed(settings)


def test_a_journal_that_is_ahead_of_the_log_is_cut_and_the_views_are_made_anew(settings):
    start(settings)
    app.rebuild_views(settings, quiet)
    ahead = settings.home.with_name("ahead")
    shutil.copytree(settings.home, ahead)
    start(Settings.load(ahead))  # other events at the same sequences: the clock has gone on
    shutil.rmtree(settings.journal_directory)
    shutil.copytree(ahead / "journal", settings.journal_directory)
    with closing(app.open_exchange(settings, quiet)):
        pass
    assert journal(settings) == replayed(settings)


def test_a_journal_of_other_events_is_written_anew(settings):
    """The log was restored from a backup and went on otherwise."""
    backup = settings.home.with_name("backup")
    shutil.copytree(settings.home, backup)
    start(settings)
    restored = Settings.load(backup)
    start(restored)
    assert journal(settings) != journal(restored)
    shutil.rmtree(restored.journal_directory)
    shutil.copytree(settings.journal_directory, restored.journal_directory)
    start(restored)
    assert journal(restored) == replayed(restored)


def test_verify_finds_a_journal_that_is_damaged_or_says_other_things(settings, operator):
    assert verify(settings, None, quiet)["problems"] == []
    damage_the_middle(settings)
    (problem,) = verify(settings, None, quiet)["problems"]
    assert "cambist rebuild" in problem
    assert operator.call("verify").status == 1
    assert operator.call("rebuild").status == 0
    assert operator.call("verify").status == 0


def test_a_rebuild_gives_the_same_views_and_leaves_records_alone(settings, operator):
    before, records = contents(settings.views_file), records_of(settings)
    assert operator.call("rebuild").status == 0
    assert contents(settings.views_file) == before
    remove(settings)
    assert operator.call("rebuild").status == 0
    assert contents(settings.views_file) == before
    assert records_of(settings) == records


def test_a_damaged_views_file_is_one_sentence_and_a_rebuild_makes_it_anew(settings, operator):
    before = contents(settings.views_file)
    for part in settings.home.glob("views.db-*"):
        part.unlink()
    settings.views_file.write_bytes(b"no database" * 1_000)
    failed = operator.call("serve", "data")
    assert (failed.status, "`cambist rebuild` makes it anew" in failed.stderr) == (1, True)
    assert operator.call("rebuild").status == 0
    assert contents(settings.views_file) == before


def test_the_ledger_check_is_content_with_what_was_traded(settings, operator):
    checked = operator.call("ledger", "check", "--json")
    assert checked.status == 0
    assert checked.document["ledger_balanced"] is True
    assert {asset["sum"] for asset in checked.document["trial_balance"].values()} == {"0.00000000"}
    assert "fees" in checked.document["trial_balance"]["BTC"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE balances SET available_atoms = available_atoms + 1 WHERE asset = 1", "does not sum to zero"),
        ("UPDATE balances SET held_atoms = held_atoms + 1 WHERE asset = 2", "in the engine"),
        ("DELETE FROM balances WHERE asset = 1", "in the engine"),
        ("DELETE FROM postings WHERE sequence = (SELECT max(sequence) FROM postings)", "not the sum of its"),
        ("UPDATE postings SET posting_atoms = posting_atoms + 1 WHERE asset = 1", "do not sum to zero"),
        ("UPDATE positions SET event_hash = '0000000000000001'", "other events than the log"),
    ],
)
def test_the_ledger_check_finds_what_is_off(settings, operator, change, found):
    database = open_database(settings.views_file)
    with database.begin() as db:
        db.execute(text(change))
    database.dispose()
    checked = operator.call("ledger", "check", "--json")
    assert checked.status == 1
    assert any(found in problem for problem in checked.document["problems"]), checked.document["problems"]


def test_without_views_the_ledger_check_says_how_to_get_them(settings, operator):
    settings.views_file.unlink()
    checked = operator.call("ledger", "check")
    assert (checked.status, "cambist rebuild" in checked.stderr) == (69, True)


def test_only_one_process_keeps_the_views(settings, operator):
    lock = DirectoryLock(settings.home, VIEWS_LOCK)
    try:
        assert operator.call("rebuild").status == 69
    finally:
        lock.release()


def test_records_follow_each_other_without_a_gap(settings):
    for record, following in pairwise(journal(settings)):
        assert following.first_sequence == record.last_sequence + 1


def records_of(settings: Settings) -> list[object]:
    records = Records.open(settings)
    try:
        with records.read() as db:
            return [list(db.execute(text(f"SELECT * FROM {table}"))) for table in ("users", "meta")]
    finally:
        records.close()
