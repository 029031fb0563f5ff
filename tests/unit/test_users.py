"""Users: one per e-mail address, and a creation that survives being cut anywhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from cambist.accounts import emails, users
from cambist.accounts.emails import EmailInvalid
from cambist.accounts.users import EmailTaken, User, UserUnknown
from cambist.settings import Settings
from cambist.store.records import Records
from cambist.store.tables import users as table


class FakeEngine:
    """Answers ACCOUNT_CREATE as the engine does: the same reference, the same account."""

    def __init__(self) -> None:
        self.accounts: dict[bytes, int] = {}

    def create_account(self, reference: bytes) -> int:
        return self.accounts.setdefault(reference, 100 + len(self.accounts))


class Crash(Exception):
    """The process ends here."""


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    records = Records.create(Settings(home=tmp_path))
    yield records
    records.close()


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


def create(records: Records, engine: FakeEngine, email: str, now_ns: int = 1) -> User:
    return users.create(records, email, engine.create_account, now_ns=now_ns, acting_user="test")


def test_a_new_user_has_an_account_and_is_found_however_the_address_is_written(records, engine):
    ann = create(records, engine, " Ann@Example.org ")
    assert (ann.email, ann.account, ann.created_at_ns) == ("Ann@Example.org", 100, 1)
    assert users.find(records, "ann@EXAMPLE.org") == ann
    assert (
        users.find(records, "ａｎｎ＠example．org") == ann
    )  # full-width, as an East Asian keyboard types it


def test_users_are_listed_oldest_first(records, engine):
    made = [create(records, engine, f"{name}@example.org") for name in ("zoe", "ann", "bob")]
    assert users.list_all(records) == made


def test_an_address_is_taken_once(records, engine):
    create(records, engine, "ann@example.org")
    with pytest.raises(EmailTaken, match=r"ann@example\.org"):
        create(records, engine, "ANN@example.org")
    assert len(users.list_all(records)) == len(engine.accounts) == 1


def test_a_creation_cut_before_the_engine_is_completed_by_the_next(records, engine):
    def crash(reference: bytes) -> int:
        raise Crash

    with pytest.raises(Crash):
        users.create(records, "ann@example.org", crash, now_ns=1, acting_user="test")
    half = users.get(records, "ann@example.org")
    assert half.account is None
    ann = create(records, engine, "ann@example.org", now_ns=2)
    assert (ann.id, ann.reference, ann.account, ann.created_at_ns) == (half.id, half.reference, 100, 1)


def test_a_creation_cut_after_the_engine_gets_the_account_it_was_given(records, engine):
    def answer_lost(reference: bytes) -> int:
        engine.create_account(reference)
        raise Crash

    with pytest.raises(Crash):
        users.create(records, "ann@example.org", answer_lost, now_ns=1, acting_user="test")
    create(records, engine, "bob@example.org")
    assert create(records, engine, "ann@example.org").account == 100
    assert len(engine.accounts) == 2


def test_each_user_has_a_reference_of_its_own(records, engine):
    create(records, engine, "ann@example.org")
    create(records, engine, "bob@example.org")
    assert len(engine.accounts) == 2
    assert all(reference.startswith(b"user:") and len(reference) == 41 for reference in engine.accounts)


def test_an_account_once_given_is_never_replaced(records, engine):
    ann = create(records, engine, "ann@example.org")
    assert users.complete(records, ann, 999).account == ann.account


def test_who_made_a_user_is_recorded(records, engine):
    create(records, engine, "ann@example.org")
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
def test_a_doubtful_address_is_refused_with_its_reason(records, engine, address, said):
    with pytest.raises(EmailInvalid, match=said):
        create(records, engine, address)
    assert users.list_all(records) == [] and engine.accounts == {}


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
