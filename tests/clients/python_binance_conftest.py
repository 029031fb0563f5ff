"""Stands beside python-binance's own tests as their conftest.py, which its source package leaves out.

python-binance takes no base URL: every URL that it knows is pointed at the exchange before a client is made.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
import requests_mock
from binance.async_client import AsyncClient
from binance.base_client import BaseClient
from binance.client import Client
from binance.ws.streams import BinanceSocketManager
from websockets.protocol import State

api_key, api_secret = os.environ["EXCHANGE_API_KEY"], os.environ["EXCHANGE_SECRET_KEY"]
proxies: dict[str, str] = {}
proxy = None
testnet = False

for owner in (BaseClient, BinanceSocketManager):
    for name in [each for each in vars(owner) if each.endswith("_URL")]:
        base = os.environ["EXCHANGE_WS" if getattr(owner, name).startswith("ws") else "EXCHANGE_HTTP"]
        setattr(owner, name, re.sub("^[a-z]+://[^/]+", base, getattr(owner, name)))


@pytest.fixture
def client() -> Iterator[Client]:
    yield Client(api_key, api_secret)


@pytest_asyncio.fixture
async def clientAsync() -> AsyncIterator[AsyncClient]:
    made = AsyncClient(api_key, api_secret)
    yield made
    await close(made)


async def close(client: AsyncClient) -> None:
    """Its reader looks whether it is to end when a message comes, or after ten seconds: so one comes."""
    socket = client.ws_api.ws
    closing = asyncio.ensure_future(client.close_connection())
    while not closing.done():
        await asyncio.sleep(0.02)
        if socket and socket.state is State.OPEN:
            await socket.send('{"id":"wake","method":"ping"}')
    await closing


def call_method_and_assert_uri_contains(
    client: Client, method_name: str, expected_string: str, *args: Any, **kwargs: Any
) -> None:
    with requests_mock.Mocker(real_http=True) as requests:
        getattr(client, method_name)(*args, **kwargs)
        assert any(expected_string in each.url for each in requests.request_history)
