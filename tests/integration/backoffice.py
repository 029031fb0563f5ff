"""The console over real HTTP, beside an exchange in this process, and members of the staff with keys."""

import asyncio
import hashlib
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert, update
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from cambist.console.app import create_console
from cambist.console.call import Console
from cambist.console.routes import PREFIX
from cambist.control.exchange import Exchange
from cambist.control.server import ControlServer
from cambist.settings import Mode, Server, Settings
from cambist.site import Site
from cambist.staff import people
from cambist.staff.challenges import Challenges
from cambist.staff.keys import Purpose
from cambist.staff.roles import Role
from cambist.store.tables import users
from cambist.store.wallet_tables import asset_networks, networks, withdrawals
from cambist.wallets import review
from tests.integration.rest_market import RestMarket, Trader, rest_market
from tests.journals import LOG_ID
from tests.passkeys import Passkey
from tests.ports import free_port

NS_PER_S = 1_000_000_000
COIN = 10**8
TWO_ABOVE_ATOMS = 5 * COIN
# Time goes on between those who come in: the console does not let in everybody at once.
STRANGERS_WAIT_S = 10
ADDRESS = "0x" + "ab" * 20


class Clock:
    """The real one, and as far ahead as a test has put it."""

    def __init__(self) -> None:
        self._ahead_ns = 0

    def __call__(self) -> int:
        return time.time_ns() + self._ahead_ns

    def put_on(self, seconds: int) -> None:
        self._ahead_ns += seconds * NS_PER_S


class BackOffice:
    """`url` is where its pages are. `control` is the operator's socket of the exchange."""

    def __init__(self, market: RestMarket, settings: Settings, pages: Path) -> None:
        self.market = market
        self.settings = settings
        self.clock = Clock()
        self.url = settings.console_origin
        self.exchange = Exchange(settings, market.records, market.server)
        self.restart_control()
        console = Console(settings, market.records, Challenges(), self.clock)
        self.app = create_console(console, Site(pages))
        self._numbers = itertools.count(1)
        self._known: dict[Role, dict[str, Colleague]] = {}
        market.records.bind_log(LOG_ID)
        self._list_eth()

    def restart_control(self) -> None:
        self.control = ControlServer(self.settings.socket_file, self.exchange)
        self.control.start()

    def invite(self, name: str, *roles: Role, email: str = "") -> str:
        with self.market.records.write() as db:
            return people.invite(
                db,
                name,
                email or f"{name}@example.org",
                roles,
                now_ns=self.clock(),
                acting_user="test",
            )

    def hire(self, name: str, *roles: Role) -> "Colleague":
        """Somebody with an Ed25519 key, signed in."""
        return self.colleague(name).first(self.invite(name, *roles))

    def colleague(self, name: str, passkey: Passkey | None = None) -> "Colleague":
        return Colleague(self.url, name, self.clock, passkey)

    def somebody(self, *roles: Role) -> "Colleague":
        return self.hire(f"member{next(self._numbers)}", *roles)

    def one(self, role: Role, which: str = "one") -> "Colleague":
        """Always the same person of this role, signed in."""
        if role not in self._known:
            self._known[role] = {name: self.hire(f"{name}.{role}", role) for name in ("one", "other")}
        found = self._known[role][which]
        if found.ask("GET", "/me").status_code != 200:
            found.sign_in()
        return found

    def pair(self, role: Role) -> tuple["Colleague", "Colleague"]:
        return self.one(role), self.one(role, "other")

    def user_of(self, trader: Trader) -> int:
        with self.market.records.read() as db:
            found = db.execute(users.select().where(users.c.account == trader.account)).one()
        return int(found.id)

    def withdrawal(self, trader: Trader, amount_atoms: int, **values: Any) -> int:
        """One that is held already, as the wallets leave it."""
        now_ns = self.clock()
        row = {
            "user_id": self.user_of(trader),
            "account": trader.account,
            "asset_network_id": 1,
            "address": ADDRESS,
            "tag": "",
            "amount_atoms": str(amount_atoms),
            "fee_atoms": "1000",
            "amount_units": str(amount_atoms * 10**10),
            "digest": b"",
            "state": "held",
            "reason": "",
            "via": "web",
            "risk": [],
            "requested_at_ns": now_ns,
            "held_at_ns": now_ns,
        } | values
        with self.market.records.write() as db:
            number = int(db.execute(insert(withdrawals).values(row).returning(withdrawals.c.id)).scalar_one())
            digest = review.payment_of(db, number).digest()
            db.execute(update(withdrawals).where(withdrawals.c.id == number).values(digest=digest))
        return number

    def audit(self) -> list[tuple[str, str, dict[str, Any]]]:
        with self.market.records.read() as db:
            entries = list(self.market.records.audit.read(db))
        return [(each.act.actor, each.act.action, dict(each.act.details)) for each in entries]

    def _list_eth(self) -> None:
        network = {"name": "ETH", "chain_id": 31337, "xpub": "xpub", "hot_address": "0x" + "11" * 20}
        eth = {
            "asset": 1,
            "asset_name": "ETH",
            "scale": 8,
            "network": "ETH",
            "contract": "",
            "decimals": 18,
            "mirror": 1,
            "confirmations": 12,
            "deposit_min_atoms": "0",
            "withdrawal_fee_atoms": "1000",
            "withdrawal_min_atoms": "1",
            "withdrawal_daily_max_atoms": str(100 * COIN),
            "review_two_above_atoms": str(TWO_ABOVE_ATOMS),
            "hot_max_units": "0",
            "is_deposit_open": True,
            "is_withdrawal_open": True,
            "halted": "",
        }
        with self.market.records.write() as db:
            db.execute(insert(networks).values(network))
            db.execute(insert(asset_networks).values(eth))


class Colleague:
    """A member of the staff at a browser: cookies, the CSRF token, and a key of either kind."""

    def __init__(self, url: str, name: str, clock: Clock, passkey: Passkey | None = None) -> None:
        self.name = name
        self.clock = clock
        self.passkey = passkey
        self.private = Ed25519PrivateKey.generate()
        self.csrf = ""
        self.http = httpx.Client(base_url=url, timeout=60, headers={"origin": url})

    def first(self, code: str) -> Self:
        self.clock.put_on(STRANGERS_WAIT_S)
        wanted = self.done("POST", "/first/begin", {"code": code})
        proof = self.new_key(wanted["challenge"])
        body = {"code": code, "challenge": wanted["challenge"], "label": "my key", "proof": proof}
        self.csrf = self.done("POST", "/first", body)["csrfToken"]
        return self

    def sign_in(self) -> dict[str, Any]:
        self.clock.put_on(STRANGERS_WAIT_S)
        wanted = self.done("POST", "/sign-in/begin")
        proof = self.proof(Purpose.SIGN_IN, wanted["challenge"])
        me: dict[str, Any] = self.done("POST", "/sign-in", {"challenge": wanted["challenge"], "proof": proof})
        self.csrf = me["csrfToken"]
        return me

    def new_key(self, challenge: str) -> dict[str, Any]:
        if self.passkey is not None:
            return {"kind": "webauthn", "credential": self.passkey.create(challenge)}
        return self.proof(Purpose.ENROL, challenge)

    def proof(self, purpose: Purpose, challenge: str) -> dict[str, Any]:
        if self.passkey is not None:
            return {"kind": "webauthn", "credential": self.passkey.get(challenge)}
        signature = self.private.sign(purpose.value + base64url_to_bytes(challenge))
        public = self.private.public_key().public_bytes_raw()
        return {
            "kind": "ed25519",
            "publicKey": bytes_to_base64url(public),
            "signature": bytes_to_base64url(signature),
        }

    def approve(self, withdrawal: int) -> httpx.Response:
        detail = self.done("GET", f"/withdrawals/{withdrawal}")
        digest = digest_of(detail["payment"])
        assert digest == detail["digest"]
        proof = self.proof(Purpose.APPROVE, digest)
        return self.ask("POST", f"/withdrawals/{withdrawal}/approve", {"proof": proof})

    def propose(self, operation: str, **content: Any) -> dict[str, Any]:
        request = {"operation": operation, **content}
        made: dict[str, Any] = self.done("POST", "/proposals", {"request": request, "reason": "as agreed"})
        return made

    def decide(self, proposal: dict[str, Any], *, accept: bool = True) -> httpx.Response:
        body = {"accept": accept, "proof": self.proof(Purpose.DECIDE, proposal["digest"])}
        return self.ask("POST", f"/proposals/{proposal['id']}/decide", body)

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        sent = {"x-csrf-token": self.csrf} | (headers or {})
        content = {} if body is None else {"json": body}
        return self.http.request(method, PREFIX + path, headers=sent, **content)

    def done(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.ask(method, path, body)
        assert answer.status_code == 200, answer.text
        return answer.json()


def digest_of(payment: dict[str, Any]) -> str:
    """As the page computes it from what it shows: docs/formats/signer.md."""
    names = {"chainId": "chain_id", "feeAtoms": "fee_atoms"}
    said = {"version": 1} | {names.get(name, name): value for name, value in payment.items()}
    return bytes_to_base64url(hashlib.sha256(msgspec.json.encode(said, order="sorted")).digest())


def refusal(answer: httpx.Response) -> tuple[int, str]:
    said = answer.json()
    assert set(said) == {"code", "msg", "reason"}, said
    return answer.status_code, said["reason"]


@contextmanager
def back_office(directory: Path, pages: Path | None = None) -> Iterator[BackOffice]:
    port = free_port()
    with rest_market(directory) as market:
        settings = Settings(
            home=market.settings.home, server=Server(console_port=port), mode=Mode(sandbox=True)
        )
        office = BackOffice(market, settings, pages or directory / "no-pages")
        try:
            with _served(office, port):
                yield office
        finally:
            office.control.stop()


@contextmanager
def _served(office: BackOffice, port: int) -> Iterator[None]:
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(office.app, lifespan="off", log_config=None, log_level="error")
    server = uvicorn.Server(config)
    serving = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    serving.start()
    try:
        yield
    finally:
        server.should_exit = True
        serving.join(30)
