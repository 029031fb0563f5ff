"""The processes of an exchange as one: its metrics, and whether all of them are well and at work."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cambist.ops.client import ask, ask_document
from cambist.ops.metrics import Metrics, merged


class AllWatched:
    """`processes` gives name and socket of each; `own` is what the supervisor itself counts, and `troubles`
    why processes end by themselves."""

    def __init__(
        self,
        processes: Callable[[], Iterable[tuple[str, Path]]],
        own: Metrics,
        troubles: Callable[[], Iterable[str]],
    ) -> None:
        self._processes = processes
        self._own = own
        self._troubles = troubles

    def health(self) -> dict[str, Any]:
        return self._document("/health")

    def ready(self) -> dict[str, Any]:
        return self._document("/ready")

    def metrics_text(self) -> bytes:
        texts = {name: ask(path, "/metrics") for name, path in self._processes()}
        return merged(
            {"supervisor": self._own.text(), **{name: text for name, text in texts.items() if text}}
        )

    def _document(self, what: str) -> dict[str, Any]:
        documents = {name: ask_document(path, what) for name, path in self._processes()}
        problems = [
            f"{name}: {problem}" for name, document in documents.items() for problem in document["problems"]
        ]
        return {"problems": [*problems, *self._troubles()], "processes": documents}
