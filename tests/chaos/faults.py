"""What is done to the processes of an exchange, one at a time."""

import os
import signal
import time
from collections.abc import Callable
from typing import NamedTuple

PAUSE_S = 2.5  # longer than a standby waits, and than a gateway waits before it looks for another leader


class Fault(NamedTuple):
    """`strike` returns when the fault is over: what was killed is dead, what was stopped goes on."""

    name: str
    process: str
    strike: Callable[[int], None]


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
    return [
        Fault(name, process, strike)
        for process in processes
        for name, strike in (("kill -9", kill), ("SIGSTOP", pause))
    ]
