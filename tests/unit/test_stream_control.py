"""What stream connections may ask for, and the documented errors."""

import msgspec
import pytest

from cambist.gateway.streams import control
from cambist.gateway.streams.control import ControlError


def refused(message: str) -> tuple[int, str, object]:
    with pytest.raises(ControlError) as problem:
        request = control.read(message.encode())
        match request.method:
            case "SET_PROPERTY":
                control.combined_value(request)
            case "GET_PROPERTY":
                control.property_name(request, most=1)
            case _:
                control.stream_names(request)
    return problem.value.code, problem.value.msg, problem.value.request_id


@pytest.mark.parametrize("request_id", [0, 1, -5, (1 << 63) - 1, "", "abc-1", "x" * 36, None])
def test_an_id_comes_back_as_it_was(request_id):
    message = msgspec.json.encode({"method": "LIST_SUBSCRIPTIONS", "id": request_id})
    request = control.read(message)
    assert msgspec.json.decode(control.result(request.id, [])) == {"result": [], "id": request_id}


@pytest.mark.parametrize("request_id", ["1.5", "true", "{}", "[]", str(1 << 63), '"' + "x" * 37 + '"'])
def test_any_other_id_is_refused(request_id):
    code, msg, _ = refused(f'{{"method":"LIST_SUBSCRIPTIONS","id":{request_id}}}')
    assert (code, msg) == (2, "Invalid request: request ID must be an unsigned integer")


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        ("{", 3, "Invalid JSON: expected value at line"),
        ("[]", 2, "Invalid request: "),
        ('{"method":"SUBSCRIBE","params":["a@trade"]}', 2, "Invalid request: request ID must be"),
        ('{"id":1,"params":["a@trade"]}', 2, "Invalid request: missing field `method`"),
        ('{"id":1,"method":"SUBSCRIBER","params":[]}', 2, "Invalid request: unknown variant `SUBSCRIBER`, "),
        ('{"id":1,"method":"SUBSCRIBE","params":[7]}', 2, "Invalid request: stream names must be strings"),
        ('{"id":1,"method":"SUBSCRIBE","params":{}}', 2, "Invalid request: params must be an array"),
        ('{"id":1,"method":"GET_PROPERTY"}', 2, "Invalid request: property name must be a string"),
        ('{"id":1,"method":"GET_PROPERTY","params":[1]}', 2, "Invalid request: property name must be"),
        ('{"id":1,"method":"GET_PROPERTY","params":["speed"]}', 0, "Unknown property"),
        ('{"id":1,"method":"GET_PROPERTY","params":["combined",1]}', 2, "Invalid request: too many"),
        ('{"id":1,"method":"SET_PROPERTY","params":["combined"]}', 1, "Invalid value type: expected Boolean"),
        ('{"id":1,"method":"SET_PROPERTY","params":["combined","yes"]}', 1, "Invalid value type: expected"),
        ('{"id":1,"method":"SET_PROPERTY","params":["combined",true,1]}', 2, "Invalid request: too many"),
        ('{"id":1,"method":"LIST_SUBSCRIPTIONS","more":1}', 2, "Invalid request: too many parameters"),
    ],
)
def test_a_wrong_message_gets_the_documented_error(message, code, text):
    found = refused(message)
    assert found[0] == code and found[1].startswith(text), found


def test_an_error_names_the_request():
    assert refused('{"id":"mine","method":"GET_PROPERTY","params":["speed"]}') == (
        0,
        "Unknown property",
        "mine",
    )
