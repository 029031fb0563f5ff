"""Frames of a byte stream between processes: u32 length (little-endian), then that many bytes."""

from collections.abc import Iterator
from struct import Struct

LENGTH = Struct("<I")


class FrameTooLarge(Exception):
    """The other side does not speak this protocol."""


class Frames:
    """Cuts what a socket gives into whole payloads. `max_bytes` may change while it works."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._buffer = bytearray()

    def fed(self, data: bytes) -> Iterator[bytes]:
        """Raises FrameTooLarge."""
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= LENGTH.size:
            (length,) = LENGTH.unpack_from(buffer, at)
            if length > self.max_bytes:
                raise FrameTooLarge(f"a frame of {length} bytes")
            end = at + LENGTH.size + length
            if end > len(buffer):
                break
            yield bytes(memoryview(buffer)[at + LENGTH.size : end])
            at = end
        del buffer[:at]
