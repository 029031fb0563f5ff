"""The lines between the supervisor and others: what its processes report, and what it is asked for.

All of them are JSON. A process reports on its standard output; questions come over a Unix socket, each with
one answer.
"""

from typing import Any, TypeAlias

from msgspec import Struct, json

from cambist.errors import Failure

# Exit statuses of a process, after which it is not simply started again.
DISK_FAILED = 3  # log or journal could not be written, or an invariant does not hold: a person has to look
FENCED = 4  # another process leads now
STOPPED_BY_ITSELF = "stopped_by_itself"  # code of the failure that then goes with it


class Starting(Struct, tag="starting", frozen=True):
    """How far it has come with reading the log; `total` is 0 while that is not known."""

    done: int
    total: int


class Opened(Struct, tag="opened", frozen=True):
    """The log is open and the journal complete: whoever follows them may start."""


class Ready(Struct, tag="ready", frozen=True):
    """It does its work from now on; `document` is what it has to say about itself."""

    document: dict[str, Any] = {}


AnyReport: TypeAlias = Starting | Opened | Ready | Failure


class Status(Struct, tag="status", frozen=True):
    pass


class Pause(Struct, tag="pause", frozen=True):
    """Ends a process and keeps it from running until `Resume`, or until whoever asked hangs up."""

    name: str


class Resume(Struct, tag="resume", frozen=True):
    name: str


class Restart(Struct, tag="restart", frozen=True):
    """Ends a process in order; it is started again at once."""

    name: str


AnyQuestion: TypeAlias = Status | Pause | Resume | Restart


class ProcessStatus(Struct, frozen=True):
    """`pid` and `up_s` (seconds) are None while it does not run.

    `trouble` is what the last one said that ended by itself, until another has run for a while.
    """

    name: str
    pid: int | None
    up_s: float | None
    restarts: int
    is_ready: bool
    is_paused: bool
    trouble: str | None = None


class Processes(Struct, tag="processes", frozen=True):
    """The supervisor itself, and what it keeps."""

    pid: int
    up_s: float
    processes: list[ProcessStatus]


class Done(Struct, tag="done", frozen=True):
    pass


AnyAnswer: TypeAlias = Processes | Done | Failure

encode = json.Encoder().encode
read_report = json.Decoder(AnyReport).decode
read_question = json.Decoder(AnyQuestion).decode
read_answer = json.Decoder(AnyAnswer).decode
