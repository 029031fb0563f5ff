"""The lines in docs/clients run as they stand, and leave no address of a client as it was."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.clients import environments
from tests.clients.environments import Place
from tests.conftest import CHECKOUT
from tests.e2e.harness import Exchange

PAGES = CHECKOUT / "docs" / "clients"
ENVIRONMENTS = {"binance-connector.md": "connector"}
WRITTEN = "127.0.0.1:8000"

# Appended to the lines that make an `exchange`: wherever it could send something, that is here.
WALK = """
def leaves(urls):
    return [leaf for url in urls.values() for leaf in leaves(url)] if isinstance(urls, dict) else [urls]

assert len(leaves(exchange.urls["api"])) > 20
assert all("://127.0.0.1:8000" in url for url in leaves(exchange.urls["api"]))
"""
CCXT_URLS = """
import json, ccxt, ccxt.async_support, ccxt.pro
print(json.dumps([each.binance().urls["api"] for each in (ccxt, ccxt.async_support, ccxt.pro)]))
"""


def blocks(page: str, language: str) -> list[str]:
    return re.findall(f"```{language}\n(.*?)```", (PAGES / page).read_text(), re.DOTALL)


SNIPPETS = [
    pytest.param(page.name, lines, id=f"{page.stem}-{number}")
    for page in sorted(PAGES.glob("*.md"))
    for number, lines in enumerate(blocks(page.name, "python"), start=1)
]


@pytest.mark.parametrize(("page", "lines"), SNIPPETS)
def test_the_lines_on_a_page_run(exchange: Exchange, tmp_path: Path, page: str, lines: str) -> None:
    place = Place.of(exchange, "alice")
    assert WRITTEN in lines
    checked = lines + (WALK if page == "ccxt.md" and "asyncio" not in lines else "")
    (tmp_path / "lines.py").write_text(checked.replace(WRITTEN, place.authority))
    environment = ENVIRONMENTS.get(page, "clients")
    done = environments.run(environment, tmp_path, "lines.py", variables=place.environment())
    assert done.status == 0, done.output
    assert "False" not in done.output


def test_no_address_of_ccxt_is_missing_in_the_configuration_for_freqtrade(tmp_path: Path) -> None:
    (configuration,) = blocks("freqtrade.md", "json")
    urls = json.loads(configuration)["exchange"]["ccxt_config"]["urls"]["api"]
    known = json.loads(environments.run("clients", tmp_path, "-c", CCXT_URLS).output)
    assert [paths(each) - paths(urls) for each in known] == [set()] * 3
    assert {url for _, url in leaves(urls) if f"://{WRITTEN}/" not in f"{url}/"} == set()


def test_the_table_of_clients_names_every_page() -> None:
    pages = {page.name for page in PAGES.glob("*.md")} - {"README.md"}
    assert pages == set(re.findall(r"\]\(([a-z-]+\.md)\)", (PAGES / "README.md").read_text()))


def test_the_documents_that_the_page_promises_are_served(exchange: Exchange) -> None:
    assert exchange.json("/openapi.json")["openapi"] == "3.1.0"
    assert exchange.json("/asyncapi.json")["asyncapi"] == "3.0.0"


def paths(urls: Any) -> set[str]:
    return {path for path, _ in leaves(urls)}


def leaves(urls: Any, path: str = "") -> list[tuple[str, str]]:
    """Every address with the keys that lead to it."""
    if not isinstance(urls, dict):
        return [(path, urls)]
    return [leaf for name, each in urls.items() for leaf in leaves(each, f"{path}/{name}")]
