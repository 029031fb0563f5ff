"""A door before a node that does what a test says to questions and answers: drops, delays, changes them."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

# Of a method, its parameters and the true result: what is told instead. Raises Silence for no answer at all.
Lie = Callable[[str, list[Any], Any], Any]
# Of a method, before the node hears of it. Raises Silence for what the node is not to hear at all.
Gate = Callable[[str], None]


class Silence(Exception):
    pass


def honest(method: str, params: list[Any], result: Any) -> Any:
    return result


def ajar(method: str) -> None:
    """Everything passes."""


class Door:
    def __init__(self, node_url: str) -> None:
        self._node = httpx.Client(base_url=node_url, timeout=60)
        self.gate: Gate = ajar
        self.lie: Lie = honest
        self.url = ""

    def answer(self, body: bytes) -> bytes | None:
        asked = json.loads(body)
        calls = asked if isinstance(asked, list) else [asked]
        try:
            for call in calls:
                self.gate(call["method"])
            answers = self._node.post("/", content=body, headers={"content-type": "application/json"}).json()
            by_id = {each["id"]: each for each in (answers if isinstance(answers, list) else [answers])}
            for call in calls:
                answer = by_id[call["id"]]
                if "result" in answer:
                    answer["result"] = self.lie(call["method"], call["params"], answer["result"])
        except Silence:
            return None
        return json.dumps(answers).encode()


@contextmanager
def door(node_url: str) -> Iterator[Door]:
    behind = Door(node_url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            answer = behind.answer(self.rfile.read(int(self.headers["content-length"])))
            if answer is None:
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the test says what it finds."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    behind.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield behind
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
