"""What is done to the processes of an exchange, one at a time."""

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from cambist.log.leadership import epoch_file, newest_epoch
from cambist.settings import Settings
from tests.chaos.disks import fail_syncs, fill, free
from tests.e2e.harness import Exchange
from tests.leading import holder_of

PAUSE_S = 2.5  # longer than a standby waits, and than a gateway waits before it looks for another leader
SUPERVISOR = "supervisor"
LEADER, FOLLOWER = "leading match", "waiting match"  # whichever that is now


class Fault(NamedTuple):
    """`strike` returns when the fault is over: what was killed is dead, what was stopped goes on.

    With `mend`, the whole exchange has ended of it: somebody mends what it ended of and starts it again.
    """

    name: str
    process: str
    strike: Callable[[int], None]
    mend: Callable[[], None] | None = None


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def pause(pid: int) -> None:
    """As a machine does that is short of memory, or a hypervisor that moves it."""
    os.kill(pid, signal.SIGSTOP)
    time.sleep(PAUSE_S)
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:  # it was ended meanwhile, as a leader is that somebody took over from
        return


def faults_of(processes: list[str]) -> list[Fault]:
    """Of processes, and the supervisor's end."""
    return [
        Fault(name, process, strike)
        for process in processes
        for name, strike in (("kill -9", kill), ("SIGSTOP", pause))
    ] + [Fault("kill -9", SUPERVISOR, kill, mend=nothing)]


def disk_faults(process: str, disk: Path) -> list[Fault]:
    """Of the process that writes the log."""
    return [
        Fault("full disk", process, lambda _: fill(disk), mend=partial(free, disk)),
        Fault("failing fsync", process, fail_syncs, mend=nothing),
    ]


def nothing() -> None:
    """The next start finds everything as it needs it."""


def process_of(name: str, exchange: Exchange) -> int:
    """The id of a process by its name, or by what it does now."""
    if name == SUPERVISOR:
        return exchange.pid
    if name not in (LEADER, FOLLOWER):
        return exchange.process(name)
    settings = Settings.load(exchange.home, {})
    leader = holder_of(epoch_file(settings.log_directory, newest_epoch(settings.log_directory)))
    both = [exchange.process("match"), exchange.process("standby")]
    return leader if name == LEADER else next(pid for pid in both if pid != leader)
