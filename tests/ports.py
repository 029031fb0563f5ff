"""Ports for servers that are told theirs before they are started."""

import os
import socket
from collections.abc import Iterator
from itertools import cycle
from random import SystemRandom

HOST = "127.0.0.1"
WORKERS = 4  # that may run at once


def _ours() -> Iterator[int]:
    """Again and again the same ones, so that none comes twice while it is not yet listened on.

    They lie below those that the kernel hands out, or a connection could take one before its server does.
    Test processes side by side share none; another run begins elsewhere.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = range(15_000, 30_000)[worker % WORKERS :: WORKERS]
    first = SystemRandom().randrange(len(ports))
    return cycle([*ports[first:], *ports[:first]])


_ports = _ours()


def free_port() -> int:
    while True:
        port = next(_ports)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
