"""The gateway's end of the feed, and whom it serves."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from cambist.feed.client import FeedClient
from cambist.gateway.streams.accounts import AccountHub
from cambist.gateway.streams.hub import StreamHub
from cambist.gateway.streams.market import StreamConnection
from cambist.store.listen_keys import ListenKeys


class Streaming:
    """What stream connections and sessions share. `feed.run` keeps it supplied."""

    def __init__(
        self,
        feed_file: Path,
        listen_keys_file: Path,
        begin: int,
        last_sequence: Callable[[], Awaitable[int]],
    ) -> None:
        """`begin` is the engine's sequence now, `last_sequence` gives it later on."""
        self.feed = FeedClient(feed_file, self._market, self._private, self._gap, begin)
        self.hub = StreamHub(self.feed)
        self.accounts = AccountHub(self.feed, last_sequence)
        self.listen_keys = ListenKeys(listen_keys_file, self._end_listen_key)
        self.by_listen_key: dict[str, set[StreamConnection]] = {}

    def expire_listen_keys(self) -> None:
        self.listen_keys.look(list(self.by_listen_key), time.time_ns())

    def _market(self, stream: str, body: bytes) -> None:
        self.hub.on_market(stream, body)

    def _private(self, account: int, sequence: int, ordinal: int, body: bytes) -> None:
        self.accounts.on_private(account, sequence, ordinal, body)

    def _gap(self) -> None:
        self.hub.on_gap()

    def _end_listen_key(self, listen_key: str) -> None:
        for connection in tuple(self.by_listen_key.get(listen_key, ())):
            connection.end_listen_key(listen_key)
