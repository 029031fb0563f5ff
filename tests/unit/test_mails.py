"""Mails leave the records over SMTP: each at least once, none in the way of another, no code left behind."""

import smtplib
import socketserver
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import select

from cambist.accounts import mail
from cambist.accounts.mail import Kind
from cambist.accounts.sending import RETRY_FIRST_S, Sender, Smtp
from cambist.settings import Mail, Settings, SettingsError
from cambist.store.account_tables import messages
from cambist.store.records import Records

NS_PER_S = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now_ns = NS_PER_S

    def __call__(self) -> int:
        return self.now_ns


class Server:
    """Takes mails, or says what it was told to say."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.says: dict[str, OSError] = {}  # by recipient

    def __call__(self, message: EmailMessage) -> None:
        if problem := self.says.get(message["To"]):
            raise problem
        self.taken.append(message)

    @property
    def recipients(self) -> list[str]:
        return [message["To"] for message in self.taken]


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    records = Records.create(Settings(home=tmp_path))
    yield records
    records.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def sender(records: Records, server: Server, clock: Clock, tmp_path: Path) -> Sender:
    settings = Settings(home=tmp_path, mail=Mail(sender="us@example.org"))
    return Sender(records, settings, server, clock)


def put(records: Records, to: str, code: str = "12345678") -> None:
    with records.write() as db:
        mail.put_to(db, to, Kind.RESET_CODE, {"code": code}, language="zh", now_ns=5)


def test_mails_go_out_oldest_first_and_once(records, sender, server):
    put(records, "ann@example.org")
    put(records, "bob@example.org")
    assert (sender.step(), sender.step()) == (2, 0)
    assert server.recipients == ["ann@example.org", "bob@example.org"]
    first = server.taken[0]
    assert (first["From"], first["Message-ID"]) == ("us@example.org", "<1.5@localhost>")
    assert "12345678" in first.get_content() and "验证码" in first["Subject"]


def test_a_code_is_blotted_out_when_its_mail_is_gone(records, sender):
    put(records, "ann@example.org")
    sender.step()
    with records.read() as db:
        row = db.execute(select(messages)).one()
    assert (row.content, row.sent_at_ns) == ({}, NS_PER_S)


@pytest.mark.parametrize(
    "problem",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        smtplib.SMTPServerDisconnected(),
        smtplib.SMTPRecipientsRefused({"ann@example.org": (450, b"later")}),
        smtplib.SMTPDataError(451, b"later"),
        smtplib.SMTPAuthenticationError(535, b"no"),
        FileNotFoundError(),
    ],
)
def test_a_mail_that_is_not_taken_waits_longer_each_time_and_nobody_behind_it(
    records, sender, server, clock, problem
):
    put(records, "ann@example.org")
    put(records, "bob@example.org")
    server.says["ann@example.org"] = problem
    assert sender.step() == 1 and server.recipients == ["bob@example.org"]
    server.says = {}
    clock.now_ns += RETRY_FIRST_S * NS_PER_S - 1
    assert sender.step() == 0
    server.says["ann@example.org"] = problem
    clock.now_ns += 1
    assert sender.step() == 0
    server.says = {}
    clock.now_ns += 2 * RETRY_FIRST_S * NS_PER_S
    assert sender.step() == 1 and server.recipients == ["bob@example.org", "ann@example.org"]


@pytest.mark.parametrize(
    "problem",
    [
        smtplib.SMTPRecipientsRefused({"ann@example.org": (550, b"no such mailbox")}),
        smtplib.SMTPDataError(554, b"never"),
    ],
)
def test_a_mail_that_is_refused_for_good_is_not_tried_again(records, sender, server, caplog, problem):
    put(records, "ann@example.org")
    server.says["ann@example.org"] = problem
    sender.step()
    server.says = {}
    assert sender.step() == 0 and server.taken == []
    assert "refused for good" in caplog.text and "ann@" not in caplog.text


def test_a_line_break_in_what_a_mail_says_starts_no_header(records, sender, server):
    with records.write() as db:
        said = {"address": "192.0.2.1", "agent": "x\r\nBcc: eve@example.org"}
        mail.put_to(db, "ann@example.org", Kind.NEW_DEVICE, said, language="en", now_ns=1)
    sender.step()
    assert server.taken[0]["Bcc"] is None


def test_a_real_server_gets_the_mail(records, tmp_path, clock):
    with _Listening() as listening:
        settings = Settings(home=tmp_path, mail=Mail(server=f"127.0.0.1:{listening.port}"))
        put(records, "ann@example.org")
        assert Sender(records, settings, Smtp(settings), clock).step() == 1
    (received,) = listening.received
    message = message_from_bytes(received)
    assert (message["To"], message["From"]) == ("ann@example.org", "cambist@localhost")


def test_one_server_is_named(tmp_path):
    (tmp_path / "cambist.toml").write_text('[mail]\nserver = "a:25,b:25"\n')
    with pytest.raises(SettingsError, match="one server"):
        Settings.load(tmp_path, {})


class _Listening(socketserver.ThreadingTCPServer):
    """As much of SMTP as a client needs that sends one mail."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.received: list[bytes] = []
        self.port: int = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Talk(socketserver.StreamRequestHandler):
    server: _Listening

    def handle(self) -> None:
        self._say("220 here")
        for line in self.rfile:
            match line.split()[0].upper():
                case b"DATA":
                    self._say("354 go on")
                    body = b"".join(iter(self.rfile.readline, b".\r\n"))
                    self.server.received.append(body)
                    self._say("250 taken")
                case b"QUIT":
                    return self._say("221 bye")
                case _:
                    self._say("250 yes")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())
