"""Requests and answers of the WebSocket API as JSON.

Every value becomes the text that a REST client would have sent for it: a number as it was written, so that
nothing is rounded and the signature covers what came. An answer repeats the request's `id` byte for byte.
"""

from typing import NamedTuple

import msgspec

from cambist.gateway import errors
from cambist.gateway.errors import ApiError

_SIGNATURE = "signature"
_OF_ID = b'"-0123456789n'  # what an integer, a string or null begins with
NO_ID = b"null"


class _Envelope(msgspec.Struct):
    id: msgspec.Raw = msgspec.Raw(NO_ID)
    method: msgspec.Raw = msgspec.Raw()
    params: msgspec.Raw = msgspec.Raw()


class Message(NamedTuple):
    """`id` is JSON, the values are text."""

    id: bytes
    method: str
    params: dict[str, str]


class Unreadable(Exception):
    """No request; `id` is the sender's if it could be read."""

    def __init__(self, what: str, request_id: bytes = NO_ID) -> None:
        super().__init__(what)
        self.refusal = errors.malformed(what)
        self.id = request_id


_envelopes = msgspec.json.Decoder(_Envelope)
_texts = msgspec.json.Decoder(str)
_objects = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read(message: bytes) -> Message:
    """Raises Unreadable, and ApiError for text that is not UTF-8."""
    try:
        envelope = _envelopes.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("JSON request; expected an object.") from None
    request_id = bytes(envelope.id)
    if request_id[:1] not in _OF_ID or (b"." in request_id and request_id[:1] != b'"'):
        raise Unreadable("'id' in JSON request; expected an integer, string, or null.")
    try:
        method = _texts.decode(envelope.method)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("'method' in JSON request; expected a string.", request_id) from None
    return Message(request_id, method.removeprefix("v3/"), _params(bytes(envelope.params), request_id))


def signed(params: dict[str, str]) -> bytes:
    """What the signature covers: all but itself, sorted by name."""
    pairs = sorted(pair for pair in params.items() if pair[0] != _SIGNATURE)
    return "&".join(f"{name}={value}" for name, value in pairs).encode()


def answer(request_id: bytes, status: int, body: bytes, limits: bytes | None) -> bytes:
    """`limits` is the JSON of `rateLimits`; None leaves it out."""
    name = b"result" if status == 200 else b"error"
    tail = b"" if limits is None else b',"rateLimits":' + limits
    return b'{"id":%b,"status":%d,"%b":%b%b}' % (request_id, status, name, body, tail)


def _params(raw: bytes, request_id: bytes) -> dict[str, str]:
    if raw in (b"", b"null"):
        return {}
    try:
        values = _objects.decode(raw)
        return {name: _text(bytes(value)) for name, value in values.items() if bytes(value) != b"null"}
    except msgspec.DecodeError:
        raise Unreadable("'params' in JSON request; expected an object.", request_id) from None
    except UnicodeDecodeError:
        raise ApiError(errors.ILLEGAL_CHARACTERS) from None


def _text(value: bytes) -> str:
    """Arrays and objects stay JSON, as in a query."""
    return _texts.decode(value) if value[:1] == b'"' else value.decode()
