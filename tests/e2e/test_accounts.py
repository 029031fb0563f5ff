"""The office as a process: people sign up through the public port, and nothing is lost when it dies."""

import os
import re
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.harness import HOST, WAIT_SECONDS, Exchange, cambist, running
from tests.e2e.test_demo import wait_for

WITH_OFFICE = {"CAMBIST_PROCESSES_OFFICE": "true"}
API = "/api/account/v1"
PASSWORD = "four plain words here"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    home = tmp_path_factory.mktemp("accounts") / "home"
    cambist(home, "init", "--sandbox")
    with running(home, settings=WITH_OFFICE) as exchange:
        yield exchange


@pytest.fixture
def client(exchange: Exchange) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{HOST}:{exchange.port}", timeout=WAIT_SECONDS) as client:
        yield client


def ask(client: httpx.Client, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    """Again while the office is not there: then nothing has been done."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        content = {} if body is None else {"json": body}
        answer = client.request(method, API + path, headers=headers, **content)
        if answer.status_code != 503 or time.monotonic() > deadline:
            return answer
        time.sleep(0.05)


def sign_up_and_in(client: httpx.Client, email: str) -> str:
    """The CSRF token."""
    handle = ask(client, "POST", "/sign-up", {"email": email, "password": PASSWORD}).json()["handle"]
    newest = ask(client, "GET", "/inbox").json()[0]
    assert newest["to"] == email
    found = re.search(r"\d{8}", newest["text"])
    assert found
    assert ask(client, "POST", "/sign-up/verify", {"handle": handle, "code": found[0]}).status_code == 200
    session = ask(client, "POST", "/sign-in", {"email": email, "password": PASSWORD}).json()
    token: str = session["csrfToken"]
    return token


def test_somebody_signs_up_and_a_killed_office_comes_back_with_the_session(exchange, client):
    csrf = sign_up_and_in(client, "ann@example.org")
    with_session = {"X-CSRF-Token": csrf}
    assert client.get("/api/v3/account", headers=with_session).json()["canTrade"]
    before = exchange.process("office")
    os.kill(before, signal.SIGKILL)
    # Whoever is signed in trades on meanwhile: the gateway looks into the records itself.
    assert client.get("/api/v3/account", headers=with_session).status_code == 200
    assert ask(client, "GET", "/session").json()["email"] == "ann@example.org"
    assert exchange.process("office") != before
    # At its start it says where the audit trail stands.
    wait_for("an anchor", (exchange.home / "anchors" / "audit.jsonl").exists)
    assert ask(client, "DELETE", "/session", **with_session).status_code == 200
    assert ask(client, "GET", "/session").status_code == 401
    assert client.get("/api/v3/account", headers=with_session).status_code == 401


def test_a_user_of_the_office_is_in_the_operators_list_and_trail(exchange, client):
    sign_up_and_in(client, "bob@example.org")
    listed = {each["email"]: each["frozen"] for each in cambist(exchange.home, "user", "list")}
    assert listed["bob@example.org"] is False
    cambist(exchange.home, "user", "sign-out", "bob@example.org")
    assert ask(client, "GET", "/session").status_code == 401
    actions = [entry["action"] for entry in cambist(exchange.home, "audit")]
    assert actions[-2:] == ["user.create", "user.sign-out"]
    mode = (exchange.home / "run" / "office.sock").stat().st_mode
    assert mode & 0o777 == 0o600
