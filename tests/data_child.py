"""A data server in a process of its own that starts fast, to be killed."""

import multiprocessing
import signal
from multiprocessing.connection import Connection
from pathlib import Path

from cambist.data.orders import Orders
from cambist.data.projection import Projection
from cambist.data.server import DataServer
from cambist.price.server import PriceServer
from tests.journals import LOG_ID

GROUP_BYTES = 4_096  # so that a short life has many transactions

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["cambist.data.server", "cambist.price.server", "pysqlite3.dbapi2"])


def data_server(journal: Path, views: Path, group_bytes: int = GROUP_BYTES) -> DataServer:
    """With market data, as the exchange has it."""
    projection = Projection(Orders(), [PriceServer(journal)])
    return DataServer(journal, views, LOG_ID, projection, group_bytes=group_bytes)


class DataChild:
    """Follows the journal from where the views stand, until it is killed."""

    def __init__(self, journal: Path, views: Path) -> None:
        self._told, told = _processes.Pipe(duplex=False)
        self._process = _processes.Process(target=_follow, args=(journal, views, told))
        self._process.start()
        told.close()

    def next_position(self) -> int:
        """Where it begins, then where each transaction has brought it."""
        assert self._told.poll(120), "the data server does nothing"
        position: int = self._told.recv()
        return position

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        assert self._process.exitcode == -signal.SIGKILL, "the data server had ended by itself"


def _follow(journal: Path, views: Path, told: Connection) -> None:
    server = data_server(journal, views)
    told.send(server.position)
    while server.catch_up():
        told.send(server.position)
    signal.pause()
