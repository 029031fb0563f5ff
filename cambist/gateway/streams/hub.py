"""Who listens to which market stream. A message is framed once for all who get it alike, and never copied.

A stream is watched in the feed while somebody listens to it. Clients may spell a name in several ways; each
spelling has its own listeners, because a combined message repeats it.
"""

from collections.abc import Callable
from typing import Protocol

from cambist.feed.names import Kind, StreamName
from cambist.gateway.streams.frames import text_frame


class Listener(Protocol):
    """`write` takes whole frames, never raises and does not come back to the hub."""

    write: Callable[[bytes], None]

    def resynchronize(self) -> None: ...


class Feed(Protocol):
    def watch(self, stream: str) -> None: ...
    def unwatch(self, stream: str) -> None: ...


class _Spelling:
    """The listeners of one stream under one of its names, by how they want it."""

    __slots__ = ("combined", "prefix", "raw")

    def __init__(self, spelling: str) -> None:
        self.prefix = b'{"stream":"%b","data":' % spelling.encode()
        self.raw: set[Listener] = set()
        self.combined: set[Listener] = set()


class StreamHub:
    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._streams: dict[str, dict[str, _Spelling]] = {}  # by watched name, then by spelling

    def add(self, stream: StreamName, spelling: str, listener: Listener, *, combined: bool) -> None:
        """A listener that is there already gets the stream as it wants it now."""
        spellings = self._streams.get(stream.watched)
        if spellings is None:
            spellings = self._streams[stream.watched] = {}
            self._feed.watch(stream.watched)
        group = spellings.get(spelling)
        if group is None:
            group = spellings[spelling] = _Spelling(spelling)
        wanted, other = (group.combined, group.raw) if combined else (group.raw, group.combined)
        wanted.add(listener)
        other.discard(listener)

    def remove(self, stream: StreamName, spelling: str, listener: Listener) -> None:
        spellings = self._streams[stream.watched]
        group = spellings[spelling]
        group.raw.discard(listener)
        group.combined.discard(listener)
        if group.raw or group.combined:
            return
        del spellings[spelling]
        if not spellings:
            del self._streams[stream.watched]
            self._feed.unwatch(stream.watched)

    def on_market(self, watched: str, body: bytes) -> None:
        """A message of a stream, for everybody who listens to it."""
        for group in self._streams.get(watched, {}).values():
            if group.raw:
                frame = text_frame(body)
                for listener in group.raw:
                    listener.write(frame)
            if group.combined:
                frame = text_frame(b"%b%b}" % (group.prefix, body))
                for listener in group.combined:
                    listener.write(frame)

    def on_gap(self) -> None:
        """Depth updates were lost: whoever keeps a book from them has to take a new snapshot."""
        listeners = {
            listener
            for watched, spellings in self._streams.items()
            if f"@{Kind.DEPTH.value}" in watched
            for group in spellings.values()
            for listener in group.raw | group.combined
        }
        for listener in listeners:
            listener.resynchronize()
