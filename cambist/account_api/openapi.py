"""The OpenAPI document of the account API, made of the table of routes that serves it."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec

from cambist.account_api.errors import REFUSALS, Problem

if TYPE_CHECKING:
    from cambist.account_api.routes import Route

_REF = "#/components/schemas/{name}"
_ABOUT = """\
For pages of the exchange, in a browser. Bodies are JSON with exactly the fields that are named here. Signing
in gives a cookie and a `csrfToken`, which goes into the header X-CSRF-Token of each request that changes
something. Times are milliseconds since 1970. A refusal is told apart by its `reason`."""


def document(routes: Mapping[tuple[str, str], "Route"]) -> dict[str, Any]:
    """Without what only our own processes may ask."""
    shown = {key: route for key, route in routes.items() if route.access.name != "INTERNAL"}
    types = [route.answer for route in shown.values()]
    types += [route.takes for route in shown.values() if route.takes is not None]
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template=_REF)
    by_type = dict(zip(map(str, [*types, Problem]), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), route in shown.items():
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, route, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cambist accounts", "version": version("cambist"), "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "cambist_session"},
                "page": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token"},
            },
        },
        "x-errors": [
            {"reason": reason, "http": refusal.http, "code": refusal.code}
            for reason, refusal in REFUSALS.items()
        ],
    }


def _operation(method: str, path: str, route: "Route", by_type: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": f"{method.lower()}{path.replace('/', '_').replace('{', '').replace('}', '')}",
        "responses": {
            "200": _json("The answer", by_type[str(route.answer)]),
            "default": _json("Refused", by_type[str(Problem)]),
        },
    }
    if "{id}" in path:
        named = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
        operation["parameters"] = [named]
    if route.takes is not None:
        body = {"required": True, "content": {"application/json": {"schema": by_type[str(route.takes)]}}}
        operation["requestBody"] = body
    if route.access.name == "OWNER":
        operation["security"] = [{"session": []} | ({} if method == "GET" else {"page": []})]
    return operation


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
