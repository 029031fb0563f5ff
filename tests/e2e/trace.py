"""What a traced process did to its log and its sockets, in which order, as strace wrote it down.

With `-f` strace writes a line when a call returns, or, if something else happens meanwhile, one when it
begins ("unfinished") and one when it returns ("resumed"). So the numbers of the lines give the true order.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

# Every byte of a string is written as \x..
STRACE = (
    *("strace", "-f", "-yy", "-xx", "-s", "65536", "-e", "signal=none"),
    *("-e", "trace=write,writev,sendto,sendmsg,pwrite64,pwritev,pwritev2,fdatasync"),
)

_HEX = r"(?:\\x[0-9a-f]{2})*"
_BEGIN = re.compile(r"(\d+) +(\w+)\(\d+<((?:->|[^>])*)>(.*)")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>.*")
_STRING = re.compile(rf'"({_HEX})"')
_RESULT = re.compile(r"\) += (-?\d+)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_ACKNOWLEDGED = re.compile(rb'"clientOrderId":"([^"]+)"')
_NEVER = 1 << 62


class Call(NamedTuple):
    """`target` is the file or connection behind the descriptor; `begin` and `end` are line numbers."""

    name: str
    target: str
    data: bytes
    begin: int
    end: int = _NEVER
    result: int = -1


class Reply(NamedTuple):
    """An answer on a connection; `begin` is when its first byte was handed to the kernel."""

    begin: int
    body: bytes


def parse(lines: Iterable[str]) -> list[Call]:
    """In the order in which they began. One that never returned has result -1."""
    calls: list[Call] = []
    open_calls: dict[str, int] = {}  # by thread
    for number, line in enumerate(lines):
        if begun := _BEGIN.match(line):
            thread, name, target, rest = begun.groups()
            data = b"".join(_bytes(text) for text in _STRING.findall(rest))
            open_calls[thread] = len(calls)
            calls.append(Call(name, _target(target), data, number))
        elif resumed := _RESUMED.match(line):
            thread = resumed[1]
        else:
            continue
        if thread in open_calls and (returned := _RESULT.search(line)):
            nth = open_calls.pop(thread)
            calls[nth] = calls[nth]._replace(end=number, result=int(returned[1]))
    return calls


def acknowledged_after_sync(calls: Sequence[Call], log_directory: Path) -> set[str]:
    """Client order ids in answers, each of them on the disk before the first byte of its answer.

    Raises AssertionError that names the first answer of which this is not so.
    """
    durable = list(_durable(calls, log_directory))
    names = set()
    for reply in _replies(calls):
        for name in _ACKNOWLEDGED.findall(reply.body):
            assert any(name in data and synced < reply.begin for data, synced in durable), (
                f"{name.decode()} was answered at line {reply.begin} before it was durable"
            )
            names.add(name.decode())
    return names


def log_calls(calls: Iterable[Call], log_directory: Path) -> list[Call]:
    """Those that write or sync the log's own files."""
    return [call for call in calls if re.fullmatch(rf"{re.escape(str(log_directory))}/.*\.log", call.target)]


def _durable(calls: Sequence[Call], log_directory: Path) -> Iterator[tuple[bytes, int]]:
    """What was written to the log, and when the sync behind it had returned without an error."""
    of_log = log_calls(calls, log_directory)
    syncs = [call for call in of_log if call.name == "fdatasync"]
    for write in of_log:
        if write.name == "fdatasync" or write.result != len(write.data):
            continue
        behind = [sync for sync in syncs if sync.target == write.target and sync.begin > write.end]
        if behind and behind[0].result == 0:
            yield write.data, behind[0].end


def _replies(calls: Iterable[Call]) -> Iterator[Reply]:
    connections: defaultdict[str, list[Call]] = defaultdict(list)
    for call in calls:
        if call.target.startswith("TCP") and call.result > 0:
            connections[call.target].append(call)
    for written in connections.values():
        stream = b"".join(call.data[: call.result] for call in written)
        begins = [call.begin for call in written for _ in range(call.result)]  # of every byte
        at = 0
        while at < len(stream):
            body_at = stream.index(b"\r\n\r\n", at) + 4
            length = _LENGTH.search(stream, at, body_at)
            assert length is not None, stream[at:body_at]
            end = body_at + int(length[1])
            yield Reply(begins[at], stream[body_at:end])
            at = end


def _target(text: str) -> str:
    """Paths are written in hexadecimal, addresses are not."""
    return _bytes(text).decode() if text.startswith("\\x") else text


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
