"""What one process shows of itself: whether it is well, whether it works, where it stands, its metrics."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from cambist.ops.metrics import Metrics

LOOP_ANSWERS_WITHIN_S = 2.0


class Shown(Protocol):
    """What an endpoint serves, on threads of its own. A document with `problems` in it says no."""

    def health(self) -> dict[str, Any]: ...
    def ready(self) -> dict[str, Any]: ...
    def metrics_text(self) -> bytes: ...


class Watched:
    """`checks` return what is wrong, or None; `facts` say more than yes or no, above all `position`."""

    def __init__(self, process: str) -> None:
        self.metrics = Metrics()
        self.checks: list[Callable[[], str | None]] = []
        self.facts: dict[str, Callable[[], Any]] = {}
        self.is_ready = False
        self._process = process

    def health(self) -> dict[str, Any]:
        found = [check() for check in self.checks]
        return {"process": self._process, "problems": [problem for problem in found if problem]}

    def ready(self) -> dict[str, Any]:
        problems = [] if self.is_ready else ["it has not come to its work yet"]
        facts = {name: read() for name, read in self.facts.items()}
        return {"process": self._process, "problems": problems, **facts}

    def metrics_text(self) -> bytes:
        return self.metrics.text()


def loop_answers(loop: asyncio.AbstractEventLoop) -> str | None:
    """The check of a process whose event loop may hang. Not from that loop."""
    answered: Future[None] = Future()
    try:
        loop.call_soon_threadsafe(answered.set_result, None)
        answered.result(LOOP_ANSWERS_WITHIN_S)
    except RuntimeError:
        return "its event loop is closed"
    except TimeoutError:
        return f"its event loop does not answer within {LOOP_ANSWERS_WITHIN_S:g} s"
    return None
