"""An exchange whose log and journal were pruned, with an archive and without: checks, views, streams."""

import shutil
from contextlib import closing

import msgspec
import pytest

from cambist import app
from cambist.control.verify import make_snapshot, verify
from cambist.data.orders import Orders
from cambist.data.private import QUESTION, PrivateEvents, TooFarBack
from cambist.data.projection import Projection
from cambist.data.server import DataServer, ViewsForeign
from cambist.feed.messages import Hello
from cambist.keep.prune import prune
from cambist.log import journal
from cambist.log.errors import LogDamaged
from cambist.match import recovery
from cambist.match.recovery import HistoryMissing
from cambist.price.resume import Missed, NoWayBack
from cambist.settings import Log, Settings
from tests.integration.operator import Operator
from tests.integration.test_restart import opened, prepare, quiet, trade
from tests.kept import bring_views_up, with_keep
from tests.log_disks import QuickDisk
from tests.views import contents


def pruned(settings: Settings, archive: str = "") -> Settings:
    """Begun anew with small segments, traded on, and pruned as far as it goes."""
    settings = with_keep(
        msgspec.structs.replace(settings, log=Log(segment_bytes=4_096)),
        prune=True,
        commands=0,
        archive=archive,
    )
    app.reset_exchange(settings)  # so that its log begins with a small segment
    with closing(opened(settings)) as exchange:
        prepare(exchange)
    for nth in range(3):
        with closing(opened(settings)) as exchange:
            for turn in range(4):
                trade(exchange, b"%d.%d" % (nth, turn))
        recovery.keep_snapshot(settings, recovery.recover(settings, None, quiet))
    app.rebuild_views(settings, quiet)
    assert prune(settings, QuickDisk()) > 0
    return settings


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Settings:
    operator = Operator(tmp_path_factory.mktemp("pruned") / "home")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in operator.environment.items():
            environment.setenv(name, value)
        settings = app.create_exchange(operator.home, sandbox=True)
        return pruned(settings, archive="archive")


@pytest.fixture
def archived(finished, tmp_path, monkeypatch) -> Settings:
    """A copy that nobody has open; what was pruned is in its archive."""
    operator = Operator(tmp_path / "home")
    for name, value in operator.environment.items():
        monkeypatch.setenv(name, value)
    shutil.copytree(finished.home, operator.home)
    moved: Settings = msgspec.structs.replace(finished, home=operator.home)
    return moved


@pytest.fixture
def bare(archived) -> Settings:
    """The same without the archive."""
    shutil.rmtree(archived.home / "archive")
    return with_keep(archived, archive="")


def test_everything_is_verified_with_the_archive_and_the_rest_without(archived):
    found = verify(archived, None, quiet)
    assert (found["problems"], found["trusted_sequence"]) == ([], 0)
    shutil.rmtree(archived.home / "archive")
    rest = verify(archived, None, quiet)
    assert rest["problems"] == []
    assert 0 < rest["trusted_sequence"] < rest["sequence"]
    for what in ("sequence", "event_hash", "state_hash", "journal_sequence", "trial_balance"):
        assert rest[what] == found[what], what


def test_without_any_snapshot_the_archive_leads_to_a_new_one(archived):
    shutil.rmtree(archived.snapshots_directory)
    with pytest.raises(LogDamaged, match="let `cambist snapshot` make one from the archive"):
        opened(archived)
    made = make_snapshot(archived, None, quiet)
    with closing(opened(archived)) as exchange:
        assert exchange.query(lambda engine: engine.sequence) >= made["sequence"]


def test_damage_in_the_archive_is_found(archived):
    log_file = sorted(archived.home.glob("archive/*/log/*.log"))[0]
    raw = bytearray(log_file.read_bytes())
    raw[300] ^= 1
    log_file.write_bytes(raw)
    assert any(log_file.name in problem for problem in verify(archived, None, quiet)["problems"])


def test_views_are_made_anew_from_the_archive(archived):
    before = contents(archived.views_file)
    app.rebuild_views(archived, quiet)
    after = contents(archived.views_file)
    del before["positions"], after["positions"]  # each start is a command of its own
    assert after == before


def test_without_the_archive_a_rebuild_is_refused_and_the_views_stay(bare):
    before = contents(bare.views_file)
    begins = journal.segments(bare.journal_directory)[0][0]
    with pytest.raises(HistoryMissing, match=rf"sequence 1 to {begins - 1} were pruned.*no archive is set"):
        app.rebuild_views(bare, quiet)
    assert contents(bare.views_file) == before
    bring_views_up(bare)


def test_an_archive_that_lacks_a_part_is_refused_by_what_it_lacks(archived):
    pieces = sorted(archived.home.glob("archive/*/journal/*.journal"))
    begins = journal.segments(archived.journal_directory)[0][0]
    pieces[-1].unlink()
    with pytest.raises(
        HistoryMissing, match=rf"sequence {int(pieces[-1].stem)} to {begins - 1} .* are not in"
    ):
        app.rebuild_views(archived, quiet)


def test_damaged_views_are_not_thrown_away_either(bare):
    bare.views_file.write_bytes(b"no database" * 1_000)
    with pytest.raises(HistoryMissing):
        app.rebuild_views(bare, quiet)
    assert bare.views_file.read_bytes() == b"no database" * 1_000


def test_views_of_nothing_wait_for_the_archive(bare, archived):
    for part in bare.home.glob("views.db*"):
        part.unlink()
    with pytest.raises(ViewsForeign, match="was pruned"):
        bring_views_up(bare)


def test_a_stream_that_was_away_for_too_long_begins_anew(bare):
    end = [record.last_sequence for record in journal.read(bare.journal_directory, begins(bare) - 1)][-1]
    there = Hello(streams=[], after_sequence=begins(bare) - 1, after_fast=end, after_slow=end)
    Missed(bare.journal_directory, there, end)
    gone = Hello(streams=[], after_sequence=begins(bare) - 2, after_fast=end, after_slow=end)
    with pytest.raises(NoWayBack, match="was pruned"):
        Missed(bare.journal_directory, gone, end)


def test_account_events_from_a_place_that_is_gone_are_refused(bare):
    private = PrivateEvents(bare.journal_directory, orders := Orders())
    server = DataServer(
        bare.journal_directory,
        bare.views_file,
        recovery.log_id(bare.log_directory),
        Projection(orders, [private]),
    )
    with closing(server):
        while server.catch_up():
            pass
        private.questions[QUESTION]([1, begins(bare) - 1])
        with pytest.raises(TooFarBack, match=f"the journal begins behind sequence {begins(bare) - 2}"):
            private.questions[QUESTION]([1, begins(bare) - 2])


def begins(settings: Settings) -> int:
    return journal.segments(settings.journal_directory)[0][0]
