"""The AsyncAPI document of everything that goes over WebSockets.

Market streams come from the feed's names and the price server's messages, methods from the WebSocket API's
tables and the REST operations that answer them.
"""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, NamedTuple

import msgspec

from cambist.data.account_events import AccountPosition, BalanceUpdate, ExecutionReport, ListReport
from cambist.feed.names import WINDOWS_NS, Kind
from cambist.gateway.documents import openapi
from cambist.gateway.documents.parameters import REF, Schema, reference
from cambist.gateway.wsapi.methods import METHODS
from cambist.gateway.wsapi.session import OWN_METHODS
from cambist.intervals import INTERVALS
from cambist.price import messages

_ABOUT = """\
Market streams are opened at `/ws/<stream>` (events as they are) or `/stream?streams=<stream>/<stream>` (each
in an envelope with the stream's name), or at `/ws` with SUBSCRIBE. Symbols are in lower case. The WebSocket
API takes the requests and gives the answers of the REST API, in the order in which they are done."""
_ID: Schema = {"type": ["integer", "string", "null"]}


class Stream(NamedTuple):
    """`names` with the parameters in braces; `event` is what comes."""

    names: tuple[str, ...]
    event: Any


STREAMS: dict[Kind, Stream] = {
    Kind.TRADE: Stream(("{symbol}@trade",), messages.TradeEvent),
    Kind.AGGREGATE_TRADE: Stream(("{symbol}@aggTrade",), messages.AggregateTradeEvent),
    Kind.DEPTH: Stream(("{symbol}@depth", "{symbol}@depth@100ms"), messages.DepthUpdate),
    Kind.TOP: Stream(("{symbol}@depth{levels}", "{symbol}@depth{levels}@100ms"), messages.TopOfBook),
    Kind.BOOK_TICKER: Stream(("{symbol}@bookTicker", "!bookTicker"), messages.BookTickerEvent),
    Kind.KLINE: Stream(
        ("{symbol}@kline_{interval}", "{symbol}@kline_{interval}@+08:00"), messages.KlineEvent
    ),
    Kind.MINI_TICKER: Stream(("{symbol}@miniTicker", "!miniTicker@arr"), messages.MiniTickerEvent),
    Kind.TICKER: Stream(("{symbol}@ticker", "!ticker@arr"), messages.TickerEvent),
    Kind.WINDOW_TICKER: Stream(
        ("{symbol}@ticker_{window}", "!ticker_{window}@arr"), messages.WindowTickerEvent
    ),
    Kind.AVERAGE_PRICE: Stream(("{symbol}@avgPrice",), messages.AveragePriceEvent),
}
PRIVATE_EVENTS = {
    "executionReport": ExecutionReport,
    "outboundAccountPosition": AccountPosition,
    "balanceUpdate": BalanceUpdate,
    "listStatus": ListReport,
}
PARAMETERS: dict[str, list[str]] = {
    "symbol": [],
    "levels": ["5", "10", "20"],
    "interval": list(INTERVALS),
    "window": list(WINDOWS_NS),
}


def document() -> dict[str, Any]:
    rest = openapi.document()
    events = [*(stream.event for stream in STREAMS.values()), *PRIVATE_EVENTS.values()]
    schemas, components = msgspec.json.schema_components(events, ref_template=REF)
    made = iter(schemas)
    channels = {kind.value: _market_channel(kind, next(made)) for kind in STREAMS}
    private = {name: {"payload": _told(next(made))} for name in PRIVATE_EVENTS}
    channels["webSocketApi"] = {"address": "/ws-api/v3", "messages": dict(_requests(rest)) | private}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Cambist", "version": version("cambist"), "description": _ABOUT},
        "channels": channels,
        "operations": {**dict(_subscriptions()), **dict(_calls())},
        "components": {"schemas": rest["components"]["schemas"] | components},
    }


def _market_channel(kind: Kind, event: Schema) -> dict[str, Any]:
    names = STREAMS[kind].names
    used = [name for name in PARAMETERS if any(f"{{{name}}}" in each for each in names)]
    return {
        "address": f"/ws/{names[0]}",
        "description": f"Streams: {', '.join(names)}.",
        "parameters": {name: {"enum": PARAMETERS[name]} if PARAMETERS[name] else {} for name in used},
        "messages": {"event": {"payload": event}},
    }


def _requests(rest: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Two messages of each method: the request, and the answer."""
    for method, (verb, path) in METHODS.items():
        operation = rest["paths"][path][verb.lower()]
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
        yield method, {"payload": _request(method, _params(operation))}
        yield f"{method}.answer", {"payload": _answer(answer)}
    for method in OWN_METHODS:
        yield method, {"payload": _request(method, {"type": "object"})}
        yield f"{method}.answer", {"payload": _answer({"type": ["object", "array"]})}


def _told(event: Schema) -> Schema:
    """A private event comes in an envelope that says of which subscription it is."""
    properties = {"subscriptionId": {"type": "integer"}, "event": event}
    return {"type": "object", "required": list(properties), "properties": properties}


def _params(operation: dict[str, Any]) -> Schema:
    named = {each["name"]: each["schema"] for each in operation["parameters"]}
    required = [each["name"] for each in operation["parameters"] if each["required"]]
    is_signed = "signature" in named
    key: dict[str, Schema] = {"apiKey": {"type": "string"}} if is_signed else {}
    return {"type": "object", "properties": named | key, "required": required}


def _request(method: str, params: Schema) -> Schema:
    return {
        "type": "object",
        "required": ["id", "method"],
        "properties": {"id": _ID, "method": {"const": method}, "params": params},
    }


def _answer(result: Schema) -> Schema:
    return {
        "type": "object",
        "required": ["id", "status"],
        "properties": {
            "id": _ID,
            "status": {"type": "integer"},
            "result": result,
            "error": reference("Error"),
            "rateLimits": {"type": "array", "items": reference("OrderCount")},
        },
    }


def _subscriptions() -> Iterator[tuple[str, Any]]:
    for kind in STREAMS:
        yield f"receive.{kind.value}", {"action": "receive", "channel": {"$ref": f"#/channels/{kind.value}"}}
    channel = "#/channels/webSocketApi"
    yield (
        "receive.private",
        {
            "action": "receive",
            "channel": {"$ref": channel},
            "messages": [{"$ref": f"{channel}/messages/{name}"} for name in PRIVATE_EVENTS],
        },
    )


def _calls() -> Iterator[tuple[str, Any]]:
    channel = "#/channels/webSocketApi"
    for method in (*METHODS, *OWN_METHODS):
        yield (
            method,
            {
                "action": "send",
                "channel": {"$ref": channel},
                "messages": [{"$ref": f"{channel}/messages/{method}"}],
                "reply": {
                    "channel": {"$ref": channel},
                    "messages": [{"$ref": f"{channel}/messages/{method}.answer"}],
                },
            },
        )
