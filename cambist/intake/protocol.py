"""What goes over an intake connection. Format: docs/formats/intake.md.

Handshake and questions are JSON, because amounts have up to 128 bits and MessagePack's integers have 64;
commands and records are the bytes that the log and the engine know.
"""

import hmac
from collections.abc import Iterable, Iterator
from enum import IntEnum
from functools import cache
from struct import Struct
from typing import Any, NamedTuple, get_type_hints

import msgspec

from cambist.engine.commands import Role
from cambist.frames import LENGTH
from cambist.match import queries
from cambist.match.queries import Query
from cambist.store.secrets import Vault

VERSION = 1
HANDSHAKE_MAX_BYTES = 1_024
TO_SERVER_MAX_BYTES = 1 << 20
TO_CLIENT_MAX_BYTES = 256 << 20  # a cancel-all's answer is as long as the books are
FRAME_BYTES = 1 << 18  # what is gathered is cut into frames of about this size
HEARTBEAT_S = 0.25
WINDOW = 4_096  # numbers that a session may have open at once: the engine keeps that many results
NONCE_BYTES = 32

_STAMP = Struct("<IQ")  # session and number, at 4 in a command
_COMMAND_LENGTH = Struct("<H")
_COMMAND_MIN_BYTES = 24
_ANSWER = Struct("<QII")  # number, code, length of what follows
_QUESTION = Struct("<I")  # id
_RESULT = Struct("<IB")  # id, code


class Kind(IntEnum):
    HELLO = 1
    CHALLENGE = 2
    PROOF = 3
    WELCOME = 4
    REFUSED = 5
    COMMANDS = 6
    ANSWERS = 7
    QUERY = 8
    RESULT = 9
    HEARTBEAT = 10


class Code(IntEnum):
    """What an answer or a result is."""

    OK = 0
    NOT_EXECUTED = 1  # turned away for load, before the log
    UNKNOWN = 2  # it may have been executed, and nothing is left that says so
    FAILED = 3  # the question itself raised


class Refusal(IntEnum):
    """Why a connection was not taken."""

    BAD_VERSION = 1
    BAD_PROOF = 2
    BAD_NAME = 3
    SESSION_OF_ANOTHER = 4
    TOO_MANY = 5


class Violation(Exception):
    """The other side does not keep to the protocol. The connection ends."""


class Hello(msgspec.Struct, array_like=True):
    """`session` is one to go on with, or 0; `after` is a sequence before all that is unanswered in it."""

    version: int
    role: str
    name: str
    session: int
    after: int
    nonce: bytes


class Challenge(msgspec.Struct, array_like=True):
    """`proof` shows that the server knows the role's secret."""

    nonce: bytes
    proof: bytes


class Welcome(msgspec.Struct, array_like=True):
    """`last_number` is the last one that the engine has of the session."""

    session: int
    epoch: int
    last_number: int


class Refused(msgspec.Struct, array_like=True):
    why: Refusal


class Answer(NamedTuple):
    """`record` is empty unless `code` is OK."""

    number: int
    code: Code
    record: bytes


to_json = msgspec.json.Encoder().encode
read_hello = msgspec.json.Decoder(Hello).decode
read_challenge = msgspec.json.Decoder(Challenge).decode
read_welcome = msgspec.json.Decoder(Welcome).decode
read_refused = msgspec.json.Decoder(Refused).decode
_read_query = msgspec.json.Decoder(queries.AnyQuery).decode

_CODES = {code.value: code for code in Code}


def frame(kind: Kind, body: bytes = b"") -> bytes:
    return LENGTH.pack(len(body) + 1) + bytes((kind,)) + body


def prove(secret: bytes, side: bytes, hello: bytes, nonce: bytes) -> bytes:
    """A side's proof over everything that was said: both nonces, role, name and session."""
    return hmac.digest(secret, b"cambist intake %b\0%b%b" % (side, nonce, hello), "sha256")


def secret_of(vault: Vault, role: Role) -> bytes:
    """What whoever has this role knows, and nobody else outside the match server."""
    return vault.derive(f"intake {role.name.lower()}")


def stamp_of(command: bytes | bytearray) -> tuple[int, int]:
    """Session and number."""
    session, number = _STAMP.unpack_from(command, 4)
    return session, number


def split_commands(body: bytes) -> Iterator[bytearray]:
    """Raises Violation for what does not come to its own length."""
    at, end = 0, len(body)
    while at < end:
        length = _COMMAND_LENGTH.unpack_from(body, at)[0] if end - at >= _COMMAND_MIN_BYTES else 0
        if not _COMMAND_MIN_BYTES <= length <= end - at:
            raise Violation(f"{end - at} bytes that are no command")
        yield bytearray(body[at : at + length])
        at += length


def pack_answer(answer: Answer) -> bytes:
    return _ANSWER.pack(answer.number, answer.code, len(answer.record)) + answer.record


def split_answers(body: bytes) -> Iterator[Answer]:
    """Raises Violation."""
    at, end = 0, len(body)
    while at < end:
        if end - at < _ANSWER.size:
            raise Violation("an answer without its head")
        number, code, length = _ANSWER.unpack_from(body, at)
        at += _ANSWER.size
        if code not in _CODES or at + length > end:
            raise Violation("an answer that is not whole")
        yield Answer(number, _CODES[code], body[at : at + length])
        at += length


def pack_query(identity: int, ask: Query[Any]) -> bytes:
    return frame(Kind.QUERY, _QUESTION.pack(identity) + to_json(ask))


def unpack_query(body: bytes) -> tuple[int, Query[Any]]:
    """Raises Violation."""
    try:
        return _QUESTION.unpack_from(body)[0], _read_query(memoryview(body)[_QUESTION.size :])
    except (msgspec.DecodeError, ValueError) as problem:
        raise Violation(f"a question that cannot be read: {problem}") from None


def pack_result(identity: int, code: Code, result: bytes = b"") -> bytes:
    return frame(Kind.RESULT, _RESULT.pack(identity, code) + result)


def unpack_result(body: bytes) -> tuple[int, Code, memoryview]:
    """Raises Violation."""
    if len(body) < _RESULT.size:
        raise Violation("a result without its head")
    identity, code = _RESULT.unpack_from(body)
    if code not in _CODES:
        raise Violation(f"a result of code {code}")
    return identity, _CODES[code], memoryview(body)[_RESULT.size :]


@cache
def reader_of(ask: "type[Query[Any]]") -> msgspec.json.Decoder[Any]:
    """Reads the results of that kind of question."""
    return msgspec.json.Decoder(get_type_hints(ask.__call__)["return"])


def gathered(parts: Iterable[bytes | bytearray]) -> Iterator[bytes]:
    """The same bytes in pieces of about FRAME_BYTES; no part is cut."""
    piece: list[bytes | bytearray] = []
    size = 0
    for part in parts:
        piece.append(part)
        size += len(part)
        if size >= FRAME_BYTES:
            yield b"".join(piece)
            piece, size = [], 0
    if piece:
        yield b"".join(piece)
