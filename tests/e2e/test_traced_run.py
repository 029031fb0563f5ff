"""A traced exchange: each order's batch is on the disk before the first byte of its answer is on the wire."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cambist.flow.rest import Credentials
from tests.e2e import trace
from tests.e2e.harness import Exchange, running
from tests.e2e.market import SYMBOL, create_exchange
from tests.e2e.trace import STRACE, acknowledged_after_sync, parse

TRADERS = 6
LOG = Path("/data/log")
SEGMENT = "/data/log/1.log"
CLIENT = "TCP:[127.0.0.1:8000->127.0.0.1:40000]"


@pytest.fixture(scope="module")
def traced(
    can_trace: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[trace.Call], Path, set[str]]:
    """The calls of an exchange, its log, and the names of what it acknowledged."""
    folder = tmp_path_factory.mktemp("traced")
    home, written = folder / "home", folder / "trace"
    owners = [owner.credentials for owner in create_exchange(home)]
    with running(home, trace=[*STRACE, "-o", written]) as exchange, ThreadPoolExecutor(TRADERS) as threads:
        traders = [threads.submit(trade, exchange, owners[nth % 2], nth) for nth in range(TRADERS)]
        acknowledged = set[str]().union(*(trader.result() for trader in traders))
    with written.open() as lines:
        return parse(lines), home / "log", acknowledged


def trade(exchange: Exchange, owner: Credentials, nth: int) -> set[str]:
    """Three orders, some of which trade with those of others, and a cancel of one that rests."""
    client = exchange.client()
    acknowledged = set()
    for order, price in enumerate((100, 100, 90 if nth % 2 else 110)):
        answer = client.signed(
            owner,
            "POST",
            "/api/v3/order",
            symbol=SYMBOL,
            side="BUY" if nth % 2 else "SELL",
            type="LIMIT",
            timeInForce="GTC",
            quantity=1,
            price=price,
            newClientOrderId=f"order-{nth}-{order}",
        )
        acknowledged.add(answer["clientOrderId"])
    cancelled = client.signed(
        owner,
        "DELETE",
        "/api/v3/order",
        symbol=SYMBOL,
        orderId=answer["orderId"],
        newClientOrderId=f"cancel-{nth}",
    )
    return acknowledged | {cancelled["clientOrderId"]}


def test_every_answer_waited_for_its_sync(traced) -> None:
    calls, log_directory, acknowledged = traced
    assert len(acknowledged) == 4 * TRADERS
    assert acknowledged_after_sync(calls, log_directory) == acknowledged


def test_a_trace_in_which_a_sync_failed_came_late_or_is_missing_is_refused(traced) -> None:
    calls, log_directory, _ = traced
    syncs = [call for call in calls if call.name == "fdatasync"]
    failed = [call._replace(result=-1) if call in syncs else call for call in calls]
    late = [call._replace(end=len(calls) * 10) if call in syncs else call for call in calls]
    missing = [call for call in calls if call not in syncs]
    unwritten = [call for call in calls if not call.name.startswith("pwrite")]
    for doctored in (failed, late, missing, unwritten):
        with pytest.raises(AssertionError, match="before it was durable"):
            acknowledged_after_sync(doctored, log_directory)


def test_an_answer_between_begin_and_end_of_its_sync_is_refused() -> None:
    begins = f"1  fdatasync(4<{in_hex(SEGMENT)}> <unfinished ...>"
    ends = "1  <... fdatasync resumed>) = 0"
    fails = "1  <... fdatasync resumed>) = -1 EIO (Input/output error)"
    assert acknowledged_after_sync(parse([written("a"), begins, ends, answered("a")]), LOG) == {"a"}
    for lines in (
        [written("a"), begins, answered("a"), ends],
        [written("a"), begins, fails, answered("a")],
        [begins, written("a"), ends, answered("a")],
        [written("b"), begins, ends, answered("a")],
        [answered("a")],
    ):
        with pytest.raises(AssertionError, match="a was answered"):
            acknowledged_after_sync(parse(lines), LOG)


def test_an_answer_counts_from_the_first_of_its_bytes() -> None:
    head, body = answer("a").split("\r\n\r\n")
    sync = f"1  fdatasync(4<{in_hex(SEGMENT)}>) = 0"
    head_first = [written("a"), sent(head + "\r\n\r\n"), sync, sent(body)]
    with pytest.raises(AssertionError, match="a was answered at line 1"):
        acknowledged_after_sync(parse(head_first), LOG)


def written(name: str) -> str:
    return f'1  pwritev2(4<{in_hex(SEGMENT)}>, [{{iov_base="{in_hex(name)}", iov_len=1}}], 1, 0, 0) = 1'


def answered(name: str) -> str:
    return sent(answer(name))


def answer(name: str) -> str:
    body = f'{{"clientOrderId":"{name}"}}'
    return f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n{body}"


def sent(text: str) -> str:
    return f'2  write(9<{CLIENT}>, "{in_hex(text)}", {len(text)}) = {len(text)}'


def in_hex(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())
