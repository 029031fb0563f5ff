"""Reads a request's body from ASGI, and no more of it than there may be."""

from starlette.types import Message, Receive


class ClientGone(Exception):
    """Hung up before the request was whole: there is nobody to answer and nothing to do."""


async def read_body(receive: Receive, max_bytes: int) -> bytes | None:
    """None as soon as it is too large. Raises ClientGone if it did not come to its end."""
    message = await _next(receive)
    body: bytes = message.get("body", b"")
    while message.get("more_body") and len(body) <= max_bytes:
        message = await _next(receive)
        body += message.get("body", b"")
    return body if len(body) <= max_bytes else None


async def _next(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message
