"""What a process writes to standard error: lines for people, or JSON for programs."""

import logging
import time

from msgspec import json

from cambist.settings import Logging


def log_to_stderr(process: str, settings: Logging) -> None:
    """`process` is who speaks: all processes of an exchange write to one stream."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(process) if settings.json else _lines(process))
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)
    hush_http()


def hush_http() -> None:
    """What we ask of others over HTTP is nobody's to read: headers hold cookies, and addresses keys."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _lines(process: str) -> logging.Formatter:
    return logging.Formatter(f"%(asctime)s {process} %(levelname)s %(name)s: %(message)s")


class JsonLines(logging.Formatter):
    """One object a line. What a message was given as `extra={"request": ...}` is a field of its own."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (request := getattr(record, "request", None)) is not None:
            line["request"] = request
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.encode(line).decode()


def _time(seconds: float) -> str:
    """UTC, to the millisecond."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1_000):03}Z"
