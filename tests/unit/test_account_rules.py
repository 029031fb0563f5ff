"""The rules behind the account API, each by itself: authenticator codes, passwords, counters, policy."""

import base64
import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select

from cambist.accounts import mail_words, policy, throttle, totp, web_sessions
from cambist.accounts.api_keys import Scope
from cambist.accounts.mail import Kind, Mail
from cambist.accounts.passwords import LONGEST, SHORTEST, Passwords, PasswordWeak, require_strong
from cambist.accounts.people import Person
from cambist.accounts.policy import NotAllowed, SensitiveAct
from cambist.accounts.throttle import Rate
from cambist.accounts.users import User
from cambist.accounts.web_sessions import WebSession
from cambist.gateway.session import Session
from cambist.settings import Accounts, Settings, SettingsError
from cambist.store.account_tables import attempts
from cambist.store.records import Records

NS_PER_S = 1_000_000_000
# RFC 6238, appendix B, for SHA-1; the last six of its eight digits.
VECTORS = {
    59: "287082",
    1_111_111_109: "081804",
    1_111_111_111: "050471",
    1_234_567_890: "005924",
    2_000_000_000: "279037",
    20_000_000_000: "353130",
}
RFC_SECRET = b"12345678901234567890"


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    records = Records.create(Settings(home=tmp_path))
    yield records
    records.close()


@pytest.mark.parametrize("seconds", VECTORS)
def test_codes_are_those_of_the_standard(seconds):
    assert totp.code_at(RFC_SECRET, seconds // 30) == VECTORS[seconds]


def test_a_code_is_good_in_its_step_and_beside_it():
    step = 1_111_111_109 // 30
    for away, known in ((-2, None), (-1, step), (0, step), (1, step), (2, None)):
        assert totp.step_of(RFC_SECRET, "081804", (step + away) * 30 * NS_PER_S) == known
    assert totp.step_of(RFC_SECRET, "²81804", step * 30 * NS_PER_S) is None


def test_an_app_is_told_whose_code_it_is():
    assert totp.uri(RFC_SECRET, "ann+x@example.org") == (
        "otpauth://totp/Cambist%3Aann%2Bx%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Cambist"
    )
    assert base64.b32decode(totp.text_of(RFC_SECRET)) == RFC_SECRET


def test_a_password_has_a_length_from_to():
    require_strong("q7Kd0mWz2x"[:SHORTEST], "ann@example.org")
    require_strong("a long one " * 11, "ann@example.org")
    for password in ("q7Kd0mWz2x"[: SHORTEST - 1], "ab" * LONGEST):
        with pytest.raises(PasswordWeak, match="10 to 128"):
            require_strong(password, "ann@example.org")


@pytest.mark.parametrize(
    "password", ["Password2024", "!!qwertyuiop!!", "letmein1234567", "aaaabbbbaaaa", "dragondragon"]
)
def test_a_common_password_is_none_however_it_is_dressed_up(password):
    with pytest.raises(PasswordWeak, match="guessed first"):
        require_strong(password, "ann@example.org")


def test_what_is_most_frequent_in_a_public_list_is_refused(shared_data):
    (file,) = (shared_data / "passwords").glob("*.gz")
    words = [line.split()[0] for line in gzip.decompress(file.read_bytes()).decode().splitlines()]
    frequent = [word for word in words[:10_000] if SHORTEST <= len(word) <= LONGEST]
    assert len(frequent) > 100
    for word in frequent:
        with pytest.raises(PasswordWeak):
            require_strong(word, "ann@example.org")


def test_a_hash_is_argon2id_with_its_parameters_and_opens_for_its_password_only():
    passwords = Passwords()
    stored = passwords.hash("four plain words")
    assert stored.startswith("$argon2id$v=19$m=47104,t=1,p=1$")
    assert passwords.matches(stored, "four plain words")
    assert not passwords.matches(stored, "four plain word")
    assert not passwords.matches(None, "of nobody")
    assert not passwords.is_outdated(stored)
    assert passwords.is_outdated(Passwords(memory_kib=8).hash("four plain words"))


def test_a_counter_fills_refuses_and_begins_again(records):
    rate = Rate(2, 60)
    with records.write() as db:
        said = [throttle.count(db, "guess", rate, second * NS_PER_S) for second in (0, 1, 2, 59, 60, 61, 62)]
        assert [None if each is None else each.wait_s for each in said] == [None, None, 58, 1, None, None, 58]
        assert throttle.count(db, "another", rate, 0) is None
        throttle.forget(db, "guess")
        assert throttle.count(db, "guess", rate, 62 * NS_PER_S) is None


def test_counters_that_are_over_are_dropped(records):
    with records.write() as db:
        throttle.count(db, "old", Rate(2, 60), 0)
        throttle.count(db, "new", Rate(2, 60), 30 * NS_PER_S)
        throttle.drop_ended(db, 60 * NS_PER_S)
        assert db.scalar(select(func.count()).select_from(attempts)) == 1


NOW_NS = 10**18
PERSON = Person(
    user=User(1, "ann@example.org", UUID(int=1), 1_001, 0),
    password_hash="x",
    sealed_totp=b"x",
    sealed_totp_new=None,
    totp_step=0,
    withdrawals_held_until_ns=0,
    self_frozen_at_ns=None,
    language="en",
    phrase="",
)
SESSION = WebSession("s", 1, 1_001, 1, "", "", NOW_NS, NOW_NS, NOW_NS, 2 * NOW_NS)


def reason(person: Person, act: SensitiveAct, by: WebSession | Scope, now_ns: int = NOW_NS) -> str | None:
    try:
        policy.may(person, act, by, now_ns)
    except NotAllowed as refused:
        return refused.code
    return None


def test_the_policy_allows_what_was_proven_and_nothing_later():
    last = NOW_NS + policy.PROVEN_FOR_NS
    for act in SensitiveAct:
        assert reason(PERSON, act, SESSION, last) is None
        assert reason(PERSON, act, SESSION, last + 1) == "proof_needed"


def test_the_policy_asks_for_a_second_factor_where_coins_may_move():
    bare = replace(PERSON, sealed_totp=None)
    asked = {act for act in SensitiveAct if reason(bare, act, SESSION) == "second_factor_required"}
    assert asked == {SensitiveAct.WITHDRAW, SensitiveAct.NEW_ADDRESS, SensitiveAct.NEW_WITHDRAWAL_KEY}


def test_the_policy_lets_a_key_withdraw_and_nothing_else():
    every = Scope.READ | Scope.TRADE | Scope.WITHDRAW
    assert {act for act in SensitiveAct if reason(PERSON, act, every) is None} == {SensitiveAct.WITHDRAW}
    assert reason(PERSON, SensitiveAct.WITHDRAW, Scope.READ | Scope.TRADE) == "scope_missing"


@pytest.mark.parametrize("by", [SESSION, Scope.WITHDRAW])
def test_what_is_true_of_the_account_holds_on_every_way(by):
    held = replace(PERSON, withdrawals_held_until_ns=NOW_NS + 1)
    assert reason(held, SensitiveAct.WITHDRAW, by) == "withdrawals_held"
    assert reason(held, SensitiveAct.WITHDRAW, by, NOW_NS + 1) is None
    frozen = replace(PERSON, self_frozen_at_ns=NOW_NS)
    assert {reason(frozen, act, by) for act in SensitiveAct} == {"self_frozen"}
    assert reason(replace(PERSON, sealed_totp=None), SensitiveAct.WITHDRAW, by) == "second_factor_required"


def test_a_session_is_over_when_idle_or_old():
    settings = Accounts(session_idle_minutes=10)
    session = replace(SESSION, seen_at_ns=NOW_NS, expires_at_ns=NOW_NS + 3_600 * NS_PER_S)
    assert not session.is_over(NOW_NS + 600 * NS_PER_S - 1, settings)
    assert session.is_over(NOW_NS + 600 * NS_PER_S, settings)
    assert replace(session, expires_at_ns=NOW_NS + 1).is_over(NOW_NS + 1, settings)


def test_waits_are_shortened_in_a_sandbox_only(tmp_path):
    (tmp_path / "cambist.toml").write_text("[accounts]\naddress_wait_hours = 23\n")
    with pytest.raises(SettingsError, match=r"at least 24 where mode\.sandbox is not true"):
        Settings.load(tmp_path, {})
    (tmp_path / "cambist.toml").write_text("[mode]\nsandbox = true\n[accounts]\naddress_wait_hours = 0\n")
    assert Settings.load(tmp_path, {}).accounts.address_wait_hours == 0


@pytest.mark.parametrize(
    "cookies",
    [
        b"",
        b"other=1",
        b"cambist_session=",
        b"cambist_session=a; cambist_session=b",
        b"cambist_session=" + b"a" * 65,
    ],
)
def test_a_cookie_that_is_missing_double_or_too_long_is_no_credential(cookies):
    assert Session.of(cookies, b"token") is None


def test_a_session_takes_cookie_and_token():
    assert Session.of(b"lang=en; cambist_session=abc", b"token") == Session("abc", "token")
    assert Session.of(b"cambist_session=abc", b"") is None
    assert not web_sessions.is_from_page("abc", "é")
    assert web_sessions.is_from_page("abc", web_sessions.csrf_token("abc"))


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_mail_has_its_words_and_takes_nothing_for_a_format(kind, language):
    evil = "{code} {0.__class__} {{7*7}}"
    named = ("code", "address", "agent", "label", "network", "asset", "amount", "txid", "newEmail", "scopes")
    content = dict.fromkeys(named, evil) | {"phrase": "blue heron"}
    subject, text = mail_words.of(Mail(1, "a@b.co", kind, language, content, 0))
    assert subject and "blue heron" in text and "class 'str'" not in text
    assert mail_words.of(Mail(1, "a@b.co", kind, language, {}, 0))[0] == subject
