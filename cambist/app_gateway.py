"""The wiring of a gateway in a process of its own, which reaches the match server over the intake.

`cambist run` starts `processes.gateways` of them on the public port, as `python -m cambist.app_gateway`;
`cambist serve gateway` runs one alone.
"""

import asyncio
import socket
import sys
from contextlib import ExitStack

import uvloop

from cambist.app_watch import watch_gateway, watch_intake
from cambist.control.failures import ANSWERED, failure_of
from cambist.describe import asyncapi
from cambist.engine.commands import Role
from cambist.gateway.app import create_app
from cambist.gateway.documents.pages import page_of
from cambist.gateway.history import History
from cambist.gateway.neighbours import Neighbours
from cambist.gateway.server import serve_gateway, views_are_level
from cambist.intake.port import port_to_leader
from cambist.match.queries import Listed
from cambist.ops.endpoint import watching
from cambist.ops.logs import log_to_stderr
from cambist.ops.watched import Watched
from cambist.settings import Settings
from cambist.store.records import Records
from cambist.supervisor.messages import Ready
from cambist.supervisor.service import listening_socket, report, stop_event

CONNECT_WITHIN_S = 20


def main() -> None:
    """The child of `cambist run`, which gives it its name."""
    try:
        settings = Settings.load()
        name = sys.argv[1]
        log_to_stderr(name, settings.logging)
        serve(settings, name, with_parent=True)
    except ANSWERED as refused:
        report(failure_of(refused))
        sys.exit(1)


def serve(settings: Settings, name: str, *, with_parent: bool) -> None:
    """Until SIGINT or SIGTERM. Raises PortTaken, Unavailable if nobody leads, and what `Records.open` raises.

    `with_parent`: also until its standard input ends.
    """
    with listening_socket(settings.server.host, settings.server.port) as listener, ExitStack() as undo:
        neighbours = Neighbours.join(settings.run_directory)
        undo.callback(neighbours.close)
        records = Records.open(settings, is_shared=True)
        undo.callback(records.close)
        history = History(settings.views_file)
        undo.callback(history.close)
        uvloop.run(_serve(settings, name, records, history, neighbours, listener, with_parent=with_parent))


async def _serve(
    settings: Settings,
    name: str,
    records: Records,
    history: History,
    neighbours: Neighbours,
    listener: socket.socket,
    *,
    with_parent: bool,
) -> None:
    stop = stop_event(with_parent=with_parent)
    port = port_to_leader(settings, records.vault, Role.TRADE, f"gateway-{neighbours.number}")
    connecting = asyncio.create_task(port.run())
    connecting.add_done_callback(lambda _: stop.set())  # it ends only by a fault, which is raised below
    try:
        await port.opened(CONNECT_WITHIN_S)
        await neighbours.meet()
        listing = await port.query(Listed())
        documents = {"/asyncapi.json": page_of(asyncapi.document)}
        app = create_app(settings, records, port, listing, history, neighbours, documents=documents)
        watched = Watched(name)
        watch_gateway(watched, app)
        watch_intake(watched, port)
        with watching(watched, settings.ops_file(name)):
            await views_are_level(history, listing.sequence, stop)
            watched.is_ready = True
            report(Ready())
            await serve_gateway(app, settings, listener, stop)
    finally:
        connecting.cancel()
        await asyncio.wait({connecting})
    if not connecting.cancelled():
        connecting.result()


if __name__ == "__main__":
    main()
