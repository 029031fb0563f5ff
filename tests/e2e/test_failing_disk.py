"""One write or sync of a real exchange fails: it stops, tries nothing again, and has lost nothing."""

from pathlib import Path

import pytest

from cambist.flow.rest import ApiError, Credentials
from tests.e2e.forked import started
from tests.e2e.harness import Exchange, running
from tests.e2e.market import SYMBOL, create_exchange
from tests.e2e.trace import STRACE, log_calls, parse

FAILS_AT = 6  # of the match thread's calls; the first is for the gateway's session
STOPPED_BY_ITSELF = 75
NO_SEALS = {"CAMBIST_LOG_SEAL_IDLE_MS": "60000"}  # or one of them could fail instead of an order's record
ORDERS = [f"order-{number}" for number in range(10)]


@pytest.mark.parametrize(("call", "error"), [("fdatasync", "EIO"), ("pwritev2", "ENOSPC")])
def test_after_one_failure_the_exchange_stops_and_nothing_acknowledged_is_lost(
    can_trace: None, tmp_path: Path, call: str, error: str
) -> None:
    home, written = tmp_path / "home", tmp_path / "trace"
    owner = create_exchange(home)[0].credentials
    inject: list[str | Path] = [*STRACE, "-e", f"inject={call}:error={error}:when={FAILS_AT}", "-o", written]
    with running(home, trace=inject, settings=NO_SEALS) as exchange:
        acknowledged, refusal = place_until_refused(exchange, owner)
        assert exchange.wait() == STOPPED_BY_ITSELF
    assert acknowledged == ORDERS[: FAILS_AT - 2]
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


def place_until_refused(exchange: Exchange, owner: Credentials) -> tuple[list[str], ApiError]:
    client = exchange.client()
    acknowledged: list[str] = []
    for name in ORDERS:
        try:
            answer = client.signed(
                owner,
                "POST",
                "/api/v3/order",
                symbol=SYMBOL,
                side="BUY",
                type="LIMIT",
                timeInForce="GTC",
                quantity=1,
                price=100,
                newClientOrderId=name,
            )
        except ApiError as refusal:
            return acknowledged, refusal
        acknowledged.append(answer["clientOrderId"])
    raise AssertionError("no order was refused")
