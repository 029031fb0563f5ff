"""Brings a fresh checkout to where `make run` or `make test` can start; the second time it does nothing.

    python3 tools/setup.py run      what the exchange needs: environment, packages, engine, pages, demo data
    python3 tools/setup.py test     environment, packages and engine, and what checks and tests need
    python3 tools/setup.py bench    the same, and the load generator

Every step names its inputs (files whose content decides the outcome) and is skipped while they are unchanged;
`.venv/stamps/` remembers them. A missing essential ends it with one sentence that names what to install. Only
the standard library is used, because nothing else is there yet.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
DEMO = ROOT / ".demo"
# Clients that `make test` runs against the exchange, and the sources that have their own tests.
CLIENTS = VENV / "clients"
WEB = ROOT / "web"
# Ethereum nodes for the demo and the tests.
NODES = ROOT / "nodes"
REQUIREMENTS = ROOT / "requirements"
INTERPRETER = f"{sys.version_info.major}.{sys.version_info.minor}"


class Missing(Exception):
    """Something essential is not on this machine; the text says what to install."""


class StepFailed(Exception):
    """A command of a step failed; the text is what it printed."""


class Step(NamedTuple):
    name: str
    work: Callable[[], None]
    inputs: list[Path]
    outputs: list[Path]
    # What the step does without: None if nothing. Then its failure is a notice and setup goes on.
    optional: str | None = None


class DebianPackage(NamedTuple):
    name: str
    command: str
    without_it: str


TRACER = DebianPackage("strace", "strace", "the traced-run test is skipped")
BROWSER = DebianPackage("chromium", "chromium", "the tests of the pages are skipped")
LOAD_GENERATOR = DebianPackage("wrk", "wrk", "the HTTP benchmarks are skipped")


def main(goal: str) -> int:
    started = time.monotonic()
    try:
        check_essentials(goal)
        done = [run(step) for step in steps(goal)]
    except (Missing, StepFailed) as problem:
        print(f"setup: {problem}", file=sys.stderr)
        return 1
    for package in debian_packages(goal):
        provide(package)
    if any(done):
        say("ready", time.monotonic() - started)
    return 0


def steps(goal: str) -> Iterator[Step]:
    yield Step("Python environment", create_environment, [REQUIREMENTS / "uv.txt"], [PYTHON, UV])
    names = ["runtime", "build"] if goal == "run" else ["runtime", "build", "dev"]
    for name in names:
        file = REQUIREMENTS / f"{name}.txt"
        yield Step(f"{name} packages", partial(install, file), [file], [])
    if goal == "test":
        yield from client_steps()
    yield Step("Rust engine", build_engine, engine_sources(), [VENV / "bin" / "cambist", *extension()])
    lock = [WEB / "package.json", WEB / "package-lock.json"]
    compiler = WEB / "node_modules" / "vite" / "package.json"
    plain = "the page is the plain one, without accounts and trading"
    yield Step("web packages", install_web, lock, [compiler], plain)
    yield Step("web pages", build_web, [*lock, *web_sources()], [WEB / "dist" / "index.html"], plain)
    lock = [NODES / "package.json", NODES / "package-lock.json"]
    anvil = NODES / "node_modules" / "@foundry-rs" / "anvil" / "package.json"
    if goal == "run":
        without = "the demo has no chain, so no deposits and withdrawals"
        yield Step("demo's chain", partial(install_nodes, "--omit=dev"), lock, [anvil], without)
    else:
        hardhat = NODES / "node_modules" / "hardhat" / "package.json"
        without = "tests on real Ethereum nodes are skipped"
        yield Step("Ethereum nodes", install_nodes, lock, [anvil, hardhat], without)
    if goal == "run":
        flow = DEMO / "ob_analytics" / "_sample_data" / "orders.csv.gz"
        generated = "the demo's order flow comes from the generator instead of the recording"
        yield Step("recorded order flow", fetch_recorded_flow, [REQUIREMENTS / "demo.txt"], [flow], generated)


def client_steps() -> Iterator[Step]:
    for name in ("clients", "connector"):
        file, environment = REQUIREMENTS / f"{name}.txt", CLIENTS / name
        yield Step(f"{name} environment", partial(create_client, environment, file), [file], [environment])
    file, folder = REQUIREMENTS / "sources.txt", CLIENTS / "sources"
    yield Step("clients' sources", partial(fetch_sources, folder, file), [file], [folder])


def run(step: Step) -> bool:
    """True if the step had to work."""
    stamp = VENV / "stamps" / step.name.replace(" ", "-")
    digest = fingerprint(step.inputs)
    if all(path.exists() for path in step.outputs) and stamp.exists() and stamp.read_text() == digest:
        return False
    started = time.monotonic()
    try:
        step.work()
    except StepFailed as problem:
        if step.optional is None:
            raise
        print(f"setup: {step.name} not available, so {step.optional} ({str(problem).splitlines()[-1]})")
        return True
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(digest)
    say(step.name, time.monotonic() - started)
    return True


def fingerprint(inputs: list[Path]) -> str:
    """Of names and content. Content, not times: a checkout or a branch switch touches every file."""
    digest = hashlib.sha256(f"{INTERPRETER} {ROOT}".encode())
    for path in inputs:
        digest.update(f"\n{path.relative_to(ROOT)} ".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def engine_sources() -> list[Path]:
    engine = ROOT / "engine"
    manifests = [ROOT / "pyproject.toml", engine / "Cargo.toml", engine / "Cargo.lock"]
    return manifests + sorted((engine / "src").rglob("*.rs"))


def extension() -> list[Path]:
    """The compiled module under whatever suffix this platform gives it, or a name that is not there."""
    package = ROOT / "cambist"
    return list(package.glob("_matching*.so")) or [package / "_matching"]


def create_environment() -> None:
    command(sys.executable, "-m", "venv", "--clear", str(VENV))
    # pip serves once, to install uv against its recorded hash.
    command(str(PYTHON), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(REQUIREMENTS / "uv.txt"))


def install(requirements: Path, python: Path = PYTHON) -> None:
    command(
        str(UV), "pip", "install", "-q", "--require-hashes", "--python", str(python), "-r", str(requirements)
    )


def create_client(environment: Path, requirements: Path) -> None:
    command(str(UV), "venv", "-q", "--clear", "--python", str(PYTHON), str(environment))
    install(requirements, environment / "bin" / "python")


def fetch_sources(folder: Path, requirements: Path) -> None:
    """Unpacks source packages. pip checks each against its hash before it reads anything of it."""
    shutil.rmtree(folder, ignore_errors=True)
    # pip asks a package for its metadata; what that needs is in the clients' environment, with hashes.
    python = str(CLIENTS / "clients" / "bin" / "python")
    source_only = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--require-hashes"]
    download = ["download", "-q", *source_only, "-d", str(folder), "-r", str(requirements)]
    command(str(PYTHON), "-m", "pip", "--python", python, *download)
    for archive in sorted(folder.glob("*.tar.gz")):
        with tarfile.open(archive) as source:
            source.extractall(folder, filter="data")
        archive.unlink()


def build_engine() -> None:
    """Compiles the crate and installs the package in place, so edited Python files need no further step."""
    command(str(VENV / "bin" / "maturin"), "develop", "--release", "--uv", "--quiet")


def install_web() -> None:
    install_from_npm(WEB)


def build_web() -> None:
    """Without network: what it needs is installed."""
    if shutil.which("npm") is None:
        raise StepFailed("npm is missing; install Node.js 20.19 or newer")
    command("npm", "run", "build", "--prefix", str(WEB), "--silent")


def web_sources() -> list[Path]:
    folders = [WEB / "src", WEB / "public"]
    inside = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return [*sorted(WEB.glob("*.html")), *sorted(WEB.glob("*.ts")), WEB / "tsconfig.json", *inside]


def install_nodes(*options: str) -> None:
    install_from_npm(NODES, *options)


def install_from_npm(folder: Path, *options: str) -> None:
    if shutil.which("npm") is None:
        raise StepFailed("npm is missing; install Node.js 20 or newer")
    quietly = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    command("npm", "ci", "--prefix", str(folder), *quietly, *options)


def fetch_recorded_flow() -> None:
    # A wheel is only unpacked; a source package would run its build script.
    unpack = [
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--target",
        str(DEMO),
    ]
    command(str(UV), *unpack, "--python", str(PYTHON), "-r", str(REQUIREMENTS / "demo.txt"))


def command(*words: str) -> None:
    environment = {
        **os.environ,
        "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(VENV),
        "UV_PYTHON_DOWNLOADS": "never",
        "PYO3_PYTHON": str(PYTHON),
    }
    finished = subprocess.run(
        words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if finished.returncode != 0:
        raise StepFailed(f"`{' '.join(words)}` failed:\n{finished.stdout.strip()}")


def check_essentials(goal: str) -> None:
    if shutil.which("cargo") is None:
        raise Missing("cargo is missing; install Rust 1.88 or newer (rustup, with the default profile)")
    if shutil.which("cc") is None:
        raise Missing("a C linker (cc) is missing; install gcc")
    if not (VENV / "bin" / "python").exists() and not has_module("ensurepip"):
        raise Missing(f"this Python cannot make environments; install python{INTERPRETER}-venv")
    if goal == "test":
        for tool in ("fmt", "clippy"):
            if shutil.which(f"cargo-{tool}") is None:
                raise Missing(f"cargo {tool} is missing; run `rustup component add rustfmt clippy`")


def has_module(name: str) -> bool:
    return subprocess.run([sys.executable, "-c", f"import {name}"], stderr=subprocess.DEVNULL).returncode == 0


def debian_packages(goal: str) -> list[DebianPackage]:
    return {"run": [], "test": [TRACER, BROWSER], "bench": [TRACER, LOAD_GENERATOR]}[goal]


def provide(package: DebianPackage) -> None:
    """Installs it where that needs no question (root on Debian); says what goes without it elsewhere."""
    if shutil.which(package.command) is not None:
        return
    started = time.monotonic()
    if os.geteuid() == 0 and shutil.which("apt-get") is not None:
        try:
            command("apt-get", "update", "-qq")
            quietly = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq"]
            command(*quietly, "--no-install-recommends", package.name)
        except StepFailed as problem:
            print(f"setup: {str(problem).splitlines()[-1]}")
        else:
            say(f"Debian package {package.name}", time.monotonic() - started)
            return
    hint = f"Debian: apt-get install {package.name}"
    print(f"setup: {package.command} is missing, so {package.without_it} ({hint})")


def say(what: str, seconds: float) -> None:
    print(f"setup: {what} ({seconds:.1f} s)", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("run", "test", "bench"):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
