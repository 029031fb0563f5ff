"""Asks an Ethereum node over JSON-RPC. Answers are untrusted: bounded in size and time, checked for shape.

Numbers are hexadecimal text, "quantities". Source: ethereum/execution-apis.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple, TypeVar

import httpx
import msgspec
from msgspec import Meta, Struct

from cambist.errors import Refused
from cambist.wallets.chain import NodeFailed

# A full block of a busy chain, with receipts or traces, has some ten megabytes.
ANSWER_MAX_BYTES = 256 << 20
BATCH_MAX = 500
_SAID_LONGEST = 200
_METHOD_NOT_FOUND = -32_601  # JSON-RPC 2.0, section 5.1

Quantity = Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{1,64}\Z")]
Hash = Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{64}\Z")]
Address = Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{40}\Z")]
Bytes = Annotated[str, Meta(pattern=r"^0x([0-9a-fA-F]{2})*\Z")]

T = TypeVar("T")


class Call(NamedTuple):
    method: str
    params: Sequence[Any]


class NodeRefused(Refused):
    """The node understood and said no; the text is its own."""

    code = "node_refused"


class MethodUnknown(NodeRefused):
    """The node does not offer the method, or not to us."""


class _Problem(Struct):
    code: int
    message: str = ""


class _Answer(Struct):
    id: int
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Problem | None = None


class Rpc:
    """One node. Usable by one thread."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self.url = url
        self._client = httpx.Client(timeout=timeout_s, follow_redirects=False, trust_env=False)

    def call(self, kind: type[T], method: str, *params: Any) -> T:
        """Raises NodeFailed, or NodeRefused with what the node says."""
        return next(self.batch(kind, [Call(method, params)]))

    def find(self, kind: type[T], method: str, *params: Any) -> T | None:
        """The same for what the node may not have."""
        decoder: msgspec.json.Decoder[T | None] = msgspec.json.Decoder(kind | None)
        return next(self._batch(decoder, [Call(method, params)]))

    def batch(self, kind: type[T], calls: Sequence[Call]) -> Iterator[T]:
        """The results in the order of the calls, BATCH_MAX in one request. Raises as `call`."""
        return self._batch(msgspec.json.Decoder(kind), calls)

    def attempt(self, kind: type[T], calls: Sequence[Call]) -> list[T | None]:
        """The same, with None for what the node refuses. Raises NodeFailed."""
        decoder = msgspec.json.Decoder(kind)
        return [
            None if answer.error else self._decoded(decoder, answer.result) for answer in self._answers(calls)
        ]

    def close(self) -> None:
        self._client.close()

    def _batch(self, decoder: msgspec.json.Decoder[T], calls: Sequence[Call]) -> Iterator[T]:
        for call, answer in zip(calls, self._answers(calls), strict=True):
            if answer.error is not None:
                kind = MethodUnknown if answer.error.code == _METHOD_NOT_FOUND else NodeRefused
                raise kind(f"{call.method}: {answer.error.message[:_SAID_LONGEST]}")
            yield self._decoded(decoder, answer.result)

    def _decoded(self, decoder: msgspec.json.Decoder[T], result: msgspec.Raw) -> T:
        try:
            return decoder.decode(result)
        except (msgspec.DecodeError, RecursionError) as problem:
            raise NodeFailed(f"the node's answer has not the agreed shape: {problem}") from None

    def _answers(self, calls: Sequence[Call]) -> Iterator[_Answer]:
        for start in range(0, len(calls), BATCH_MAX):
            yield from self._ask(calls[start : start + BATCH_MAX])

    def _ask(self, calls: Sequence[Call]) -> Iterator[_Answer]:
        asked = [
            {"jsonrpc": "2.0", "id": number, "method": call.method, "params": call.params}
            for number, call in enumerate(calls)
        ]
        body = self._post(msgspec.json.encode(asked if len(asked) > 1 else asked[0]))
        try:
            answers = [_ANSWER.decode(body)] if len(asked) == 1 else _ANSWERS.decode(body)
        except (msgspec.DecodeError, RecursionError) as problem:
            raise NodeFailed(f"the node's answer is not JSON-RPC: {problem}") from None
        by_id = {answer.id: answer for answer in answers}
        for number, call in enumerate(calls):
            if (answer := by_id.get(number)) is None:
                raise NodeFailed(f"the node did not answer {call.method}")
            yield answer

    def _post(self, body: bytes) -> bytes:
        content = bytearray()
        headers = {"content-type": "application/json"}
        try:
            with self._client.stream("POST", self.url, content=body, headers=headers) as response:
                if response.status_code != httpx.codes.OK:
                    raise NodeFailed(f"the node answers with status {response.status_code}")
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > ANSWER_MAX_BYTES:
                        raise NodeFailed(f"the node's answer is larger than {ANSWER_MAX_BYTES} bytes")
        except httpx.HTTPError as problem:
            raise NodeFailed(f"the node does not answer: {type(problem).__name__}") from None
        return bytes(content)


_ANSWER = msgspec.json.Decoder(_Answer)
_ANSWERS = msgspec.json.Decoder(list[_Answer])


def number(quantity: str) -> int:
    """Of a Quantity."""
    return int(quantity, 16)
