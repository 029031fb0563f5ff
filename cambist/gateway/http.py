"""The HTTP server before the application: uvicorn on uvloop and httptools, with bounds on what it reads."""

import importlib
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cambist.gateway.app import HEAD_MAX_BYTES
from cambist.settings import Settings

IDLE_S = 75
SHUTDOWN_S = 5
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """Lets go of a connection whose request head does not end, instead of collecting it for ever.

    Known limit: the read in which a head begins is not counted, so a head may come to that and
    HEAD_MAX_BYTES.
    """

    _in_head = False
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        was_in_head = self._in_head
        super().data_received(data)
        if was_in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_MAX_BYTES and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()


def server_config(app: ASGIApp, settings: Settings, **overrides: Any) -> uvicorn.Config:
    """Raises ImportError without the parts that make uvicorn three times faster: it would not say so."""
    for module in ("uvloop", "httptools"):
        importlib.import_module(module)
    options: dict[str, Any] = {
        "host": settings.server.host,
        "port": settings.server.port,
        "loop": "uvloop",
        "http": BoundedProtocol,
        "ws": "none",
        "lifespan": "off",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "proxy_headers": False,  # until a proxy is configured, an address in a header is a claim and no more
        "timeout_keep_alive": IDLE_S,
        "timeout_graceful_shutdown": SHUTDOWN_S,
    }
    return uvicorn.Config(app, **(options | overrides))
