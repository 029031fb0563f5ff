"""A gateway that starts waits for views that will be there soon, and for no others."""

import asyncio
from unittest.mock import AsyncMock

import pytest

from cambist.gateway import server
from cambist.gateway.history import History
from cambist.gateway.server import FAR_BEHIND, views_are_level

SEQUENCE = 10 * FAR_BEHIND


def looks_until_it_serves(monkeypatch: pytest.MonkeyPatch, *lacks: int | None) -> int:
    """How often it asked for what the views lack before it went on."""
    monkeypatch.setattr(server, "LOOK_EVERY_S", 0)
    history = AsyncMock(History)
    history.lacks.side_effect = lacks

    async def start() -> None:
        await views_are_level(history, SEQUENCE, asyncio.Event())

    asyncio.run(start())
    return len(history.lacks.await_args_list)


def test_views_that_come_near_are_waited_for(monkeypatch):
    assert looks_until_it_serves(monkeypatch, None, None, FAR_BEHIND, 3, 0) == 5


def test_a_market_does_not_wait_for_views_that_are_made_anew(monkeypatch):
    assert looks_until_it_serves(monkeypatch, None, SEQUENCE) == 2
