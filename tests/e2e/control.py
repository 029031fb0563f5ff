"""What an operator asks of a running exchange, without starting the command anew each time."""

from pathlib import Path
from typing import Any

from cambist.control.client import running
from cambist.control.exchange import Request
from cambist.settings import Settings


def ask(home: Path, request: Request) -> Any:
    with running(Settings.load(home, {}).socket_file) as operator:
        assert operator is not None, "the exchange does not listen for its operator"
        return operator.perform(request, lambda done, total: None)
