"""The supervisor: who ends is started again, unless that would do harm; all stop in their order."""

import asyncio
import logging
import os
import signal
import stat
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cambist.errors import Failure
from cambist.supervisor import child as child_module
from cambist.supervisor.child import Child, Program
from cambist.supervisor.client import NoSupervisor, SupervisorClient, SupervisorRefused
from cambist.supervisor.client import supervisor as connect
from cambist.supervisor.control import SupervisorControl
from cambist.supervisor.messages import DISK_FAILED, FENCED, Pause
from cambist.supervisor.supervisor import Supervisor

WITHIN_S = 120
OPENED, READY = """echo '{"type":"opened"}'""", """echo '{"type":"ready","document":{"said":1}}'"""
WORKS = f"{OPENED}; {READY}; exec cat"  # until its standard input ends, or a signal comes
REFUSES = """echo '{"type":"error","code":"damaged","message":"the log is damaged"}'; exit 1"""
BUSY = """echo '{"type":"error","code":"busy","message":"busy","may_retry":true}'; exit 1"""


@pytest.fixture(autouse=True)
def short_waits(monkeypatch, caplog):
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(child_module, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(child_module, "LONGEST_WAIT_S", 0.04)


def program(script: str, name: str = "one", **options) -> Program:
    return Program(name, ["sh", "-c", script], dict(os.environ), **options)


async def until(seen: Callable[[], object]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not seen():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def kept(script: str, **options) -> AsyncIterator[Child]:
    """A child that is kept during the block."""
    child = Child(program(script, **options))
    run = asyncio.create_task(child.run())
    try:
        yield child
    finally:
        await child.stop()
        assert await run is None


async def end_of(child: Child) -> Failure | None:
    async with asyncio.timeout(WITHIN_S):
        return await child.run()


def waits(caplog) -> list[float]:
    return [record.args[2] for record in caplog.records if "starts again" in record.msg]


def test_who_ends_is_started_again_and_each_wait_is_longer(caplog):
    async def scene() -> None:
        async with kept("exit 1") as child:
            await until(lambda: len(waits(caplog)) >= 5)
            assert child.restarts >= 4

    asyncio.run(scene())
    assert waits(caplog)[:5] == [0.01, 0.02, 0.04, 0.04, 0.04]
    assert "one has ended (status 1)" in caplog.text


def test_who_ran_for_long_waits_no_longer_than_the_first_time(caplog, monkeypatch):
    monkeypatch.setattr(child_module, "STEADY_AFTER_S", 0)

    async def scene() -> None:
        async with kept("exit 0"):
            await until(lambda: len(waits(caplog)) >= 3)

    asyncio.run(scene())
    assert set(waits(caplog)) == {0.01}


def test_who_ended_by_itself_is_in_trouble_until_the_next_one_has_run_for_a_while(tmp_path, monkeypatch):
    once = f"test -e {tmp_path}/once && exec cat; touch {tmp_path}/once; {REFUSES}"

    async def scene() -> None:
        async with kept(once) as child:
            await until(lambda: child.restarts == 1 and child.status.pid is not None)
            assert child.status.trouble == "the log is damaged"
            monkeypatch.setattr(child_module, "STEADY_AFTER_S", -1)
            assert child.status.trouble is None

    asyncio.run(scene())


def test_who_is_killed_is_in_no_trouble():
    async def scene() -> None:
        async with kept("kill -9 $$") as child:
            await until(lambda: child.restarts > 2)
            assert child.status.trouble is None

    asyncio.run(scene())


@pytest.mark.parametrize("status", [DISK_FAILED, FENCED])
@pytest.mark.parametrize("is_vital", [True, False])
def test_a_failed_disk_or_a_newer_leader_is_no_reason_to_try_again(tmp_path, status, is_vital):
    script = f"""echo x >> {tmp_path}/starts; {REFUSES.replace("exit 1", f"exit {status}")}"""
    failure = asyncio.run(end_of(Child(program(script, is_vital=is_vital))))
    assert failure == Failure("damaged", "the log is damaged")
    assert (tmp_path / "starts").read_text() == "x\n"


def test_who_was_replaced_by_its_deputy_is_started_again_to_stand_by(tmp_path, caplog):
    script = f"test -e {tmp_path}/was && {{ {WORKS}; }}; touch {tmp_path}/was; {READY}; exit {FENCED}"

    async def scene() -> None:
        async with kept(script, is_vital=True, has_deputy=True) as child:
            await until(lambda: child.restarts == 1 and child.status.is_ready)

    asyncio.run(scene())
    assert "one has ended (status 4)" in caplog.text


def test_a_status_that_ends_everything_is_named_even_if_the_process_said_nothing():
    failure = asyncio.run(end_of(Child(program("exit 3"))))
    assert failure == Failure("stopped_by_itself", "one has ended (status 3)")


@pytest.mark.parametrize(
    ("script", "code"),
    [(REFUSES, "damaged"), (BUSY, "busy"), ("exit 1", "not_started"), ("exit 0", "not_started")],
)
def test_a_vital_process_that_does_not_start_ends_the_start(script, code):
    failure = asyncio.run(end_of(Child(program(script, is_vital=True))))
    assert failure is not None and failure.code == code


def test_a_vital_process_that_refuses_after_a_restart_is_not_tried_again(tmp_path):
    once = f"test -e {tmp_path}/ran && {{ {REFUSES}; }}; touch {tmp_path}/ran; {READY}; exit 1"
    failure = asyncio.run(end_of(Child(program(once, is_vital=True))))
    assert failure is not None and failure.code == "damaged"


def test_a_vital_process_that_may_try_again_after_a_restart_does(tmp_path):
    once = f"test -e {tmp_path}/ran && {{ {BUSY}; }}; touch {tmp_path}/ran; {READY}; exit 1"

    async def scene() -> None:
        async with kept(once, is_vital=True) as child:
            await until(lambda: child.restarts >= 3)

    asyncio.run(scene())


def test_a_vital_process_that_is_killed_comes_back_even_before_it_was_ready(caplog):
    async def scene() -> None:
        async with kept(f"{OPENED}; exec cat", is_vital=True) as child:
            await child.opened.wait()
            first = child.status.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            await until(lambda: child.status.pid not in (None, first))
            assert child.restarts == 1

    asyncio.run(scene())
    assert "one has ended (killed by SIGKILL)" in caplog.text


def test_a_start_that_the_system_refuses_is_tried_again_unless_it_is_the_first(caplog, monkeypatch):
    start = asyncio.create_subprocess_exec

    async def refuse(*command, **options):
        raise BlockingIOError("no process left")

    async def scene() -> None:
        async with kept(WORKS, is_vital=True) as child:
            await child.ready.wait()
            monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
            await child.restart()
            await until(lambda: len(waits(caplog)) >= 2)
            monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
            await child.ready.wait()

    asyncio.run(scene())
    assert "one cannot be started: no process left" in caplog.text
    assert "one is at work again" in caplog.text


def test_a_program_that_is_missing_ends_the_start():
    with pytest.raises(FileNotFoundError):
        asyncio.run(end_of(Child(Program("one", ["/no/such/program"], {}))))


def test_readiness_is_that_of_the_process_that_runs():
    async def scene() -> None:
        async with kept(WORKS) as child:
            await child.ready.wait()
            assert (child.document, child.status.is_ready) == ({"said": 1}, True)
            await child.pause()
            assert (child.status.is_ready, child.status.pid, child.status.up_s) == (False, None, None)
            child.resume()
            await child.ready.wait()

    asyncio.run(scene())


def test_what_is_no_report_is_told_as_it_came(caplog):
    async def scene() -> None:
        async with kept(f"echo hello; {WORKS}") as child:
            await child.ready.wait()

    asyncio.run(scene())
    assert "one says: hello" in caplog.text


def test_progress_is_passed_on():
    told = []

    async def scene() -> None:
        script = f"""echo '{{"type":"starting","done":5,"total":9}}'; {OPENED}; exit 3"""
        await end_of(Child(program(script), lambda done, total: told.append((done, total))))

    asyncio.run(scene())
    assert told == [(5, 9), (9, 9)]


def test_two_pauses_need_two_resumes():
    async def scene() -> None:
        async with kept(WORKS) as child:
            await child.ready.wait()
            await child.pause()
            await child.pause()
            child.resume()
            await asyncio.sleep(0.02)
            assert (child.status.pid, child.status.is_paused) == (None, True)
            child.resume()
            await child.ready.wait()
            assert (child.restarts, child.status.is_paused) == (0, False)

    asyncio.run(scene())


def test_a_restart_ends_the_one_that_runs_and_starts_another_at_once(caplog):
    async def scene() -> None:
        async with kept(WORKS, is_vital=True) as child:
            await child.ready.wait()
            first = child.status.pid
            await child.restart()
            await child.ready.wait()
            assert (child.status.pid != first, child.restarts) == (True, 1)

    asyncio.run(scene())
    assert waits(caplog) == []


def test_a_stop_during_the_wait_for_the_next_start_is_heard(monkeypatch, caplog):
    monkeypatch.setattr(child_module, "FIRST_WAIT_S", 1_000.0)

    async def scene() -> None:
        async with kept("exit 1"):
            await until(lambda: waits(caplog))

    asyncio.run(asyncio.wait_for(scene(), WITHIN_S))


def test_who_does_not_end_in_time_is_killed(caplog):
    async def scene() -> None:
        async with kept(f"trap '' TERM; {WORKS}", end_within_s=0.05) as child:
            await child.ready.wait()

    asyncio.run(asyncio.wait_for(scene(), WITHIN_S))
    assert "one does not end within 0.05 s: it is killed" in caplog.text


class Group:
    """A supervisor over scripts, and what it told."""

    def __init__(self, *programs: Program) -> None:
        self.supervisor = Supervisor([Child(each) for each in programs])
        self.told: list[str] = []
        self._run = asyncio.create_task(
            self.supervisor.run(lambda: self.told.append("ready"), lambda: self.told.append("stopping"))
        )

    async def end(self) -> Failure | None:
        async with asyncio.timeout(WITHIN_S):
            return await self._run

    async def stop(self) -> Failure | None:
        self.supervisor.stop()
        return await self.end()


def says_when_it_ends(name: str, file: Path, stops: int) -> Program:
    at_the_end = f"sleep 0.02; echo {name} >> {file}; exit 0"
    script = f"trap '{at_the_end}' TERM; {OPENED}; {READY}; while :; do sleep 0.01; done"
    return program(script, name, stops=stops, is_vital=True)


def test_they_stop_one_turn_after_the_other(tmp_path):
    file = tmp_path / "ended"

    async def scene() -> None:
        names_and_turns: Sequence[tuple[str, int]] = (("match", 1), ("gateway", 0), ("data", 2))
        group = Group(*(says_when_it_ends(name, file, turn) for name, turn in names_and_turns))
        await until(lambda: group.told == ["ready"])
        assert await group.stop() is None
        assert group.told == ["ready", "stopping"]

    asyncio.run(scene())
    assert file.read_text().split() == ["gateway", "match", "data"]


def test_the_others_wait_until_the_first_has_its_log_open(tmp_path):
    async def scene() -> None:
        waiting = f"while ! test -e {tmp_path}/go; do sleep 0.01; done; {WORKS}"
        group = Group(program(waiting, "first", is_vital=True), program(WORKS, "other"))
        await until(lambda: group.supervisor.child("first").status.pid)
        await asyncio.sleep(0.05)
        assert group.supervisor.child("other").status.pid is None
        (tmp_path / "go").touch()
        await until(lambda: group.supervisor.child("other").status.is_ready)
        await until(lambda: group.told == ["ready"])
        await group.stop()

    asyncio.run(scene())


def test_one_that_must_not_go_on_takes_the_others_with_it(tmp_path):
    async def scene() -> None:
        failing = f"{OPENED}; {READY}; while ! test -e {tmp_path}/fail; do sleep 0.01; done; exit 3"
        group = Group(
            program(failing, "first", is_vital=True), says_when_it_ends("data", tmp_path / "ended", 1)
        )
        await until(lambda: group.supervisor.child("data").status.is_ready)
        (tmp_path / "fail").touch()
        failure = await group.end()
        assert failure is not None and failure.code == "stopped_by_itself"

    asyncio.run(scene())
    assert (tmp_path / "ended").read_text() == "data\n"


def test_a_stop_before_anything_is_ready_is_heard():
    async def scene() -> None:
        group = Group(program("exec cat", "first", is_vital=True), program(WORKS, "other"))
        await until(lambda: group.supervisor.child("first").status.pid)
        assert await group.stop() is None
        assert group.told == ["stopping"]

    asyncio.run(scene())


@asynccontextmanager
async def controlled(path: Path) -> AsyncIterator[Supervisor]:
    group = Group(program(WORKS, "exchange", is_vital=True), program(WORKS, "data"))
    control = SupervisorControl(path, group.supervisor)
    await control.start()
    try:
        await until(lambda: all(child.ready.is_set() for child in group.supervisor.children.values()))
        yield group.supervisor
    finally:
        await group.stop()
        await control.stop()


def test_what_it_keeps_can_be_asked_for(tmp_path):
    path = tmp_path / "supervisor.sock"

    def ask() -> None:
        with connect(path) as keeper:
            found = keeper.status()
            assert found.pid == os.getpid()
            assert [(each.name, each.is_ready) for each in found.processes] == [
                ("exchange", True),
                ("data", True),
            ]
            with pytest.raises(SupervisorRefused, match="no process mail here; there are exchange, data"):
                keeper.restart("mail")
            keeper.restart("data")
            assert keeper.status().processes[1].restarts == 1

    async def scene() -> None:
        async with controlled(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            await asyncio.to_thread(ask)
        assert not path.exists()

    asyncio.run(scene())
    with pytest.raises(NoSupervisor), connect(path):
        pass


def test_a_pause_ends_with_the_block_or_with_whoever_asked_for_it(tmp_path):
    path = tmp_path / "supervisor.sock"

    def pause_and_hang_up(keeper: SupervisorClient, data: Child) -> None:
        with keeper.paused("data"):
            assert data.status.pid is None
        keeper._ask(Pause("data"))  # and never resumes
        assert data.status.is_paused

    async def scene() -> None:
        async with controlled(path) as supervisor:
            data = supervisor.child("data")
            with connect(path) as keeper:
                await asyncio.to_thread(pause_and_hang_up, keeper, data)
            await until(lambda: data.status.is_ready)

    asyncio.run(scene())
