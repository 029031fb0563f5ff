"""The fast packing and walking of records say the same as the readable ones."""

from functools import partial

import pytest

from cambist.bench.cmdfile import trade_hash
from cambist.bench.records import Packer, answers, batch, trades
from cambist.engine import commands, events
from cambist.engine.commands import OrderType, Side, TimeInForce
from cambist.flow.venue import TIME_NS, Listing, Venue

SESSION, ACCOUNT, MARKET = 3, 1_001, 1


def readable(*orders):
    encoded = [order.encode() for order in orders]
    for number, order in enumerate(encoded, 1):
        commands.stamp(order, SESSION, number)
    return [bytes(order) for order in encoded]


def limit(order, **fields):
    common = {
        "account": ACCOUNT,
        "market": MARKET,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "price_ticks": 100,
        "quantity_lots": 7,
    }
    return order(**{**common, **fields})


def test_packed_orders_are_the_bytes_that_the_encoder_writes():
    packer = Packer(SESSION)
    cancel = partial(commands.Cancel, account=ACCOUNT, market=MARKET)
    assert [
        packer.place(ACCOUNT, MARKET, Side.BUY, TimeInForce.GTC, 100, 7),
        packer.place(ACCOUNT, MARKET, Side.SELL, TimeInForce.IOC, 100, 7, b"nine-char"),
        packer.cancel(ACCOUNT, MARKET, 5),
        packer.cancel(ACCOUNT, MARKET, 0, b"mine"),
        packer.replace(ACCOUNT, MARKET, Side.SELL, TimeInForce.GTC, 100, 7, 5),
        packer.replace(ACCOUNT, MARKET, Side.BUY, TimeInForce.GTC, 100, 7, 0, b"new", b"old"),
    ] == readable(
        limit(commands.Place, side=Side.BUY),
        limit(commands.Place, side=Side.SELL, time_in_force=TimeInForce.IOC, client_id=b"nine-char"),
        cancel(order_id=5),
        cancel(client_id=b"mine"),
        limit(commands.CancelReplace, side=Side.SELL, target_order_id=5),
        limit(commands.CancelReplace, side=Side.BUY, client_id=b"new", target_client_id=b"old"),
    )


def test_packed_batches_are_the_bytes_that_the_encoder_writes():
    orders = readable(commands.Cancel(account=ACCOUNT, market=MARKET, order_id=1)) * 3
    assert batch(9, TIME_NS, 1, orders) == commands.batch(9, TIME_NS, 1, orders)


def test_walking_finds_the_answers_and_trades_that_decoding_finds():
    venue = Venue(Listing(), 2)
    ann, bob = venue.accounts
    market = venue.markets[0]
    packer = Packer(venue.session)
    orders = [
        packer.place(ann, market, Side.SELL, TimeInForce.GTC, 100, 5),
        packer.place(ann, market, Side.SELL, TimeInForce.GTC, 101, 5),
        packer.place(bob, market, Side.BUY, TimeInForce.IOC, 101, 7),
        packer.replace(ann, market, Side.SELL, TimeInForce.GTC, 103, 0, 2),
        packer.place(bob, market, Side.BUY, TimeInForce.GTC, 102, 4),
        packer.replace(bob, market, Side.BUY, TimeInForce.GTC, 103, 0, 5),
        packer.cancel(bob, market, 6),
    ]
    output = venue.engine.apply(batch(venue.engine.sequence + 1, TIME_NS, venue.engine.epoch, orders))

    records = list(events.split(output))
    results = [events.result(record) for record in records]
    assert [(answer.kind, answer.status, answer.value) for answer in answers(output)] == [
        (result.command, result.status, result.value) for result in results
    ]
    decoded = [
        (event.price_ticks, event.quantity_lots, event.maker_order, event.taker_order)
        for record in records
        for event in events.decode(record)
        if isinstance(event, events.Trade)
    ]
    assert list(trades(output)) == decoded == [(100, 5, 1, 3), (101, 2, 2, 3), (103, 3, 4, 6)]


def test_a_refused_command_is_not_passed_over():
    venue = Venue(Listing(), 1)
    order = Packer(venue.session).cancel(venue.accounts[0], venue.markets[0], 99)
    output = venue.engine.apply(batch(venue.engine.sequence + 1, TIME_NS, venue.engine.epoch, [order]))
    with pytest.raises(ValueError, match="refused with status 40"):
        list(trades(output))


def test_the_trade_hash_is_the_documented_one():
    start, factor = 0xCBF29CE484222325, 0x100000001B3
    expected = start
    for word in (1, 2, 100, 5):  # maker, taker, price, quantity
        expected = (expected ^ word) * factor % 2**64
    assert trade_hash([]) == start
    assert trade_hash([(100, 5, 1, 2)]) == expected
