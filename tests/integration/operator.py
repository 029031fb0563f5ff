"""The operator's side in tests: `cambist` called in this process, and an exchange that runs in another."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner

from cambist.cli import main
from tests.ports import free_port

CAMBIST = Path(sys.executable).with_name("cambist")


class Answer(NamedTuple):
    """What a command left behind; `document` is its JSON, if it was asked for any."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        return json.loads(self.stdout)


class Operator:
    """Calls `cambist` for one data directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "CAMBIST_HOME": str(self.home),
            "CAMBIST_PORT": str(self.port),
            "CAMBIST_OPS_PORT": "0",  # it would be the same one for all
            "CAMBIST_SNAPSHOTS_EVERY_COMMANDS": "0",  # no snapshotter: the machine is for what is tested
            "CAMBIST_SNAPSHOTS_EVERY_MINUTES": "0",
            "CAMBIST_PROCESSES_OFFICE": "false",
            "CAMBIST_CONSOLE_PORT": "0",
            "CAMBIST_MODE_DEMO_CHAIN": "false",
            "CAMBIST_LOG_SEGMENT_BYTES": "1048576",  # the smallest, and so the fastest to make
        }

    def call(self, *arguments: str) -> Answer:
        result = CliRunner().invoke(main, arguments, env=self.environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    def ask(self, *arguments: str) -> Any:
        """The document that a successful command answers with."""
        answer = self.call(*arguments, "--json")
        assert answer.status == 0, answer
        return answer.document

    @contextmanager
    def exchange(self, *arguments: str, ends_with: int = 0) -> Iterator["subprocess.Popen[str]"]:
        """`cambist run` in a process of its own, told to stop at the end of the block unless it has ended."""
        process = subprocess.Popen(
            [CAMBIST, "run", "--json", *arguments],
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            started = process.stdout.readline()
            assert started, process.communicate()[1]
            assert json.loads(started)["url"] == f"http://127.0.0.1:{self.port}"
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            _, stderr = process.communicate(timeout=120)
        assert process.returncode == ends_with, stderr
