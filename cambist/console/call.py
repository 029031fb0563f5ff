"""What a handler gets: the parts of the exchange that the console may use, and who of the staff asks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from cambist.account_api.errors import NotSignedIn
from cambist.control.client import running
from cambist.control.protocol import DecidedRequest, OnBehalf, OwnRequest
from cambist.errors import Unavailable
from cambist.settings import Settings
from cambist.staff.challenges import Challenges
from cambist.staff.keys import Site
from cambist.staff.people import Member
from cambist.staff.sessions import StaffSession
from cambist.store.audit import Act
from cambist.store.records import Records
from cambist.store.sqlite import open_database


@dataclass(frozen=True, slots=True)
class Console:
    """What changes the exchange goes through the operator's socket, as `cambist` itself does."""

    settings: Settings
    records: Records
    challenges: Challenges
    clock: Callable[[], int]

    @property
    def site(self) -> Site:
        return Site(self.settings.console_origin)

    @contextmanager
    def views(self) -> Iterator[Connection]:
        """What has happened, in SQL, a moment behind the engine. Raises Unavailable."""
        database = open_database(self.settings.views_file, read_only=True)
        try:
            with database.begin() as db:
                yield db
        except DatabaseError:
            raise Unavailable("the views are not there now; they are being made") from None
        finally:
            database.dispose()


@dataclass(slots=True)
class Call:
    """`subject` is named by the path. `given` is the cookie's new token; "" takes the cookie away."""

    console: Console
    address: str
    agent: str
    now_ns: int
    token: str = field(default="", repr=False)
    session: StaffSession | None = None
    subject: str = ""
    given: str | None = None

    def me(self) -> Member:
        """Raises NotSignedIn."""
        if self.session is None:
            raise NotSignedIn
        return self.session.member

    @contextmanager
    def write(self, action: str, **details: Any) -> Iterator[Connection]:
        """A change of the records with its row in the audit trail, which names who asks."""
        with self.console.records.write() as db:
            yield db
            self.console.records.audit.append(db, Act(self.me().actor, action, details, self.now_ns))

    def ask(self, request: OwnRequest | DecidedRequest, reason: str) -> Any:
        """What the exchange answers to an operator's request on behalf of who asks.

        Raises RequestFailed, or Unavailable if no exchange runs.
        """
        with running(self.console.settings.socket_file) as exchange:
            if exchange is None:
                raise Unavailable("the exchange does not run; try again when it does")
            said = OnBehalf(of=self.me().actor, reason=reason, request=request)
            return exchange.perform(said, lambda done, total: None)
