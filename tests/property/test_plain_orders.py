"""The plain way against the general one: random requests, whole and broken, through Rust and through Python.

Whatever the plain way takes, it takes as the general one does: the same command, the same answer, the same
makers. What the general way refuses, the plain way has not taken.
"""

import hashlib
import hmac
import json
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cambist._matching import Engine, HmacKey, PlainDesk, PlainOrder, PlainTerms
from cambist.engine import commands
from cambist.engine.commands import (
    AccountClass,
    AccountCreate,
    AssetList,
    Cancel,
    Command,
    Credit,
    FeeComponent,
    Filters,
    MarketFees,
    MarketList,
    MarketStatus,
    Permission,
    Role,
    Rules,
    SessionOpen,
)
from cambist.engine.events import Status, result
from cambist.engine.views import AssetView
from cambist.gateway import errors
from cambist.gateway.auth import require_timely, unsigned
from cambist.gateway.calls import NS_PER_MS, Call
from cambist.gateway.errors import ApiError
from cambist.gateway.markets import Market
from cambist.gateway.order_answers import closed_orders, read_placed, show_cancelled, show_placed
from cambist.gateway.order_params import client_id_in, named_order, read_order, refuse_cancel_restrictions
from cambist.gateway.params import Params
from cambist.gateway.schemas import encode
from cambist.settings import Api

NOW_NS = 1_700_000_040_000_000_000
NOW_MS = NOW_NS // NS_PER_MS
SECRET = b"s" * 64
KEY = HmacKey(SECRET)
API_KEY = "k" * 64
LIMITS = Api()
MADE_UP = "made-up"
BTC, USDT = AssetView(1, "BTC", 8, 1), AssetView(2, "USDT", 6, 1)
MARKET = Market(1, "BTCUSDT", BTC, USDT, tick_atoms=10_000, lot_atoms=100_000)
TERMS = PlainTerms(1, BTC.name, USDT.name, BTC.scale, USDT.scale, MARKET.tick_atoms, MARKET.lot_atoms)
ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "1",
    "price": "100",
    "timestamp": f"{NOW_MS}",
}
MARKET_ORDER = {name: ORDER[name] for name in ("symbol", "side", "quantity", "timestamp")} | {
    "type": "MARKET"
}
CANCEL = {"symbol": "BTCUSDT", "orderId": "1", "timestamp": f"{NOW_MS}"}

# What a parameter may be, good or bad; "symbol" stays, because who knows no market is asked before.
VALUES = {
    "side": ["BUY", "SELL", "buy", "HOLD"],
    "type": ["LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "limit", ""],
    "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    "quantity": [
        "1",
        "0.001",
        "0.0015",
        "2.50",
        "0",
        "-1",
        "1e3",
        "00.5",
        "1.",
        ".5",
        "9" * 21,
        "9" * 20,
        "٣",
    ],
    "price": ["100", "100.01", "100.001", "99.99000000", "0.000001", "1" * 19, "18446744073709551616", "NaN"],
    "newClientOrderId": ["mine", "a" * 36, "a" * 37, "a.b", "a b", "%6d", "-_"],
    "newOrderRespType": ["ACK", "RESULT", "FULL", "full"],
    "selfTradePreventionMode": ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "ALL"],
    "recvWindow": ["5000", "60000", "60001", "1", "0", "1.5", "x", "9" * 20],
    "timestamp": [
        *(f"{NOW_MS + shift}" for shift in (0, -1, -5_000, -5_001, -60_000, 999, 1_000)),
        f"{NOW_MS * 1_000}",
        f"{NOW_MS * 1_000 + 1}",
        "0",
        "x",
        "9" * 18,
        "9" * 20,
    ],
    "orderId": ["1", "2", "0", "007", "x", "9" * 19],
    "origClientOrderId": ["mine", "gone", "a" * 37, "a.b"],
    "icebergQty": ["0.5"],
    "stopPrice": ["90"],
    "quoteOrderQty": ["10"],
    "cancelRestrictions": ["ONLY_NEW"],
    "unheard-of": ["1"],
}
OF_ORDERS = [name for name in VALUES if name not in ("orderId", "origClientOrderId")]
OF_CANCELS = ["orderId", "origClientOrderId", "newClientOrderId", "recvWindow", "timestamp", "unheard-of"]


def take(data: bytes, account: int, client_id: str = MADE_UP, now_ns: int = NOW_NS) -> PlainOrder | None:
    """At a desk that knows one key and one market."""
    desk = PlainDesk(
        LIMITS.recv_window_default_ms,
        LIMITS.recv_window_max_ms,
        lambda api_key, _: (KEY, account, NOW_NS + 1) if api_key == API_KEY else None,
        lambda symbol: TERMS if symbol == MARKET.symbol else None,
        lambda: client_id,
    )
    return desk.take(data, now_ns, "192.0.2.1", (1, 1))


class Sent(NamedTuple):
    """A request as its head says it, and as it is parsed elsewhere."""

    method: str
    query: bytes
    body: bytes

    def raw(self, *lines: str) -> bytes:
        target = "/api/v3/order" + (f"?{self.query.decode('latin-1')}" if self.query else "")
        head = [f"{self.method} {target} HTTP/1.1", "Host: localhost", f"X-MBX-APIKEY: {API_KEY}", *lines]
        if self.body:
            head.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*head, "", ""]).encode("latin-1") + self.body


def signature(payload: bytes) -> bytes:
    return hmac.new(SECRET, payload, hashlib.sha256).hexdigest().encode()


def sent(params: dict[str, str], method: str = "POST", *, in_query: bool = False) -> Sent:
    payload = "&".join(f"{name}={value}" for name, value in params.items()).encode()
    part = payload + b"&signature=" + signature(payload)
    return Sent(method, part, b"") if in_query else Sent(method, b"", part)


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    """A good request, with up to three parameters changed, dropped or added, or broken in another way."""
    is_order = draw(st.booleans())
    params = dict(ORDER if is_order else CANCEL)
    for name in draw(st.lists(st.sampled_from(OF_ORDERS if is_order else OF_CANCELS), max_size=3)):
        if name in params and draw(st.integers(0, 4)) == 0:
            del params[name]
        else:
            params[name] = draw(st.sampled_from(VALUES[name]))
    pairs = draw(st.permutations([f"{name}={value}" for name, value in params.items()]))
    payload = "&".join(pairs).encode()
    signed = payload + b"&signature=" + signature(payload)
    match draw(st.sampled_from(["no", "no", "no", "no", "no", "upper", "wrong", "first", "twice", "byte"])):
        case "upper":
            signed = payload + b"&signature=" + signature(payload).upper()
        case "wrong":
            signed = signed[:-1] + (b"0" if signed[-1:] != b"0" else b"1")
        case "first":
            signed = b"signature=" + signature(payload) + b"&" + payload
        case "twice":
            signed = pairs[0].encode() + b"&" + signed
        case "byte":
            at = draw(st.integers(0, len(signed) - 1))
            signed = (
                signed[:at]
                + draw(st.sampled_from([b"&", b"=", b"%", b"+", b"x", b"\xc3", b"."]))
                + signed[at + 1 :]
            )
    is_in_query = draw(st.booleans()) and b"\xc3" not in signed
    method = "POST" if is_order else "DELETE"
    return Sent(method, signed, b"") if is_in_query else Sent(method, b"", signed)


class General(NamedTuple):
    """What the general way makes of a request."""

    call: Call
    command: bytearray
    shown: Any  # the NewOrder, or what the cancel is called


def general(request: Sent, account: int) -> General:
    """Raises ApiError."""
    params = Params(request.query, request.body)
    signed = unsigned(request.query) + unsigned(request.body)
    if not KEY(params.require("signature"), signed):
        raise ApiError(errors.BAD_SIGNATURE)
    require_timely(params, NOW_NS, LIMITS)
    if "newClientOrderId" not in params:
        params = params.with_value("newClientOrderId", MADE_UP)
    call = Call(cast(Any, None), params, account, NOW_NS, NS_PER_MS)
    if request.method == "POST":
        order = read_order(params, MARKET)
        return General(call, order.command(account), order)
    order_id, client_id = named_order(params)
    refuse_cancel_restrictions(params)
    request_id = client_id_in(params, "newClientOrderId")
    cancel = Cancel(
        account=account,
        market=MARKET.id,
        order_id=order_id,
        client_id=client_id.encode(),
        request_id=request_id.encode(),
    )
    return General(call, cancel.encode(), request_id)


class Venue:
    """An engine with one market with fees and two rich accounts, whose orders stand on either side."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.numbers = {0: 0}
        self.do(SessionOpen(role=Role.ADMIN, name=b"admin"), 0)
        self.do(Rules(version=commands.RULES_NEWEST), 0)
        for asset in (BTC, USDT):
            self.do(AssetList(scale=asset.scale, name=asset.name.encode()))
        filters = Filters(1, 10**9, 1, 10**9, 1, 10**9, 1, 10**18, 1_000, 0)
        self.do(
            MarketList(
                base=1,
                quote=2,
                tick_atoms=MARKET.tick_atoms,
                lot_atoms=MARKET.lot_atoms,
                filters=filters,
                state=MarketStatus.TRADING,
                symbol=b"BTCUSDT",
            )
        )
        self.do(MarketFees(market=1, component=FeeComponent.STANDARD, tier=0, maker=1_000, taker=2_000))
        mirror = self.account(AccountClass.MIRROR, b"mirror")
        self.ann, self.bob = self.account(AccountClass.USER, b"ann"), self.account(AccountClass.USER, b"bob")
        for nth, account in enumerate((self.ann, self.bob)):
            for number in (1, 2):
                self.do(
                    Credit(
                        market=number,
                        account=account,
                        counter_account=mirror,
                        amount_atoms=10**12,
                        reference=b"%d-of-%d" % (number, nth),
                    )
                )

    def account(self, account_class: AccountClass, reference: bytes) -> int:
        create = AccountCreate(account_class=account_class, permissions=Permission.TRADE, reference=reference)
        return self.do(create)

    def send(self, command: bytearray, session: int = 1) -> bytes:
        """Its record."""
        self.numbers[session] = self.numbers.get(session, 0) + 1
        if session:
            commands.stamp(command, session, self.numbers[session])
        batch = commands.batch(self.engine.sequence + 1, NOW_NS, self.engine.epoch, [command])
        return self.engine.apply(batch)

    def do(self, command: Command, session: int = 1) -> int:
        answer = result(self.send(command.encode(), session))
        assert answer.status == Status.OK
        return answer.value


def makers_of(record: bytes) -> list[tuple[int, int]]:
    return [(fill.maker_account, fill.maker_order) for fill in read_placed(record).fills]


def shown_generally(request: Sent, way: General, record: bytes) -> bytes:
    if request.method == "POST":
        return show_placed(way.call, way.shown, read_placed(record))
    (closed,) = closed_orders(record)
    return encode(show_cancelled(way.call, MARKET, closed, way.shown, result(record).time_ns))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(requests(), st.booleans()), min_size=1, max_size=12))
def test_what_is_taken_plainly_is_what_the_general_way_makes_of_it(talk):
    venue = Venue()
    for request, is_ann in talk:
        account = venue.ann if is_ann else venue.bob
        try:
            way = general(request, account)
        except ApiError:
            way = None
        plain = take(request.raw(), account)
        if plain is not None:
            assert way is not None and plain.command == way.command
            assert (plain.account, plain.symbol, plain.is_place) == (
                account,
                "BTCUSDT",
                request.method == "POST",
            )
        if way is None:
            continue
        record = venue.send(way.command)
        answer = plain.answer(record) if plain is not None else None
        if plain is None or answer is None:
            continue
        sequence, order_id, makers, is_open = answer
        assert (result(record).status, result(record).sequence) == (Status.OK, sequence)
        assert plain.body == shown_generally(request, way, record)
        if request.method == "POST":
            placed = read_placed(record)
            assert (order_id, is_open, makers) == (placed.order_id, placed.closed is None, makers_of(record))
        else:
            assert order_id == closed_orders(record)[0].order_id


@pytest.mark.parametrize("in_query", [True, False])
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("POST", ORDER),
        ("POST", ORDER | {"newClientOrderId": "mine", "recvWindow": "60000", "newOrderRespType": "RESULT"}),
        ("POST", ORDER | {"type": "LIMIT", "timeInForce": "IOC", "selfTradePreventionMode": "NONE"}),
        ("POST", MARKET_ORDER),
        ("POST", {name: ORDER[name] for name in ORDER if name != "timeInForce"} | {"type": "LIMIT_MAKER"}),
        ("DELETE", CANCEL),
        ("DELETE", CANCEL | {"origClientOrderId": "mine", "newClientOrderId": "away"}),
    ],
)  # fmt: skip
def test_what_clients_send_most_is_plain(method, params, in_query):
    assert take(sent(params, method, in_query=in_query).raw("Connection: keep-alive"), 1_001) is not None


def test_orders_that_meet_are_answered_plainly():
    venue = Venue()
    statuses = []
    for side, quantity, account in (
        ("BUY", "2", venue.ann),
        ("SELL", "0.5", venue.bob),
        ("SELL", "3", venue.bob),
    ):
        plain = take(
            sent(ORDER | {"side": side, "quantity": quantity}).raw(), account, f"{side}-{quantity[0]}"
        )
        assert plain is not None
        assert plain.answer(venue.send(plain.command)) is not None
        shown = json.loads(plain.body)
        statuses.append(
            (shown["status"], shown["executedQty"], [fill["commission"] for fill in shown["fills"]])
        )
    assert statuses == [
        ("NEW", "0.00000000", []),
        ("FILLED", "0.50000000", ["0.001000"]),
        ("PARTIALLY_FILLED", "1.50000000", ["0.003000"]),
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw.replace(b"HTTP/1.1", b"HTTP/1.0"),
        lambda raw: raw.replace(b"POST", b"PUT"),
        lambda raw: raw.replace(b"POST", b"post"),
        lambda raw: b"\r\n" + raw,
        lambda raw: raw.replace(b"/order ", b"/order/test "),
        lambda raw: raw.replace(b"/api", b"http://localhost/api"),
        lambda raw: raw.replace(b"\r\nHost", b"\nHost"),
        lambda raw: raw.replace(b"Host:", b"Host :"),
        lambda raw: raw.replace(b"Host: localhost", b"Host: localhost\r\n folded"),
        lambda raw: raw.replace(b"Host: localhost", b"Connection: close"),
        lambda raw: raw.replace(b"Host: localhost", b"Connection: keep-alive, Upgrade"),
        lambda raw: raw.replace(b"Host: localhost", b"Upgrade: websocket"),
        lambda raw: raw.replace(b"Host: localhost", b"Expect: 100-continue"),
        lambda raw: raw.replace(b"Host: localhost", b"Transfer-Encoding: chunked"),
        lambda raw: raw.replace(b"Host: localhost", b"X-MBX-Time-Unit: MICROSECOND"),
        lambda raw: raw.replace(b"Host: localhost", b"X-MBX-APIKEY: " + b"k" * 64),
        lambda raw: raw.replace(b"Host: localhost", b"Content-Length: 3"),
        lambda raw: raw.replace(b"Content-Length: ", b"Content-Length: +"),
        lambda raw: raw.replace(b"k" * 64, b"k" * 63),
        lambda raw: raw.replace(b"/order ", b"/order?recvWindow=1 "),
        lambda raw: raw[:-1],
        lambda raw: raw + b" ",
        lambda raw: raw + raw,
        lambda raw: raw.split(b"\r\n\r\n")[0],
        lambda raw: b"",
    ],
)  # fmt: skip
def test_what_is_not_exactly_one_plain_request_is_left_alone(spoil):
    whole = sent(ORDER).raw()
    assert take(whole, 1_001) is not None
    assert take(spoil(whole), 1_001) is None


def test_a_key_is_asked_for_once_and_again_where_another_answer_may_be_due():
    asked: list[str] = []

    def find_holder(api_key: str, client_ip: str) -> tuple[HmacKey, int, int] | None:
        asked.append(client_ip)
        return None if client_ip == "203.0.113.9" else (KEY, 1_001, NOW_NS + 10)

    desk = PlainDesk(5_000, 60_000, find_holder, lambda _: TERMS, lambda: MADE_UP)

    def take(client_ip: str = "192.0.2.1", version: tuple[int, int] = (1, 1), now_ns: int = NOW_NS) -> bool:
        return desk.take(sent(ORDER).raw(), now_ns, client_ip, version) is not None

    assert take() and take()
    assert asked == ["192.0.2.1"]
    assert not take("203.0.113.9")
    assert take() and take(version=(1, 2))
    assert asked == ["192.0.2.1", "203.0.113.9", "192.0.2.1"]
    assert take(version=(1, 2), now_ns=NOW_NS + 9) and not take(version=(1, 2), now_ns=NOW_NS + 10)
