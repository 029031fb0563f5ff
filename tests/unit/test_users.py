"""Users: one per e-mail address, and a creation that survives being cut anywhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from cambist._matching import Engine
from cambist.accounts import emails, users
from cambist.accounts.emails import EmailInvalid
from cambist.accounts.users import EmailTaken, User, UserUnknown
from cambist.engine import commands, events
from cambist.engine.commands import AccountClass, Permission, Role
from cambist.engine.events import Status
from cambist.settings import Settings
from cambist.store.records import Records
from cambist.store.tables import users as table
from tests.accounts import create_user


class Accounts:
    """The engine's door for ACCOUNT_CREATE, without a log."""

    def __init__(self) -> None:
        self._engine = Engine()
        self._run(commands.SessionOpen(role=Role.ADMIN).encode())

    def create(self, reference: bytes) -> int:
        command = commands.AccountCreate(
            account_class=AccountClass.USER, permissions=Permission.TRADE, reference=reference
        ).encode()
        # Another number each time: it is the reference that makes a repeat harmless, not the session.
        commands.stamp(command, session=1, number=self._engine.sequence)
        return self._run(command)

    def users(self) -> int:
        """How many accounts there are beside the system's own."""
        return sum(account > 1_000 for account in self._engine.account_ids())

    def _run(self, command: bytearray) -> int:
        batch = commands.batch(self._engine.sequence + 1, self._engine.time_ns, self._engine.epoch, [command])
        result = events.result(self._engine.apply(batch))
        assert result.status == Status.OK
        return result.value


class Crash(Exception):
    """The process ends here."""


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    records = Records.create(Settings(home=tmp_path))
    yield records
    records.close()


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


def create(records: Records, accounts: Accounts, email: str, now_ns: int = 1) -> User:
    return create_user(records, email, accounts.create, now_ns=now_ns)


def test_a_new_user_has_an_account_and_is_found_however_the_address_is_written(records, accounts):
    ann = create(records, accounts, " Ann@Example.org ")
    assert (ann.email, ann.account, ann.created_at_ns) == ("Ann@Example.org", 1_001, 1)
    assert users.find(records, "ann@EXAMPLE.org") == ann
    # Full-width, as an East Asian keyboard types it.
    assert users.find(records, "ａｎｎ＠example．org") == ann


def test_users_are_listed_oldest_first(records, accounts):
    made = [create(records, accounts, f"{name}@example.org") for name in ("zoe", "ann", "bob")]
    assert users.list_all(records) == made


def test_an_address_is_taken_once(records, accounts):
    create(records, accounts, "ann@example.org")
    with pytest.raises(EmailTaken, match=r"ann@example\.org"):
        create(records, accounts, "ANN@example.org")
    assert len(users.list_all(records)) == accounts.users() == 1


def test_a_creation_cut_before_the_engine_is_completed_by_the_next(records, accounts):
    def crash(reference: bytes) -> int:
        raise Crash

    with pytest.raises(Crash):
        create_user(records, "ann@example.org", crash)
    half = users.get(records, "ann@example.org")
    assert half.account is None
    ann = create(records, accounts, "ann@example.org", now_ns=2)
    assert (ann.id, ann.reference, ann.account, ann.created_at_ns) == (half.id, half.reference, 1_001, 1)


def test_a_creation_cut_after_the_engine_gets_the_account_it_was_given(records, accounts):
    def answer_lost(reference: bytes) -> int:
        accounts.create(reference)
        raise Crash

    with pytest.raises(Crash):
        create_user(records, "ann@example.org", answer_lost)
    create(records, accounts, "bob@example.org")
    assert create(records, accounts, "ann@example.org").account == 1_001
    assert accounts.users() == 2


def test_each_user_has_a_reference_and_an_account_of_its_own(records, accounts):
    ann, bob = (create(records, accounts, f"{name}@example.org") for name in ("ann", "bob"))
    assert (ann.account, bob.account) == (1_001, 1_002)
    assert ann.account_reference == f"user:{ann.reference}".encode() != bob.account_reference


def test_an_account_once_given_is_never_replaced(records, accounts):
    ann = create(records, accounts, "ann@example.org")
    with records.write() as db:
        users.complete(db, ann.id, 999)
    assert users.get(records, ann.email).account == ann.account


def test_who_made_a_user_is_recorded(records, accounts):
    create(records, accounts, "ann@example.org")
    with records.read() as db:
        assert db.scalar(select(table.c.created_by)) == "test"


def test_an_unknown_address_is_none_or_refused(records):
    assert users.find(records, "ann@example.org") is None
    with pytest.raises(UserUnknown, match=r"ann@example\.org"):
        users.get(records, "ann@example.org")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("mıke@example.org", "LATIN SMALL LETTER DOTLESS I"),  # its upper case is MIKE
        ("mİke@example.org", "only ASCII"),  # its lower case is two letters
        ("аnn@example.org", "CYRILLIC SMALL LETTER A"),
        ("ann@exämple.org", "LATIN SMALL LETTER A WITH DIAERESIS"),
        ("ann\u200b@example.org", "ZERO WIDTH SPACE"),
        ("", "is not an e-mail address"),
        ("ann", "is not an e-mail address"),
        ("ann@", "is not an e-mail address"),
        ("@example.org", "is not an e-mail address"),
        ("ann@localhost", "is not an e-mail address"),
        ("ann@b@example.org", "is not an e-mail address"),
        ("a nn@example.org", "is not an e-mail address"),
        ("ann@example.org\nbcc: bob@example.org", "is not an e-mail address"),
        (".ann@example.org", "is not an e-mail address"),
        ("an..n@example.org", "is not an e-mail address"),
        ("ann@-example.org", "is not an e-mail address"),
        ("ann@example..org", "is not an e-mail address"),
        ("a" * 65 + "@example.org", "too long"),
        ("a@" + ("b" * 61 + ".") * 4 + "organ", "is too long"),
    ],
)
def test_a_doubtful_address_is_refused_with_its_reason(records, accounts, address, said):
    with pytest.raises(EmailInvalid, match=said):
        create(records, accounts, address)
    assert users.list_all(records) == [] and accounts.users() == 0


@pytest.mark.parametrize(
    "address",
    ["a@b.co", "o'neil+x@sub.example.org", "a" * 64 + "@example.org", "a@" + ("b" * 61 + ".") * 4 + "orgs"],
)
def test_unusual_but_good_addresses_are_accepted(address):
    assert emails.typed(address) == address


@given(st.text(max_size=12), st.sampled_from(["@example.org", "＠Example。org", "@ex\u0130mple.org", ""]))
def test_a_canonical_address_is_small_ascii_and_its_own_canonical_form(local, domain):
    try:
        canonical = emails.canonical(local + domain)
    except EmailInvalid:
        return
    assert canonical.isascii() and canonical == canonical.lower() == emails.canonical(canonical.upper())
