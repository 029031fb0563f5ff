"""Signatures, keys and timestamps: who is let in, and what is said to those who are not."""

import hashlib
import hmac
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from cambist.accounts import api_keys, users
from cambist.accounts.api_keys import ApiKey, Scope
from cambist.gateway.auth import authenticate, unsigned
from cambist.gateway.errors import ApiError
from cambist.gateway.params import Params
from cambist.settings import Api, Settings
from cambist.store.records import Records
from tests.accounts import create_user

NOW_NS = 1_700_000_000_000_000_000
NOW_MS = NOW_NS // 1_000_000
ACCOUNT = 1_001
EMAIL = "ann@example.com"


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records]:
    records = Records.create(Settings(home=tmp_path_factory.mktemp("records")))
    yield records
    records.close()


class Key:
    """An API key and a request with it; `ask` returns the account, or code and HTTP status of the refusal."""

    def __init__(self, records: Records, ip_allow: tuple[str, ...] = (), expires_at_ns: int | None = None):
        self._records = records
        user = users.find(records, EMAIL) or create_user(records, EMAIL, lambda _: ACCOUNT, now_ns=NOW_NS)
        self.api_key, secret = api_keys.create(
            records,
            user,
            label="test",
            scopes=Scope.READ,
            ip_allow=ip_allow,
            expires_at_ns=expires_at_ns,
            now_ns=NOW_NS,
            acting_user="test",
        )
        assert secret is not None
        self.secret = secret

    def sign(self, payload: str) -> str:
        return hmac.new(self.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()

    def ask(
        self,
        query: str | None = None,
        body: str = "",
        *,
        api_key: str | None = None,
        scope: Scope = Scope.READ,
        client_ip: str = "192.0.2.1",
        now_ns: int = NOW_NS,
    ) -> int | tuple[int, int, str]:
        query = self.signed() if query is None else query
        try:
            found: ApiKey = authenticate(
                self._records,
                api_key=self.api_key if api_key is None else api_key,
                scope=scope,
                params=Params(query.encode(), body.encode()),
                signed=unsigned(query.encode()) + unsigned(body.encode()),
                client_ip=client_ip,
                now_ns=now_ns,
                limits=Api(),
            )
        except ApiError as refusal:
            return refusal.refusal.http, refusal.refusal.code, refusal.refusal.msg
        return found.account

    def signed(self, **params: object) -> str:
        payload = urlencode({"timestamp": NOW_MS} | params)
        return f"{payload}&signature={self.sign(payload)}"


@pytest.fixture(scope="module")
def key(records: Records) -> Key:
    return Key(records)


BAD_SIGNATURE = (400, -1022, "Signature for this request is not valid.")
REJECTED = (401, -2015, "Invalid API-key, IP, or permissions for action.")
TOO_OLD = (400, -1021, "Timestamp for this request is outside of the recvWindow.")


@pytest.mark.parametrize(
    ("part", "rest"),
    [
        (b"a=1&signature=ab", b"a=1"),
        (b"signature=ab", b""),
        (b"signature=ab&a=1", b"a=1"),
        (b"a=1&signature=ab&b=2", b"a=1&b=2"),
        (b"a=1", b"a=1"),
        (b"a=%20+&b", b"a=%20+&b"),
        (b"mysignature=1&signature=2", b"mysignature=1"),
        (b"a=x&signature=1&b=signature=", b"a=x&b=signature="),
        (b"", b""),
    ],
)
def test_the_signature_pair_is_taken_out_and_every_other_byte_stays(part, rest):
    assert unsigned(part) == rest


def test_a_signature_covers_query_and_body_wherever_it_stands(key):
    query, body = f"timestamp={NOW_MS}", "a=1&b=%20x"
    signature = key.sign(query + body)
    assert key.ask(f"{query}&signature={signature}", body) == ACCOUNT
    assert key.ask(query, f"{body}&signature={signature}") == ACCOUNT
    assert key.ask(query, f"signature={signature}&{body}") == ACCOUNT
    assert key.ask("", f"{query}&signature={key.sign(query)}") == ACCOUNT


def test_hex_digits_of_either_case_are_accepted(key):
    payload = f"timestamp={NOW_MS}"
    assert key.ask(f"{payload}&signature={key.sign(payload).upper()}") == ACCOUNT


def test_the_same_signature_may_come_twice(key):
    query = key.signed()
    assert key.ask(query) == key.ask(query) == ACCOUNT


@pytest.mark.parametrize("signature", ["0" * 64, "ab", "ß" * 64, "K" * 64, "g" * 64, "0" * 100_000])
def test_a_wrong_signature_is_refused(key, signature):
    assert key.ask(f"timestamp={NOW_MS}&signature={signature}") == BAD_SIGNATURE


def test_one_changed_byte_anywhere_breaks_the_signature(key):
    query = key.signed(symbol="BTCUSDT")
    assert key.ask(query) == ACCOUNT
    assert key.ask(query.replace("BTC", "BTD")) == BAD_SIGNATURE
    assert key.ask(query, "a=1") == BAD_SIGNATURE
    assert key.ask(query.replace("symbol", "%73ymbol")) == BAD_SIGNATURE


@pytest.mark.parametrize("api_key", ["", "short", "x" * 63, "x" * 65, "ä" * 64, " " * 64, "x" * 10_000])
def test_a_key_of_the_wrong_form_is_told_so(key, api_key):
    assert key.ask(api_key=api_key) == (401, -2014, "API-key format invalid.")


def test_an_unknown_and_a_revoked_key_are_refused_alike(records):
    gone = Key(records)
    assert gone.ask() == ACCOUNT
    api_keys.delete(records, gone.api_key, now_ns=NOW_NS, acting_user="test")
    assert gone.ask() == gone.ask(api_key="x" * 64) == REJECTED


def test_a_key_may_do_only_what_its_scopes_say(key):
    assert key.ask(scope=Scope.READ) == ACCOUNT
    assert key.ask(scope=Scope.TRADE) == REJECTED


def test_a_key_with_addresses_works_from_them_only(records):
    bound = Key(records, ip_allow=("192.0.2.0/30",))
    assert bound.ask(client_ip="192.0.2.3") == ACCOUNT
    assert bound.ask(client_ip="192.0.2.4") == REJECTED


def test_a_key_ends_when_it_expires(records):
    brief = Key(records, expires_at_ns=NOW_NS + 10)
    assert brief.ask(now_ns=NOW_NS + 9) == ACCOUNT
    assert brief.ask(now_ns=NOW_NS + 10) == REJECTED


@pytest.mark.parametrize("name", ["timestamp", "signature"])
def test_timestamp_and_signature_are_mandatory(key, name):
    query = "&".join(pair for pair in key.signed().split("&") if not pair.startswith(name))
    assert key.ask(query) == (
        400,
        -1102,
        f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
    )


def test_a_request_is_good_for_five_seconds_by_default(key):
    assert key.ask(now_ns=NOW_NS + 5_000_000_000) == ACCOUNT
    assert key.ask(now_ns=NOW_NS + 5_000_000_001) == TOO_OLD


def test_a_client_clock_may_be_less_than_a_second_ahead(key):
    assert key.ask(now_ns=NOW_NS - 999_999_999) == ACCOUNT
    assert key.ask(now_ns=NOW_NS - 1_000_000_000) == (
        400,
        -1021,
        "Timestamp for this request was 1000ms ahead of the server's time.",
    )


def test_recv_window_is_counted_to_the_microsecond(key):
    query = key.signed(recvWindow="10.123")
    assert key.ask(query, now_ns=NOW_NS + 10_123_000) == ACCOUNT
    assert key.ask(query, now_ns=NOW_NS + 10_123_001) == TOO_OLD


def test_a_timestamp_may_be_in_microseconds(key):
    query = key.signed(timestamp=NOW_NS // 1_000)
    assert key.ask(query) == ACCOUNT


def test_recv_window_has_a_most(key):
    assert key.ask(key.signed(recvWindow=60_000)) == ACCOUNT
    assert key.ask(key.signed(recvWindow="60000.001")) == (
        400,
        -1102,
        "'recvWindow' contains unexpected value. Cannot be greater than 60000.",
    )


@pytest.mark.parametrize("window", ["-1", "1.2345", "1e3", "x", "1.", ".5", "5" * 21])
def test_a_malformed_recv_window_is_refused(key, window):
    illegal = "Illegal characters found in parameter 'recvWindow'; legal range is "
    assert key.ask(key.signed(recvWindow=window)) == (
        400,
        -1100,
        illegal + r"'^[0-9]{1,20}(\.[0-9]{1,3})?$'.",
    )
