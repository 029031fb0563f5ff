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
from typing import NamedTuple

from cambist.control.protocol import ShowPosition
from tests.chaos.faults import Fault, faults_of, kill
from tests.chaos.load import Load
from tests.e2e.audit import Audit
from tests.e2e.control import ask
from tests.e2e.harness import WAIT_SECONDS, Exchange, cambist
from tests.e2e.load import Reply
from tests.e2e.market import create_exchange, settings_of

ACKNOWLEDGED_BETWEEN = 50  # orders at least, between one fault and the next
RECOVERS_WITHIN_S = 2 * WAIT_SECONDS
LOOK_EVERY_S = 0.02
SUPERVISOR = "supervisor"
# Two gateways, and a snapshotter that is always at work.
SETTINGS = {
    "CAMBIST_PROCESSES_GATEWAYS": "1",
    "CAMBIST_SNAPSHOTS_EVERY_COMMANDS": "2000",
    "CAMBIST_OPS_PORT": "0",
}
PROCESSES = ["exchange", "gateway-1", "data", "snapshotter"]
ALL_FAULTS = [*faults_of(PROCESSES), Fault("kill -9", SUPERVISOR, kill)]


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
            f"{self.fault:<24} acknowledged {self.acknowledged:>6}  found {found:>6}  lost {len(self.lost)}"
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
        self._wait_for_orders(time.monotonic())
        began_s = time.monotonic()
        if fault.process == SUPERVISOR:
            fault.strike(self.exchange.pid)
            self.exchange.wait()
            self.exchange = Exchange(self.home, settings=self._settings, port=self.exchange.port)
        else:
            fault.strike(self.exchange.process(fault.process))
        recovery_s = self._recovered(time.monotonic()) - began_s
        return self.check(f"{fault.name} {fault.process}", recovery_s)

    def check(self, name: str, recovery_s: float) -> Line:
        """Every answer so far that was not looked at yet."""
        replies = self.load.record.replies[self._checked :]
        self._checked += len(replies)
        duplicated = list(self._read_log())
        return Line(name, len(replies), list(missing(self._audit, replies)), duplicated, recovery_s)

    def _read_log(self) -> Iterator[str]:
        live = ask(self.home, ShowPosition())
        try:
            self._audit.run_to(live["sequence"], self.load.record.sent)
        except AssertionError as problem:
            yield str(problem)
        if f"{self._audit.engine.event_hash:016x}" != live["event_hash"]:
            yield "the exchange and its log have come apart"

    def _wait_for_orders(self, since_s: float) -> None:
        def arrived() -> bool:
            newest = self.load.told[-ACKNOWLEDGED_BETWEEN:]
            return len(newest) == ACKNOWLEDGED_BETWEEN and newest[0].at_s > since_s

        _wait("orders between two faults", arrived)

    def _recovered(self, since_s: float) -> float:
        _wait("an order after the fault", lambda: self.load.acknowledged_since(since_s) is not None)
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


def run(faults: Iterable[Fault], say: Callable[[str], None], settings: Mapping[str, str] = SETTINGS) -> bool:
    """Whether everything that was acknowledged is there, once."""
    with tempfile.TemporaryDirectory(prefix="cambist-chaos-") as folder:
        home = Path(folder) / "home"
        with _scene(home, settings) as scene:
            lines = []
            for fault in faults:
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


def _wait(what: str, seen: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + RECOVERS_WITHIN_S
    while not seen():
        if time.monotonic() > deadline_s:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(LOOK_EVERY_S)


def main(times: int) -> None:
    is_good = run(ALL_FAULTS * times, lambda line: print(line, flush=True))
    sys.exit(0 if is_good else 1)
