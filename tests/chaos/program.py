"""`python -m tests.chaos`: faults under load, one line each; exit status 1 if anything was lost or doubled.

What clients were told is held against the log, which an engine of our own reads (tests/e2e/audit.py): every
acknowledged order must be there as it was acknowledged, nothing twice, and nothing that nobody has sent. At
the end everything is verified, and the views must agree with the engine.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeAlias

from cambist.control.client import RequestFailed
from cambist.control.protocol import ShowPosition
from cambist.settings import MIB
from cambist.supervisor.client import supervisor
from tests.chaos.disks import small_disk, why_no_tracing
from tests.chaos.faults import FOLLOWER, LEADER, Fault, disk_faults, faults_of, process_of
from tests.chaos.load import Load
from tests.e2e.audit import Audit
from tests.e2e.control import ask
from tests.e2e.harness import WAIT_SECONDS, Exchange, cambist
from tests.e2e.load import Reply
from tests.e2e.market import create_exchange, settings_of

Say: TypeAlias = Callable[[str], None]

ACKNOWLEDGED_BETWEEN = 50  # orders at least, between one fault and the next
DISK_BYTES = 128 * MIB
DISK_BYTES_A_ROUND = 128 * MIB  # nothing is pruned: log, journal and views of every order stay
RECOVERS_WITHIN_S = 2 * WAIT_SECONDS
LOOK_EVERY_S = 0.02
COMMON = {
    "CAMBIST_SNAPSHOTS_EVERY_COMMANDS": "2000",  # so that the snapshotter is always at work
    "CAMBIST_OPS_PORT": "0",
    "CAMBIST_LOG_LOW_DISK_BYTES": str(4 * MIB),
}


class Form(NamedTuple):
    """Which processes an exchange is made of; the first is the one that writes the log."""

    name: str
    processes: list[str]
    settings: Mapping[str, str]


TOGETHER = Form(
    "match server and gateway in one process, and a second gateway",
    ["exchange", "gateway-1", "data", "snapshotter"],
    COMMON | {"CAMBIST_PROCESSES_GATEWAYS": "1"},
)
APART = Form(
    "two match servers of which one leads, and two gateways",
    [LEADER, FOLLOWER, "gateway-1", "gateway-2", "data", "snapshotter"],
    COMMON
    | {
        "CAMBIST_PROCESSES_GATEWAYS": "2",
        "CAMBIST_PROCESSES_MATCH_APART": "true",
        "CAMBIST_PROCESSES_STANDBY": "true",
    },
)
FORMS = (TOGETHER, APART)


class Line(NamedTuple):
    """What came of one fault."""

    fault: str
    acknowledged: int
    lost: list[str]
    duplicated: list[str]
    recovery_s: float

    @property
    def is_bad(self) -> bool:
        return bool(self.lost or self.duplicated)

    def __str__(self) -> str:
        found = self.acknowledged - len(self.lost)
        said = "".join(f"\n    {what}" for what in self.lost + self.duplicated)
        return (
            f"{self.fault:<30} acknowledged {self.acknowledged:>6}  found {found:>6}  lost {len(self.lost)}"
            f"  duplicated {len(self.duplicated)}  recovery {self.recovery_s:6.2f} s{said}"
        )


class Scene:
    """One exchange, the load on it, and what is known of it so far."""

    def __init__(self, home: Path, exchange: Exchange, load: Load, settings: Mapping[str, str]) -> None:
        self.home = home
        self.exchange = exchange
        self.load = load
        self._settings = settings
        self._audit = Audit(settings_of(home).log_directory)
        self._checked = 0

    def undergo(self, fault: Fault) -> Line:
        self._wait("every process", self._is_whole)
        self._wait_for_orders(time.monotonic())
        pid = process_of(fault.process, self.exchange)
        began_s = since_s = time.monotonic()
        fault.strike(pid)
        if fault.mend is not None:
            self.exchange.wait()
            fault.mend()
            self.exchange = Exchange(self.home, settings=self._settings, port=self.exchange.port)
            since_s = time.monotonic()  # what it kept went on for a moment
        recovery_s = self._recovered(since_s) - began_s
        return self.check(f"{fault.name} {fault.process}", recovery_s)

    def check(self, name: str, recovery_s: float) -> Line:
        """Every answer so far that was not looked at yet."""
        replies = self.load.record.replies[self._checked :]
        self._checked += len(replies)
        duplicated = list(self._read_log())
        return Line(name, len(replies), list(missing(self._audit, replies)), duplicated, recovery_s)

    def _read_log(self) -> Iterator[str]:
        live = self._position()
        try:
            self._audit.run_to(live["sequence"], self.load.record.sent)
        except AssertionError as problem:
            yield str(problem)
        if f"{self._audit.engine.event_hash:016x}" != live["event_hash"]:
            yield "the exchange and its log have come apart"

    def _is_whole(self) -> bool:
        with supervisor(self.home / "supervisor.sock") as keeper:
            return all(process.is_ready for process in keeper.status().processes)

    def _position(self) -> Any:
        """Of whoever leads, once somebody does: one who was stopped may be about to end."""
        deadline_s = time.monotonic() + RECOVERS_WITHIN_S
        while True:
            try:
                return ask(self.home, ShowPosition())
            except (AssertionError, RequestFailed):
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(LOOK_EVERY_S)

    def _wait_for_orders(self, since_s: float) -> None:
        def arrived() -> bool:
            newest = self.load.told[-ACKNOWLEDGED_BETWEEN:]
            return len(newest) == ACKNOWLEDGED_BETWEEN and newest[0].at_s > since_s

        self._wait("orders between two faults", arrived)

    def _wait(self, what: str, seen: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + RECOVERS_WITHIN_S
        while not seen():
            self.load.require()
            if time.monotonic() > deadline_s:
                newest = [(reply.request.kind.name, reply.status) for reply in self.load.record.replies[-5:]]
                raise AssertionError(f"waited in vain for {what}; newest answers {newest}")
            time.sleep(LOOK_EVERY_S)

    def _recovered(self, since_s: float) -> float:
        self._wait("an order after the fault", lambda: self.load.acknowledged_since(since_s) is not None)
        at_s = self.load.acknowledged_since(since_s)
        assert at_s is not None
        return at_s


def missing(audit: Audit, replies: Iterable[Reply]) -> Iterator[str]:
    """What a client was told and the log does not say."""
    for reply in replies:
        try:
            audit.check([reply])
        except AssertionError as problem:
            yield str(problem)


def run(form: Form, say: Say, *, times: int = 1, faults: list[Fault] | None = None) -> bool:
    """Whether everything that was acknowledged is there, once; after all faults unless some are named."""
    disk_bytes = DISK_BYTES + times * DISK_BYTES_A_ROUND
    with (
        tempfile.TemporaryDirectory(prefix="cambist-chaos-") as folder,
        small_disk(Path(folder), disk_bytes) as no_disk,
    ):
        home = Path(folder) / "home"
        if faults is None:
            faults = [*faults_of(form.processes), *_of_disks(form, Path(folder), no_disk, say)]
        with _scene(home, form.settings) as scene:
            lines = []
            for fault in faults * times:
                lines.append(scene.undergo(fault))
                say(str(lines[-1]))
            load = scene.load
        lines.append(scene.check("after the load", 0.0))
        say(str(lines[-1]))
        say(f"{len(load.told)} orders over {load.connections} connections; answers {dict(load.statuses)}")
        problems = [*cambist(home, "ledger", "check")["problems"], *_stopped(scene)]
        for problem in problems:
            say(problem)
        return not (problems or any(line.is_bad for line in lines))


def _of_disks(form: Form, disk: Path, no_disk: str | None, say: Say) -> Iterator[Fault]:
    full, failing = disk_faults(form.processes[0], disk)
    for fault, missing in ((full, no_disk), (failing, why_no_tracing())):
        if missing is None:
            yield fault
        else:
            say(f"{fault.name}: left out, {missing}")


@contextmanager
def _scene(home: Path, settings: Mapping[str, str]) -> Iterator[Scene]:
    """The exchange outlives the block; the load does not."""
    owners = create_exchange(home)
    exchange = Exchange(home, settings=settings)
    scene = None
    try:
        keys = [owner.credentials for owner in owners]
        with Load(exchange.port, keys, "c", Random(1)) as load:
            scene = Scene(home, exchange, load, settings)
            yield scene
    except BaseException:
        (exchange if scene is None else scene.exchange).stop()
        raise


def _stopped(scene: Scene) -> Iterator[str]:
    status = scene.exchange.stop()
    if status:
        yield f"the exchange ended with status {status}"
    yield from cambist(scene.home, "verify")["problems"]


def main(times: int) -> None:
    is_good = True
    for form in FORMS:
        say(f"{form.name}:")
        is_good = run(form, say, times=times) and is_good
    sys.exit(0 if is_good else 1)


def say(line: str) -> None:
    print(line, flush=True)
