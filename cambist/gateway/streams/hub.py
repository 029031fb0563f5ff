"""Who listens to which market stream. A message is framed once for all who get it alike, and never copied.

What a listener gets in one turn of the event loop leaves with one system call, which is most of the cost.

A stream is watched in the feed while somebody listens to it. Clients may spell a name in several ways; each
spelling has its own listeners, because a combined message repeats it.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from picows import WSMsgType

from cambist.feed.names import Kind, StreamName
from cambist.gateway.streams.frames import ROOM_BYTES, Message

_TEXT = WSMsgType.TEXT


class Listener(Protocol):
    """`put` takes a type, a buffer and where its message begins, `write` whole frames; neither raises."""

    put: Callable[[WSMsgType, bytearray, int], None]
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


def _soon(act: Callable[[], Any]) -> None:
    asyncio.get_running_loop().call_soon(act)


class StreamHub:
    def __init__(self, feed: Feed, soon: Callable[[Callable[[], Any]], None] = _soon) -> None:
        """`soon` runs something when this turn of the event loop is over."""
        self._feed = feed
        self._soon = soon
        self._ready: dict[Listener, list[Message]] = {}
        self._backwards = False
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
                self._hand_out(group.raw, Message(body))
            if group.combined:
                self._hand_out(group.combined, Message(group.prefix, body, b"}"))

    def flush(self) -> None:
        """Sends what was handed out in this turn. Listeners who get the same share its bytes.

        Of two listeners each is served first every other time: to hear first must not be anyone's for long.
        """
        ready, self._ready = self._ready, {}
        in_turn = reversed(ready.items()) if self._backwards else ready.items()
        self._backwards = not self._backwards
        joined: dict[tuple[int, ...], bytes] = {}
        for listener, messages in in_turn:
            if len(messages) == 1:
                listener.put(_TEXT, messages[0].buffer, ROOM_BYTES)
                continue
            key = tuple(map(id, messages))
            frames = joined.get(key)
            if frames is None:
                frames = joined[key] = b"".join([message.frame for message in messages])
            listener.write(frames)

    def _hand_out(self, listeners: set[Listener], message: Message) -> None:
        ready = self._ready
        if not ready:
            self._soon(self.flush)
        for listener in listeners:
            waiting = ready.get(listener)
            if waiting is None:
                ready[listener] = [message]
            else:
                waiting.append(message)

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
