"""Commands keep the bytes that docs/formats/commands.md gives, and say what they hold when read back."""

import pytest

from cambist.engine import commands
from cambist.engine.commands import (
    AccountClass,
    AssetStatus,
    Command,
    Contingency,
    FeeComponent,
    Filters,
    Kind,
    MarketStatus,
    OrderType,
    Permission,
    ReplaceMode,
    Role,
    Side,
    StpMode,
    TimeInForce,
)

FILTERS = Filters(
    price_min_ticks=1,
    price_max_ticks=2,
    lot_min=3,
    lot_max=4,
    market_lot_min=5,
    market_lot_max=6,
    notional_min_atoms=7,
    notional_max_atoms=8,
    max_orders=9,
    notional_flags=3,
)
FILTERS_HEX = (
    "0100000000000000 0200000000000000 0300000000000000 0400000000000000 0500000000000000 0600000000000000"
    "07000000000000000000000000000000 08000000000000000000000000000000 09000000 03 000000"
    "00000000000000000000000000000000"
)

LIMIT_BUY = commands.Place(
    account=1001,
    market=1,
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.FOK,
    stp_mode=StpMode.EXPIRE_BOTH,
    price_ticks=100,
    quantity_lots=5,
    client_id=b"ann-1",
)

# Each row is the header (length, kind, flags, session, number, account, market), then the kind's own fields.
GOLDEN: list[tuple[Command, str]] = [
    (
        LIMIT_BUY,
        "3800 01 00 00000000 0000000000000000 e9030000 01000000"
        "00 01 03 03 05 000000 6400000000000000 0500000000000000 616e6e2d31000000",
    ),
    (
        commands.Place(
            account=1001,
            market=1,
            side=Side.SELL,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            quote_budget_atoms=1 << 64,
        ),
        "6000 01 01 00000000 0000000000000000 e9030000 01000000"
        "01 02 02 00 00 000000 0000000000000000 0000000000000000"
        "00000000000000000100000000000000" + "00" * 32,
    ),
    (
        commands.Cancel(account=1001, market=1, order_id=7, client_id=b"a", request_id=b"bc"),
        "3000 02 00 00000000 0000000000000000 e9030000 01000000"
        "0700000000000000 01 02 000000000000 6162630000000000",
    ),
    (
        commands.CancelAll(account=1001, market=0),
        "1800 03 00 00000000 0000000000000000 e9030000 00000000",
    ),
    (
        commands.CancelReplace(
            account=1001,
            market=1,
            side=Side.BUY,
            order_type=OrderType.LIMIT_MAKER,
            time_in_force=TimeInForce.GTC,
            stp_mode=StpMode.EXPIRE_TAKER,
            mode=ReplaceMode.ALLOW_FAILURE,
            price_ticks=100,
            quantity_lots=5,
            client_id=b"new",
            target_order_id=7,
            target_client_id=b"old!",
            request_id=b"req",
        ),
        "4800 04 00 00000000 0000000000000000 e9030000 01000000"
        "00 03 01 01 03 04 03 01 6400000000000000 0500000000000000 0700000000000000"
        "6e65776f6c64217265710000 00000000",
    ),
    (
        commands.CancelReplace(
            account=1001,
            market=1,
            side=Side.BUY,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            quote_budget_atoms=3,
            target_client_id=b"old",
        ),
        "7000 04 01 00000000 0000000000000000 e9030000 01000000"
        "00 02 02 00 00 03 00 00 0000000000000000 0000000000000000 0000000000000000"
        "03000000000000000000000000000000" + "00" * 32 + "6f6c640000000000",
    ),
    (
        commands.Amend(
            account=1001, market=1, quantity_lots=5, order_id=7, target_client_id=b"a", client_id=b"b"
        ),
        "3800 05 00 00000000 0000000000000000 e9030000 01000000"
        "0700000000000000 0500000000000000 01 01 000000000000 6162000000000000",
    ),
    (
        commands.Settle(
            account=1001,
            market=2,
            counter_account=1002,
            fee_account=6,
            amount_atoms=(1 << 100) - 1,
            fee_atoms=1,
            reference=b"w:1:settle",
            origin=b"w:1",
        ),
        "5800 0d 00 00000000 0000000000000000 e9030000 02000000"
        "ea030000 06000000 0a 03 000000000000 ffffffffffffffffffffffff0f000000"
        "01000000000000000000000000000000 773a313a736574746c65773a31000000",
    ),
    (
        commands.AccountCreate(
            account_class=AccountClass.USER,
            tier=2,
            permissions=Permission.TRADE | Permission.WITHDRAW,
            stp_group=1001,
            owner=9,
            reference=b"user:9",
        ),
        "3000 14 00 00000000 0000000000000000 00000000 00000000"
        "01 02 05 06 e9030000 0900000000000000 757365723a390000",
    ),
    (
        commands.AccountSet(account=1001, tier=3, permissions=Permission.DEPOSIT, stp_group=4),
        "2000 15 00 00000000 0000000000000000 e9030000 00000000 00 03 02 00 04000000",
    ),
    (
        commands.AccountFreeze(account=1001, frozen=True),
        "2000 16 00 00000000 0000000000000000 e9030000 00000000 01 00000000000000",
    ),
    (
        commands.AssetList(scale=8, name=b"BTC"),
        "2800 1e 00 00000000 0000000000000000 00000000 00000000 08 03 000000000000 4254430000000000",
    ),
    (
        commands.AssetState(market=2, state=AssetStatus.SUSPENDED),
        "2000 1f 00 00000000 0000000000000000 00000000 02000000 02 00000000000000",
    ),
    (
        commands.MarketList(
            base=1,
            quote=2,
            tick_atoms=10,
            lot_atoms=11,
            filters=FILTERS,
            state=MarketStatus.HALTED,
            symbol=b"BTCUSDT",
        ),
        "a800 20 00 00000000 0000000000000000 00000000 00000000"
        "01000000 02000000 0a00000000000000 0b00000000000000"
        + FILTERS_HEX
        + "03 07 000000000000 4254435553445400",
    ),
    (
        commands.MarketState(market=1, state=MarketStatus.CANCEL_ONLY),
        "2000 21 00 00000000 0000000000000000 00000000 01000000 02 00000000000000",
    ),
    (
        commands.MarketFilters(market=1, filters=FILTERS),
        "8000 22 00 00000000 0000000000000000 00000000 01000000" + FILTERS_HEX,
    ),
    (
        commands.MarketFees(
            market=1, component=FeeComponent.STANDARD, tier=15, maker=1, taker=2, buyer=3, seller=4
        ),
        "3000 23 00 00000000 0000000000000000 00000000 01000000"
        "00 0f 000000000000 01000000 02000000 03000000 04000000",
    ),
    (
        commands.MarketLimits(market=1, limits=commands.Limits._make([*range(1, 20), (1 << 100) - 1])),
        "7800 24 00 00000000 0000000000000000 00000000 01000000"
        + "".join(f"{nth:02x}000000" for nth in range(1, 20))
        + "00000000 ffffffffffffffffffffffff0f000000",
    ),
    (
        commands.Countdown(account=1001, market=1, deadline_ns=1 << 62),
        "2000 17 00 00000000 0000000000000000 e9030000 01000000 0000000000000040",
    ),
    (
        commands.SessionOpen(role=Role.ADMIN, name=b"operator"),
        "3000 28 00 00000000 0000000000000000 00000000 00000000"
        "04 08 6f70657261746f72 0000000000000000000000000000",
    ),
    (
        commands.TakeOver(epoch=2),
        "2000 2a 00 00000000 0000000000000000 00000000 00000000 02000000 00000000",
    ),
    (
        commands.Place(
            account=1,
            market=2,
            side=Side.SELL,
            order_type=OrderType.STOP_LOSS_LIMIT,
            time_in_force=TimeInForce.GTC,
            price_ticks=98,
            quantity_lots=5,
            stop_price_ticks=99,
            iceberg_lots=2,
            trailing_delta=100,
        ),
        "6000 01 01 00000000 0000000000000000 01000000 02000000"
        "01 05 01 00 00 000000 6200000000000000 0500000000000000"
        "00000000000000000000000000000000 0000000000000000 6300000000000000 0200000000000000"
        "64000000 00000000",
    ),
    (
        commands.ListPlace(
            account=1,
            market=2,
            contingency=Contingency.OCO,
            legs=(
                commands.Leg(
                    side=Side.SELL,
                    order_type=OrderType.STOP_LOSS,
                    time_in_force=TimeInForce.IOC,
                    quantity_lots=5,
                    stop_price_ticks=99,
                    client_id=b"a",
                ),
                commands.Leg(
                    side=Side.SELL,
                    order_type=OrderType.LIMIT_MAKER,
                    time_in_force=TimeInForce.GTC,
                    price_ticks=103,
                    quantity_lots=5,
                    iceberg_lots=1,
                    client_id=b"b",
                ),
            ),
            client_id=b"oco",
        ),
        "8800 06 00 00000000 0000000000000000 01000000 02000000 01 02 03 0000000000"
        "01 04 02 00 01 000000 0000000000000000 0500000000000000 6300000000000000 0000000000000000"
        "00000000 00000000"
        "01 03 01 00 01 000000 6700000000000000 0500000000000000 0000000000000000 0100000000000000"
        "00000000 00000000"
        "6f636f 61 62 000000",
    ),
    (
        commands.ListCancel(account=1, market=2, list_id=7, client_id=b"oco", request_id=b"r"),
        "3000 07 00 00000000 0000000000000000 01000000 02000000"
        "0700000000000000 03 01 000000000000 6f636f 72 00000000",
    ),
    (
        commands.Rules(version=1),
        "2000 2b 00 00000000 0000000000000000 00000000 00000000 01000000 00000000",
    ),
    (commands.Time(), "1800 2c 00 00000000 0000000000000000 00000000 00000000"),
    (commands.Continue(), "1800 2d 00 00000000 0000000000000000 00000000 00000000"),
]


@pytest.mark.parametrize(
    ("command", "expected"), GOLDEN, ids=lambda value: getattr(type(value), "__name__", "")
)
def test_a_command_is_encoded_as_the_format_says_and_read_back(command, expected):
    encoded = command.encode()
    assert encoded.hex() == expected.replace(" ", "")
    assert commands.decode(encoded) == command
    assert commands.decode(bytes(encoded)) == command


def test_every_kind_has_a_command():
    money = {
        Kind.CREDIT,
        Kind.REVERSE,
        Kind.HOLD,
        Kind.RELEASE,
        Kind.MOVE,
        Kind.CORRECTION,
    }  # Settle is golden
    assert {command.kind for command, _ in GOLDEN} == set(Kind) - money


@pytest.mark.parametrize(
    "made",
    [commands.Credit, commands.Reverse, commands.Hold, commands.Release, commands.Move, commands.Correction],
)
def test_the_money_commands_differ_in_their_kind_alone(made):
    command = made(account=1001, market=1, counter_account=2, amount_atoms=3, reference=b"r", origin=b"o")
    settle = commands.Settle(
        account=1001, market=1, counter_account=2, amount_atoms=3, reference=b"r", origin=b"o"
    ).encode()
    settle[2] = made.kind
    assert command.encode() == settle
    assert commands.decode(settle) == command
    assert commands.decode(settle) != commands.Settle.read(settle)


def test_a_stamp_writes_session_and_number_and_nothing_else():
    command, plain = LIMIT_BUY.encode(), LIMIT_BUY.encode()
    commands.stamp(command, session=0x0A0B0C0D, number=0x0102030405060708)
    assert command[4:16].hex() == "0d0c0b0a0807060504030201"
    assert command[:4] + command[16:] == plain[:4] + plain[16:]
    assert commands.decode(command) == LIMIT_BUY


def test_a_batch_says_where_it_belongs_and_what_it_holds():
    time, cancel = commands.Time().encode(), commands.CancelAll(account=1).encode()
    payload = commands.batch(first_sequence=5, time_ns=-1, epoch=2, commands=[time, cancel])
    assert payload[:32].hex() == "0500000000000000ffffffffffffffff020000000200000030000000" + "00000000"
    assert payload[32:] == bytes(time + cancel)


@pytest.mark.parametrize(
    "change",
    [
        {"price_ticks": -1},
        {"price_ticks": 1 << 64},
        {"quantity_lots": 1 << 64},
        {"account": 1 << 32},
        {"market": -1},
        {"quote_budget_atoms": -1},
        {"quote_budget_atoms": 1 << 128},
        {"client_id": b"x" * 256},
    ],
    ids=repr,
)
def test_what_the_bytes_cannot_hold_is_a_value_error(change):
    fields = {name: getattr(LIMIT_BUY, name) for name in LIMIT_BUY.__struct_fields__}
    with pytest.raises(ValueError, match=r"PLACE|128 bits"):
        commands.Place(**{**fields, **change}).encode()


def test_the_largest_values_fit():
    command = commands.Place(
        account=(1 << 32) - 1,
        market=(1 << 32) - 1,
        side=Side.SELL,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price_ticks=(1 << 64) - 1,
        quantity_lots=(1 << 64) - 1,
        quote_budget_atoms=(1 << 128) - 1,
        client_id=b"x" * 255,
    )
    assert commands.decode(command.encode()) == command


def test_a_session_name_too_long_is_not_cut_short():
    commands.SessionOpen(role=Role.TRADE, name=b"x" * 22).encode()
    with pytest.raises(ValueError, match="at most 22 bytes"):
        commands.SessionOpen(role=Role.TRADE, name=b"x" * 23).encode()


@pytest.mark.parametrize("cut", [0, 1, 23, 24, 47, 55])
def test_half_a_command_is_not_decoded(cut):
    with pytest.raises(ValueError, match=r"do not hold one command"):
        commands.decode(LIMIT_BUY.encode()[:cut])


def test_a_command_shorter_than_its_kind_is_not_decoded():
    short = commands.Time().encode()
    short[2] = Kind.PLACE
    with pytest.raises(ValueError, match="PLACE of 24 bytes"):
        commands.decode(short)


def test_texts_that_run_over_the_end_are_not_decoded():
    command = LIMIT_BUY.encode()
    command[28] = 9
    with pytest.raises(ValueError, match="texts end at 57"):
        commands.decode(command)


def test_an_unknown_kind_is_not_decoded():
    command = commands.Time().encode()
    command[2] = 99
    with pytest.raises(ValueError, match="99"):
        commands.decode(command)
