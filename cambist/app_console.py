"""The wiring of the console: a part of the office, with a listener of its own.

It is served as soon as the records are open, before there is a match server to talk to: whoever has to stop
payouts must not have to wait for an exchange that is in trouble.
"""

import asyncio
import os
import socket
import time

from cambist.app_http import serve_http
from cambist.console.app import create_console
from cambist.console.call import Console
from cambist.settings import Settings
from cambist.site import Site
from cambist.staff.challenges import Challenges
from cambist.store.records import Records
from cambist.supervisor.service import PortTaken


async def serve_console(settings: Settings, records: Records, stop: asyncio.Event) -> None:
    """Until `stop`. Raises PortTaken. Without a port there is no console."""
    if not settings.server.console_port:
        await stop.wait()
        return
    console = Console(settings, records, Challenges(), time.time_ns)
    with _listener(settings.console.host, settings.server.console_port) as listener:
        await serve_http(create_console(console, Site()), listener, stop)


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as problem:
        raise PortTaken(
            f"{host} port {port} cannot be listened on ({os.strerror(problem.errno or 0)}): "
            "stop what uses it, or choose another for the console with CAMBIST_CONSOLE_PORT"
        ) from None
