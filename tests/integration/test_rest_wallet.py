"""What wallets and order forms ask beside trading: commissions, order counts, filters, coins, the key."""

from collections.abc import Iterator

import pytest

from cambist.accounts.api_keys import Scope
from cambist.engine.commands import FeeComponent, MarketFees, MarketStatus
from cambist.settings import Limits
from tests.integration.rest_examples import assert_same_shape, official_example
from tests.integration.rest_market import RestMarket, Trader, limit_order, rest_market

TEST = "/api/v3/order/test"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestMarket]:
    with rest_market(tmp_path_factory.mktemp("exchange")) as market:
        yield market


@pytest.fixture(scope="module")
def ann(market: RestMarket) -> Trader:
    return market.trader(USDT="1000")


# Commissions: faqs/commission_faq.md, "How is the commission calculated?"


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestMarket]:
    """BTCUSDT with the documentation's rates; a lot of 0.00001 fits its quantity."""
    with rest_market(tmp_path_factory.mktemp("documented")) as market:
        number = market.list_market(
            "ETP", "USDT", tick="1", lot="0.00001", lot_max=10**9, market_lot_max=10**9
        )
        for component, rates in (
            (FeeComponent.STANDARD, (10, 20, 30, 40)),
            (FeeComponent.SPECIAL, (1_000_000, 2_000_000, 3_000_000, 4_000_000)),
            (FeeComponent.TAX, (112, 114, 118, 116)),
        ):
            maker, taker, buyer, seller = rates
            market.execute(
                MarketFees(
                    market=number,
                    component=component,
                    tier=0,
                    maker=maker,
                    taker=taker,
                    buyer=buyer,
                    seller=seller,
                )
            )
        yield market


def test_the_documented_rates_are_shown_as_documented(documented):
    ann = documented.trader()
    shown = ann.get("/api/v3/account/commission", symbol="ETPUSDT")
    assert shown["standardCommission"] == {
        "maker": "0.00000010",
        "taker": "0.00000020",
        "buyer": "0.00000030",
        "seller": "0.00000040",
    }
    assert shown["specialCommission"]["seller"] == "0.04000000"
    assert shown["taxCommission"]["taker"] == "0.00000114"


def test_the_documented_sale_costs_what_is_documented(documented):
    seller, buyer = documented.trader(ETP="1"), documented.trader(USDT="40000")
    buyer.order("BUY", "0.49975", "35000", symbol="ETPUSDT")
    sold = seller.post("/api/v3/order", symbol="ETPUSDT", side="SELL", type="MARKET", quantity="0.49975")
    (fill,) = sold["fills"]
    # 0.01049475 standard, 0.04022988 tax and 1049.47500000 special, as the documentation rounds them
    assert (fill["commission"], fill["commissionAsset"]) == ("1049.52572463", "USDT")


def test_a_tried_order_tells_its_own_rates_by_side(documented):
    ann = documented.trader()
    wanted = limit_order("SELL", "1", "35000", "ETPUSDT") | {"computeCommissionRates": "true"}
    rates = ann.post(TEST, **wanted)
    assert rates["standardCommissionForOrder"] == {"maker": "0.00000050", "taker": "0.00000060"}
    assert rates["specialCommissionForOrder"] == {"maker": "0.05000000", "taker": "0.06000000"}
    assert rates["taxCommissionForOrder"] == {"maker": "0.00000228", "taker": "0.00000230"}
    bought = ann.post(TEST, **wanted | {"side": "BUY"})
    assert bought["standardCommissionForOrder"] == {"maker": "0.00000040", "taker": "0.00000050"}


def test_a_tried_order_is_checked_and_not_placed(market, ann):
    before = market.business_hash()
    assert ann.post(TEST, **limit_order("BUY", "1", "100", "BTCUSDT")) == {}
    assert ann.refused("POST", TEST, **limit_order("BUY", "1", "x", "BTCUSDT"))[1] == -1100
    assert ann.refused("POST", TEST, **limit_order("BUY", "1", "100", "NONE"))[1] == -1121
    assert market.business_hash() == before


def test_the_order_count_is_shown_per_interval(tmp_path):
    limits = Limits(request_weight_1m=0, raw_requests_5m=0, orders_10s=5, orders_1d=50)
    with rest_market(tmp_path, limits=limits, clock=lambda: 1_700_000_040_000_000_000) as market:
        ann = market.trader(USDT="1000")
        ann.order("BUY", "1", "100")
        shown = ann.get("/api/v3/rateLimit/order")
    assert [(each["interval"], each["limit"], each["count"]) for each in shown] == [
        ("SECOND", 5, 1),
        ("DAY", 50, 1),
    ]


def test_filters_of_an_account_are_those_of_the_market(market, ann):
    listed = market.get("/api/v3/exchangeInfo", symbol="BTCUSDT")["symbols"][0]["filters"]
    assert ann.get("/api/v3/myFilters", symbol="BTCUSDT") == {
        "exchangeFilters": [],
        "symbolFilters": listed,
        "assetFilters": [],
    }


@pytest.mark.parametrize(
    ("path", "params", "section", "context"),
    [
        ("/api/v3/account/commission", {"symbol": "BTCUSDT"}, "Query Commission Rates (USER_DATA)", ""),
    ],
)
def test_answers_have_the_official_fields_and_types(ann, shared_data, path, params, section, context):
    assert_same_shape(ann.get(path, **params), official_example(shared_data, section, context))


def test_a_tried_order_answers_in_the_official_shape(ann, shared_data):
    wanted = limit_order("BUY", "1", "100", "BTCUSDT") | {"computeCommissionRates": "true"}
    example = official_example(shared_data, "Test new order (TRADE)", "With `computeCommissionRates`")
    assert_same_shape(ann.post(TEST, **wanted), example)


# Market status and permissions


def test_markets_can_be_chosen_by_status_and_permission(market):
    def symbols(**params: object) -> list[str]:
        return [each["symbol"] for each in market.get("/api/v3/exchangeInfo", **params)["symbols"]]

    market.set_state("ETPBTC", MarketStatus.HALTED)
    try:
        assert symbols(symbolStatus="TRADING") == ["BTCUSDT"]
        assert symbols(symbolStatus="HALT") == ["ETPBTC"]
        assert symbols(symbolStatus="BREAK") == []
        assert symbols(permissions="SPOT") == symbols(permissions='["MARGIN","SPOT"]') == symbols()
        assert symbols(permissions="MARGIN") == []
        tickers = market.get("/api/v3/ticker/price", symbolStatus="HALT")
        assert [each["symbol"] for each in tickers] == ["ETPBTC"]
        assert market.get("/api/v3/depth", symbol="ETPBTC", symbolStatus="HALT")["bids"] == []
        for path in ("/api/v3/depth", "/api/v3/ticker/price", "/api/v3/ticker/bookTicker"):
            assert market.refused(path, symbol="ETPBTC", symbolStatus="TRADING")[:2] == (400, -1220)
    finally:
        market.set_state("ETPBTC", MarketStatus.TRADING)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"symbolStatus": "OPEN"}, -1122),
        ({"symbolStatus": "TRADING", "symbol": "BTCUSDT"}, -1128),
        ({"permissions": "SPOT", "symbols": '["BTCUSDT"]'}, -1128),
        ({"permissions": "[SPOT"}, -1130),
    ],
)
def test_choices_that_make_no_sense_are_refused(market, params, code):
    assert market.refused("/api/v3/exchangeInfo", **params)[:2] == (400, code)


def test_permission_sets_can_be_left_out(market):
    shown = market.get("/api/v3/exchangeInfo", symbol="BTCUSDT", showPermissionSets="false")
    assert shown["symbols"][0]["permissionSets"] == []


# The wallet


def test_a_key_is_told_what_it_may_do(market):
    full = market.trader(Scope.READ | Scope.TRADE | Scope.WITHDRAW, ip_allow=("192.0.2.0/24",))
    shown = full.get("/sapi/v1/account/apiRestrictions")
    assert (shown["ipRestrict"], shown["enableReading"]) == (True, True)
    assert (shown["enableWithdrawals"], shown["enableSpotAndMarginTrading"]) == (True, True)
    reader = market.trader(Scope.READ).get("/sapi/v1/account/apiRestrictions")
    assert [reader[name] for name in ("ipRestrict", "enableWithdrawals", "enableSpotAndMarginTrading")] == [
        False,
        False,
        False,
    ]
    assert isinstance(reader["createTime"], int)


def test_an_account_is_normal_until_it_is_frozen(market):
    ann = market.trader()
    assert ann.get("/sapi/v1/account/status") == {"data": "Normal"}
    market.freeze(ann.account)
    assert ann.get("/sapi/v1/account/status") == {"data": "Locked"}


def test_assets_that_the_account_has_are_listed(ann):
    assert [each["asset"] for each in ann.post("/sapi/v3/asset/getUserAsset")] == ["USDT"]
    (usdt,) = ann.post("/sapi/v3/asset/getUserAsset", asset="USDT", needBtcValuation="true")
    assert (usdt["free"], usdt["locked"]) == ("1000.00000000", "0.00000000")
    assert ann.post("/sapi/v3/asset/getUserAsset", asset="BTC") == []


def test_details_of_one_asset_or_of_all(ann):
    assert set(ann.get("/sapi/v1/asset/assetDetail")) == {"BTC", "USDT", "ETP"}
    assert ann.get("/sapi/v1/asset/assetDetail", asset="BTC")["BTC"]["depositStatus"] is False


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("POST", "/sapi/v1/asset/get-funding-asset", []),
        ("GET", "/sapi/v1/asset/transfer", {"total": 0, "rows": []}),
        ("GET", "/sapi/v1/spot/delist-schedule", []),
        ("GET", "/sapi/v1/system/status", {"status": 0, "msg": "normal"}),
    ],
)
def test_what_there_is_none_of_is_empty(ann, method, path, answer):
    assert ann.request(method, path).json() == answer


def test_without_an_office_there_are_no_deposits_and_no_withdrawals(market, ann):
    away = "Internal error; unable to process your request. Please try again."
    assert ann.refused("GET", "/sapi/v1/capital/deposit/address", coin="BTC") == (503, -1001, away)
    assert ann.refused("GET", "/sapi/v1/capital/deposit/hisrec") == (503, -1001, away)
    apply = "/sapi/v1/capital/withdraw/apply"
    wanted = {"coin": "USDT", "address": "x", "amount": "1"}
    assert ann.refused("POST", apply, **wanted)[:2] == (401, -2015)
    bob = market.trader(Scope.WITHDRAW, ip_allow=("192.0.2.1",))
    assert bob.refused("POST", apply, **wanted)[:2] == (503, -1001)
    assert bob.refused("POST", apply, coin="USDT")[:2] == (400, -1102)


def test_sapi_answers_carry_their_own_weight_header(ann):
    answer = ann.request("GET", "/sapi/v1/capital/config/getall")
    assert answer.headers["x-sapi-used-ip-weight-1m"] == answer.headers["x-mbx-used-weight-1m"]
    assert "x-sapi-used-ip-weight-1m" not in ann.request("GET", "/api/v3/account").headers
