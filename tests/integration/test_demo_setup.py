"""The demo's markets, users and play money: made once, completed after an interruption, never topped up."""

import asyncio
import hashlib
import hmac
import json
import stat
from contextlib import closing

import pytest

from cambist import app
from cambist.accounts import api_keys, users
from cambist.control.exchange import Caller, Exchange
from cambist.control.markets import SetMarketState, shown_markets
from cambist.control.sandbox import NotSandbox
from cambist.control.users import account_of
from cambist.demo import setup
from cambist.engine.commands import AccountClass, MarketList, MarketStatus
from cambist.flow.house import House
from cambist.settings import Settings
from tests.integration.operator import Operator

FUNDS = {"BTC": 1 * 10**8, "ETH": 20 * 10**8, "ETP": 1_000 * 10**8, "USDT": 50_000 * 10**8}


def quiet(done: int, total: int) -> None:
    pass


@pytest.fixture
def settings(tmp_path, monkeypatch):
    operator = Operator(tmp_path / "home")
    for name, value in operator.environment.items():
        monkeypatch.setenv(name, value)
    app.create_demo(operator.home)
    return Settings.load()


def prepared(settings: Settings) -> Exchange:
    exchange = app.open_exchange(settings, quiet)
    setup.prepare(exchange)
    return exchange


def demo_users(settings: Settings) -> list[dict[str, str]]:
    document: list[dict[str, str]] = json.loads(setup.users_file(settings).read_text())
    return document


def balances(exchange: Exchange, email: str) -> dict[str, int]:
    account = account_of(users.get(exchange.records, email))
    names = {asset.asset: asset.name for asset in exchange.assets().all}
    rows = exchange.query(lambda engine: engine.balances(account))
    return {names[asset]: available for asset, available, _ in rows}


def test_two_users_with_keys_and_funds_stand_in_a_private_file(settings):
    with closing(prepared(settings)) as exchange:
        found = demo_users(settings)
        assert [set(each) for each in found] == [{"email", "apiKey", "secretKey"}] * 2
        for each in found:
            key = api_keys.find(exchange.records, each["apiKey"])
            assert key is not None
            signature = hmac.new(each["secretKey"].encode(), b"a=1", hashlib.sha256).hexdigest()
            assert key.is_signed(signature, b"a=1")
            assert balances(exchange, each["email"]) == FUNDS
    assert stat.S_IMODE(setup.users_file(settings).stat().st_mode) == 0o600


def test_the_four_markets_trade_and_only_etp_btc_is_free(settings):
    with closing(prepared(settings)) as exchange:
        found = exchange.query(lambda engine: shown_markets(engine))
    assert [each["symbol"] for each in found] == ["BTCUSDT", "ETHUSDT", "ETHBTC", "ETPBTC"]
    assert {each["state"] for each in found} == {"trading"}
    fees = {each["symbol"]: each["fees"]["standard"]["taker"] for each in found}
    assert fees.pop("ETPBTC") == "0.00000000"
    assert set(fees.values()) == {"0.00100000"}


def test_a_second_start_changes_nothing(settings):
    with closing(prepared(settings)) as exchange:
        operator = Caller("operator", quiet)
        SetMarketState(symbol="ETPBTC", state="halted").perform(exchange, operator)
        before = exchange.query(lambda engine: engine.business_hash())
    found = demo_users(settings)
    with closing(prepared(settings)) as exchange:
        assert exchange.query(lambda engine: engine.business_hash()) == before
    assert demo_users(settings) == found


def test_without_its_file_the_users_get_new_keys_and_no_more_money(settings):
    prepared(settings).close()
    old = demo_users(settings)
    setup.users_file(settings).unlink()
    with closing(prepared(settings)) as exchange:
        for before, now in zip(old, demo_users(settings), strict=True):
            assert before["email"] == now["email"]
            assert api_keys.find(exchange.records, before["apiKey"]) is None
            assert api_keys.find(exchange.records, now["apiKey"]) is not None
            assert balances(exchange, now["email"]) == FUNDS


def test_a_market_whose_listing_was_interrupted_is_completed(settings, monkeypatch):
    with closing(app.open_exchange(settings, quiet)) as exchange:
        execute = exchange.execute

        def interrupted(act, command):
            value = execute(act, command)
            if isinstance(command, MarketList):
                raise KeyboardInterrupt
            return value

        monkeypatch.setattr(exchange, "execute", interrupted)
        with pytest.raises(KeyboardInterrupt):
            setup.prepare(exchange)
        assert [row[8] for row in exchange.query(lambda engine: engine.markets())] == [
            MarketStatus.CANCEL_ONLY
        ]
    with closing(prepared(settings)) as exchange:
        found = exchange.query(lambda engine: shown_markets(engine))
    assert [each["state"] for each in found] == ["trading"] * 4
    assert found[0]["fees"]["standard"]["taker"] == "0.00100000"


def test_users_and_house_are_paid_from_one_mirror(settings):
    with closing(prepared(settings)) as exchange:
        asyncio.run(House.open(exchange.server, exchange.assets().all))
        accounts = exchange.query(lambda engine: [engine.account(each) for each in engine.account_ids()])
    mirrors = [each for each in accounts if each is not None and each[0] == AccountClass.MIRROR]
    assert len(mirrors) == 1


def test_a_demo_is_never_put_into_a_real_exchange(tmp_path):
    app.create_exchange(tmp_path / "real", sandbox=False)
    with pytest.raises(NotSandbox):
        app.create_demo(tmp_path / "real")
