"""The wiring of the exchange process: match server, gateway and the operator's socket in one.

`cambist run` starts it as `python -m cambist.app_exchange`; `cambist serve exchange` runs it alone.
"""

import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import uvloop

from cambist.app import open_exchange
from cambist.app_watch import watch_gateway, watch_match
from cambist.control.exchange import Exchange
from cambist.control.failures import ANSWERED, failure_of, status_of, stopped_by_itself
from cambist.control.server import ControlServer
from cambist.demo import anvil
from cambist.demo import setup as demo_setup
from cambist.describe import asyncapi
from cambist.engine.commands import Role
from cambist.engine.views import MarketView
from cambist.flow import demo as demo_flow
from cambist.gateway.app import create_app
from cambist.gateway.documents.pages import page_of
from cambist.gateway.history import History
from cambist.gateway.neighbours import Neighbours
from cambist.gateway.server import serve_gateway, views_are_level
from cambist.intake.listener import IntakeListener
from cambist.intake.protocol import secret_of
from cambist.match.queries import Listed
from cambist.match.standby import Heartbeat
from cambist.ops.endpoint import watching
from cambist.ops.logs import log_to_stderr
from cambist.ops.watched import Watched
from cambist.settings import Settings, hosts_and_ports
from cambist.supervisor.messages import Opened, Ready, Starting
from cambist.supervisor.service import listening_socket, report, stop_event

DEMO, ON_CHAIN = "--demo", "--on-chain"

log = logging.getLogger("cambist")


def main() -> None:
    """The child of `cambist run`; what stops it is reported, and is its status."""
    try:
        settings = Settings.load()
        log_to_stderr("exchange", settings.logging)
        exchange = open_exchange(settings, lambda done, total: report(Starting(done, total)))
        report(Opened())
        problem = serve(
            exchange,
            demo=DEMO in sys.argv[1:],
            on_chain=anvil.ASSETS if ON_CHAIN in sys.argv[1:] else (),
            with_parent=True,
            started=lambda document: report(Ready(document)),
        )
    except ANSWERED as refused:
        report(failure_of(refused))
        sys.exit(status_of(refused))
    if problem is not None:
        report(stopped_by_itself("the exchange", problem))
        sys.exit(status_of(problem))


def serve(
    exchange: Exchange,
    *,
    demo: bool,
    with_parent: bool,
    started: Callable[[dict[str, Any]], None],
    on_chain: Collection[str] = (),
) -> BaseException | None:
    """Serves until it is told to stop or a failure; returns what made it stop by itself, if anything did.

    However it ends, what is in flight is answered first, and the log is sealed if it still can be.
    `started` gets what there is to say about this exchange. `on_chain` are the demo's assets that are no play
    money, because a chain holds them.
    """
    server = exchange.settings.server
    try:
        with listening_socket(server.host, server.port) as listener:
            if demo:
                demo_setup.prepare(exchange, on_chain)
            control = ControlServer(exchange.settings.socket_file, exchange)
            control.start()
            try:
                served = _serve(
                    exchange, listener, demo=demo, on_chain=on_chain, with_parent=with_parent, started=started
                )
                uvloop.run(served)
            finally:
                control.stop()
    finally:
        exchange.close()
    return exchange.server.problem


async def _serve(
    exchange: Exchange,
    listener: socket.socket,
    *,
    demo: bool,
    on_chain: Collection[str],
    with_parent: bool,
    started: Callable[[dict[str, Any]], None],
) -> None:
    settings = exchange.settings
    stop = stop_event(with_parent=with_parent)
    ended = asyncio.get_running_loop().run_in_executor(None, exchange.server.join)
    ended.add_done_callback(lambda _: stop.set())

    neighbours = Neighbours.join(settings.run_directory)
    await neighbours.meet()
    intake = IntakeListener(
        exchange.server, settings.journal_directory, partial(secret_of, exchange.records.vault)
    )
    epoch = await exchange.server.query(lambda engine: engine.epoch)
    await intake.start(settings.run_directory, epoch, hosts_and_ports(settings.intake.listen))
    heartbeat = Heartbeat(exchange.server)
    heartbeat.start()  # from here on a successor may come at any moment
    port = await asyncio.to_thread(exchange.server.open_port, Role.TRADE, "gateway")
    history = History(settings.views_file)
    documents = {"/asyncapi.json": page_of(asyncapi.document)}
    listing = await exchange.server.query(Listed())
    app = create_app(settings, exchange.records, port, listing, history, neighbours, documents=documents)
    watched = Watched("exchange")
    watch_match(watched, exchange.server, intake, settings)
    watch_gateway(watched, app, exchange.server.stats)
    flow = None
    try:
        with watching(watched, settings.ops_file("exchange")):
            await views_are_level(history, listing.sequence, stop)
            flow = asyncio.create_task(_flow(exchange, stop, on_chain)) if demo else None
            watched.is_ready = True
            started(_said_of_demo(exchange) if demo else {})
            await serve_gateway(app, settings, listener, stop)
    finally:
        stop.set()
        if flow is not None:
            await flow
        await asyncio.to_thread(exchange.server.stop)
        await ended
        heartbeat.stop()
        await intake.stop()
        history.close()
        neighbours.close()


def _said_of_demo(exchange: Exchange) -> dict[str, Any]:
    return {
        "demo_users": str(demo_setup.users_file(exchange.settings)),
        "console_link": demo_setup.console_link(exchange) if exchange.settings.processes.office else None,
    }


async def _flow(exchange: Exchange, stop: asyncio.Event, on_chain: Collection[str]) -> None:
    """The house's orders. Whatever ends them, the exchange goes on without."""
    server = exchange.server
    try:
        markets = await server.query(lambda engine: [MarketView.of(row) for row in engine.markets()])
        await demo_flow.run(server, exchange.settings, markets, stop, on_chain=on_chain)
    except Exception:
        # A play-money generator with a fault must not take the exchange down; the fault is told in full.
        log.exception("the demo's order flow has stopped; the exchange goes on without it")


if __name__ == "__main__":
    main()
