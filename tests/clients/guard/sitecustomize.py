"""Ends a client that would speak to any other machine: a URL left as it was carries the user's key away.

Python imports this at the start of every client that a test runs. CAMBIST_TEST_ELSEWHERE names a file that
gets a line for each attempt; the test fails if there is one.
"""

import os
import sys
from typing import Any

HERE = {"127.0.0.1", "::1", "localhost", b"127.0.0.1", b"localhost", "", None}

# It would ask name servers with sockets that no audit event shows; without it aiohttp uses Python's resolver.
sys.modules["aiodns"] = None  # type: ignore[assignment]


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if host not in HERE:
        with open(os.environ["CAMBIST_TEST_ELSEWHERE"], "a") as elsewhere:
            elsewhere.write(f"{event} {host}\n")
        raise OSError(f"no host but this machine in this test, not {host!r}")


sys.addaudithook(watch)
