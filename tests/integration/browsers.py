"""An office behind a gateway, and people with browsers: real HTTP between the two, a clock of their own."""

import asyncio
import base64
import itertools
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from cambist.account_api.app import AccountApi
from cambist.account_api.call import Office
from cambist.accounts import mail, mail_words, people, totp, users
from cambist.accounts.mail import Mail
from cambist.accounts.mail_codes import MailCodes
from cambist.accounts.passwords import Passwords
from cambist.accounts.second_factor import SecondFactors
from cambist.engine.commands import Role
from cambist.match.courier import Courier, LocalDesk, results
from cambist.ops.endpoint import unix_listener
from cambist.ops.logs import hush_http
from cambist.settings import Settings
from cambist.signer.client import SignerClient
from cambist.store.listen_keys import ListenKeys
from cambist.wallets.addresses import Addresses
from cambist.wallets.signing import SignerDoor
from tests.integration.rest_market import Client, RestMarket, rest_market

PASSWORD = "four plain words here"
NS_PER_S = 1_000_000_000
API = "/api/account/v1"


class Clock:
    """The real one, and as far ahead as a test has put it."""

    def __init__(self) -> None:
        self._ahead_ns = 0

    def __call__(self) -> int:
        return time.time_ns() + self._ahead_ns

    def put_on(self, seconds: int) -> None:
        self._ahead_ns += seconds * NS_PER_S


class Counted(Passwords):
    """Cheap, and it counts what would be expensive."""

    def __init__(self) -> None:
        super().__init__(memory_kib=8)
        self.done = 0

    def hash(self, password: str) -> str:
        self.done += 1
        return super().hash(password)

    def matches(self, stored: str | None, password: str) -> bool:
        self.done += 1
        return super().matches(stored, password)


class Street:
    """The exchange with its office, and whoever comes along."""

    def __init__(self, market: RestMarket, clock: Clock, passwords: Counted) -> None:
        self.market = market
        self.clock = clock
        self.passwords = passwords
        self._visitors = itertools.count(1)

    def visitor(self) -> str:
        """An e-mail address that nobody has had; whoever comes next is at another network address as well."""
        number = next(self._visitors)
        self.market.client.address = f"198.51.{number // 250}.{number % 250}"
        return f"visitor{number}@example.org"

    def browser(self, agent: str = "a browser") -> "Browser":
        return Browser(self, agent)

    def person(self, email: str, password: str = PASSWORD) -> "Browser":
        """Signed up and signed in."""
        browser = self.browser()
        handle = browser.done("POST", "/sign-up", {"email": email, "password": password})["handle"]
        browser.done("POST", "/sign-up/verify", {"handle": handle, "code": self.code_for(email)})
        browser.sign_in(email, password)
        return browser

    def mails(self, email: str) -> list[Mail]:
        """The newest first."""
        with self.market.records.read() as db:
            return [each for each in mail.newest(db, 1_000) if each.to == email]

    def code_for(self, email: str) -> str:
        _, text = mail_words.of(self.mails(email)[0])
        found = re.search(r"\d{8}", text)
        assert found, text
        return found[0]

    def find(self, email: str) -> people.Person | None:
        with self.market.records.read() as db:
            return people.find(db, email)


class Browser:
    """Keeps cookies and the CSRF token as a page of ours would."""

    def __init__(self, street: Street, agent: str) -> None:
        self.street = street
        self.agent = agent
        self.cookies: dict[str, str] = {}
        self.csrf = ""
        self.secret = b""
        self._client: Client = street.market.client

    def ask(self, method: str, path: str, body: Any = None, **headers: str | None) -> httpx.Response:
        """`headers`: with _ for -; None takes one away that would be sent."""
        content = {} if body is None else {"json": body}
        return self.send(method, API + path, headers, **content)

    def send(
        self, method: str, path: str, headers: dict[str, str | None] | None = None, **content: Any
    ) -> httpx.Response:
        sent: dict[str, str | None] = {"user-agent": self.agent, "sec-fetch-site": "same-origin"}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if self.csrf:
            sent["x-csrf-token"] = self.csrf
        sent |= {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        given = {name: value for name, value in sent.items() if value is not None}
        answer = self._client.request(method, path, headers=given, **content)
        for name, value in answer.cookies.items():
            self.cookies[name] = value
        return answer

    def done(self, method: str, path: str, body: Any = None, **headers: str | None) -> Any:
        answer = self.ask(method, path, body, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, method: str, path: str, body: Any = None, **headers: str | None) -> str:
        """The reason."""
        answer = self.ask(method, path, body, **headers)
        assert answer.status_code >= 400, answer.text
        problem = answer.json()
        assert problem.keys() == {"code", "msg", "reason"}
        reason: str = problem["reason"]
        return reason

    def sign_in(self, email: str, password: str = PASSWORD, code: str | None = None) -> Any:
        wanted = {"email": email, "password": password, "secondFactor": code}
        session = self.done("POST", "/sign-in", wanted)
        self.csrf = session["csrfToken"]
        return session

    def set_up_second_factor(self) -> list[str]:
        """The recovery codes. `code` gives its codes from now on."""
        begun = self.done("POST", "/second-factor")
        self.secret = secret_of(begun["secret"])
        codes: list[str] = self.done("POST", "/second-factor/confirm", {"code": self.code()})["recoveryCodes"]
        return codes

    def code(self) -> str:
        """Of a step that was not used yet, for which the clock is put on."""
        self.street.clock.put_on(totp.STEP_S)
        return totp.code_at(self.secret, self.street.clock() // NS_PER_S // totp.STEP_S)

    def prove(self, password: str = PASSWORD) -> None:
        self.done(
            "POST",
            "/session/prove",
            {"password": password, "secondFactor": self.code() if self.secret else None},
        )


def secret_of(text: str) -> bytes:
    return base64.b32decode(text + "=" * (-len(text) % 8))


@contextmanager
def street(directory: Path) -> Iterator[Street]:
    clock = Clock()
    with rest_market(directory, clock=clock) as market, _office(market, clock) as passwords:
        yield Street(market, clock, passwords)


@contextmanager
def _office(market: RestMarket, clock: Clock) -> Iterator[Counted]:
    hush_http()  # as every process does
    settings, records = market.settings, market.records
    listen_keys = ListenKeys(settings.listen_keys_file, on_end=lambda _: None)
    courier = Courier(
        records,
        LocalDesk(market.server),
        "office",
        Role.ADMIN,
        effects={users.CREATED: users.created},
        results=partial(results, settings),
        clock=clock,
    )
    passwords = Counted()
    office = Office(
        settings=settings,
        records=records,
        courier=courier,
        passwords=passwords,
        codes=MailCodes(records.vault),
        factors=SecondFactors(records.vault, settings.accounts),
        end_streams=listen_keys.end_all,
        addresses=Addresses(records, SignerDoor(SignerClient(settings.signer_socket))),
        faucet=None,
        clock=clock,
    )
    api = AccountApi(office)
    with _served(api, settings):
        yield passwords
    api.close()
    listen_keys.close()


@contextmanager
def _served(api: AccountApi, settings: Settings) -> Iterator[None]:
    listener = unix_listener(settings.office_file)
    config = uvicorn.Config(api, ws="none", lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
        with suppress(FileNotFoundError):
            settings.office_file.unlink()
