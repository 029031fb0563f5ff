"""What the exchange answers over REST where the documentation shows an example."""

import json
from collections.abc import Iterator
from typing import Any

from tests.conformance.conversation import BUSY, SYMBOL, User
from tests.conformance.examples import Example

V3 = "/api/v3"
LOW, PRICE, HIGH = "0.0009000", "0.0010000", "0.0011000"
CANCEL_REPLACE = "rest: Cancel an Existing Order and Send a New Order"

Answers = Iterator[tuple[str, Any]]


def answers(alice: User, bob: User, examples: list[Example], order_limit: int) -> Answers:
    yield from public(alice)
    yield from trading(alice, bob)
    yield from order_lists(alice)
    yield from self_trade_prevention(alice, bob, examples)
    yield from account(alice)
    yield from filters(alice, examples)
    yield from too_many_orders(bob, order_limit)


def public(user: User) -> Answers:
    one, two = {"symbol": BUSY}, {"symbols": json.dumps([BUSY, "ETHUSDT"])}
    yield "rest: Error Codes #1", user.public(f"{V3}/depth", symbol="NONE")
    yield "errors: Error codes for Binance #1", user.public(f"{V3}/depth", symbol="NONE")
    yield "rest: Test connectivity #1", user.public(f"{V3}/ping")
    yield "rest: Check server time #1", user.public(f"{V3}/time")
    info = user.public(f"{V3}/exchangeInfo")
    yield "rest: Exchange information #1", info
    yield "stp_faq: How do I know which symbol uses STP? #1", info["symbols"][0]
    yield "rest: Order book #1", user.public(f"{V3}/depth", **one)
    yield "rest: Recent trades list #1", user.public(f"{V3}/trades", **one)
    yield "rest: Old trade lookup #1", user.public(f"{V3}/historicalTrades", **one)
    yield "rest: Compressed/Aggregate trades list #1", user.public(f"{V3}/aggTrades", **one)
    yield "rest: Kline/Candlestick data #1", user.public(f"{V3}/klines", **one, interval="1m")
    yield "rest: UIKlines #1", user.public(f"{V3}/uiKlines", **one, interval="1m")
    rules, referred = user.public(f"{V3}/executionRules", **one), user.public(f"{V3}/referencePrice", **one)
    range_rule = "price_range_execution_rules: How does the Price Range Execution Rule work?"
    for name, answer in (("rest: Query Execution Rules", rules), (range_rule, rules)):
        yield f"{name} #1", answer
    yield f"{range_rule} #2", referred
    yield "rest: Query Reference Price #1", referred
    yield "rest: Query Reference Price #2", user.public(f"{V3}/referencePrice", symbol="ETPUSDT")
    yield "rest: Current average price #1", user.public(f"{V3}/avgPrice", **one)
    day, window = f"{V3}/ticker/24hr", f"{V3}/ticker"
    for number, chosen in enumerate((one, two), start=1):
        for place, kind in ((0, "FULL"), (2, "MINI")):
            which = f"#{place + number}"
            yield f"rest: 24hr ticker price change statistics {which}", user.public(day, **chosen, type=kind)
            yield (
                f"rest: Trading Day Ticker {which}",
                user.public(f"{window}/tradingDay", **chosen, type=kind),
            )
            rolling = user.public(window, **chosen, type=kind, windowSize="1h")
            yield f"rest: Rolling window price change statistics {which}", rolling
        yield f"rest: Symbol price ticker #{number}", user.public(f"{window}/price", **chosen)
        yield f"rest: Symbol order book ticker #{number}", user.public(f"{window}/bookTicker", **chosen)


def trading(alice: User, bob: User) -> Answers:
    order = f"{V3}/order"
    for number, kind in enumerate(("ACK", "RESULT", "FULL"), start=1):
        alice.order("BUY", "10", PRICE)
        yield f"rest: New order #{number}", bob.market_order("SELL", "10", newOrderRespType=kind)
    wanted = {
        "symbol": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "10",
        "price": LOW,
    }
    yield "rest: Test new order #1", alice.post(f"{order}/test", **wanted)
    rates = alice.post(f"{order}/test", **wanted, computeCommissionRates="true")
    yield "rest: Test new order #2", rates
    yield "commission_faq: " + COMMISSION + " #1", rates
    resting = alice.order("BUY", "10", LOW)
    named = {"symbol": SYMBOL, "orderId": order_id(resting)}
    yield "rest: Query order #1", alice.get(order, **named)
    trailing = {
        "type": "STOP_LOSS",
        "side": "SELL",
        "trailingDelta": "100",
        "strategyId": "1",
        "strategyType": "1000000",
    }
    placed = alice.post(order, symbol=SYMBOL, quantity="10", newOrderRespType="RESULT", **trailing)
    yield "of no example: an order with every conditional field", placed
    yield "rest: Current open orders #1", alice.get(f"{V3}/openOrders", symbol=SYMBOL)
    yield "rest: Order Amend Keep Priority #1", alice.put(f"{order}/amend/keepPriority", **named, newQty="9")
    yield "rest: Query Order Amendments #1", alice.get(f"{order}/amendments", **named)
    yield "rest: Cancel order #2", alice.delete(order, **named, cancelRestrictions="ONLY_OLD")
    refused = alice.delete(order, **named, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    yield "rest: Cancel order #3", refused
    yield "rest: Cancel order #1", alice.delete(order, **named)
    yield from cancel_replace(alice, bob)
    alice.order("BUY", "10", LOW)
    alice.order("BUY", "11", LOW)
    yield "rest: Cancel All Open Orders on a Symbol #1", alice.delete(f"{V3}/openOrders", symbol=SYMBOL)
    alice.order("BUY", "10", PRICE)
    yield "market_orders_faq: MARKET orders #1", bob.market_order("SELL", "20", newOrderRespType="FULL")


def cancel_replace(alice: User, bob: User) -> Answers:
    """The new order of a pair fails when it would take: a LIMIT_MAKER against bob's bid."""
    path = f"{V3}/order/cancelReplace"
    bid = bob.order("BUY", "10", LOW)
    crossing = {"type": "LIMIT_MAKER", "side": "SELL", "quantity": "10", "price": LOW}
    fitting = {"type": "LIMIT", "timeInForce": "GTC", "side": "BUY", "quantity": "10", "price": "0.0008000"}

    def replace(cancelled: int, mode: str, new: dict[str, str]) -> Any:
        return alice.post(path, symbol=SYMBOL, cancelOrderId=cancelled, cancelReplaceMode=mode, **new)

    def resting() -> int:
        return order_id(alice.order("BUY", "10", "0.0008000"))

    unknown = 1 << 40
    yield f"{CANCEL_REPLACE} #1", replace(resting(), "STOP_ON_FAILURE", fitting)
    yield f"{CANCEL_REPLACE} #2", replace(unknown, "STOP_ON_FAILURE", fitting)
    yield f"{CANCEL_REPLACE} #3", replace(resting(), "STOP_ON_FAILURE", crossing)
    yield f"{CANCEL_REPLACE} #4", replace(unknown, "ALLOW_FAILURE", fitting)
    yield f"{CANCEL_REPLACE} #5", replace(unknown, "ALLOW_FAILURE", crossing)
    alice.delete(f"{V3}/openOrders", symbol=SYMBOL)
    bob.delete(f"{V3}/order", symbol=SYMBOL, orderId=order_id(bid))


def order_lists(alice: User) -> Answers:
    lists = f"{V3}/orderList"
    sell = {"symbol": SYMBOL, "side": "SELL", "quantity": "10"}
    above = {"aboveType": "LIMIT_MAKER", "abovePrice": HIGH}
    below: dict[str, str] = {
        "belowType": "STOP_LOSS_LIMIT",
        "belowStopPrice": LOW,
        "belowPrice": LOW,
        "belowTimeInForce": "GTC",
        "belowIcebergQty": "5",
    }
    alice.order("BUY", "10", PRICE)
    old = {"price": HIGH, "stopPrice": LOW, "stopLimitPrice": LOW, "stopLimitTimeInForce": "GTC"}
    yield "rest: New OCO - Deprecated #1", alice.post(f"{V3}/order/oco", **sell, **old)
    placed = alice.post(f"{lists}/oco", **sell, **above, **below)
    yield "rest: New Order list - OCO #1", placed
    number = placed.get("orderListId", 0)
    yield "rest: Query Order list #1", alice.get(lists, orderListId=number)
    yield "rest: Query Open Order lists #1", alice.get(f"{V3}/openOrderList")
    yield "rest: Cancel Order list #1", alice.delete(lists, symbol=SYMBOL, orderListId=number)
    working = {
        "symbol": SYMBOL,
        "workingType": "LIMIT",
        "workingSide": "BUY",
        "workingPrice": LOW,
        "workingQuantity": "10",
        "workingTimeInForce": "GTC",
        "pendingSide": "SELL",
        "pendingQuantity": "10",
    }
    oto = alice.post(f"{lists}/oto", **working, pendingType="MARKET")
    yield "rest: New Order list - OTO #1", oto
    pending = oto.get("orders", [{}, {}])[-1].get("orderId", 0)
    amended = alice.put(f"{V3}/order/amend/keepPriority", symbol=SYMBOL, orderId=pending, newQty="9")
    yield "rest: Order Amend Keep Priority #2", amended
    under_way = {f"pending{name[0].upper()}{name[1:]}": value for name, value in (above | below).items()}
    yield "rest: New Order list - OTOCO #1", alice.post(f"{lists}/otoco", **working, **under_way)
    alice.delete(f"{V3}/openOrders", symbol=SYMBOL)
    yield "rest: Query all Order lists #1", alice.get(f"{V3}/allOrderList")


def self_trade_prevention(alice: User, bob: User, examples: list[Example]) -> Answers:
    """The examples show orders as they were answered and as they were asked for later, and balances."""
    rested = alice.order("BUY", "10", PRICE, selfTradePreventionMode="NONE")
    alice.order("BUY", "10", LOW, selfTradePreventionMode="NONE")
    taken = alice.order("SELL", "10", LOW, selfTradePreventionMode="EXPIRE_BOTH")
    bob.order("BUY", "10", PRICE)
    asked = {
        "placed": taken,
        "traded": alice.order("SELL", "10", PRICE),
        "prevented": alice.get(f"{V3}/order", symbol=SYMBOL, orderId=order_id(rested)),
        "queried": alice.get(f"{V3}/order", symbol=SYMBOL, orderId=order_id(alice.order("BUY", "10", LOW))),
        "account": alice.get(f"{V3}/account"),
    }
    matches = alice.get(f"{V3}/myPreventedMatches", symbol=SYMBOL, orderId=order_id(taken))
    yield "rest: Query Prevented Matches #1", matches
    yield "stp_faq: What is a Prevented Match? #1", matches
    refused = alice.order("BUY", "10", LOW, selfTradePreventionMode="NOTHING")
    yield "stp_faq: How do I know which symbol uses STP? #2", refused
    for example in examples:
        if example.name.startswith("stp_faq: STP Examples"):
            yield example.name, asked[_which(example.json)]
    alice.delete(f"{V3}/openOrders", symbol=SYMBOL)


def order_id(order: dict[str, Any]) -> int:
    """One that no order has, if there is none."""
    number: int = order.get("orderId", 1 << 40)
    return number


def _which(example: dict[str, Any]) -> str:
    if "balances" in example:
        return "account"
    if "transactTime" in example:
        return "traded" if example.get("fills") else "placed"
    return "prevented" if "preventedMatchId" in example else "queried"


def account(alice: User) -> Answers:
    yield "rest: Account information #1", alice.get(f"{V3}/account")
    yield "rest: All orders #1", alice.get(f"{V3}/allOrders", symbol=SYMBOL)
    yield "rest: Account trade list #1", alice.get(f"{V3}/myTrades", symbol=SYMBOL)
    counts = alice.get(f"{V3}/rateLimit/order")
    yield "rest: Query Unfilled Order Count #1", counts
    yield (
        "order_count_decrement: How does the unfilled `ORDERS` rate limit work? #1",
        counts[0] if isinstance(counts, list) else counts,
    )
    rates = alice.get(f"{V3}/account/commission", symbol=SYMBOL)
    yield "rest: Query Commission Rates #1", rates
    yield "commission_faq: " + COMMISSION + " #2", rates
    yield "commission_faq: How is the commission calculated? #1", rates
    yield "rest: Query relevant filters #1", alice.get(f"{V3}/myFilters", symbol=SYMBOL)


def filters(alice: User, examples: list[Example]) -> Answers:
    """Each filter as a market of the demo has it; None if none has."""
    info = alice.public(f"{V3}/exchangeInfo")
    listed = {each["filterType"]: each for symbol in info["symbols"] for each in symbol["filters"]}
    listed |= {each["filterType"]: each for each in info["exchangeFilters"]}
    for example in examples:
        if example.name.startswith("filters: "):
            yield example.name, listed.get(example.json["filterType"])


def too_many_orders(bob: User, limit: int) -> Answers:
    """Leaves bob at his limit, with orders that rest."""
    path, wanted = f"{V3}/order/cancelReplace", {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT_MAKER"}
    resting = [bob.order("BUY", "0.2", "0.0006000") for _ in range(limit)]
    placed = [order["orderId"] for order in resting if "orderId" in order]
    wanted |= {"quantity": "10", "price": LOW, "cancelReplaceMode": "ALLOW_FAILURE"}
    for number, mode in ((6, "DO_NOTHING"), (7, "CANCEL_ONLY")):
        yield (
            f"{CANCEL_REPLACE} #{number}",
            bob.post(path, **wanted, cancelOrderId=placed[number], orderRateLimitExceededMode=mode),
        )


COMMISSION = (
    "What is the difference between the response sending a test order with `computeCommissionRates` vs the "
    "response from querying commission rates?"
)
