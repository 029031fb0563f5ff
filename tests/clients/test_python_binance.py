"""python-binance's own tests of spot trading, streams and private events pass against the exchange."""

import shutil
from pathlib import Path
from xml.etree import ElementTree

from tests.clients import environments
from tests.clients.environments import SCRIPTS, SOURCES, Place, skipped
from tests.e2e.harness import Exchange

FILES = (
    *("test_client.py", "test_async_client.py", "test_get_order_book.py", "test_ping.py"),
    *("test_client_ws_api.py", "test_ws_api.py"),
    *("test_streams.py", "test_user_socket_integration.py"),
)


def test_its_own_tests_pass(exchange: Exchange, tmp_path: Path) -> None:
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "__init__.py").touch()
    shutil.copy(SCRIPTS / "python_binance_conftest.py", suite / "conftest.py")
    for name in FILES:
        shutil.copy(next(SOURCES.glob("python_binance-*")) / "tests" / name, suite)
    done = environments.run(
        "clients",
        tmp_path,
        *("-m", "pytest", "-q", "--tb=native", "--timeout=120", "--junitxml=report.xml", suite),
        *(f"--deselect=suite/{each.replace(' ', '::')}" for each in skipped()["python-binance-deselected"]),
        variables=Place.of(exchange, "bob").environment(),  # whose account is quiet, as one test wants it
    )
    outcomes = read_outcomes(tmp_path / "report.xml")
    unwell = {name: why for name, why in outcomes.items() if why is not None}
    reasons = skipped()["python-binance"]
    assert {name: why for name, why in unwell.items() if name not in reasons} == {}, done.output[-4_000:]
    assert reasons.keys() - unwell.keys() == set(), "these pass, and are skipped all the same"
    assert len(outcomes) - len(unwell) > 0


def read_outcomes(report: Path) -> dict[str, str | None]:
    """By test, None if it passed; as pytest names them, with a space between file and test."""
    outcomes = {}
    for case in ElementTree.parse(report).iter("testcase"):
        file, _, group = case.attrib["classname"].removeprefix("suite.").partition(".")
        name = f"{file}.py {f'{group}::' if group else ''}{case.attrib['name']}"
        wrong = next((each for each in case if each.tag in ("failure", "error", "skipped")), None)
        outcomes[name] = None if wrong is None else f"{wrong.tag}: {wrong.attrib.get('message', '')[:300]}"
    return outcomes
