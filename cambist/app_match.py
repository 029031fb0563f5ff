"""The wiring of the match server as a process of its own: it leads, or stands by until it does.

Gateways reach it over intake; the operator's socket is where it leads. `cambist run` starts it as
`python -m cambist.app_match`, with `--standby` for one that waits where another one leads.
"""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TypeAlias

import uvloop

from cambist.app import lead, open_exchange
from cambist.app_watch import watch_match, watch_standby
from cambist.control.exchange import Exchange
from cambist.control.failures import ANSWERED, failure_of, status_of, stopped_by_itself
from cambist.control.server import ControlServer
from cambist.intake.listener import AddressTaken, IntakeListener
from cambist.intake.protocol import secret_of
from cambist.log.errors import LogInUse
from cambist.match.standby import Heartbeat, Led, Standby
from cambist.ops.endpoint import watching
from cambist.ops.logs import log_to_stderr
from cambist.ops.watched import Watched
from cambist.settings import Settings, hosts_and_ports
from cambist.store.records import Records
from cambist.supervisor.messages import (
    AnyReport,
    Opened,
    Ready,
    Starting,
)
from cambist.supervisor.service import report, stop_event

LISTEN_AGAIN_S = 0.5

log = logging.getLogger("cambist")

Say: TypeAlias = Callable[[AnyReport], None]


def main() -> None:
    """The child of `cambist run`, which gives it its name; what stops it is reported, and is its status."""
    try:
        settings = Settings.load()
        name, *options = sys.argv[1:]
        log_to_stderr(name, settings.logging)
        problem = serve_match(settings, name, standby="--standby" in options, with_parent=True, say=report)
    except ANSWERED as refused:
        report(failure_of(refused))
        sys.exit(status_of(refused))
    if problem is not None:
        report(stopped_by_itself("the match server", problem))
        sys.exit(status_of(problem))


def serve_match(
    settings: Settings, name: str, *, standby: bool, with_parent: bool, say: Say
) -> BaseException | None:
    """Leads until it is told to stop or a failure; returns what made it stop by itself, if anything did.

    `standby`: where another process leads, it waits until that is gone. Raises LogInUse otherwise, and what
    `open_exchange` and `Standby` raise.
    """
    return uvloop.run(_serve(settings, name, standby=standby, with_parent=with_parent, say=say))


async def _serve(
    settings: Settings, name: str, *, standby: bool, with_parent: bool, say: Say
) -> BaseException | None:
    stop = stop_event(with_parent=with_parent)
    watched = Watched(name)
    with watching(watched, settings.ops_file(name)):
        exchange = await _leading(settings, stop, watched, say, standby=standby)
        return None if exchange is None else await _lead(exchange, stop, watched, say)


async def _lead(exchange: Exchange, stop: asyncio.Event, watched: Watched, say: Say) -> BaseException | None:
    settings = exchange.settings
    server = exchange.server
    ended = asyncio.get_running_loop().run_in_executor(None, server.join)
    ended.add_done_callback(lambda _: stop.set())
    with ExitStack() as undo:
        undo.callback(exchange.close)
        control = ControlServer(settings.socket_file, exchange)
        control.start()
        undo.callback(control.stop)
        secrets = partial(secret_of, exchange.records.vault)
        listener = IntakeListener(server, settings.journal_directory, secrets)
        epoch = await server.query(lambda engine: engine.epoch)
        await listener.start(settings.run_directory, epoch)
        listening = asyncio.create_task(_listen(listener, hosts_and_ports(settings.intake.listen)))
        undo.callback(listening.cancel)
        heartbeat = Heartbeat(server)
        heartbeat.start()  # from here on a successor may come at any moment
        undo.callback(heartbeat.stop)
        watch_match(watched, server, listener, settings)
        watched.is_ready = True
        say(Opened())
        say(Ready({"leads": True}))
        await asyncio.to_thread(exchange.courier.resume)
        await stop.wait()
        await listener.stop()
    await ended
    return server.problem


async def _listen(listener: IntakeListener, addresses: Sequence[tuple[str, int]]) -> None:
    """One that an old leader holds, which is stopped and has not ended yet, is waited for."""
    for host, port in addresses:
        is_told = False
        while True:
            try:
                await listener.listen(host, port)
                break
            except AddressTaken as problem:
                if not is_told:
                    log.warning("%s; tried again until it is free", problem)
                is_told = True
                await asyncio.sleep(LISTEN_AGAIN_S)


async def _leading(
    settings: Settings, stop: asyncio.Event, watched: Watched, say: Say, *, standby: bool
) -> Exchange | None:
    """None if it is told to stop before it leads."""
    try:
        return await asyncio.to_thread(open_exchange, settings, lambda *at: say(Starting(*at)))
    except LogInUse:
        if not standby:
            raise
    # Before it leads: later an old leader that was stopped in the middle of a write may hold their lock.
    records = Records.open(settings, is_shared=True)
    halt = threading.Event()
    halting = asyncio.create_task(_then(stop, halt))
    led = await asyncio.to_thread(_stand_by, settings, halt, watched, say)
    halting.cancel()
    if led is None:
        records.close()
        return None
    return lead(settings, records, led)


def _stand_by(settings: Settings, halt: threading.Event, watched: Watched, say: Say) -> Led | None:
    standby = Standby(settings)
    watch_standby(watched, standby)
    watched.is_ready = True
    say(Opened())  # by the one that leads
    say(Ready({"leads": False}))
    return standby.wait(halt)


async def _then(stop: asyncio.Event, halt: threading.Event) -> None:
    await stop.wait()
    halt.set()


if __name__ == "__main__":
    main()
