"""Commands that records ask for: written down first, sent once whatever happens, their answers taken in."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from cambist._matching import Engine
from cambist.engine import events
from cambist.engine.commands import AssetList, Role
from cambist.engine.events import Result, Status
from cambist.errors import OutcomeUnknown, Unavailable
from cambist.log.errors import LogFailed
from cambist.match.courier import Courier, LocalDesk, LogOlder, Post
from cambist.match.disk import LowDiskMark
from cambist.match.server import MatchServer
from cambist.settings import Log, Match, Settings
from cambist.store.audit import Act
from cambist.store.outbox import Answer
from cambist.store.records import Records
from cambist.store.tables import audit, inbox, outbox
from tests.unit.test_match_server import MemoryJournal, MemoryLog

TIME_NS = 1_700_000_000_000_000_000


class Crash(Exception):
    """The process ends here."""


class Exchange:
    """Records and a match server that can be started again, each with the memory it would have kept."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        self.records = Records.create(self.settings)
        self.engine, self.journal = Engine(), MemoryJournal()
        self.made: list[tuple[str, Answer]] = []
        self.start()

    def start(self) -> None:
        self.log = MemoryLog()
        self.server = MatchServer(
            self.log,
            self.engine,
            self.journal,
            match=Match(),
            log_settings=Log(),
            disk=LowDiskMark(0, lambda: 1),
            clock=lambda: TIME_NS,
        )
        self.server.start()
        self.courier = self.new_courier()

    def new_courier(self) -> Courier:
        return Courier(
            self.records,
            LocalDesk(self.server),
            "operator",
            Role.ADMIN,
            effects={"made": self._made},
            results=partial(results, self.journal),
            clock=lambda: TIME_NS,
        )

    def restart(self) -> None:
        self.server.stop()
        self.start()

    def send(self, post: Post, act: Act | None = None) -> Answer:
        return self.courier.send(act or Act("ann", "make", {}, TIME_NS), lambda db: post)

    def count(self, table: Any) -> int:
        with self.records.read() as db:
            return db.scalar(select(func.count()).select_from(table)) or 0

    def assets(self) -> list[str]:
        return [name for _, name, _, _ in self.engine.assets()]

    def _made(self, db: Connection, subject: str, answer: Answer) -> None:
        self.made.append((subject, answer))


def results(journal: MemoryJournal, session: int, after_sequence: int) -> Iterator[Result]:
    for record in journal.records:
        for each in map(events.result, events.split(record.events)):
            if each.session == session and each.sequence > after_sequence and not each.repeat:
                yield each


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    exchange = Exchange(tmp_path)
    yield exchange
    exchange.server.stop()
    exchange.records.close()


def asset(name: str) -> AssetList:
    """Without a reference: listed twice it is refused, so only the number makes a repeat harmless."""
    return AssetList(scale=8, name=name.encode())


def cut(monkeypatch: pytest.MonkeyPatch, courier: Courier, when: str) -> None:
    """The process ends before the engine has the command, or before its answer is written down."""
    call = courier._desk.call

    def cut_call(command: bytearray) -> bytes:
        if when == "after":
            call(command)
        raise Crash

    monkeypatch.setattr(courier._desk, "call", cut_call)


def test_what_was_asked_and_what_came_of_it_is_written_down(exchange):
    answer = exchange.send(Post(asset("A1"), "made", "seven"))
    assert (answer.status, answer.value) == (Status.OK, 1)
    assert exchange.made == [("seven", answer)]
    assert (exchange.count(audit), exchange.count(outbox), exchange.count(inbox)) == (1, 1, 1)


def test_an_act_of_several_commands_has_one_audit_row(exchange):
    act = Act("ann", "list", {}, TIME_NS)
    for name in ("BTC", "USDT"):
        exchange.send(Post(asset(name)), act)
    exchange.send(Post(asset("A1")))
    assert (exchange.count(audit), exchange.count(outbox)) == (2, 3)


def test_a_refusal_of_the_engine_is_an_answer_like_any_other(exchange):
    exchange.send(Post(asset("BTC")))
    answer = exchange.send(Post(asset("BTC"), "made", "twice"))
    assert answer.status == Status.ALREADY_LISTED
    assert exchange.made == [("twice", answer)]


def test_a_change_that_cannot_be_made_asks_nothing_and_leaves_nothing(exchange):
    def prepare(db: Connection) -> Post:
        raise Crash

    with pytest.raises(Crash):
        exchange.courier.send(Act("ann", "make", {}, TIME_NS), prepare)
    with pytest.raises(ValueError, match="256"):
        exchange.send(Post(AssetList(scale=256, name=b"BTC")))
    assert (exchange.count(audit), exchange.count(outbox)) == (0, 0)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("starts", ["the sender alone", "everything"])
def test_a_command_cut_off_on_its_way_is_done_once(exchange, monkeypatch, when, starts):
    exchange.send(Post(asset("A1")))
    cut(monkeypatch, exchange.courier, when)
    with pytest.raises(Crash):
        exchange.send(Post(asset("A2"), "made", "seven"))
    assert exchange.made == []
    if starts == "everything":
        exchange.restart()
    exchange.courier = exchange.new_courier()
    exchange.courier.resume()
    assert exchange.assets() == ["A1", "A2"]
    assert [(subject, answer.value) for subject, answer in exchange.made] == [("seven", 2)]
    exchange.courier.resume()
    assert (len(exchange.made), exchange.count(inbox)) == (1, 2)
    assert exchange.send(Post(asset("A3"))).value == 3


def test_a_command_turned_away_is_never_sent_later(exchange):
    exchange.send(Post(asset("A1")))
    exchange.server.stop()
    with pytest.raises(Unavailable):
        exchange.send(Post(asset("A2"), "made", "seven"))
    exchange.restart()
    exchange.courier.resume()
    assert (exchange.assets(), exchange.made) == (["A1"], [])
    assert exchange.send(Post(asset("A3"))).value == 2


def test_a_command_in_a_log_that_fails_is_settled_at_the_next_start(exchange):
    exchange.send(Post(asset("A1")))
    exchange.log.fail_next = True
    with pytest.raises(OutcomeUnknown):
        exchange.send(Post(asset("A2"), "made", "seven"))
    assert isinstance(exchange.server.problem, LogFailed)
    exchange.restart()
    exchange.courier.resume()
    assert exchange.assets() == ["A1", "A2"]
    assert [subject for subject, _ in exchange.made] == ["seven"]


def copy_of(records: Records, settings: Settings, home: Path) -> Callable[[], Records]:
    """A backup of the records as they are now, to open later in their place."""
    content = {file: file.read_bytes() for file in settings.home.iterdir() if file.is_file()}

    def restore() -> Records:
        records.close()
        for file in settings.home.iterdir():
            if file.is_file() and file not in content:
                file.unlink()
        for file, was in content.items():
            file.write_bytes(was)
        return Records.open(settings)

    return restore


def test_records_older_than_the_log_stop_payouts_and_learn_what_they_missed(exchange, tmp_path):
    exchange.send(Post(asset("A1")))
    restore = copy_of(exchange.records, exchange.settings, tmp_path)
    exchange.send(Post(asset("A2")))
    exchange.send(Post(asset("A3")))
    exchange.records = restore()
    assert exchange.count(outbox) == 1
    exchange.courier = exchange.new_courier()
    exchange.courier.resume()
    assert exchange.records.payouts_stopped() == (
        "the records are older than the log: operator has sent 2 commands that they do not know of"
    )
    with exchange.records.read() as db:
        *_, entry = exchange.records.audit.read(db)
        answers = db.execute(select(inbox.c.number, inbox.c.value).order_by(inbox.c.number)).all()
    assert entry.act.action == "records.older"
    assert [tuple(row) for row in answers] == [(1, 1), (2, 2), (3, 3)]
    assert exchange.send(Post(asset("A4"))).value == 4  # and not the first answer to number 2

    exchange.courier = exchange.new_courier()
    assert exchange.records.resume_payouts(Act("ann", "records.reconciled", {"reason": "looked"}, TIME_NS))
    exchange.courier.resume()
    assert exchange.records.payouts_stopped() is None


def test_numbers_that_the_journal_no_longer_tells_are_not_used_again(exchange, tmp_path):
    exchange.send(Post(asset("A1")))
    restore = copy_of(exchange.records, exchange.settings, tmp_path)
    exchange.send(Post(asset("A2")))
    exchange.journal.records.clear()
    exchange.records = restore()
    exchange.courier = exchange.new_courier()
    exchange.courier.resume()
    assert exchange.send(Post(asset("A3"))).value == 3
    assert exchange.assets() == ["A1", "A2", "A3"]


def test_a_log_older_than_the_records_is_refused(exchange):
    exchange.send(Post(asset("A1")))
    exchange.engine, exchange.journal = Engine(), MemoryJournal()
    exchange.restart()
    with pytest.raises(LogOlder, match="the log ends with 0"):
        exchange.courier.resume()


def test_a_session_that_the_engine_has_forgotten_is_followed_by_a_new_one(exchange):
    exchange.send(Post(asset("A1")))
    for _ in range(1_024):
        exchange.server.open_session(Role.TRADE, "gateway")
    exchange.courier = exchange.new_courier()
    exchange.courier.resume()
    assert exchange.send(Post(asset("A2"))).value == 2


def test_an_exchange_that_never_changed_anything_has_nothing_to_resume(exchange):
    exchange.courier.resume()
    assert exchange.engine.sequence == 0


def test_what_was_cut_off_is_settled_before_anything_new_is_sent(exchange, monkeypatch):
    exchange.send(Post(asset("A1")))
    cut(monkeypatch, exchange.courier, "after")
    with pytest.raises(Crash):
        exchange.send(Post(asset("A2"), "made", "seven"))
    exchange.courier = exchange.new_courier()  # and nobody has said resume
    assert exchange.send(Post(asset("A3"))).value == 3
    assert [(subject, answer.value) for subject, answer in exchange.made] == [("seven", 2)]
