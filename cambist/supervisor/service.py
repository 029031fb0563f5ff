"""What every process of the exchange shares: when it has to stop, and how it tells its supervisor."""

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress

from cambist.errors import Refused
from cambist.supervisor.messages import AnyReport, encode

LISTEN_FD = "CAMBIST_LISTEN_FD"  # number of the inherited listening socket
CONNECTIONS_WAITING = 2_048


class PortTaken(Refused):
    code = "port_taken"


def report(what: AnyReport) -> None:
    """To the supervisor. One that is gone hears nothing; `stop_event` says so too."""
    with suppress(BrokenPipeError):
        sys.stdout.buffer.write(encode(what) + b"\n")
        sys.stdout.buffer.flush()


def stop_event(*, with_parent: bool) -> asyncio.Event:
    """Set by SIGINT or SIGTERM, in the running loop.

    `with_parent`: also by the end of standard input, a pipe that the supervisor holds: it is gone then.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if with_parent:
        loop.add_reader(sys.stdin, _parent_is_gone, stop)  # nothing is ever sent: it can only end
    return stop


def _parent_is_gone(stop: asyncio.Event) -> None:
    asyncio.get_running_loop().remove_reader(
        sys.stdin
    )  # or an end that goes on would be told again and again
    stop.set()


def listening_socket(host: str, port: int) -> socket.socket:
    """The one that the supervisor has opened, or a new one. Raises PortTaken."""
    if inherited := os.environ.get(LISTEN_FD):
        return socket.socket(fileno=int(inherited))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=CONNECTIONS_WAITING)
    except OSError as problem:
        raise PortTaken(
            f"{host} port {port} cannot be listened on ({os.strerror(problem.errno or 0)}): "
            "stop what uses it, or choose another with CAMBIST_PORT"
        ) from None
