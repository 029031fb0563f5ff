"""Making the SQL views anew beside a running exchange."""

import time
from functools import partial
from typing import Any

from cambist.control.exchange import Caller, Exchange, Request
from cambist.data.database import open_views
from cambist.data.projection import read_position
from cambist.match import recovery
from cambist.store.sqlite import open_database
from cambist.supervisor.client import supervisor

_LOOK_EVERY_S = 0.1


class RebuildViews(Request, tag="views.rebuild"):
    """Drops the views and waits until the data server has written them again. Records are not touched."""

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        settings = exchange.settings
        target = exchange.query(lambda engine: engine.sequence)
        with supervisor(settings.supervisor_file) as processes, processes.paused("data"):
            database, _ = open_views(
                settings.views_file,
                recovery.log_id(settings.log_directory),
                rebuild=True,
                require_history=partial(recovery.require_history, settings),
            )
            database.dispose()
        database = open_database(settings.views_file, read_only=True)
        try:
            while True:
                exchange.query(lambda engine: None)  # Unavailable once the exchange stops
                with database.begin() as db:
                    position = read_position(db)
                reached = 0 if position is None else position.sequence
                caller.report(reached, target)
                if reached >= target:
                    return {"sequence": reached}
                time.sleep(_LOOK_EVERY_S)
        finally:
            database.dispose()
