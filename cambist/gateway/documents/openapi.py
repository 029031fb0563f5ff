"""The OpenAPI document of the REST API: routes, weights and scopes from the table that serves them."""

import inspect
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import chain
from typing import Any

import msgspec

from cambist.gateway import errors
from cambist.gateway.api import ENDPOINTS, Endpoint
from cambist.gateway.documents.operations import OPERATIONS, Operation
from cambist.gateway.documents.parameters import PARAMETERS, REF, reference
from cambist.gateway.errors import Refusal
from cambist.gateway.params import Params

_SIGNED = (("timestamp", True), ("signature", True), ("recvWindow", False))
_ABOUT = """\
Decimals are strings, ids and times whole numbers. The parameters of POST, PUT and DELETE may stand in a
form-encoded body as well. A signed request needs the header X-MBX-APIKEY and a signature of its query and
body. A weight counts against the limit in exchangeInfo; with `x-free-on-success` a success gives it back."""


def document() -> dict[str, Any]:
    kinds = {key: (operation.answer, *operation.others) for key, operation in OPERATIONS.items()}
    types = [kind for kind in chain(*kinds.values()) if not isinstance(kind, dict)]
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    made = iter(schemas)
    answers = {
        key: [kind if isinstance(kind, dict) else next(made) for kind in each] for key, each in kinds.items()
    }
    paths: dict[str, dict[str, Any]] = {}
    for path, methods in ENDPOINTS.items():
        for method, endpoint in methods.items():
            described = _operation(endpoint, OPERATIONS[method, path], answers[method, path])
            described["operationId"] = f"{method.lower()}{path.replace('/', '_')}"
            paths.setdefault(path, {})[method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cambist", "version": version("cambist"), "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": {**components, "Error": _ERROR},
            "securitySchemes": {"apiKey": {"type": "apiKey", "in": "header", "name": "X-MBX-APIKEY"}},
        },
        "x-errors": [refusal._asdict() for refusal in refusals()],
    }


def _operation(endpoint: Endpoint, operation: Operation, answers: list[dict[str, Any]]) -> dict[str, Any]:
    answer = answers[0] if len(answers) == 1 else {"anyOf": answers}
    return {
        "summary": operation.summary,
        "parameters": list(_parameters(endpoint, operation)),
        "responses": {"200": _json("The answer", answer), "default": _json("Refused", reference("Error"))},
        **_cost(endpoint),
        **({} if endpoint.scope is None else {"security": [{"apiKey": [str(endpoint.scope.name).lower()]}]}),
    }


def _parameters(endpoint: Endpoint, operation: Operation) -> Iterator[dict[str, Any]]:
    named = [(name, True) for name in operation.requires.split()]
    named += [(name, False) for name in operation.takes.split()]
    for name, is_required in [
        *named,
        *(_SIGNED if endpoint.scope is not None and endpoint.is_signed else ()),
    ]:
        yield {"name": name, "in": "query", "required": is_required, "schema": PARAMETERS[name]}


def _cost(endpoint: Endpoint) -> dict[str, Any]:
    if isinstance(endpoint.weight, int):
        return {"x-weight": endpoint.weight, "x-free-on-success": endpoint.is_free}
    return {"x-weight": endpoint.weight(Params(b"", b"")), "x-weight-depends-on-parameters": True}


def refusals() -> list[Refusal]:
    """Every refusal that there is, by code; `{name}` stands where a value will."""
    found = set[Refusal]()
    for each in vars(errors).values():
        if isinstance(each, Refusal):
            found.add(each)
        elif isinstance(each, dict):
            found.update(refusal for refusal in each.values() if isinstance(refusal, Refusal))
        elif inspect.isfunction(each) and each.__module__ == errors.__name__ and _makes_refusals(each):
            found.add(each(*(f"{{{name}}}" for name in inspect.signature(each).parameters)))
    return sorted(found, key=lambda refusal: (-refusal.code, refusal.http, refusal.msg))


def _makes_refusals(function: Callable[..., Any]) -> bool:
    takes = inspect.signature(function).parameters.values()
    is_public = not function.__name__.startswith("_")
    return (
        is_public
        and function.__annotations__["return"] is Refusal
        and {each.annotation for each in takes} <= {str, int}
    )


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_ERROR = {
    "type": "object",
    "required": ["code", "msg"],
    "properties": {"code": {"type": "integer"}, "msg": {"type": "string"}, "data": {"type": "object"}},
}
