"""The documented examples, each under a name made of its page, its section and its place in it."""

import json
import os
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from tests.conftest import CHECKOUT

_FOLDER = Path(os.environ.get("CAMBIST_SHARED_DATA", CHECKOUT.parent / "shared" / "data")) / "api"
_PAGES = {
    "rest-api": "rest",
    "web-socket-api": "ws",
    "web-socket-streams": "streams",
    "user-data-stream": "user",
}


class Example(NamedTuple):
    name: str
    json: Any

    @property
    def requested_method(self) -> str | None:
        """The method that it asks for, if it is a request over a WebSocket and not an answer."""
        method = self.json.get("method") if isinstance(self.json, dict) else None
        return method if isinstance(method, str) else None


class NotOffered(NamedTuple):
    """Reasons, by example and by field."""

    examples: dict[str, str]
    fields: dict[str, str]


def load() -> list[Example]:
    """None where the recorded data is absent."""
    file = _FOLDER / "binance_docs_examples.jsonl"
    if not file.exists():
        return []
    seen = Counter[str]()
    found = []
    for line in file.read_text().splitlines():
        row = json.loads(line)
        page = row["file"].removesuffix(".md")
        section = row["section"].rpartition(" > ")[2].partition(" (")[0]
        name = f"{_PAGES.get(page, page.removeprefix('faqs/'))}: {section}"
        seen[name] += 1
        found.append(Example(f"{name} #{seen[name]}", row["json"]))
    return found


def wallet_examples() -> dict[str, Any]:
    """By section of the wallet's documentation, which is not recorded: fields and types, typed in."""
    examples: dict[str, Any] = json.loads(Path(__file__).with_name("wallet_examples.json").read_text())
    return examples


def not_offered() -> NotOffered:
    with Path(__file__).with_name("not_offered.toml").open("rb") as file:
        table = tomllib.load(file)
    return NotOffered(table["examples"], table["fields"])
