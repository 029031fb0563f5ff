"""One write or sync of a real exchange fails: it stops, tries nothing again, and has lost nothing."""

from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from cambist.flow.rest import ApiError, Credentials
from cambist.log.journal import read
from tests.e2e.forked import started
from tests.e2e.harness import Exchange, running
from tests.e2e.market import SYMBOL, create_exchange
from tests.e2e.trace import STRACE, log_calls, parse

# Of the match thread's calls, which one fails: it syncs the log once for the gateway's session and for each
# order, and writes to the log and to the event journal in turn.
SYNC_OF_ORDER_4, WRITE_OF_ORDER_2, JOURNAL_OF_ORDER_1 = 6, 7, 6
STOPPED_BY_ITSELF = 75
NO_SEALS = {"CAMBIST_LOG_SEAL_IDLE_MS": "60000"}  # or one of them could fail instead of an order's record
ORDERS = [f"order-{number}" for number in range(10)]


@pytest.mark.parametrize(
    ("call", "error", "when", "answered"),
    [("fdatasync", "EIO", SYNC_OF_ORDER_4, 4), ("pwritev2", "ENOSPC", WRITE_OF_ORDER_2, 2)],
)
def test_after_one_failure_the_exchange_stops_and_nothing_acknowledged_is_lost(
    can_trace: None, tmp_path: Path, call: str, error: str, when: int, answered: int
) -> None:
    home, written = tmp_path / "home", tmp_path / "trace"
    owner = create_exchange(home)[0].credentials
    inject: list[str | Path] = [*STRACE, "-e", f"inject={call}:error={error}:when={when}", "-o", written]
    with running(home, trace=inject, settings=NO_SEALS) as exchange:
        acknowledged, refusal = place_until_refused(exchange, owner)
        assert exchange.wait() == STOPPED_BY_ITSELF
    assert acknowledged == ORDERS[:answered]
    assert refusal.reason[0] == -1007  # neither executed nor not: unknown

    with written.open() as lines:
        *before, last = log_calls(parse(lines), home / "log")
    assert (last.name, last.result) == (call, -1)
    assert all(each.result >= 0 for each in before)

    with started(home) as restarted:
        restarted.wait()
        orders = restarted.client().signed(owner, "GET", "/api/v3/openOrders", symbol=SYMBOL)
    found = [order["clientOrderId"] for order in orders]
    unknown = ORDERS[len(acknowledged)]
    assert found in (acknowledged, [*acknowledged, unknown])


def test_after_a_failure_of_the_journal_the_exchange_stops_and_the_next_start_completes_it(
    can_trace: None, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    owner = create_exchange(home)[0].credentials
    inject = [*STRACE, "-e", f"inject=pwritev2:error=ENOSPC:when={JOURNAL_OF_ORDER_1}", "-o", "/dev/null"]
    with running(home, trace=inject, settings=NO_SEALS) as exchange:
        acknowledged = place_until_gone(exchange, owner)
        assert exchange.wait() == STOPPED_BY_ITSELF
    assert acknowledged == ORDERS[:2]

    with started(home) as restarted:
        position = restarted.wait()
        orders = restarted.client().signed(owner, "GET", "/api/v3/allOrders", symbol=SYMBOL)
    assert [order["clientOrderId"] for order in orders] == acknowledged
    assert list(read(home / "journal"))[-1].last_sequence >= position.sequence


def place_until_refused(exchange: Exchange, owner: Credentials) -> tuple[list[str], ApiError]:
    acknowledged: list[str] = []
    try:
        for answered in places(exchange, owner):
            acknowledged.append(answered)
    except ApiError as refusal:
        return acknowledged, refusal
    raise AssertionError("no order was refused")


def place_until_gone(exchange: Exchange, owner: Credentials) -> list[str]:
    acknowledged: list[str] = []
    with suppress(ApiError, OSError, HTTPException):  # refused while it stops, or hung up
        for answered in places(exchange, owner):
            acknowledged.append(answered)
    return acknowledged


def places(exchange: Exchange, owner: Credentials) -> Iterator[str]:
    """Orders, one after the other; yields the client order id of each answer."""
    client = exchange.client()
    fields = {
        "symbol": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": 1,
        "price": 100,
    }
    for name in ORDERS:
        answer = client.signed(owner, "POST", "/api/v3/order", **fields, newClientOrderId=name)
        yield answer["clientOrderId"]
