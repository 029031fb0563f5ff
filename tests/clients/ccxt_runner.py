"""ccxt's own live test runner, started as ccxt's own CI starts it, against the exchange of this test.

    python ccxt_runner.py SOURCES SETTINGS ARGUMENTS...

SOURCES is the folder `python` of ccxt's source package. SETTINGS has `skip-tests.json` and gets
`keys.local.json`, with the user's key and every URL that ccxt knows, on our host. One check is left out: that
the constructor's URLs are those of another exchange.
"""

import importlib
import json
import os
import re
import runpy
import sys
from pathlib import Path
from typing import Any


def main(sources: Path, settings: Path, arguments: list[str]) -> None:
    runner = sources / "ccxt" / "test"
    sys.path[:0] = [str(runner), str(sources)]
    write_keys(settings / "keys.local.json")
    sys.argv = ["tests_init.py", *arguments]  # read when the helpers are imported
    importlib.import_module("tests_helpers").ROOT_DIR = f"{settings}/"  # type: ignore[attr-defined]
    tests = importlib.import_module("tests_sync" if "--sync" in arguments else "tests_async")
    tests.testMainClass.check_constructor = lambda self, exchange: None
    runpy.run_path(str(runner / "tests_init.py"), run_name="__main__")


def write_keys(file: Path) -> None:
    known = importlib.import_module("ccxt.pro").binance().urls["api"]
    settings = {
        "apiKey": os.environ["EXCHANGE_API_KEY"],
        "secret": os.environ["EXCHANGE_SECRET_KEY"],
        "rateLimit": 1,  # milliseconds from one request to the next: there is no limit here
        "urls": {"api": moved(known)},
        "options": {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False},
        "has": {"swap": False, "future": False, "option": False, "margin": False},
    }
    file.write_text(json.dumps({"binance": settings}))


def moved(urls: Any) -> Any:
    if isinstance(urls, dict):
        return {name: moved(url) for name, url in urls.items()}
    base = os.environ["EXCHANGE_WS" if urls.startswith("ws") else "EXCHANGE_HTTP"]
    return re.sub("^[a-z]+://[^/]+", base, urls)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
