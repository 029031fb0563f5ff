"""What the supervisor shows to those who watch over the exchange: all of its processes, on one port."""

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cambist.ops.all import AllWatched
from cambist.ops.endpoint import Endpoint
from cambist.ops.metrics import Labelled, Metrics
from cambist.settings import Settings
from cambist.supervisor.messages import ProcessStatus
from cambist.supervisor.supervisor import Supervisor

HOST = "127.0.0.1"

log = logging.getLogger("cambist")


@contextmanager
def watched_over(settings: Settings, supervisor: Supervisor) -> Iterator[None]:
    """On `ops.port` during the block. One that is taken is no reason not to run: it is told and left."""
    listener = _listener(settings.ops.port)
    if listener is None:
        yield
        return

    def sockets() -> list[tuple[str, Path]]:
        return [(name, settings.ops_file(name)) for name in supervisor.children]

    def troubles() -> Iterator[str]:
        for name, child in supervisor.children.items():
            if trouble := child.status.trouble:
                yield f"{name} ends again and again: {trouble}"

    endpoint = Endpoint(listener, AllWatched(sockets, _own_metrics(supervisor), troubles))
    endpoint.start()
    try:
        yield
    finally:
        endpoint.close()


def _listener(port: int) -> socket.socket | None:
    if not port:
        return None
    try:
        return socket.create_server((HOST, port))
    except OSError as problem:
        log.warning("no metrics: %s port %d cannot be listened on (%s)", HOST, port, problem)
        return None


def _own_metrics(supervisor: Supervisor) -> Metrics:
    metrics, label = Metrics(), ("process",)

    def of_each(read: Callable[[ProcessStatus], float]) -> Labelled:
        return lambda: [((name,), read(child.status)) for name, child in supervisor.children.items()]

    metrics.counters("cambist_restarts", "Starts after the first.", label, of_each(lambda it: it.restarts))
    metrics.gauges("cambist_ready", "1 while it does its work.", label, of_each(lambda it: it.is_ready))
    metrics.gauges("cambist_up_seconds", "0 while it does not run.", label, of_each(lambda it: it.up_s or 0))
    metrics.gauges(
        "cambist_failing", "1 while it ends by itself.", label, of_each(lambda it: it.trouble is not None)
    )
    return metrics
