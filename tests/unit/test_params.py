"""Parameters: what is read from query and body, and what is refused before anything is made of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambist.gateway.errors import ApiError
from cambist.gateway.params import Params


def refused(read) -> tuple[int, str]:
    with pytest.raises(ApiError) as refusal:
        read()
    return refusal.value.refusal.code, refusal.value.refusal.msg


def test_query_and_body_are_read_together_and_the_query_wins():
    params = Params(b"symbol=BTCUSDT&side=BUY", b"side=SELL&quantity=1")
    assert [params.require(name) for name in ("symbol", "side", "quantity")] == ["BTCUSDT", "BUY", "1"]


def test_names_and_values_are_percent_decoded():
    params = Params(b"sym%62ols=%5B%22A%22%5D&note=a+b", b"")
    assert params.symbols() == ["A"]
    assert params.get("note") == "a b"


@pytest.mark.parametrize("part", [b"a=1&a=2", b"a=1&a=1", b"a=1&%61=2", b"a&a=", b"a=1&b=2&c=3&b=2"])
def test_a_name_twice_in_one_part_is_refused(part):
    duplicate = (-1101, "Duplicate values for a parameter detected.")
    assert refused(lambda: Params(part, b"")) == duplicate
    assert refused(lambda: Params(b"", part)) == duplicate


@pytest.mark.parametrize("part", [b"\xff=1", b"a=\xc3\x28", b"a=%ff", b"%c3%28=1"])
def test_bytes_that_are_no_text_are_refused(part):
    assert refused(lambda: Params(part, b"")) == (-1100, "Illegal characters found in a parameter.")


def test_empty_pairs_and_names_that_nobody_reads_are_ignored():
    params = Params(b"&a=1&&unknown=x&", b"&")
    assert params.get("a") == "1"
    assert params.get("b") is None


def test_a_mandatory_parameter_must_be_there_and_not_empty():
    missing = (-1102, "Mandatory parameter 'side' was not sent, was empty/null, or malformed.")
    assert refused(lambda: Params(b"", b"").require("side")) == missing
    assert refused(lambda: Params(b"side=", b"").require("side")) == missing
    assert refused(lambda: Params(b"side", b"").require("side")) == missing


def test_an_optional_parameter_may_be_missing_but_not_empty():
    assert Params(b"", b"").get("price") is None
    assert refused(lambda: Params(b"price=", b"").get("price")) == (-1105, "Parameter 'price' was empty.")


@pytest.mark.parametrize(
    "text", ["-1", "+1", "1.0", "1e3", " 1", "1_0", "٣", "%EF%BC%91", "0x1", "1" * 21, "1" * 5000]
)
def test_whole_numbers_are_ascii_digits_and_not_too_many(text):
    params = Params(f"orderId={text}".encode(), b"")
    illegal = (-1100, "Illegal characters found in parameter 'orderId'; legal range is '^[0-9]{1,20}$'.")
    assert refused(lambda: params.integer("orderId")) == illegal


def test_a_whole_number_must_fit_into_63_bits():
    most = (1 << 63) - 1
    assert Params(b"orderId=%d" % most, b"").integer("orderId") == most
    overflowed = (-1108, "Parameter 'orderId' overflowed.")
    assert refused(lambda: Params(b"orderId=%d" % (most + 1), b"").integer("orderId")) == overflowed


def test_times_are_milliseconds_or_microseconds():
    assert Params(b"startTime=1700000000123", b"").time_ns("startTime") == 1_700_000_000_123_000_000
    assert Params(b"startTime=1700000000123456", b"").time_ns("startTime") == 1_700_000_000_123_456_000


def test_a_time_beyond_all_times_is_the_last_one():
    last = (1 << 63) - 1 - 1_000_000
    for text in (b"9223372036854", b"9223372036854775", b"9223372036854775807"):
        assert Params(b"endTime=" + text, b"").time_ns("endTime") == last


@pytest.mark.parametrize(("text", "limit"), [(None, 500), ("1", 1), ("1000", 1000), ("1001", 1000)])
def test_a_limit_has_a_default_and_a_most(text, limit):
    query = b"" if text is None else f"limit={text}".encode()
    assert Params(query, b"").limit(default=500, most=1000) == limit


def test_a_limit_of_nothing_is_refused():
    zero = Params(b"limit=0", b"")
    assert refused(lambda: zero.limit(default=1, most=2)) == (
        -1130,
        "Data sent for parameter 'limit' is not valid.",
    )


@pytest.mark.parametrize(("text", "flag"), [("true", True), ("TRUE", True), ("false", False)])
def test_a_flag_is_true_or_false(text, flag):
    assert Params(f"omit={text}".encode(), b"").flag("omit") is flag


def test_a_flag_that_is_neither_is_refused():
    assert refused(lambda: Params(b"omit=1", b"").flag("omit"))[0] == -1130


@pytest.mark.parametrize("text", ["BTC", '"BTC"', '["BTC"', "[1]", '{"a":1}', "[" * 10_000])
def test_symbols_must_be_a_json_array_of_strings(text):
    assert refused(lambda: Params(f"symbols={text}".encode(), b"").symbols())[0] == -1130


@given(query=st.binary(max_size=200), body=st.binary(max_size=200))
def test_any_bytes_are_either_read_or_refused(query, body):
    try:
        params = Params(query, body)
    except ApiError:
        return
    for name in ("a", "symbol"):
        assert params.get(name) is None or params.get(name)
