"""What goes over the feed: frames of cambist/frames.py, each a MessagePack list of messages.

A connection opens with Hello from the gateway. Bodies are JSON, encoded once by the data process and handed
on untouched by the gateway.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from cambist.frames import LENGTH

FRAME_MAX_BYTES = 256 << 20  # more is no frame of ours


class Message(msgspec.Struct, array_like=True, tag=True, gc=False):
    """What all messages have in common."""


class Hello(Message):
    """The last `Published` that this gateway has seen (zeros before the first one), and the streams that it
    has been watching and that must go on from there.
    """

    after_sequence: int = 0
    after_fast: int = 0
    after_slow: int = 0
    after_ns: int = 0
    streams: list[str] = []


class Watch(Message):
    """From now on; stream names in canonical spelling (cambist/feed/names.py)."""

    streams: list[str]


class Unwatch(Message):
    streams: list[str]


class WatchAccount(Message):
    """The events of all commands after that sequence, also past ones; None: from now on."""

    account: int
    after_sequence: int | None = None


class UnwatchAccount(Message):
    account: int


class Ask(Message):
    id: int
    question: str
    params: Any = None


ToData: TypeAlias = Hello | Watch | Unwatch | WatchAccount | UnwatchAccount | Ask


class Market(Message):
    stream: str
    body: bytes


class Private(Message):
    """`ordinal` counts an account's events of one command from 0."""

    account: int
    sequence: int
    ordinal: int
    body: bytes


class Position(Message):
    """The views hold everything up to here."""

    sequence: int


class Published(Message):
    """What has been sent before this: private events and trades up to `sequence`, and what is gathered for
    100 ms and for 1000 ms up to the other two. Bars that were over at `time_ns` have been told closed.
    """

    sequence: int = 0
    fast_sequence: int = 0
    slow_sequence: int = 0
    time_ns: int = 0


class Gap(Message):
    """Depth updates do not continue where this gateway's positions were: its clients must start again."""


class Answer(Message):
    """`error` says why there is no body, `may_retry` whether there can be one later."""

    id: int
    body: bytes | None = None
    error: str | None = None
    may_retry: bool = False


ToGateway: TypeAlias = Market | Private | Position | Published | Gap | Answer

_encode = msgspec.msgpack.Encoder().encode
read_to_data = msgspec.msgpack.Decoder(list[ToData]).decode
read_to_gateway = msgspec.msgpack.Decoder(list[ToGateway]).decode


def frame(messages: Sequence[Message]) -> bytes:
    payload = _encode(messages)
    return LENGTH.pack(len(payload)) + payload
