"""API keys: shown once, stored sealed, bound to their row, gone at once when deleted."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select, update

from cambist.accounts import api_keys, users
from cambist.accounts.api_keys import ApiKey, ApiKeyInvalid, ApiKeyUnknown, Scope
from cambist.accounts.signatures import Kind, PublicKeyInvalid
from cambist.accounts.users import User
from cambist.settings import Settings
from cambist.store.records import Records
from cambist.store.secrets import SealBroken
from cambist.store.tables import api_keys as table
from tests.accounts import create_user

NOW = 1_000
PAYLOAD = b"timestamp=1"


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def records(home: Settings) -> Iterator[Records]:
    records = Records.create(home)
    yield records
    records.close()


@pytest.fixture
def ann(records: Records) -> User:
    return create_user(records, "ann@example.org", lambda reference: 7)


@pytest.fixture
def bob(records: Records) -> User:
    return create_user(records, "bob@example.org", lambda reference: 8)


def create(records: Records, user: User, **changed: Any) -> tuple[str, str]:
    wanted: dict[str, Any] = {"label": "bot", "scopes": Scope.READ | Scope.TRADE, "now_ns": NOW}
    api_key, secret = api_keys.create(records, user, acting_user="test", **(wanted | changed))
    assert secret is not None
    return api_key, secret


def create_with(records: Records, user: User, kind: Kind, public_key: str | None) -> str:
    api_key, secret = api_keys.create(
        records,
        user,
        label="bot",
        scopes=Scope.READ,
        kind=kind,
        public_key=public_key,
        now_ns=NOW,
        acting_user="test",
    )
    assert secret is None
    return api_key


def signed(secret: str) -> str:
    return hmac.new(secret.encode(), PAYLOAD, hashlib.sha256).hexdigest()


def pem(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def found(records: Records, api_key: str) -> ApiKey:
    key = api_keys.find(records, api_key)
    assert key is not None
    return key


def test_a_new_key_is_found_with_its_account_secret_and_scopes(records, ann):
    api_key, secret = create(records, ann, ip_allow=["10.0.0.0/8", "2001:db8::1"], expires_at_ns=NOW + 1)
    key = found(records, api_key)
    assert (key.id, key.account, key.created_at_ns) == (api_key, 7, NOW)
    assert key.is_signed(signed(secret), PAYLOAD)
    assert (key.scopes, key.expires_at_ns) == (Scope.READ | Scope.TRADE, NOW + 1)
    assert [str(network) for network in key.ip_allow] == ["10.0.0.0/8", "2001:db8::1/128"]


def test_keys_and_secrets_are_64_letters_and_digits_and_never_repeat(records, ann):
    texts = [text for _ in range(5) for text in create(records, ann)]
    assert len(set(texts)) == 10
    assert all(len(text) == 64 and text.isascii() and text.isalnum() for text in texts)


def test_a_key_survives_a_restart(records, ann, home):
    api_key, secret = create(records, ann)
    records.close()
    assert found(Records.open(home), api_key).is_signed(signed(secret), PAYLOAD)


def test_the_secret_stands_nowhere_on_the_disk_and_in_no_representation(records, ann, home):
    api_key, secret = create(records, ann)
    records.close()
    for file in home.home.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes()
    assert secret not in repr(found(Records.open(home), api_key))
    assert secret not in repr(api_keys.list_all(records))


@pytest.mark.parametrize("unknown", ["", "x" * 64, "x" * 63, "x" * 65, "é" * 64, "x" * 63 + "'"])
def test_a_key_that_does_not_exist_is_not_found(records, ann, unknown):
    create(records, ann)
    assert api_keys.find(records, unknown) is None


def test_a_key_with_a_public_key_has_no_secret_and_survives_a_restart(records, ann, home):
    private = Ed25519PrivateKey.generate()
    api_key = create_with(records, ann, Kind.ED25519, pem(private))
    records.close()
    key = found(Records.open(home), api_key)
    assert key.kind is Kind.ED25519
    assert key.is_signed(base64.b64encode(private.sign(PAYLOAD)).decode(), PAYLOAD)


def test_a_public_key_never_becomes_a_secret(records, ann):
    """Whoever can write to the database could otherwise sign with what everybody may know."""
    api_key = create_with(records, ann, Kind.ED25519, pem(Ed25519PrivateKey.generate()))
    with records.write() as db:
        db.execute(update(table).values(kind="hmac"))
    with pytest.raises(SealBroken, match=api_key):
        api_keys.find(records, api_key)


@pytest.mark.parametrize(
    ("kind", "public_key", "refusal"),
    [
        (Kind.HMAC, "-----BEGIN", ApiKeyInvalid),
        (Kind.ED25519, None, ApiKeyInvalid),
        (Kind.RSA, None, ApiKeyInvalid),
        (Kind.RSA, "", PublicKeyInvalid),
    ],
)
def test_a_public_key_belongs_to_the_kinds_that_have_one(records, ann, kind, public_key, refusal):
    with pytest.raises(refusal):
        create_with(records, ann, kind, public_key)
    assert api_keys.list_all(records) == []


def test_a_deleted_key_is_gone_at_once_although_it_was_in_memory(records, ann):
    gone, _ = create(records, ann)
    kept, _ = create(records, ann)
    found(records, gone)
    found(records, kept)
    api_keys.delete(records, gone, now_ns=NOW + 1, acting_user="test")
    assert api_keys.find(records, gone) is None
    assert found(records, kept).id == kept


def test_a_key_is_made_and_deleted_for_other_processes_at_once(records, ann, home):
    elsewhere = Records.open(home, is_shared=True)
    api_key, _ = create(records, ann)
    assert found(elsewhere, api_key).id == api_key
    assert found(elsewhere, api_key) is found(elsewhere, api_key), "it is in memory"
    api_keys.delete(records, api_key, now_ns=NOW + 1, acting_user="test")
    assert api_keys.find(elsewhere, api_key) is None
    elsewhere.close()


def test_a_key_is_deleted_once(records, ann):
    api_key, _ = create(records, ann)
    api_keys.delete(records, api_key, now_ns=NOW + 1, acting_user="test")
    for unknown in (api_key, "x" * 64):
        with pytest.raises(ApiKeyUnknown):
            api_keys.delete(records, unknown, now_ns=NOW + 2, acting_user="test")
    assert [entry.revoked_at_ns for entry in api_keys.list_all(records)] == [NOW + 1]


def test_keys_are_listed_oldest_first_for_all_or_for_one_user(records, ann, bob):
    first, _ = create(records, ann, label="first", now_ns=1)
    of_bob, _ = create(records, bob, label="bob's", now_ns=2)
    last, _ = create(records, ann, label="last", now_ns=3)
    assert [entry.id for entry in api_keys.list_all(records)] == [first, of_bob, last]
    assert [(entry.id, entry.label) for entry in api_keys.list_all(records, ann)] == [
        (first, "first"),
        (last, "last"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"account": 8},
        {"scopes": Scope.WITHDRAW.value},
        {"ip_allow": []},
        {"expires_at_ns": None},
        {"sealed_key": b"\x01" + bytes(92)},
        {"sealed_key": b""},
    ],
)
def test_a_row_edited_in_the_database_does_not_open(records, ann, change):
    api_key, _ = create(records, ann, ip_allow=["10.0.0.1"], expires_at_ns=NOW + 1)
    found(records, api_key)
    with records.write() as db:
        db.execute(update(table).values(change))
    with pytest.raises(SealBroken, match=api_key):
        api_keys.find(records, api_key)


def test_secrets_swapped_between_two_rows_do_not_open(records, ann, bob):
    keys = [create(records, user)[0] for user in (ann, bob)]
    with records.write() as db:
        sealed = [db.scalar(select(table.c.sealed_key).where(table.c.id == key)) for key in keys]
        for key, other in zip(keys, reversed(sealed), strict=True):
            db.execute(update(table).where(table.c.id == key).values(sealed_key=other))
    for key in keys:
        with pytest.raises(SealBroken, match=key):
            api_keys.find(records, key)


def permits(records: Records, user: User, **changed: Any) -> Callable[..., bool]:
    key = found(records, create(records, user, **changed)[0])

    def ask(scope: Scope = Scope.READ, client_ip: str = "10.0.0.1", now_ns: int = NOW) -> bool:
        return key.permits(scope, client_ip=client_ip, now_ns=now_ns)

    return ask


def test_a_key_permits_its_scopes_only(records, ann):
    asked = permits(records, ann, scopes=Scope.READ)
    assert asked(Scope.READ)
    assert not asked(Scope.TRADE)
    assert not asked(Scope.READ | Scope.TRADE)


def test_a_key_ends_when_it_expires(records, ann):
    asked = permits(records, ann, expires_at_ns=NOW + 10)
    assert asked(now_ns=NOW + 9)
    assert not asked(now_ns=NOW + 10)


@pytest.mark.parametrize(
    ("client_ip", "allowed"),
    [
        ("10.0.0.7", True),
        ("::ffff:10.0.0.7", True),
        ("10.0.0.8", False),
        ("::ffff:10.0.0.8", False),
        ("2001:db8::ffff", True),
        ("2001:db9::", False),
    ],
)
def test_a_key_with_addresses_is_good_from_there_only(records, ann, client_ip, allowed):
    assert permits(records, ann, ip_allow=["10.0.0.7", "2001:db8::/32"])(client_ip=client_ip) is allowed


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"label": ""}, "1 to 64 printable"),
        ({"label": "x" * 65}, "1 to 64 printable"),
        ({"label": "two\nlines"}, "1 to 64 printable"),
        ({"scopes": Scope(0)}, "at least one scope"),
        ({"scopes": Scope.WITHDRAW}, "needs a list of IP addresses"),
        ({"ip_allow": ["10.0.0"]}, "not an IP address or network"),
        ({"ip_allow": ["10.0.0.1/8"]}, "host bits set"),
        ({"ip_allow": [f"10.0.0.{n}" for n in range(31)]}, "at most 30 IP addresses"),
        ({"expires_at_ns": NOW}, "expired already"),
        ({"expires_at_ns": 1 << 63}, "leave the day out"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(records, ann, wanted, said):
    with pytest.raises(ApiKeyInvalid, match=said):
        create(records, ann, **wanted)
    assert api_keys.list_all(records) == []


def test_the_widest_key_is_accepted(records, ann):
    addresses = [f"10.0.0.{n}" for n in range(30)]
    create(records, ann, label="x" * 64, scopes=Scope.WITHDRAW, ip_allow=addresses, expires_at_ns=NOW + 1)


def test_a_user_has_at_most_30_keys_that_are_not_deleted(records, ann, bob):
    keys = [create(records, ann)[0] for _ in range(30)]
    with pytest.raises(ApiKeyInvalid, match="30 API keys"):
        create(records, ann)
    create(records, bob)
    api_keys.delete(records, keys[0], now_ns=NOW, acting_user="test")
    create(records, ann)


def test_a_user_without_an_account_gets_no_key(records):
    with records.write() as db:
        half = users.begin(db, "cat@example.org", now_ns=1, acting_user="test")
    with pytest.raises(ApiKeyInvalid, match="not complete"):
        create(records, half)
