"""Runs the exchange as its operator would: the installed command, in a process of its own.

Every exchange has a free port and a data directory of its own, so tests can run beside each other and beside
a real one. Waiting is bounded, so that a hang fails; nothing here says how fast anything must be.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from cambist.flow.rest import ApiError, Client, Credentials
from cambist.settings import MIB
from cambist.supervisor.client import supervisor
from tests.ports import HOST as HOST
from tests.ports import free_port

CAMBIST = Path(sys.executable).with_name("cambist")
WAIT_SECONDS = 120
OUTCOME_UNKNOWN = -1007
# No request limits, and log segments so small that a test fills several.
SETTINGS = {
    "CAMBIST_LIMITS_REQUEST_WEIGHT_1M": "0",
    "CAMBIST_LIMITS_RAW_REQUESTS_5M": "0",
    "CAMBIST_LIMITS_ORDERS_10S": "0",
    "CAMBIST_LIMITS_ORDERS_1D": "0",
    "CAMBIST_LOG_SEGMENT_BYTES": str(MIB),
    "CAMBIST_OPS_PORT": "0",  # it would be the same one for all
    # No snapshotter and no office: who tests them says so, all others leave the machine to what they test.
    "CAMBIST_SNAPSHOTS_EVERY_COMMANDS": "0",
    "CAMBIST_SNAPSHOTS_EVERY_MINUTES": "0",
    "CAMBIST_PROCESSES_OFFICE": "false",
    "CAMBIST_CONSOLE_PORT": "0",
    "CAMBIST_MODE_DEMO_CHAIN": "false",
}


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Patient(Client):
    """Asks again while the views are late: how late they are is the machine's, what they say is not."""

    def __init__(self, port: int) -> None:
        super().__init__(HOST, port, WAIT_SECONDS)

    def signed(self, owner: Credentials, method: str, path: str, **parameters: object) -> Any:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                return super().signed(owner, method, path, **parameters)
            except ApiError as refused:
                is_late = method == "GET" and refused.reason[0] == OUTCOME_UNKNOWN
                if not is_late or time.monotonic() > deadline:
                    raise


class Exchange:
    """A running `cambist run`. Raises AssertionError, with what the process printed, if it does not start.

    `pid` is the supervisor's: whom an operator signals. The others are found with `process`.
    """

    def __init__(
        self,
        home: Path,
        *options: str,
        trace: Sequence[str | Path] = (),
        settings: Mapping[str, str] = MappingProxyType({}),
        port: int | None = None,
    ) -> None:
        """`trace` is a command that runs another one, such as strace; `settings` go into the environment."""
        self.home = home
        self.port = port or free_port()
        self.output = home.parent / f"{home.name}.output"
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [*trace, CAMBIST, "run", "--json", *options],
                env={**environment(home, self.port), **settings},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            self.pid = self._wait_until_ready()
        except BaseException:
            self._process.kill()
            self._process.wait(WAIT_SECONDS)
            raise

    def stop(self) -> int:
        """As Ctrl-C would; its exit status. Safe to repeat."""
        if self._process.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Its exit status, once it has ended by itself."""
        return self._process.wait(WAIT_SECONDS)

    def process(self, name: str) -> int:
        """The id of the one of this name, once it runs: `exchange` has the log, `data` the views."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            if (pid := self.process_now(name)) is not None:
                return pid
            time.sleep(0.05)
        raise AssertionError(f"there is no process {name}")

    def process_now(self, name: str) -> int | None:
        with supervisor(self.home / "supervisor.sock") as keeper:
            pids = {each.name: each.pid for each in keeper.status().processes}
        return pids[name]

    def said(self, field: str) -> Any:
        """What it printed of itself when it had started."""
        return next(self._said(field))

    def client(self) -> Client:
        return Patient(self.port)

    def get(self, path: str, **headers: str) -> Answer:
        connection = HTTPConnection(HOST, self.port, timeout=WAIT_SECONDS)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def json(self, path: str) -> Any:
        """The answer to a request that must succeed."""
        answer = self.get(path)
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def users(self) -> dict[str, Credentials]:
        """The demo's ready users by the first part of their e-mail addresses."""
        return {
            user["email"].partition("@")[0]: Credentials(user["apiKey"], user["secretKey"])
            for user in json.loads((self.home / "demo" / "users.json").read_text())
        }

    def _wait_until_ready(self) -> int:
        """Its own process id, which `trace` would hide."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            for pid in self._said("pid"):
                assert self.get("/api/v3/ping").status == 200
                return int(pid)
            time.sleep(0.05)
        raise AssertionError(f"the exchange did not start; it said:\n{self.output.read_text()}")

    def _said(self, field: str) -> Iterator[Any]:
        for line in self.output.read_text().splitlines(keepends=True):
            if line.startswith("{") and line.endswith("}\n") and field in (said := json.loads(line)):
                yield said[field]


@contextmanager
def running(
    home: Path,
    *options: str,
    trace: Sequence[str | Path] = (),
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Exchange]:
    """An exchange for as long as the block lasts, then stopped in order."""
    exchange = Exchange(home, *options, trace=trace, settings=settings)
    try:
        yield exchange
    finally:
        exchange.stop()


def cambist(home: Path, *arguments: str) -> Any:
    """What an operator's command answers; it must succeed."""
    command = [str(CAMBIST), *arguments, "--json"]
    done = subprocess.run(
        command, env=environment(home, free_port()), capture_output=True, text=True, timeout=WAIT_SECONDS
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def environment(home: Path, port: int) -> dict[str, str]:
    """Of an exchange that knows nothing of the one that whoever runs the tests may have."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CAMBIST_")}
    return {**inherited, **SETTINGS, "CAMBIST_HOME": str(home), "CAMBIST_PORT": str(port)}
