"""A server's text frame (RFC 6455, section 5.2): unmasked, whole, not compressed."""

_TEXT = 0x81  # final fragment, opcode 1


def text_frame(payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((_TEXT, length)) + payload
    if length < 1 << 16:
        return bytes((_TEXT, 126)) + length.to_bytes(2, "big") + payload
    return bytes((_TEXT, 127)) + length.to_bytes(8, "big") + payload
