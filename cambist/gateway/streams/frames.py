"""A server's text frames (RFC 6455, section 5.2): unmasked, whole, not compressed."""

ROOM_BYTES = 14  # before a payload, in which picows writes the frame's head
_TEXT = 0x81  # final fragment, opcode 1


class Message:
    """One message for everybody who gets it: `buffer` to be sent alone, `frame` to be sent with others."""

    __slots__ = ("_frame", "buffer")

    def __init__(self, *parts: bytes) -> None:
        self.buffer = bytearray().join((bytes(ROOM_BYTES), *parts))
        self._frame = b""

    @property
    def frame(self) -> bytes:
        if not self._frame:
            self._frame = text_frame(bytes(memoryview(self.buffer)[ROOM_BYTES:]))
        return self._frame


def text_frame(payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((_TEXT, length)) + payload
    if length < 1 << 16:
        return bytes((_TEXT, 126)) + length.to_bytes(2, "big") + payload
    return bytes((_TEXT, 127)) + length.to_bytes(8, "big") + payload
