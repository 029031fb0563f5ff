"""Events are read from the bytes that docs/formats/events.md gives."""

from struct import pack

import pytest

from cambist.engine import events
from cambist.engine.codes import (
    AccountClass,
    AssetStatus,
    CloseReason,
    CountdownState,
    FeeComponent,
    HoldState,
    Kind,
    MarketStatus,
    OrderType,
    Permission,
    Role,
    Side,
    Status,
    StpMode,
    TimeInForce,
)
from cambist.engine.commands import Filters, Limits
from cambist.engine.events import Event, Result

RESULT_HEX = (
    "3000 00 01 {following} 0000 02 00 07000000 0800000000000000 0900000000000000 ffffffffffffffff"
    "0a00000000000000"
)

# Each row is the header (length, kind, tag, subject), then the kind's own fields.
GOLDEN: list[tuple[str, Event]] = [
    (
        "3000 01 01 01000000 0500000000000000 e9030000 01 03 02 03 6400000000000000 0700000000000000"
        "616e6e0000000000",
        events.OrderAccepted(
            market=1,
            side=Side.SELL,
            order_id=5,
            account=1001,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.FOK,
            stp_mode=StpMode.EXPIRE_MAKER,
            price_ticks=100,
            quantity_lots=7,
            quote_budget_atoms=0,
            client_id=b"ann",
        ),
    ),
    (
        "4000 01 02 01000000 0500000000000000 e9030000 02 02 00 01 0000000000000000 0000000000000000"
        "00000000000000000100000000000000 6100000000000000",
        events.OrderAccepted(
            market=1,
            side=Side.BUY,
            order_id=5,
            account=1001,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            stp_mode=StpMode.NONE,
            price_ticks=0,
            quantity_lots=0,
            quote_budget_atoms=1 << 64,
            client_id=b"a",
        ),
    ),
    (
        "6800 02 01 01000000 0100000000000000 0200000000000000 0300000000000000 0400000000000000"
        "0500000000000000 06000000 07000000 00000000000000000800000000000000"
        "09000000000000000000000000000000 0a000000000000000000000000000000",
        events.Trade(
            market=1,
            taker_side=Side.SELL,
            trade_id=1,
            price_ticks=2,
            quantity_lots=3,
            maker_order=4,
            taker_order=5,
            maker_account=6,
            taker_account=7,
            quote_atoms=8 << 64,
            maker_fee_atoms=9,
            taker_fee_atoms=10,
        ),
    ),
    (
        "5800 03 03 01000000 0100000000000000 02000000 03 01 01 05 0400000000000000 0600000000000000"
        "0500000000000000 00000000000000000700000000000000 ffffffffffffffff 02 03 01 0000000000"
        "6162636465000000",
        events.OrderClosed(
            market=1,
            side=Side.SELL,
            rested=True,
            order_id=1,
            account=2,
            order_type=OrderType.LIMIT_MAKER,
            time_in_force=TimeInForce.GTC,
            stp_mode=StpMode.EXPIRE_TAKER,
            reason=CloseReason.REPLACED,
            price_ticks=4,
            quantity_lots=6,
            executed_lots=5,
            executed_quote_atoms=7 << 64,
            accepted_ns=-1,
            by_quote=True,
            client_id=b"ab",
            request_id=b"cde",
        ),
    ),
    (
        "4000 04 01 01000000 0100000000000000 02000000 01 02 0000 0300000000000000 0400000000000000"
        "0500000000000000 0600000000000000 6162630000000000",
        events.OrderAmended(
            market=1,
            side=Side.SELL,
            order_id=1,
            account=2,
            price_ticks=3,
            quantity_lots=4,
            executed_lots=5,
            old_quantity_lots=6,
            client_id=b"a",
            old_client_id=b"bc",
        ),
    ),
    (
        "2000 05 01 01000000 0200000000000000 0300000000000000 0400000000000000",
        events.Level(market=1, side=Side.SELL, price_ticks=2, quantity_lots=3, update_id=4),
    ),
    (
        "3000 06 00 02000000 e9030000 00000000 fdffffffffffffffffffffffffffffff"
        "04000000000000000000000000000000",
        events.Balance(asset=2, account=1001, available_atoms=-3, held_atoms=4, posting_atoms=0),
    ),
    (
        "4000 06 01 02000000 e9030000 00000000 00000000000000000300000000000000"
        "04000000000000000000000000000000 fbffffffffffffffffffffffffffffff",
        events.Balance(asset=2, account=1001, available_atoms=3 << 64, held_atoms=4, posting_atoms=-5),
    ),
    (
        "1800 0a 00 e9030000 04 02 05 01 ea030000 0700000000000000",
        events.AccountEvent(
            account=1001,
            account_class=AccountClass.HOUSE,
            tier=2,
            permissions=Permission.TRADE | Permission.WITHDRAW,
            frozen=True,
            stp_group=1002,
            owner=7,
        ),
    ),
    (
        "1800 0b 00 01000000 08 02 03 0000000000 4254430000000000",
        events.AssetEvent(asset=1, scale=8, state=AssetStatus.SUSPENDED, name=b"BTC"),
    ),
    (
        "9800 0c 00 01000000 02000000 03000000 0400000000000000 0500000000000000"
        "0100000000000000 0200000000000000 0300000000000000"
        "0400000000000000 0500000000000000 0600000000000000"
        "07000000000000000000000000000000 08000000000000000000000000000000 09000000 03 000000"
        "00000000000000000000000000000000 02 06 000000000000 455448425443 0000",
        events.MarketEvent(
            market=1,
            base=2,
            quote=3,
            tick_atoms=4,
            lot_atoms=5,
            filters=Filters(1, 2, 3, 4, 5, 6, 7, 8, 9, 3),
            state=MarketStatus.CANCEL_ONLY,
            symbol=b"ETHBTC",
        ),
    ),
    (
        "2000 0d 02 01000000 0f 00000000000000 01000000 02000000 03000000 04000000",
        events.FeesEvent(market=1, component=FeeComponent.TAX, tier=15, maker=1, taker=2, buyer=3, seller=4),
    ),
    (
        "2800 0e 04 09000000 08 6f70657261746f72" + "00" * 23,
        events.SessionEvent(session=9, role=Role.ADMIN, name=b"operator"),
    ),
    (
        "3000 0f 03 02000000 e9030000 00000000 00000000000000000500000000000000"
        "000102030405060708090a0b0c0d0e0f",
        events.HoldEvent(
            asset=2,
            state=HoldState.RELEASED,
            account=1001,
            amount_atoms=5 << 64,
            digest=bytes(range(16)),
        ),
    ),
    ("0800 10 00 02000000", events.EpochEvent(epoch=2)),
    ("0800 11 00 01000000", events.RulesEvent(version=1)),
    (
        "4800 12 01 01000000 0200000000000000 6400000000000000 0900000000000000 0800000000000000"
        "ea030000 e9030000 0500000000000000 0300000000000000 e9030000 04 000000",
        events.PreventedMatch(
            market=1,
            taker_side=Side.SELL,
            prevented_match_id=2,
            price_ticks=100,
            taker_order=9,
            maker_order=8,
            taker_account=1002,
            maker_account=1001,
            taker_prevented_lots=5,
            maker_prevented_lots=3,
            stp_group=1001,
            stp_mode=StpMode.DECREMENT,
        ),
    ),
    (
        "6800 13 00 01000000"
        + "".join(f"{nth:02x}000000" for nth in range(1, 20))
        + "00000000 00000000000000001400000000000000",
        events.LimitsEvent(market=1, limits=Limits._make([*range(1, 20), 20 << 64])),
    ),
    (
        "1800 14 03 00000000 e9030000 00000000 0000000000000000",
        events.CountdownEvent(market=0, state=CountdownState.FIRED, account=1001, deadline_ns=0),
    ),
]


def record(*following: bytes) -> bytes:
    body = b"".join(following)
    return bytes.fromhex(RESULT_HEX.format(following=pack("<I", len(body)).hex())) + body


@pytest.mark.parametrize(("raw", "expected"), GOLDEN, ids=lambda value: getattr(type(value), "__name__", ""))
def test_an_event_is_read_as_the_format_says(raw, expected):
    (event,) = events.decode(record(bytes.fromhex(raw)))
    assert type(event) is type(expected)
    assert event == expected


def test_codes_are_read_as_enums():
    closed = events.decode(record(bytes.fromhex(GOLDEN[3][0])))[0]
    assert isinstance(closed, events.OrderClosed)
    assert isinstance(closed.reason, CloseReason)
    assert isinstance(closed.side, Side)


def test_a_result_says_what_the_command_came_to():
    assert events.result(record()) == Result(
        command=Kind.PLACE,
        status=Status.OK,
        repeat=False,
        more=True,
        session=7,
        number=8,
        sequence=9,
        time_ns=-1,
        value=10,
    )


def test_a_repeat_is_not_more():
    raw = bytearray(record())
    raw[10] = 1
    assert events.result(bytes(raw)).repeat
    assert not events.result(bytes(raw)).more


def test_a_result_of_a_kind_nobody_knows_keeps_its_number():
    raw = bytearray(record())
    raw[3] = 99
    assert events.result(bytes(raw)).command == 99


def test_output_is_cut_into_one_record_per_command():
    every = [bytes.fromhex(raw) for raw, _ in GOLDEN]
    records = [record(), record(every[2], every[0]), record(), record(*every)]
    assert list(events.split(b"".join(records))) == records


def test_events_of_a_record_keep_their_order():
    every = record(*(bytes.fromhex(raw) for raw, _ in GOLDEN))
    assert events.decode(every) == [event for _, event in GOLDEN]


def test_no_output_has_no_records():
    assert list(events.split(b"")) == []


@pytest.mark.parametrize("cut", [1, 40, 47, 49, 60])
def test_output_that_ends_within_a_record_is_refused(cut):
    with pytest.raises(ValueError):
        events.split((record() + record())[:cut])
