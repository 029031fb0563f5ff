"""The operator's commands while no exchange runs: each opens the log, does its work and leaves."""

import shutil
import stat
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cambist.log.file import FileLog
from cambist.settings import Settings
from cambist.store.listen_keys import ListenKeys
from tests.integration.operator import Operator

ANN = "ann@example.org"


@pytest.fixture
def operator(tmp_path):
    operator = Operator(tmp_path / "home")
    operator.ask("init", "--sandbox")
    return operator


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """A sandbox with a market and a user, which nobody changes."""
    operator = Operator(tmp_path_factory.mktemp("listed") / "home")
    operator.ask("init", "--sandbox")
    operator.ask("user", "create", ANN)
    operator.ask("asset", "add", "BTC")
    operator.ask("asset", "add", "USDT")
    operator.ask("market", "add", "BTC", "USDT", "--tick", "0.01", "--lot", "0.00001")
    return operator


@pytest.fixture
def market(listed, tmp_path):
    """A copy of it."""
    shutil.copytree(listed.home, tmp_path / "home")
    return Operator(tmp_path / "home")


def shown(operator, symbol="BTCUSDT"):
    (market,) = [each for each in operator.ask("market", "list") if each["symbol"] == symbol]
    return market


def test_init_makes_a_directory_that_only_its_owner_can_open(operator):
    assert stat.S_IMODE(operator.home.stat().st_mode) == 0o700
    assert stat.S_IMODE((operator.home / "secrets" / "master.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((operator.home / "records.db").stat().st_mode) == 0o600


def test_init_closes_a_directory_that_was_open_to_others(tmp_path):
    (tmp_path / "home").mkdir(mode=0o755)
    Operator(tmp_path / "home").ask("init")
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_an_exchange_whose_directory_is_open_to_others_does_not_start(market):
    market.home.chmod(0o750)
    answer = market.call("user", "list")
    assert answer.status == 1
    assert f"chmod 700 {market.home}" in answer.stderr


def test_init_refuses_a_path_in_which_no_socket_fits(tmp_path):
    home = tmp_path / ("x" * 100)
    answer = Operator(home).call("init")
    assert answer.status == 1
    assert "shorter path" in answer.stderr
    assert not home.exists()


def test_init_leaves_an_exchange_that_is_there_alone(operator):
    answer = operator.call("init")
    assert answer.status == 1
    assert "already" in answer.stderr


def test_a_user_is_created_listed_frozen_and_unfrozen(operator):
    created = operator.ask("user", "create", ANN)
    assert created["email"] == ANN and created["frozen"] is False
    assert operator.ask("user", "freeze", ANN)["frozen"] is True
    assert [each["frozen"] for each in operator.ask("user", "list")] == [True]
    assert operator.ask("user", "unfreeze", ANN)["frozen"] is False
    assert operator.ask("user", "list") == [created]


def test_a_lost_second_factor_is_taken_away_with_a_reason_that_stays(operator):
    operator.ask("user", "create", ANN)
    assert operator.call("user", "reset-second-factor", ANN).status != 0
    answer = operator.ask("user", "reset-second-factor", ANN, "--reason", "video call")
    assert answer == {"email": ANN, "had_second_factor": False, "ended": 0}
    assert "video call" in operator.call("audit", "--json").stdout


def test_a_user_is_signed_out_everywhere_keys_too(operator):
    operator.ask("user", "create", ANN)
    operator.ask("api-key", "create", ANN)
    assert operator.ask("user", "sign-out", ANN) == {"email": ANN, "ended": 0, "keys_ended": 1}
    (key,) = operator.ask("api-key", "list")
    assert key["revoked_at"] is not None


def test_who_is_signed_out_has_no_stream_left(operator):
    account = operator.ask("user", "create", ANN)["account"]
    keys = ListenKeys(Settings(home=operator.home).listen_keys_file, on_end=lambda _: None)
    with closing(keys):
        theirs, others = keys.start(account, 1), keys.start(account + 1, 1)
        operator.ask("user", "sign-out", ANN)
        assert (keys.account_of(theirs, 2), keys.account_of(others, 2)) == (None, account + 1)


def test_an_api_key_shows_its_secret_once(operator):
    operator.ask("user", "create", ANN)
    made = operator.ask("api-key", "create", ANN, "--label", "bot", "--scope", "read")
    assert len(made["secret_key"]) == 64
    (listed,) = operator.ask("api-key", "list")
    assert (listed["api_key"], listed["label"], listed["scopes"]) == (made["api_key"], "bot", ["read"])
    assert made["secret_key"] not in operator.call("api-key", "list").stdout


def test_a_deleted_api_key_stays_listed_as_revoked(operator):
    operator.ask("user", "create", ANN)
    made = operator.ask("api-key", "create", ANN)
    assert operator.ask("api-key", "delete", made["api_key"])["revoked"] is True
    (listed,) = operator.ask("api-key", "list", "--email", ANN)
    assert listed["revoked_at"] is not None


def test_an_api_key_can_be_bound_to_addresses_and_a_day(operator):
    operator.ask("user", "create", ANN)
    operator.ask("api-key", "create", ANN, "--ip", "10.0.0.0/8", "--ip", "::1", "--expires", "2099-12-31")
    (listed,) = operator.ask("api-key", "list")
    assert listed["ip_allow"] == ["10.0.0.0/8", "::1/128"]
    assert listed["expires_at"] == "2099-12-31T00:00:00Z"


def test_a_key_with_a_public_key_is_made_without_a_secret(operator, tmp_path):
    operator.ask("user", "create", ANN)
    public = Ed25519PrivateKey.generate().public_key()
    file = tmp_path / "public.pem"
    file.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    made = operator.ask("api-key", "create", ANN, "--type", "ed25519", "--public-key", str(file))
    assert set(made) == {"email", "label", "kind", "api_key"}
    (listed,) = operator.ask("api-key", "list")
    assert (listed["api_key"], listed["kind"]) == (made["api_key"], "ed25519")


def test_a_market_is_listed_with_what_was_asked_for(market):
    found = shown(market)
    assert (found["tick"], found["lot"], found["state"]) == ("0.01000000", "0.00001000", "trading")
    assert found["fees"]["standard"]["maker"] == "0.00100000"
    assert found["last_price"] is None


def test_a_market_in_which_trades_would_round_is_refused(market):
    market.ask("asset", "add", "ETH")
    answer = market.call("market", "add", "ETH", "BTC", "--tick", "0.00001", "--lot", "0.0001")
    assert answer.status == 1
    assert "whole number of quote atoms" in answer.stderr
    market.ask("market", "add", "ETH", "BTC", "--tick", "0.00001", "--lot", "0.001")


@pytest.mark.parametrize(
    "command, state", [("halt", "halted"), ("cancel-only", "cancel-only"), ("delist", "delisted")]
)
def test_a_market_changes_its_state(market, command, state):
    assert market.ask("market", command, "BTCUSDT")["state"] == state


def test_a_halted_market_resumes_and_a_delisted_one_does_not(market):
    market.ask("market", "halt", "BTCUSDT")
    assert market.ask("market", "resume", "BTCUSDT")["state"] == "trading"
    market.ask("market", "delist", "BTCUSDT")
    assert market.call("market", "resume", "BTCUSDT").status == 1


def test_filters_change_where_named_and_stay_elsewhere(market):
    before = shown(market)["filters"]
    after = market.ask(
        "market",
        "filters",
        "BTCUSDT",
        "--price-max",
        "250000",
        "--notional-max-to-market",
        "--max-orders",
        "7",
    )["filters"]
    assert after["price_max"] == "250000.00000000"
    assert (after["notional_max_to_market"], after["max_orders"]) == (True, 7)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"price_max", "notional_max_to_market", "max_orders"}


def test_limits_change_where_named_and_0_takes_one_away(market):
    before = shown(market)["limits"]
    assert before["max_amends"] == 10
    assert "bid_up" not in before
    after = market.ask(
        "market",
        "limits",
        "BTCUSDT",
        "--bid-up",
        "1.25",
        "--average-minutes",
        "5",
        "--max-position",
        "2.5",
        "--max-amends",
        "0",
    )["limits"]
    del before["max_amends"]
    assert after == before | {"bid_up": "1.2500", "average_minutes": 5, "max_position": "2.50000000"}
    assert shown(market)["limits"] == after


def test_limits_that_contradict_each_other_are_refused(market):
    answer = market.call("market", "limits", "BTCUSDT", "--bid-up", "0.5", "--bid-down", "0.6", "--json")
    assert answer.status == 1
    assert "the limits contradict each other" in answer.document["error"]["message"]


@pytest.mark.parametrize("state", ["pre-open", "post-only"])
def test_a_market_may_take_orders_that_only_rest(market, state):
    assert market.ask("market", state, "BTCUSDT")["state"] == state
    assert market.ask("market", "resume", "BTCUSDT")["state"] == "trading"


def test_a_new_exchange_has_the_newest_rules_and_keeps_them(market):
    assert market.ask("rules") == {"rules": 2, "newest": 2}
    assert market.ask("rules", "--activate-newest") == {"rules": 2, "newest": 2}


def test_fees_change_where_named_and_stay_elsewhere(market):
    market.ask("market", "fees", "BTCUSDT", "--taker", "0.002")
    market.ask("market", "fees", "BTCUSDT", "--component", "tax", "--buyer", "0.0001")
    fees = shown(market)["fees"]
    assert fees["standard"] == {
        "maker": "0.00100000",
        "taker": "0.00200000",
        "buyer": "0.00000000",
        "seller": "0.00000000",
    }
    assert fees["tax"]["buyer"] == "0.00010000"


def test_a_sandbox_credit_is_balanced_and_paid_once_per_reference(market):
    for _ in range(2):
        credited = market.ask("sandbox", "credit", ANN, "BTC", "1.5", "--reference", "gift")
    assert credited["amount"] == "1.50000000"
    found = market.ask("verify")
    assert found["trial_balance"]["BTC"]["user"] == "1.50000000"
    assert found["trial_balance"]["BTC"]["mirror"] == "-1.50000000"
    assert found["ledger_balanced"] is True


def test_a_sandbox_credit_of_another_amount_under_the_same_reference_is_refused(market):
    market.ask("sandbox", "credit", ANN, "BTC", "1.5", "--reference", "gift")
    answer = market.call("sandbox", "credit", ANN, "BTC", "1.6", "--reference", "gift")
    assert answer.status == 1
    assert "used before with other content" in answer.stderr


@pytest.mark.parametrize(
    "command", [("sandbox", "credit", ANN, "BTC", "1"), ("sandbox", "reset", "--yes"), ("run", "--demo")]
)
def test_play_money_is_refused_outside_a_sandbox(tmp_path, command):
    operator = Operator(tmp_path / "real")
    operator.ask("init")
    answer = operator.call(*command)
    assert answer.status == 1
    assert answer.stderr == (
        "Error: this exchange is not a sandbox (mode.sandbox is false): it has no play money\n"
    )


def test_a_reset_moves_the_old_exchange_aside_and_keeps_the_settings(market):
    settings = (market.home / "cambist.toml").read_text()
    aside = market.ask("sandbox", "reset", "--yes")["old_data"]
    assert market.ask("user", "list") == []
    assert market.ask("market", "list") == []
    assert (market.home / "cambist.toml").read_text() == settings
    old = Operator(market.home.parent / "old")
    old.home.mkdir(mode=0o700)
    for part in (market.home / aside).iterdir():
        part.rename(old.home / part.name)
    (old.home / "cambist.toml").write_text(settings)
    assert [each["email"] for each in old.ask("user", "list")] == [ANN]


def test_a_reset_without_yes_does_nothing(market):
    answer = market.call("sandbox", "reset")
    assert answer.status == 2
    assert "--yes" in answer.stderr
    assert len(market.ask("user", "list")) == 1


def test_a_command_that_only_reads_leaves_no_trace_in_the_log(market):
    before = market.ask("verify")["sequence"]
    market.ask("user", "list")
    market.ask("market", "list")
    assert market.ask("verify")["sequence"] == before


def test_doctor_finds_nothing_wrong_with_a_new_exchange(operator):
    found = operator.ask("doctor")
    assert found["problems"] == []
    assert {each["check"]: each["state"] for each in found["checks"]}["exchange"] == "ok"


def test_doctor_names_what_is_open_to_others(operator):
    operator.home.chmod(0o755)
    answer = operator.call("doctor", "--json")
    assert answer.status == 1
    assert any("chmod 700" in problem for problem in answer.document["problems"])


def history(operator) -> tuple[str, str]:
    """What doctor says of the past: its state and finding."""
    (found,) = [each for each in operator.ask("doctor")["checks"] if each["check"] == "history"]
    return found["state"], found["finding"]


def test_doctor_says_whether_the_past_can_be_told_again(operator, monkeypatch):
    assert history(operator) == ("ok", "never pruned")
    monkeypatch.setenv("CAMBIST_KEEP_PRUNE", "1")
    monkeypatch.setenv("CAMBIST_KEEP_ARCHIVE", str(operator.home / "archive"))
    assert history(operator)[0] == "ok"
    (operator.home / "archive").mkdir()
    state, finding = history(operator)
    assert (state, "on the exchange's own disk" in finding) == ("doubt", True)
    (operator.home / "journal").mkdir(exist_ok=True)
    (operator.home / "journal" / f"{7:020}.journal").write_bytes(b"")
    monkeypatch.delenv("CAMBIST_KEEP_ARCHIVE")
    monkeypatch.setenv("CAMBIST_MODE_SANDBOX", "1")
    state, finding = history(operator)
    assert (state, "the events of sequence 1 to 6 were pruned" in finding) == ("doubt", True)
    monkeypatch.setenv("CAMBIST_MODE_SANDBOX", "0")
    state, finding = history(operator)
    assert (state, "the views cannot be made anew" in finding) == ("doubt", True)


def test_a_new_exchange_has_what_the_environment_says_from_its_first_file_on(operator):
    assert operator.environment["CAMBIST_LOG_SEGMENT_BYTES"] == "1048576"
    assert {file.stat().st_size for file in (operator.home / "log").glob("*.log")} == {1_048_576}


def test_doctor_names_a_lock_that_is_held_without_an_exchange_that_answers(operator):
    log = FileLog.open(operator.home / "log")
    try:
        answer = operator.call("doctor", "--json")
    finally:
        log.close()
    assert answer.status == 1
    assert any("in use by another process" in problem for problem in answer.document["problems"])


def test_doctor_says_what_is_missing_before_init(tmp_path):
    answer = Operator(tmp_path / "nothing").call("doctor", "--json")
    assert answer.status == 1
    assert any("cambist init" in problem for problem in answer.document["problems"])


@pytest.mark.parametrize(
    "command, because",
    [
        (("user", "create", "no-address"), "is not an e-mail address"),
        (("user", "create", ANN), "exists already"),
        (("user", "freeze", "bob@example.org"), "no user with the e-mail address"),
        (("api-key", "create", "bob@example.org"), "no user with the e-mail address"),
        (("api-key", "create", ANN, "--scope", "withdraw"), "needs a list of IP addresses"),
        (("api-key", "create", ANN, "--type", "rsa"), "needs its owner's public key"),
        (("api-key", "create", ANN, "--public-key", __file__), "no public key"),
        (("api-key", "create", ANN, "--type", "rsa", "--public-key", __file__), "not a PEM file"),
        (("api-key", "delete", "x" * 64), "there is no API key"),
        (("asset", "add", "BTC"), "listed already"),
        (("asset", "add", "lower case"), "not allowed"),
        (("market", "add", "BTC", "XYZ", "--tick", "1", "--lot", "1"), "there is no asset XYZ"),
        (("market", "add", "BTC", "USDT", "--tick", "0.01", "--lot", "0.00001"), "listed already"),
        (("market", "add", "USDT", "BTC", "--tick", "1e5", "--lot", "1"), "is no decimal number"),
        (("market", "add", "USDT", "BTC", "--tick", "99999999999999999999", "--lot", "1"), "out of range"),
        (("market", "halt", "XYZ"), "there is no market XYZ"),
        (("market", "filters", "BTCUSDT", "--price-max", "0.015"), "not a multiple of"),
        (("market", "filters", "BTCUSDT", "--price-max", "0"), "filters contradict"),
        (("market", "fees", "BTCUSDT", "--maker", "0.51"), "no side may pay more than 50 %"),
        (("sandbox", "credit", ANN, "BTC", "1,5"), "is no decimal number"),
        (("sandbox", "credit", ANN, "XYZ", "1"), "there is no asset XYZ"),
    ],
)
def test_a_refusal_is_one_sentence_that_says_why(listed, command, because):
    answer = listed.call(*command)
    assert (answer.status, answer.stdout) == (1, "")
    assert answer.stderr.startswith("Error: ") and answer.stderr.count("\n") == 1
    assert because in answer.stderr
    document = listed.call(*command, "--json").document
    assert f"Error: {document['error']['message']}\n" == answer.stderr


def garbage_records(home: Path) -> None:
    (home / "records.db").write_bytes(b"not a database" * 500)


def no_records(home: Path) -> None:
    (home / "records.db").unlink()


def no_master_key(home: Path) -> None:
    (home / "secrets" / "master.key").unlink()


def open_master_key(home: Path) -> None:
    (home / "secrets" / "master.key").chmod(0o644)


def another_master_key(home: Path) -> None:
    (home / "secrets" / "master.key").write_bytes(bytes(32))


def no_log(home: Path) -> None:
    shutil.rmtree(home / "log")


def strange_setting(home: Path) -> None:
    (home / "cambist.toml").write_text("[match]\nqueue_max = 0\n")


@pytest.mark.parametrize(
    "damage, because",
    [
        (garbage_records, "the records database cannot be used"),
        (no_records, "restore the backup"),
        (no_master_key, "restore it from the backup"),
        (open_master_key, "chmod 600"),
        (another_master_key, "another master key"),
        (no_log, "belongs to log"),
        (strange_setting, "match.queue_max = 0"),
    ],
)
def test_a_damaged_data_directory_is_one_sentence_that_says_what_to_do(market, damage, because):
    damage(market.home)
    answer = market.call("user", "list")
    assert (answer.status, answer.stdout) == (1, "")
    assert answer.stderr.startswith("Error: ") and answer.stderr.count("\n") == 1
    assert because in answer.stderr


def test_every_command_says_so_when_there_is_no_exchange(tmp_path):
    nothing = Operator(tmp_path / "nothing")
    for command in (("user", "list"), ("verify",), ("snapshot",), ("run",), ("sandbox", "reset", "--yes")):
        answer = nothing.call(*command)
        assert answer.status == 1
        assert "`cambist init` makes one" in answer.stderr


def test_a_log_that_is_in_use_is_left_alone(operator):
    log = FileLog.open(operator.home / "log")
    try:
        answer = operator.call("user", "list")
    finally:
        log.close()
    assert answer.status == 69
    assert "in use by another process" in answer.stderr


def test_verify_reads_no_log_that_somebody_is_writing(market):
    log = FileLog.open(market.home / "log")
    try:
        assert market.call("verify").status == 69
    finally:
        log.close()


def test_verify_finds_a_byte_that_was_changed(market):
    (segment,) = (market.home / "log").glob("*.log")
    content = bytearray(segment.read_bytes())
    content[content.index(b"BTCUSDT")] ^= 1
    segment.write_bytes(content)
    answer = market.call("verify", "--json")
    assert answer.status == 1
    assert any("damaged" in problem for problem in answer.document["problems"])


def test_verify_finds_a_snapshot_that_was_changed(market):
    path = market.ask("snapshot")["snapshot"]
    with open(path, "r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    answer = market.call("verify", "--json")
    assert answer.status == 1
    assert any("damaged" in problem for problem in answer.document["problems"])
