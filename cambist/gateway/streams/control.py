"""Control messages of stream connections, as documented: what may be asked, and how errors are told."""

from typing import Any

import msgspec

ID_TEXT_MAX = 36
METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_VARIANTS = ", ".join(f"`{method}`" for method in METHODS)
_INT64 = 1 << 63


class ControlError(Exception):
    """What is wrong with a message, by the documented code and text."""

    def __init__(self, code: int, msg: str, request_id: Any = None) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.request_id = request_id


class Request(msgspec.Struct):
    """`params` of SUBSCRIBE and UNSUBSCRIBE are stream names; of the property methods (name[, value])."""

    id: int | str | None
    method: str
    params: list[Any]


def read(message: bytes) -> Request:
    """Raises ControlError."""
    try:
        request = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ControlError(3, "Invalid JSON: expected value at line 1 column 1") from None
    if not isinstance(request, dict):
        raise ControlError(2, "Invalid request: expected an object")
    request_id = _id(request)
    method = request.get("method")
    if method is None:
        raise ControlError(
            2, f"Invalid request: missing field `method` at line 1 column {len(message)}", request_id
        )
    if method not in METHODS:
        raise ControlError(
            2,
            f"Invalid request: unknown variant `{str(method)[:50]}`, expected one of {_VARIANTS}",
            request_id,
        )
    params = request.get("params")
    if params is None:
        params = []
    if not isinstance(params, list):
        raise ControlError(2, "Invalid request: params must be an array", request_id)
    if len(request) > len({"id", "method", "params"} & request.keys()):
        raise ControlError(2, "Invalid request: too many parameters", request_id)
    return Request(request_id, method, params)


def stream_names(request: Request) -> list[str]:
    """Raises ControlError."""
    if not all(isinstance(name, str) for name in request.params):
        raise ControlError(2, "Invalid request: stream names must be strings", request.id)
    return request.params


def property_name(request: Request, most: int) -> None:
    """`combined` is the only property there is. Raises ControlError."""
    if len(request.params) > most:
        raise ControlError(2, "Invalid request: too many parameters", request.id)
    if not request.params or not isinstance(request.params[0], str):
        raise ControlError(2, "Invalid request: property name must be a string", request.id)
    if request.params[0] != "combined":
        raise ControlError(0, "Unknown property", request.id)


def combined_value(request: Request) -> bool:
    """The new value of `combined`. Raises ControlError."""
    property_name(request, most=2)
    value = request.params[1] if len(request.params) == 2 else None
    if not isinstance(value, bool):
        raise ControlError(1, "Invalid value type: expected Boolean", request.id)
    return value


def result(request_id: int | str | None, value: Any) -> bytes:
    return msgspec.json.encode({"result": value, "id": request_id})


def error(problem: ControlError) -> bytes:
    return msgspec.json.encode({"code": problem.code, "msg": problem.msg, "id": problem.request_id})


def _id(request: dict[str, Any]) -> int | str | None:
    """As it came. Raises ControlError if there is none, or one that is not allowed."""
    match request.get("id", ...):
        case bool():
            pass
        case int() as number if -_INT64 <= number < _INT64:
            return number
        case str() as text if len(text) <= ID_TEXT_MAX:
            return text
        case None:
            return None
    raise ControlError(2, "Invalid request: request ID must be an unsigned integer")
