"""The operator's socket: who may open it, what it makes of bad input, progress on the way to an answer."""

import json
import os
import socket
import stat

import pytest

from cambist import app
from cambist.control import server as control_server
from cambist.control.client import RequestFailed, running
from cambist.control.exchange import Exchange
from cambist.control.markets import AddAsset, AddMarket, ListAssets, ListMarkets, SetMarketState
from cambist.control.protocol import LINE_MAX
from cambist.control.sandbox import CreditSandbox
from cambist.control.server import ControlServer, PathTooLong
from cambist.control.users import CreateUser
from cambist.engine import events
from cambist.engine.commands import OrderType, Place, Role, Side, TimeInForce
from cambist.engine.events import Status
from tests.integration.operator import Operator
from tests.integration.other_user import NOBODY, only_root

QUIET = lambda done, total: None  # noqa: E731


@pytest.fixture
def exchange(tmp_path, monkeypatch):
    """An open exchange with its socket."""
    operator = Operator(tmp_path / "home")
    for name, value in operator.environment.items():
        monkeypatch.setenv(name, value)
    settings = app.create_exchange(operator.home, sandbox=True)
    exchange = app.open_exchange(settings, QUIET)
    control = ControlServer(settings.socket_file, exchange)
    control.start()
    yield exchange
    control.stop()
    exchange.close()


def speak(exchange: Exchange, sent: bytes) -> list[dict[str, object]]:
    """What the socket says to `sent`, line by line, until it has answered or closed."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(exchange.settings.socket_file))
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return [json.loads(line) for line in connection.makefile("rb")]


def ask(exchange, request, report=QUIET):
    with running(exchange.settings.socket_file) as there:
        assert there is not None
        return there.perform(request, report)


def test_socket_and_directory_are_the_owners_alone(exchange):
    path = exchange.settings.socket_file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@only_root  # the modes are tested above for everybody
def test_another_user_cannot_open_it(exchange):
    child = os.fork()
    if child == 0:
        os.setuid(NOBODY)
        try:
            socket.socket(socket.AF_UNIX).connect(str(exchange.settings.socket_file))
        except PermissionError:
            os._exit(13)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 13


def test_another_user_who_got_through_is_turned_away_by_the_kernels_word(exchange, monkeypatch):
    monkeypatch.setattr(control_server, "peer_uid", lambda connection: os.getuid() + 1)
    (answer,) = speak(exchange, b'{"operation":"asset.list"}\n')
    assert (answer["type"], answer["code"]) == ("error", "not_permitted")


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"not json\n",
        b'{"operation":"make.money"}\n',
        b'{"operation":"user.create"}\n',
        b'{"operation":"user.create","email":7}\n',
        b'{"operation":"user.create","email":"a@example.org","admin":true}\n',
        b'{"operation":"market.fees","symbol":"BTCUSDT","tier":16}\n',
        b'{"operation":"market.state","symbol":"BTCUSDT","state":"open"}\n',
    ],
)
def test_a_line_that_is_no_request_is_answered_and_changes_nothing(exchange, line):
    before = exchange.query(lambda engine: engine.sequence)
    (answer,) = speak(exchange, line)
    assert (answer["type"], answer["code"]) == ("error", "malformed")
    assert exchange.query(lambda engine: engine.sequence) == before


def test_a_line_without_end_is_not_collected_for_ever(exchange):
    answers = speak(exchange, b"x" * (LINE_MAX + 1))
    assert {answer["code"] for answer in answers} == {"malformed"}


def test_a_bad_line_does_not_spoil_the_next_one(exchange):
    bad, good = speak(exchange, b'nonsense\n{"operation":"asset.list"}\n')
    assert (bad["type"], good) == ("error", {"type": "result", "document": []})


def test_an_idle_client_keeps_nobody_waiting(exchange):
    with running(exchange.settings.socket_file):
        assert ask(exchange, ListAssets()) == []


def test_a_refusal_arrives_with_its_code(exchange):
    ask(exchange, AddAsset(name="BTC"))
    with pytest.raises(RequestFailed) as refused:
        ask(exchange, AddAsset(name="BTC"))
    assert refused.value.failure.code == "command_refused"
    assert refused.value.failure.may_retry is False


@pytest.mark.parametrize(
    ("taker_fee", "code"), [("0.1%", "amount_invalid"), ("0.50000001", "command_refused")]
)
def test_a_market_whose_fee_is_refused_is_not_listed(exchange, taker_fee, code):
    ask(exchange, AddAsset(name="BTC"))
    ask(exchange, AddAsset(name="USDT"))
    with pytest.raises(RequestFailed) as refused:
        ask(exchange, AddMarket(base="BTC", quote="USDT", tick="0.01", lot="0.00001", taker_fee=taker_fee))
    assert refused.value.failure.code == code
    assert ask(exchange, ListMarkets()) == []
    dearest = AddMarket(base="BTC", quote="USDT", tick="0.01", lot="0.00001", taker_fee="0.5")
    assert ask(exchange, dearest)["fees"]["standard"]["taker"] == "0.50000000"


def test_long_work_reports_how_far_it_is(exchange):
    ask(exchange, AddAsset(name="BTC"))
    ask(exchange, AddAsset(name="USDT"))
    ask(exchange, AddMarket(base="BTC", quote="USDT", tick="0.01", lot="0.00001"))
    port = exchange.server.open_port(Role.TRADE, "test")
    for nth in range(3):
        account = ask(exchange, CreateUser(email=f"user{nth}@example.org"))["account"]
        ask(
            exchange,
            CreditSandbox(email=f"user{nth}@example.org", asset="BTC", amount="1", reference=str(nth)),
        )
        order = Place(
            account=account,
            market=1,
            side=Side.SELL,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            price_ticks=100,
            quantity_lots=100,
        )
        assert events.result(port.call(order.encode())).status == Status.OK
    reported: list[tuple[int, int]] = []
    with pytest.raises(RequestFailed, match="empty book"):
        ask(exchange, SetMarketState(symbol="BTCUSDT", state="delisted"))
    ask(
        exchange,
        SetMarketState(symbol="BTCUSDT", state="delisted", cancel_orders=True),
        lambda done, total: reported.append((done, total)),
    )
    assert reported == [(1, 3), (2, 3), (3, 3)]
    assert exchange.query(lambda engine: engine.open_order_count) == 0


def test_after_stop_a_client_that_is_still_there_is_told_so(tmp_path, exchange):
    control = ControlServer(tmp_path / "second.sock", exchange)
    control.start()
    with running(tmp_path / "second.sock") as there:
        assert there is not None
        assert there.perform(ListAssets(), QUIET) == []
        control.stop()
        with pytest.raises(RequestFailed) as refused:
            there.perform(ListAssets(), QUIET)
    assert refused.value.failure.may_retry is True
    with running(tmp_path / "second.sock") as there:
        assert there is None


def test_a_path_too_long_for_a_socket_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(PathTooLong, match="shorter path"), running(tmp_path / ("x" * 108)):
        pass


def test_a_fault_in_one_request_is_answered_and_the_conversation_goes_on(exchange, monkeypatch, caplog):
    def fails(self: object, exchange: object, caller: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(ListAssets, "perform", fails)
    lines = b'{"operation":"asset.list"}\n{"operation":"market.list"}\n'
    first, second = speak(exchange, lines)
    assert first == {
        "type": "error",
        "code": "internal",
        "message": "the exchange could not do this; its log says why",
        "may_retry": False,
    }
    assert second == {"type": "result", "document": []}
    assert "ZeroDivisionError" in caplog.text
