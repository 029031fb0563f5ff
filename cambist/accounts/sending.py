"""Sends the mails of the records over SMTP, oldest first, until each is out.

A mail is marked when the server has taken it; a crash in between sends it again with the same Message-ID, by
which mailboxes know a repeat. A mail that the server refuses for good is marked too, or it would stand in the
way of none but be tried for ever. A code is blotted out once its mail is gone.
Known limit: one server and one connection for each mail.
"""

import logging
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

from cambist.accounts import mail, mail_words
from cambist.accounts.mail import Mail
from cambist.settings import Settings, hosts_and_ports
from cambist.store.records import Records

PASSWORD_FILE = "smtp-password"
ANSWERS_WITHIN_S = 10
AT_ONCE = 20
RETRY_FIRST_S, RETRY_MOST_S = 5, 600
_PERMANENT = range(500, 600)
_SMTPS = 465

log = logging.getLogger(__name__)


class Transport(Protocol):
    """Raises OSError (of which smtplib's errors are) if the mail was not taken."""

    def __call__(self, message: EmailMessage) -> None: ...


class Sender:
    """`step` it, again and again. One that was not taken is tried again later, and the others meanwhile."""

    def __init__(
        self, records: Records, settings: Settings, transport: Transport, clock: Callable[[], int]
    ) -> None:
        self._records = records
        self._sender = settings.mail.sender
        self._host = settings.server.public_hostname
        self._transport = transport
        self._clock = clock
        self._retries: dict[int, tuple[int, int]] = {}  # by mail: (not before, the next pause in seconds)

    def step(self) -> int:
        """Sends what is due; how many have gone out."""
        now_ns = self._clock()
        with self._records.read() as db:
            waiting = mail.unsent(db)
        due = [each for each in waiting if self._retries.get(each.id, (0, 0))[0] <= now_ns]
        return sum(self._send(each, now_ns) for each in due[:AT_ONCE])

    def _send(self, each: Mail, now_ns: int) -> bool:
        try:
            self._transport(message_of(each, sender=self._sender, host=self._host))
        except OSError as problem:
            if not _is_final(problem):
                self._put_off(each.id, now_ns, problem)
                return False
            # Neither address nor answer: the log is read by more people than the records.
            log.warning("mail %d was refused for good (%s)", each.id, type(problem).__name__)
        self._retries.pop(each.id, None)
        with self._records.write() as db:
            mail.mark_sent(db, each, self._clock())
        return True

    def _put_off(self, number: int, now_ns: int, problem: OSError) -> None:
        pause_s = self._retries.get(number, (0, RETRY_FIRST_S))[1]
        self._retries[number] = (now_ns + pause_s * 1_000_000_000, min(2 * pause_s, RETRY_MOST_S))
        log.warning("mail %d waits %d s (%s)", number, pause_s, type(problem).__name__)


def message_of(each: Mail, *, sender: str, host: str) -> EmailMessage:
    subject, text = mail_words.of(each)
    message = EmailMessage()
    message["From"] = sender
    message["To"] = each.to
    message["Subject"] = subject
    message["Message-ID"] = f"<{each.id}.{each.created_at_ns}@{host}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


class Smtp:
    """The server that the settings name; TLS always, unless it is on this machine."""

    def __init__(self, settings: Settings) -> None:
        ((self._host, self._port),) = hosts_and_ports(settings.mail.server)
        self._user = settings.mail.user
        self._password_file: Path = settings.secrets_directory / PASSWORD_FILE

    def __call__(self, message: EmailMessage) -> None:
        with self._connected() as server:
            if self._user:
                server.login(self._user, self._password_file.read_text(encoding="utf-8").strip())
            server.send_message(message)

    def _connected(self) -> smtplib.SMTP:
        """Raises OSError also for a certificate that is not the server's: smtplib by itself takes any."""
        tls = ssl.create_default_context()
        if self._port == _SMTPS:
            return smtplib.SMTP_SSL(self._host, self._port, timeout=ANSWERS_WITHIN_S, context=tls)
        server = smtplib.SMTP(self._host, self._port, timeout=ANSWERS_WITHIN_S)
        if self._host not in ("localhost", "127.0.0.1", "::1"):
            server.starttls(context=tls)
        return server


def _is_final(problem: OSError) -> bool:
    """Whether the server will say the same of this mail ever after."""
    if isinstance(problem, smtplib.SMTPRecipientsRefused):
        return all(code in _PERMANENT for code, _ in problem.recipients.values())
    return isinstance(problem, smtplib.SMTPDataError) and problem.smtp_code in _PERMANENT
