"""Hands a request to the exchange: to the one that runs, or to one opened in this process for it alone."""

import os
from contextlib import closing
from typing import Any

from cambist.app import open_exchange
from cambist.cli.terminal import progress
from cambist.control.client import Here, running
from cambist.control.exchange import Request
from cambist.settings import Settings


def ask(request: Request, what: str = "working") -> Any:
    """The answer's document. `what` stands beside the progress bar, if it takes long enough for one."""
    settings = Settings.load()
    with running(settings.socket_file) as exchange, progress(what) as report:
        if exchange is not None:
            return exchange.perform(request, report)
    with progress("reading the log") as report:
        opened = open_exchange(settings, report)
    with closing(opened), progress(what) as report:
        return Here(opened, f"operator, user id {os.getuid()}").perform(request, report)
