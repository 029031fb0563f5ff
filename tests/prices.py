"""A data process with a Price Server, played step by step. Its journal is written here, its gateway fake."""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from sqlalchemy import select

from cambist._matching import Engine
from cambist.data.orders import Orders
from cambist.data.projection import Projection
from cambist.data.server import DataServer
from cambist.feed.messages import Gap, Hello, Market, Message, Published
from cambist.feed.server import Connection
from cambist.log.journal import JournalRecord
from cambist.log.journal_writer import JournalWriter
from cambist.price.server import PriceServer
from cambist.store import views
from cambist.store.sqlite import open_database
from tests.journals import LOG_ID


class Gateway:
    """Keeps what it is sent, by stream, and what a feed client would say in its next Hello."""

    def __init__(self) -> None:
        self.bodies: dict[str, list[Any]] = defaultdict(list)
        self.published = Published()
        self.gaps = 0

    @property
    def connection(self) -> Connection:
        return cast(Connection, self)

    def send(self, message: Message) -> None:
        match message:
            case Market(stream, body):
                self.bodies[stream].append(json.loads(body))
            case Published():
                self.published = message
            case Gap():
                self.gaps += 1

    def hello(self, streams: Iterable[str]) -> Hello:
        at = self.published
        return Hello(at.sequence, at.fast_sequence, at.slow_sequence, at.time_ns, sorted(streams))

    def take(self, stream: str) -> list[Any]:
        """What has come since this was called last."""
        return self.bodies.pop(stream, [])


class Stage:
    """`play` is what the match thread does; time passes only here."""

    def __init__(self, home: Path, now_ns: int) -> None:
        self.now_ns = now_ns
        self.streams: set[str] = set()
        self.gateway = Gateway()
        self._home = home
        self._journal = home / "journal"
        self._writer: JournalWriter | None = None

    def start(self, *, rebuild: bool = False) -> None:
        self.price = PriceServer(self._journal, lambda: self.now_ns)
        self.data = DataServer(
            self._journal,
            self._home / "views.db",
            LOG_ID,
            Projection(Orders(), [self.price]),
            rebuild=rebuild,
        )
        self.price.hello(self.gateway.connection, self.gateway.hello(self.streams))

    def kill(self) -> None:
        self.data.close()

    def reconnect(self) -> None:
        """The gateway's side of the connection was lost, the data process goes on."""
        self.price.gone(self.gateway.connection)
        self.price.hello(self.gateway.connection, self.gateway.hello(self.streams))

    def watch(self, *streams: str) -> None:
        self.streams.update(streams)
        self.price.watch(self.gateway.connection, list(streams))

    def unwatch(self, *streams: str) -> None:
        self.streams.difference_update(streams)
        self.price.unwatch(self.gateway.connection, streams)

    def write(self, record: JournalRecord) -> None:
        if self._writer is None:
            self._writer = JournalWriter(self._journal, LOG_ID, Engine().event_hash, segment_bytes=1 << 20)
        self._writer.append(record)

    def candles(self) -> list[tuple[Any, ...]]:
        """The rows."""
        order = views.candles.primary_key.columns
        with open_database(self._home / "views.db", read_only=True).connect() as db:
            return [tuple(row) for row in db.execute(select(views.candles).order_by(*order))]

    def catch_up(self) -> None:
        while self.data.catch_up():
            pass

    def tick(self, seconds: float = 0.1) -> None:
        """Time passes in steps of 100 ms."""
        for _ in range(round(seconds * 10)):
            self.now_ns += 100_000_000
            self.price.tick(self.now_ns)
