"""Load on an exchange that is about to be killed, and a record of what was asked and what was answered.

Sixteen connections, each with one request at work in the exchange and one waiting behind it. The record is
kept in this process, so it survives whatever happens to the exchange.
"""

import asyncio
import hashlib
import hmac
import itertools
import json
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from random import Random
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlencode

from cambist.flow.rest import RECV_WINDOW_MS, Credentials
from tests.e2e.harness import HOST, WAIT_SECONDS
from tests.e2e.market import SYMBOL

CONNECTIONS = 16
CLIENT_ID_LONGEST = 36  # long names make a short test fill more than one log segment
UNDER_WAY = 2  # requests of one connection that wait for answers, sent one behind the other

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Kind(Enum):
    PLACE = "POST", "/api/v3/order"
    CANCEL = "DELETE", "/api/v3/order"
    CANCEL_ALL = "DELETE", "/api/v3/openOrders"


class Request(NamedTuple):
    """`name` is the client order id of a new order, or the id of a cancel: never used twice."""

    kind: Kind
    name: str
    parameters: dict[str, object]

    def encode(self, owner: Credentials) -> bytes:
        method, path = self.kind.value
        query = urlencode(
            {**self.parameters, "recvWindow": RECV_WINDOW_MS, "timestamp": time.time_ns() // 1_000_000}
        )
        signature = hmac.new(owner.secret_key.encode(), query.encode(), hashlib.sha256).hexdigest()
        return (
            f"{method} {path}?{query}&signature={signature} HTTP/1.1\r\n"
            f"Host: {HOST}\r\nX-MBX-APIKEY: {owner.api_key}\r\nContent-Length: 0\r\n\r\n"
        ).encode()


class Reply(NamedTuple):
    request: Request
    status: int
    body: Any


class Record:
    def __init__(self) -> None:
        self.sent: dict[str, Request] = {}
        self.replies: list[Reply] = []

    @property
    def in_flight(self) -> int:
        return len(self.sent) - len(self.replies)

    def unanswered(self) -> set[str]:
        return self.sent.keys() - {reply.request.name for reply in self.replies}


class Flow:
    """What one connection asks for: orders around one price, and cancels of some that rest."""

    def __init__(self, owner: Credentials, name: str, chance: Random) -> None:
        self.owner = owner
        self._name = name
        self._chance = chance
        self._count = 0
        self._resting: list[str] = []

    def next(self) -> Request:
        self._count += 1
        name = f"{self._name}-{self._count}".ljust(CLIENT_ID_LONGEST, "_")
        draw = self._chance.random()
        if draw < 0.01:
            self._resting.clear()
            return Request(Kind.CANCEL_ALL, name, {"symbol": SYMBOL})
        if draw < 0.3 and self._resting:
            resting = self._resting.pop(self._chance.randrange(len(self._resting)))
            return Request(
                Kind.CANCEL,
                name,
                {"symbol": SYMBOL, "origClientOrderId": resting, "newClientOrderId": name},
            )
        order: dict[str, object] = {
            "symbol": SYMBOL,
            "side": self._chance.choice(("BUY", "SELL")),
            "type": "LIMIT",
            "timeInForce": self._chance.choice(("GTC", "GTC", "GTC", "IOC")),
            "quantity": self._chance.randint(1, 50),
            "price": self._chance.randint(95, 105),
            "newClientOrderId": name,
            "selfTradePreventionMode": self._chance.choice(("NONE", "EXPIRE_MAKER")),
        }
        return Request(Kind.PLACE, name, order)

    def learn(self, reply: Reply) -> None:
        if reply.request.kind == Kind.PLACE and reply.body.get("status") in ("NEW", "PARTIALLY_FILLED"):
            self._resting.append(reply.request.name)


def load_until_killed(
    port: int, owners: Sequence[Credentials], name: str, chance: Random, kill: Callable[[], None]
) -> tuple[Record, int]:
    """Kills after a random number of answers and a moment; the record, and the requests then in flight."""
    return asyncio.run(_Load(port, owners, name, chance, kill).run())


class _Load:
    def __init__(
        self, port: int, owners: Sequence[Credentials], name: str, chance: Random, kill: Callable[[], None]
    ) -> None:
        self._port = port
        self._kill = kill
        self._record = Record()
        self._in_flight_at_kill = 0
        self._answers_before_kill = chance.randint(1, 400)
        self._moment_seconds = chance.uniform(0, 0.005)  # longer than a batch takes
        self._flows = [Flow(owners[nth % len(owners)], f"{name}-{nth}", chance) for nth in range(CONNECTIONS)]

    async def run(self) -> tuple[Record, int]:
        async with asyncio.timeout(WAIT_SECONDS):
            # All of them, before the first answer can bring the kill.
            streams = [await asyncio.open_connection(HOST, self._port) for _ in self._flows]
            await asyncio.gather(*itertools.starmap(self._converse, zip(self._flows, streams, strict=True)))
        return self._record, self._in_flight_at_kill

    async def _converse(self, flow: Flow, streams: Streams) -> None:
        """Until the connection breaks. An answer of which a part arrived is no answer."""
        reader, writer = streams
        waiting: deque[Request] = deque()
        try:
            while True:
                while len(waiting) < UNDER_WAY:
                    request = flow.next()
                    self._record.sent[request.name] = request
                    writer.write(request.encode(flow.owner))
                    waiting.append(request)
                status, body = await read_answer(reader)
                reply = Reply(waiting.popleft(), status, body)
                flow.learn(reply)
                self._note(reply)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _note(self, reply: Reply) -> None:
        self._record.replies.append(reply)
        if len(self._record.replies) == self._answers_before_kill:
            asyncio.get_running_loop().call_later(self._moment_seconds, self._kill_now)

    def _kill_now(self) -> None:
        self._in_flight_at_kill = self._record.in_flight
        self._kill()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, Any]:
    """Status and JSON of one whole answer. Raises IncompleteReadError."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    assert length is not None, head
    body = await reader.readexactly(int(length[1]))
    return int(head.split(b" ", 2)[1]), json.loads(body)
