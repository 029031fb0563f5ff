"""The two kinds of WebSocket: market streams, and the private events of a key's owner."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import aiohttp
import msgspec

from cambist_client.errors import ConnectionLost, Refused
from cambist_client.keys import Key


async def market_events(
    session: aiohttp.ClientSession, url: str, streams: Sequence[str]
) -> AsyncIterator[tuple[str, Any]]:
    async with session.ws_connect(f"{url}?streams={'/'.join(streams)}", max_msg_size=0) as socket:
        async for message in _messages(socket):
            yield message["stream"], message["data"]
    raise ConnectionLost(f"the streams have ended ({socket.close_code})")


async def private_events(session: aiohttp.ClientSession, url: str, key: Key) -> AsyncIterator[Any]:
    async with session.ws_connect(url, max_msg_size=0) as socket:
        await socket.send_json(signed_request(1, "userDataStream.subscribe.signature", {}, key))
        async for message in _messages(socket):
            if "event" in message:
                yield message["event"]
            elif message["status"] != 200:
                error = message["error"]
                raise Refused(message["status"], error["code"], error["msg"])
    raise ConnectionLost(f"the private events have ended ({socket.close_code})")


def signed_request(number: int, method: str, params: Mapping[str, Any], key: Key) -> dict[str, Any]:
    """The signature covers all parameters as their JSON has them, sorted by name, the API key among them."""
    sent = {**params, "apiKey": key.api_key, "timestamp": time.time_ns() // 1_000_000}
    payload = "&".join(f"{name}={_text(sent[name])}" for name in sorted(sent))
    return {"id": number, "method": method, "params": {**sent, "signature": key.sign(payload.encode())}}


async def _messages(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[Any]:
    async for frame in socket:
        if frame.type is aiohttp.WSMsgType.TEXT:
            yield msgspec.json.decode(frame.data)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
