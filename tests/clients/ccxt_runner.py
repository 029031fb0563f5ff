"""ccxt's own live test runner, started as ccxt's own CI starts it, against the exchange of this test.

    python ccxt_runner.py SOURCES SETTINGS ARGUMENTS...

SOURCES is the folder `python` of ccxt's source package, SETTINGS has `keys.local.json` and `skip-tests.json`.
One check is left out: that the constructor's URLs are those of another exchange.
"""

import importlib
import runpy
import sys
from pathlib import Path


def main(sources: Path, settings: Path, arguments: list[str]) -> None:
    runner = sources / "ccxt" / "test"
    sys.path[:0] = [str(runner), str(sources)]
    sys.argv = ["tests_init.py", *arguments]  # read when the helpers are imported
    importlib.import_module("tests_helpers").ROOT_DIR = f"{settings}/"  # type: ignore[attr-defined]
    tests = importlib.import_module("tests_sync" if "--sync" in arguments else "tests_async")
    tests.testMainClass.check_constructor = lambda self, exchange: None
    runpy.run_path(str(runner / "tests_init.py"), run_name="__main__")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
