"""Runs in a client's environment: asks operations of binance-sdk one by one and keeps what each came to.

A warning that the library logs counts against the operation: it says so when an answer has another shape than
its models declare.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NOT_OPERATIONS = {
    *("send_request", "send_signed_request", "send_message", "send_signed_message"),
    *("ping_server", "close_connection", "subscribe", "unsubscribe", "on", "list_subscribe"),
}


class Warnings(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Report:
    """By operation: the problems found, of which there should be none; and what nobody asked."""

    def __init__(self) -> None:
        self.problems: dict[str, list[str]] = {}
        self._warnings = Warnings()
        logging.getLogger().addHandler(self._warnings)

    @property
    def warnings(self) -> list[str]:
        """Those since the last operation began."""
        return list(self._warnings.lines)

    def ask(self, operation: Callable[..., Any], **arguments: Any) -> Any:
        """The parsed answer; None if there is none."""
        with self.noted(operation.__name__):
            return operation(**arguments).data()

    async def ask_socket(self, operation: Callable[..., Awaitable[Any]], **arguments: Any) -> Any:
        """As `ask`, over a WebSocket: the parsed result."""
        with self.noted(operation.__name__):
            return result_of(await operation(**arguments))

    @contextmanager
    def noted(self, operation: str) -> Iterator[None]:
        problems = self.problems.setdefault(operation, [])
        self._warnings.lines.clear()
        try:
            yield
        except Exception as problem:  # noqa: BLE001  whatever a client raises is what the report is about
            problems.append(f"{type(problem).__name__}: {problem}")
        problems += self._warnings.lines

    def write(self, file: Path, *apis: type) -> None:
        operations = {name for api in apis for name in vars(api) if not name.startswith("_")} - NOT_OPERATIONS
        unasked = sorted(operations - self.problems.keys())
        file.write_text(json.dumps({"problems": self.problems, "unasked": unasked}))


def result_of(answer: Any) -> Any:
    """What is in the envelope; a model of several kinds has the one that fits inside."""
    model = answer.data()
    while getattr(model, "actual_instance", None) is not None:
        model = model.actual_instance
    result = getattr(model, "result", None)
    return model if result is None else getattr(result, "actual_instance", result)
