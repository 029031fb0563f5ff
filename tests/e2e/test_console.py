"""The console as part of a running exchange, from the first link that its operator prints."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cambist.settings import Settings
from cambist.staff.roles import Role
from cambist.store.records import Records
from tests.e2e.harness import WAIT_SECONDS, Exchange, cambist, running
from tests.integration.backoffice import Clock, Colleague
from tests.ports import free_port

Desk = tuple[Exchange, str]  # the exchange, and where its console is


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    home, port = tmp_path_factory.mktemp("console") / "home", free_port()
    cambist(home, "init", "--sandbox")
    settings = {"CAMBIST_PROCESSES_OFFICE": "true", "CAMBIST_CONSOLE_PORT": str(port)}
    with running(home, settings=settings) as exchange:
        exchange.process("office")
        yield exchange, f"http://localhost:{port}"


def hire(desk: Desk, name: str, *roles: Role) -> Colleague:
    exchange, url = desk
    options = [text for role in roles for text in ("--role", role.value)]
    link = cambist(exchange.home, "staff", "invite", name, "--email", f"{name}@example.org", *options)["link"]
    page, _, code = link.partition("/#first=")
    assert page == url
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return Colleague(url, name, Clock()).first(code)
        except httpx.TransportError:  # the office has begun to run, and not yet to listen
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_an_operators_link_leads_to_changes_that_the_exchange_makes_in_that_persons_name(desk):
    exchange, _ = desk
    ann = hire(desk, "ann", Role.OPERATOR)
    email = "user@example.org"
    cambist(exchange.home, "user", "create", email)
    (user,) = ann.done("GET", f"/users?find={email}")
    assert ann.done("POST", f"/users/{user['id']}/freeze", {"reason": "asked by phone"})["isFrozen"] is True
    rows: list[dict[str, Any]] = cambist(exchange.home, "audit")
    assert (rows[-1]["actor"], rows[-1]["action"]) == ("staff:ann", "user.freeze")
    assert '"reason":"asked by phone"' in rows[-1]["details"]
    assert cambist(exchange.home, "user", "list")[0]["frozen"] is True


def test_B10_payouts_are_stopped_while_the_exchange_hangs(desk):
    exchange, _ = desk
    bob = hire(desk, "bob", Role.REVIEWER)
    hanging = exchange.process("exchange")
    os.kill(hanging, signal.SIGSTOP)
    try:
        said = bob.done("POST", "/payouts/stop", {"reason": "coins leave that nobody asked for"})
        assert said == {"stopped": "bob: coins leave that nobody asked for"}
        records = Records.open(Settings(home=exchange.home), is_shared=True)
        try:
            assert records.payouts_stopped() is not None
        finally:
            records.close()
    finally:
        os.kill(hanging, signal.SIGCONT)
    assert cambist(exchange.home, "records", "show")["payouts_stopped"] == said["stopped"]


def test_who_is_disabled_at_the_machine_is_out_at_once(desk):
    exchange, _ = desk
    cat = hire(desk, "cat", Role.AUDITOR)
    assert cat.done("GET", "/me")["name"] == "cat"
    cambist(exchange.home, "staff", "disable", "cat")
    assert cat.ask("GET", "/me").status_code == 401
