"""What a handler gets: the parts of the office that it may use, and who is asking from where."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from cambist.account_api.errors import NotSignedIn
from cambist.accounts import people
from cambist.accounts.mail_codes import MailCodes
from cambist.accounts.passwords import Passwords
from cambist.accounts.people import Person
from cambist.accounts.policy import SensitiveAct, may
from cambist.accounts.second_factor import SecondFactors
from cambist.accounts.sign_in import From
from cambist.accounts.web_sessions import WebSession
from cambist.match.courier import Courier
from cambist.settings import Settings
from cambist.store.audit import Act
from cambist.store.records import Records
from cambist.wallets.addresses import Addresses


@dataclass(frozen=True, slots=True)
class Office:
    """`end_streams` closes what an account has open at the gateways.

    `faucet` pays from the demo's chain: to an address, of a contract, so many units; the transaction's id is
    what it gives. None where money is real.
    """

    settings: Settings
    records: Records
    courier: Courier
    passwords: Passwords
    codes: MailCodes
    factors: SecondFactors
    end_streams: Callable[[int], None]
    addresses: Addresses
    faucet: Callable[[str, str, int], str] | None
    clock: Callable[[], int]


@dataclass(slots=True)
class Call:
    """`given` are cookies for the browser by name; None takes one away. `subject` is named by the path."""

    office: Office
    origin: From
    now_ns: int
    token: str = field(default="", repr=False)
    session: WebSession | None = None
    subject: str = ""
    given: dict[str, str | None] = field(default_factory=dict)

    def owner(self) -> WebSession:
        """The session of whoever asks. Raises NotSignedIn."""
        if self.session is None:
            raise NotSignedIn
        return self.session

    @contextmanager
    def read(self) -> Iterator[tuple[Connection, Person]]:
        with self.office.records.read() as db:
            yield db, people.get(db, self.owner().user_id)

    @contextmanager
    def write(self, action: str, **details: Any) -> Iterator[tuple[Connection, Person]]:
        """A change by the owner, with its row in the audit trail."""
        with self.office.records.write() as db:
            person = people.get(db, self.owner().user_id)
            yield db, person
            self.audit(db, person, action, details)

    @contextmanager
    def sensitive(
        self, act: SensitiveAct, action: str, **details: Any
    ) -> Iterator[tuple[Connection, Person]]:
        """The same for what the policy has to allow. Raises NotAllowed."""
        with self.write(action, **details) as (db, person):
            may(person, act, self.owner(), self.now_ns)
            yield db, person

    def audit(self, db: Connection, person: Person, action: str, details: dict[str, Any]) -> None:
        self.office.records.audit.append(db, Act(person.actor, action, details, self.now_ns))
