"""House rules that no linter knows. Each message names the place and what to write instead.

    python tools/tidy.py [ROOT]     exit code 1 if anything is out of place

The rules: imports point down (`MAY_IMPORT`); no floating point where money is counted; no clock and no chance
inside the engine; no error swallowed in silence; lock files without download addresses; documents that name
only files and tests that exist. A rule worth saying twice in review becomes one more function here, with a
planted violation in tests/unit/test_tools_tidy.py.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

VOCABULARY = {
    "candles",
    "errors",
    "frames",
    "histogram",
    "ids",
    "intervals",
    "money",
    "settings",
    "site",
    "wallet_calls",
}
BELOW_SERVICES = {"_matching", "engine", "log", "store"} | VOCABULARY
# A part of the package, and what it may import beside itself. Neighbours meet through events or in app.py.
MAY_IMPORT: dict[str, set[str]] = {
    **{word: set() for word in VOCABULARY},
    "candles": {"money"},
    "engine": {"_matching"} | VOCABULARY,
    "log": {"_matching", "engine"} | VOCABULARY,
    "store": VOCABULARY,
    "feed": VOCABULARY,
    "supervisor": VOCABULARY,
    # Of the store nothing but how a database is opened: it reads no records.
    "signer": {"store"} | VOCABULARY,
    "ops": VOCABULARY,
    "ledger": BELOW_SERVICES,
    "match": BELOW_SERVICES,
    "data": {"feed"} | BELOW_SERVICES,
    "intake": {"match"} | BELOW_SERVICES,
    "accounts": BELOW_SERVICES,
    "account_api": {"accounts", "wallets", "signer", "match"} | BELOW_SERVICES,
    "wallets": {"accounts", "signer", "match"} | BELOW_SERVICES,
    "gateway": {"accounts", "feed", "match", "ledger"} | BELOW_SERVICES,
    "price": {"feed"} | BELOW_SERVICES,
    "describe": {"data", "feed", "gateway", "price"} | BELOW_SERVICES,
    "keep": {"match", "data", "ledger", "signer"} | BELOW_SERVICES,
    "staff": {"accounts"} | BELOW_SERVICES,
    "control": {"accounts", "staff", "wallets", "match", "ledger", "data", "supervisor"} | BELOW_SERVICES,
    "console": {"account_api", "accounts", "control", "staff", "wallets", "ledger", "site"} | BELOW_SERVICES,
    "flow": {"accounts", "match"} | BELOW_SERVICES,
    "demo": {"control", "flow", "accounts", "match", "signer", "staff", "wallets"} | BELOW_SERVICES,
    "bench": {"flow", "match", "ledger"} | BELOW_SERVICES,
}
WIRING = re.compile(r"app(_\w+)?|cli|__main__|__init__")  # may import everything

COUNTS_MONEY = ("cambist/money.py", "cambist/engine/", "cambist/log/", "cambist/match/", "cambist/ledger/")
# Division with / gives a float, but pathlib spells joining that way, so only where no paths are.
DIVIDES_MONEY = ("cambist/money.py", "cambist/engine/")
# (file, expression) -> why it is not money.
FLOAT_ALLOWED: dict[tuple[str, str], str] = {}

PURE = "cambist/engine/"
NOT_IN_PURE_PYTHON = {"time", "datetime", "random", "secrets", "uuid", "socket"}
# python.rs is the shell around the crate: it may time, and hands no time in.
PURE_RUST = "engine/src/"
RUST_SHELL = "engine/src/python.rs"
NOT_IN_PURE_RUST = re.compile(
    r"\bf(?:32|64)\b|\bSystemTime\b|\bInstant\b|\bstd::(?:time|fs|net|env)\b|\brand::"
)

LOCK_FILES = ("requirements/*.txt", "requirements/*.in", "engine/Cargo.lock", "**/package-lock.json")
ADDRESS = re.compile(r"://|\"resolved\"|--(?:extra-)?index-url|--find-links")
# Cargo's own name for its registry, which it writes into every lock file.
CARGO_REGISTRY = 'source = "registry+https://github.com/rust-lang/crates.io-index"'

LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#]+)")
TEST = re.compile(r"\b(tests/[\w/]+\.py)::(\w+)")


class Finding(NamedTuple):
    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


class Module(NamedTuple):
    path: str
    tree: ast.Module


def imports_point_down(module: Module) -> Iterator[Finding]:
    part = Path(module.path).with_suffix("").parts[1]
    if WIRING.fullmatch(part):
        return
    if part not in MAY_IMPORT:
        yield Finding(
            module.path, 1, f"`{part}` is new: enter it in MAY_IMPORT (tools/tidy.py) with what it may import"
        )
        return
    for line, name in imported_names(module):
        words = name.split(".")
        if words[0] != "cambist" or len(words) == 1 or words[1] in MAY_IMPORT[part] | {part}:
            continue
        may = ", ".join(sorted(MAY_IMPORT[part])) or "nothing of ours"
        yield Finding(
            module.path,
            line,
            f"`{part}` imports `{words[1]}` but may import only {may}: "
            "take it as an argument and let cambist/app.py pass it, or move the shared part down",
        )


def imported_names(module: Module) -> Iterator[tuple[int, str]]:
    """Every imported module with its full name; `from cambist import store` counts as cambist.store."""
    package = list(Path(module.path).parent.parts)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join(base + ([node.module] if node.module else []))
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)


def money_is_whole(module: Module) -> Iterator[Finding]:
    if not module.path.startswith(COUNTS_MONEY):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.expr) and (module.path, ast.unparse(node)) in FLOAT_ALLOWED:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield Finding(
                module.path, node.lineno, f"float {node.value}: use integers (ticks, lots, atoms, ns)"
            )
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float":
            yield Finding(
                module.path, node.lineno, "float(): parse with cambist.money, which keeps every digit"
            )
        elif (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Div)
            and module.path.startswith(DIVIDES_MONEY)
        ):
            yield Finding(
                module.path, node.lineno, "/ gives a float: use // and say which way it rounds, or divmod"
            )


def engine_is_pure(module: Module) -> Iterator[Finding]:
    if not module.path.startswith(PURE):
        return
    for line, name in imported_names(module):
        if name.split(".")[0] in NOT_IN_PURE_PYTHON:
            what = name.split(".")[0]
            yield Finding(
                module.path, line, f"`{what}` in the engine: put what it gives into the command instead"
            )


def errors_are_not_swallowed(module: Module) -> Iterator[Finding]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler) and catches_everything(node) and does_nothing(node):
            yield Finding(
                module.path,
                node.lineno,
                "swallowed error: catch the class you can act on (cambist.errors) and let the rest rise",
            )


def catches_everything(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        each is None or (isinstance(each, ast.Name) and each.id in ("Exception", "BaseException"))
        for each in caught
    )


def does_nothing(handler: ast.ExceptHandler) -> bool:
    return all(
        isinstance(statement, ast.Pass | ast.Continue)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for statement in handler.body
    )


def crate_is_pure(root: Path) -> Iterator[Finding]:
    for file in sorted((root / PURE_RUST).rglob("*.rs")):
        path = file.relative_to(root).as_posix()
        if path == RUST_SHELL:
            continue
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            code = line.split("//")[0]
            if found := NOT_IN_PURE_RUST.search(code):
                yield Finding(
                    path,
                    number,
                    f"`{found[0]}` in the engine: integers only, and time comes with the command",
                )


def locks_name_no_address(root: Path) -> Iterator[Finding]:
    for pattern in LOCK_FILES:
        for file in sorted(root.glob(pattern)):
            if "node_modules" in file.parts:
                continue
            for number, line in enumerate(file.read_text().splitlines(), start=1):
                if ADDRESS.search(line) and line.strip() != CARGO_REGISTRY:
                    yield Finding(
                        file.relative_to(root).as_posix(),
                        number,
                        "download address in a lock file: compile it with `make lock`, which leaves it out",
                    )


def documents_point_at_what_exists(root: Path) -> Iterator[Finding]:
    """Relative links, and tests named as tests/...py::test_name, in the documents people read first."""
    for file in [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]:
        path = file.relative_to(root).as_posix()
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            for target in LINK.findall(line):
                if not (file.parent / target).exists():
                    yield Finding(path, number, f"no `{target}`: name the file that took its place")
            for test_file, test in TEST.findall(line):
                if not (root / test_file).exists() or f"def {test}(" not in (root / test_file).read_text():
                    yield Finding(
                        path, number, f"no test `{test_file}::{test}`: name the one that checks this now"
                    )


MODULE_RULES: list[Callable[[Module], Iterator[Finding]]] = [
    imports_point_down,
    money_is_whole,
    engine_is_pure,
    errors_are_not_swallowed,
]
TREE_RULES: list[Callable[[Path], Iterator[Finding]]] = [
    crate_is_pure,
    locks_name_no_address,
    documents_point_at_what_exists,
]


def findings(root: Path) -> list[Finding]:
    modules = [
        Module(file.relative_to(root).as_posix(), ast.parse(file.read_text(), filename=str(file)))
        for file in sorted((root / "cambist").rglob("*.py"))
    ]
    found = [finding for module in modules for rule in MODULE_RULES for finding in rule(module)]
    return found + [finding for rule in TREE_RULES for finding in rule(root)]


def main(arguments: list[str]) -> int:
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    found = findings(root)
    for finding in found:
        print(finding)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
