"""The OpenAPI document of the console, made of the table of routes that serves it."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec

from cambist.account_api.errors import Problem
from cambist.console.errors import REFUSALS

if TYPE_CHECKING:
    from cambist.console.routes import Route

_REF = "#/components/schemas/{name}"
_ABOUT = """\
For the staff. Bodies are JSON with exactly the fields that are named here. Signing in gives a cookie and a
`csrfToken`, which goes into the header X-CSRF-Token of each request that changes something, beside `Origin`.
`x-action` is what one of the asker's roles must allow. Times are milliseconds since 1970. A refusal is told
apart by its `reason`."""


def document(routes: Mapping[tuple[str, str], "Route"]) -> dict[str, Any]:
    types = [route.answer for route in routes.values()]
    types += [route.takes for route in routes.values() if route.takes is not None]
    types.append(Problem)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    by_type = dict(zip(map(str, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), route in routes.items():
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, route, by_type, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cambist console", "version": version("cambist"), "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "cambist_console"},
                "page": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token"},
            },
        },
        "x-errors": [
            {"reason": reason, "http": refusal.http, "code": refusal.code}
            for reason, refusal in REFUSALS.items()
        ],
    }


def _operation(
    method: str, path: str, route: "Route", by_type: dict[str, Any], components: dict[str, Any]
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": f"{method.lower()}{path.translate(_NAMES)}",
        "responses": {
            "200": _json("The answer", by_type[str(route.answer)]),
            "default": _json("Refused", by_type[str(Problem)]),
        },
    }
    parameters = []
    if "{id}" in path:
        parameters.append({"name": "id", "in": "path", "required": True, "schema": {"type": "string"}})
    if route.takes is not None and method == "GET":
        parameters += _query(components[by_type[str(route.takes)]["$ref"].rpartition("/")[2]])
    elif route.takes is not None:
        body = {"required": True, "content": {"application/json": {"schema": by_type[str(route.takes)]}}}
        operation["requestBody"] = body
    if parameters:
        operation["parameters"] = parameters
    if route.action is not None:
        operation["x-action"] = route.action.value
        operation["security"] = [{"session": []} | ({} if method == "GET" else {"page": []})]
    return operation


_NAMES = str.maketrans("/-", "__", "{}")


def _query(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": each}
        for name, each in schema["properties"].items()
    ]


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
