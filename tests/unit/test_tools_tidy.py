"""tools/tidy.py finds each kind of violation planted in a small tree, and leaves what is allowed alone."""

from pathlib import Path

import pytest

from tools import tidy


def messages(root: Path, path: str, text: str) -> list[str]:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return [str(finding) for finding in tidy.findings(root)]


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        ("cambist/engine/book.py", "from cambist.match import server"),
        ("cambist/engine/book.py", "from cambist import match"),
        ("cambist/engine/book.py", "from ..match import server"),
        ("cambist/engine/book.py", "import cambist.match.server"),
        ("cambist/match/server.py", "from cambist.accounts import users"),
        ("cambist/accounts/users.py", "from cambist.match.server import Port"),
        ("cambist/log/file.py", "from cambist.store import records"),
        ("cambist/money.py", "from cambist.errors import Refused"),
        ("cambist/gateway/auth.py", "def late():\n    from cambist.app import App"),
    ],
)
def test_an_import_that_points_up_or_sideways_is_found(tmp_path, path, statement):
    (found,) = messages(tmp_path, path, statement)
    assert path in found and "may import only" in found


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        (
            "cambist/gateway/orders.py",
            "from cambist.match.server import Port\nfrom cambist.money import to_ticks",
        ),
        (
            "cambist/match/server.py",
            "from cambist.engine import commands\nfrom cambist.log.file import FileLog",
        ),
        ("cambist/match/server.py", "from .port import Port\nfrom cambist.match import queue"),
        ("cambist/app.py", "from cambist.gateway import rest\nfrom cambist.match import server"),
        ("cambist/cli/run.py", "from cambist.app import App"),
        ("cambist/__init__.py", "import cambist\nimport json"),
    ],
)
def test_an_import_that_points_down_is_allowed(tmp_path, path, statement):
    assert messages(tmp_path, path, statement) == []


def test_a_new_part_of_the_package_must_be_given_its_layer(tmp_path):
    (found,) = messages(tmp_path, "cambist/bridge/door.py", "import json")
    assert "`bridge` is new: enter it in MAY_IMPORT" in found


@pytest.mark.parametrize(
    ("path", "expression"),
    [
        ("cambist/money.py", "fee = 0.1"),
        ("cambist/money.py", "price = float(text)"),
        ("cambist/money.py", "half = atoms / 2"),
        ("cambist/match/server.py", "price = float(text)"),
        ("cambist/ledger/balance.py", "tolerance = 1e-8"),
    ],
)
def test_floating_point_is_found_where_money_is_counted(tmp_path, path, expression):
    (found,) = messages(tmp_path, path, expression)
    assert found.startswith(f"{path}:1: ")


@pytest.mark.parametrize(
    ("path", "expression"),
    [
        ("cambist/money.py", "half = atoms // 2"),
        ("cambist/log/file.py", 'segment = directory / "0001.log"'),
        ("cambist/gateway/limits.py", "window_seconds = 0.5"),
    ],
)
def test_whole_numbers_paths_and_code_without_money_are_left_alone(tmp_path, path, expression):
    assert messages(tmp_path, path, expression) == []


def test_a_float_that_is_not_money_can_be_allowed_by_name(tmp_path, monkeypatch):
    path = "cambist/match/server.py"
    monkeypatch.setitem(tidy.FLOAT_ALLOWED, (path, "0.1"), "seconds to wait")
    assert messages(tmp_path, path, "wait(0.1)") == []
    assert len(messages(tmp_path, path, "wait(0.1)\npay(0.2)")) == 1


@pytest.mark.parametrize("statement", ["import time", "from datetime import datetime", "import random"])
def test_a_clock_or_chance_in_the_engine_is_found(tmp_path, statement):
    (found,) = messages(tmp_path, "cambist/engine/commands.py", statement)
    assert "put what it gives into the command" in found


@pytest.mark.parametrize(
    "code", ["let rate: f64 = 0.1;", "let now = std::time::Instant::now();", "use rand::Rng;"]
)
def test_a_clock_a_float_or_chance_in_the_crate_is_found(tmp_path, code):
    assert len(messages(tmp_path, "engine/src/book.rs", code)) == 1


def test_the_python_side_of_the_crate_may_time_and_comments_may_speak(tmp_path):
    assert messages(tmp_path, "engine/src/python.rs", "let start = std::time::Instant::now();") == []
    assert messages(tmp_path, "engine/src/book.rs", "// an f64 would lose the last atom") == []


@pytest.mark.parametrize(
    "handler",
    [
        "except Exception:\n    pass",
        "except:\n    ...",
        "except (ValueError, BaseException):\n    'never mind'",
    ],
)
def test_a_swallowed_error_is_found(tmp_path, handler):
    (found,) = messages(tmp_path, "cambist/app.py", f"try:\n    start()\n{handler}\n")
    assert "cambist/app.py:3: swallowed error" in found


@pytest.mark.parametrize("handler", ["except OSError:\n    pass", "except Exception:\n    stop()\n    raise"])
def test_a_named_or_handled_error_is_left_alone(tmp_path, handler):
    assert messages(tmp_path, "cambist/app.py", f"try:\n    start()\n{handler}\n") == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("requirements/runtime.txt", "--index-url something"),
        ("requirements/runtime.txt", "click @ https://example.org/click.whl"),
        ("requirements/dev.in", "--find-links wheels"),
        ("web/package-lock.json", '"resolved": "somewhere"'),
        ("engine/Cargo.lock", 'source = "git+https://example.org/pyo3"'),
    ],
)
def test_an_address_in_a_lock_file_is_found(tmp_path, path, line):
    (found,) = messages(tmp_path, path, line)
    assert "download address" in found


def test_hashes_comments_and_cargos_own_registry_name_are_left_alone(tmp_path):
    assert messages(tmp_path, "requirements/runtime.txt", "httptools==0.9.0 \\\n    # via uvicorn") == []
    assert messages(tmp_path, "engine/Cargo.lock", tidy.CARGO_REGISTRY) == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("README.md", "see [the map](docs/map.md)"),
        ("docs/architecture.md", "see [0007](decisions/0007-gone.md#cost)"),
        ("docs/architecture.md", "checked by `tests/unit/test_gone.py::test_nothing`"),
    ],
)
def test_a_document_that_names_what_is_gone_is_found(tmp_path, path, line):
    (found,) = messages(tmp_path, path, line)
    assert found.startswith(f"{path}:1: no ")


def test_a_test_that_was_renamed_is_found_in_the_document_that_names_it(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_book.py").write_text("def test_the_best_price_comes_first(): ...")
    named = "`tests/test_book.py::{}`"
    assert messages(tmp_path, "docs/a.md", named.format("test_the_best_price_comes_first")) == []
    assert len(messages(tmp_path, "docs/a.md", named.format("test_the_best_price"))) == 1


def test_links_to_what_exists_to_headings_and_to_other_sites_are_left_alone(tmp_path):
    text = "[a](README.md) [b](docs/) [c](#two) [d](https://example.org/x) [e](README.md#two)"
    (tmp_path / "docs").mkdir()
    assert messages(tmp_path, "README.md", text) == []


def test_the_command_says_where_and_fails(tmp_path, capsys):
    messages(tmp_path, "cambist/money.py", "fee = 0.1")
    assert tidy.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith("cambist/money.py:1: float 0.1")


def test_the_command_is_silent_and_succeeds_on_a_tidy_tree(tmp_path, capsys):
    messages(tmp_path, "cambist/money.py", "SATOSHI_PER_BITCOIN = 10**8")
    assert tidy.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""
