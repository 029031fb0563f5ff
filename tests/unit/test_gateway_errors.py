"""Every way in which engine and match server say no has a code and a text for clients."""

import json
import struct

import pytest

from cambist.engine.commands import Kind
from cambist.engine.events import Status
from cambist.errors import Conflict, ExchangeError, OutcomeUnknown, Overloaded, Refused, Unavailable
from cambist.gateway import errors
from cambist.gateway.errors import OF_STATUS, ApiError, Refusal, body, of_error
from cambist.gateway.order_answers import require_ok

SUCCESSES = {Status.OK}

# What clients act on, by the words that they look for.
KNOWN = {
    Status.INSUFFICIENT_BALANCE: (400, -2010, "Account has insufficient balance for requested action."),
    Status.WOULD_TAKE: (400, -2010, "Order would immediately match and take."),
    Status.DUPLICATE_CLIENT_ID: (400, -2010, "Duplicate order sent."),
    Status.MARKET_CLOSED: (400, -2010, "Market is closed."),
    Status.UNKNOWN_ORDER: (400, -2011, "Unknown order sent."),
    Status.UNKNOWN_MARKET: (400, -1121, "Invalid symbol."),
    Status.PRICE_FILTER: (400, -1013, "Filter failure: PRICE_FILTER"),
    Status.LOT_SIZE: (400, -1013, "Filter failure: LOT_SIZE"),
    Status.MARKET_LOT_SIZE: (400, -1013, "Filter failure: MARKET_LOT_SIZE"),
    Status.NOTIONAL: (400, -1013, "Filter failure: NOTIONAL"),
    Status.MAX_NUM_ORDERS: (400, -1013, "Filter failure: MAX_NUM_ORDERS"),
}


def test_every_status_of_the_engine_has_a_refusal():
    assert set(OF_STATUS) == set(Status) - SUCCESSES


@pytest.mark.parametrize("status", list(OF_STATUS), ids=lambda status: status.name)
def test_a_refusal_is_a_negative_code_a_sentence_and_no_success(status):
    refusal = OF_STATUS[status]
    assert refusal.code < 0
    assert refusal.msg
    assert 400 <= refusal.http < 600


@pytest.mark.parametrize("status", list(KNOWN), ids=lambda status: status.name)
def test_statuses_that_clients_act_on_have_the_known_code_and_text(status):
    code, msg, http = OF_STATUS[status]
    assert (http, code, msg) == KNOWN[status]


@pytest.mark.parametrize(
    ("problem", "http", "code"),
    [
        (Overloaded("full"), 503, -1008),
        (OutcomeUnknown("stopped"), 504, -1007),
        (Unavailable("stopping"), 503, -1001),
        (Refused("no"), 500, -1000),
        (Conflict("other content"), 500, -1000),
        (ExchangeError("?"), 500, -1000),
    ],
)
def test_what_the_match_server_raises_becomes_an_answer(problem, http, code):
    refusal = of_error(problem)
    assert (refusal.http, refusal.code) == (http, code)


def record(status: Status) -> bytes:
    """A RESULT of a PLACE without events, as docs/formats/events.md lays it out."""
    return struct.pack("<HBBIHB5xQQqQ", 48, 0, Kind.PLACE, 0, status, 0, 1, 1, 1, 0)


@pytest.mark.parametrize("status", list(OF_STATUS), ids=lambda status: status.name)
def test_what_no_request_may_lead_to_is_a_bug_and_all_else_a_refusal(status):
    refusal = OF_STATUS[status]
    with pytest.raises(RuntimeError if refusal is errors.UNKNOWN else ApiError):
        require_ok(record(status))


def test_a_success_is_no_refusal():
    assert require_ok(record(Status.OK)).status == Status.OK


def test_a_body_holds_code_and_text_and_nothing_else():
    assert json.loads(body(Refusal(-1, 'a "quoted" text'))) == {"code": -1, "msg": 'a "quoted" text'}


def test_an_unknown_outcome_and_an_overload_are_told_apart_by_text_too():
    assert "execution status unknown" in errors.OUTCOME_UNKNOWN.msg
    assert "overloaded" in errors.OVERLOADED.msg
