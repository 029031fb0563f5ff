"""Requests of the WebSocket API keep what was written: ids, numbers, and what a signature covers."""

import pytest

from cambist.gateway.errors import ApiError
from cambist.gateway.wsapi import messages
from cambist.gateway.wsapi.messages import Unreadable


@pytest.mark.parametrize("request_id", ["1", "0", "-7", '"a-1"', '""', '"\\u00e9"', "null", "1" * 40])
def test_an_id_comes_back_byte_for_byte(request_id):
    message = messages.read(f'{{ "id" : {request_id} , "method":"ping"}}'.encode())
    assert messages.answer(message.id, 200, b"{}", None) == (
        b'{"id":%b,"status":200,"result":{}}' % request_id.encode()
    )


def test_without_an_id_it_is_null():
    assert messages.read(b'{"method":"ping"}').id == b"null"


@pytest.mark.parametrize("request_id", ["{}", "[1]", "true", "1.5"])
def test_any_other_id_cannot_be_read(request_id):
    with pytest.raises(Unreadable, match="'id'"):
        messages.read(f'{{"id":{request_id},"method":"ping"}}'.encode())


def test_values_are_the_text_that_was_written():
    params = b'{"quantity":0.10,"price":1e5,"big":12345678901234567890,"flag":true,"no":false,"none":null,'
    params += b'"text":"a\\"b","symbols":["BTCUSDT", "ETHBTC"]}'
    assert messages.read(b'{"id":1,"method":"v3/order.place","params":%b}' % params)[1:] == (
        "order.place",
        {
            "quantity": "0.10",
            "price": "1e5",
            "big": "12345678901234567890",
            "flag": "true",
            "no": "false",
            "text": 'a"b',
            "symbols": '["BTCUSDT", "ETHBTC"]',
        },
    )


def test_a_signature_covers_all_other_parameters_in_the_order_of_their_names():
    params = {"timestamp": "1", "signature": "s", "apiKey": "k", "symbol": "BTCUSDT", "Z": "1"}
    assert messages.signed(params) == b"Z=1&apiKey=k&symbol=BTCUSDT&timestamp=1"


@pytest.mark.parametrize("params", ["[]", '"a"', "7"])
def test_parameters_are_an_object(params):
    with pytest.raises(Unreadable, match="'params'"):
        messages.read(f'{{"id":1,"method":"ping","params":{params}}}'.encode())


def test_what_is_not_text_is_refused():
    with pytest.raises((Unreadable, ApiError)):
        messages.read(b'{"id":1,"method":"ping","params":{"a":"\xff"}}')


def test_a_refusal_stands_in_the_place_of_the_result():
    assert messages.answer(b"7", 400, b'{"code":-1}', b"[]") == (
        b'{"id":7,"status":400,"error":{"code":-1},"rateLimits":[]}'
    )
