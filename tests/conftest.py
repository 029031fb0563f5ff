"""What every kind of test shares: recorded input that lives beside the checkout, and a run's last words."""

import atexit
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test is about how fast the machine is.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

CHECKOUT = Path(__file__).resolve().parent.parent
SAID_CHARS = 240  # of one failure
REASON_CHARS = 120  # of what broke the run: the reason comes last
SAID_MOST = 12  # failures: with the limit above, the last 4 kB of the output hold them


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recorded order flow, conformance streams, official examples; skips the test where they are absent."""
    folder = Path(os.environ.get("CAMBIST_SHARED_DATA", CHECKOUT.parent / "shared" / "data"))
    # The recordings are large and not the project's own: a checkout alone has none, CI lays them beside it.
    if not folder.is_dir():
        pytest.skip(f"recorded data not found at {folder}; CAMBIST_SHARED_DATA may name another folder")
    return folder


class LastWords:
    """Ends the output with what failed, a line each: of a run elsewhere one often sees the end alone."""

    def __init__(self) -> None:
        self._running = "no test"
        self._failed: list[str] = []

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._running = nodeid

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """The test run itself has broken, at the latest test or behind it."""
        problem = f"{type(excinfo.value).__name__}: {excinfo.value}"  # of another process a whole traceback
        self._failed.append(f"BROKEN {self._running}: {problem[-REASON_CHARS:]}")

    def say(self) -> None:
        for line in self._failed[:SAID_MOST]:
            print(" ".join(line.split())[:SAID_CHARS])
        if unsaid := self._failed[SAID_MOST:]:
            print(f"and {len(unsaid)} more")

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)  # what failed outside of any code has none
            reason = f"line {crash.lineno}: {crash.message}" if crash else report.longreprtext
            self._failed.append(f"FAILED {report.nodeid} ({report.when}): {reason}")


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return  # one of several processes, whose output nobody sees: the one that started it is told all
    words = LastWords()
    config.pluginmanager.register(words)
    atexit.register(words.say)  # behind whatever pytest and its plugins say at their end
