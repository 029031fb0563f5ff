"""Settings: where a value comes from, and what is said about one that cannot be used."""

import re
from pathlib import Path

import msgspec
import pytest

from cambist import settings as module
from cambist.settings import (
    FILE_NAME,
    Settings,
    SettingsError,
    home_directory,
    hosts_and_ports,
    write_default,
)

CHECKOUT = Path(__file__).resolve().parents[2]


def load(home: Path, text: str = "", **environment: str) -> Settings:
    (home / FILE_NAME).write_text(text)
    return Settings.load(home, environment)


def refusal(home: Path, text: str = "", **environment: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load(home, text, **environment)
    return str(refused.value)


def test_an_empty_file_gives_the_defaults(tmp_path):
    assert load(tmp_path) == Settings(home=tmp_path)


def test_the_file_wins_over_the_default_and_the_environment_over_the_file(tmp_path):
    text = "[server]\nport = 9000\nhost = '::1'\n[limits]\norders_10s = 7"
    settings = load(tmp_path, text, CAMBIST_PORT="9100", CAMBIST_LIMITS_ORDERS_1D="0")
    assert (settings.server.port, settings.server.host, settings.server.console_port) == (9100, "::1", 8001)
    assert (settings.limits.orders_10s, settings.limits.orders_1d) == (7, 0)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("1", True), ("0", False)])
def test_the_environment_switches_with_words_or_digits(tmp_path, text, value):
    assert load(tmp_path, CAMBIST_MODE_SANDBOX=text).mode.sandbox is value


def test_the_written_file_means_the_defaults_and_says_so_for_every_key(tmp_path):
    written = write_default(tmp_path / "new").read_text()
    assert Settings.load(tmp_path / "new", {}) == Settings(home=tmp_path / "new")
    uncommented = re.sub(r"^#(?=\w+ = )", "", written, flags=re.MULTILINE)
    assert load(tmp_path, uncommented) == Settings(home=tmp_path)
    keys = [field.name for section in sections() for field in msgspec.structs.fields(section)]
    assert re.findall(r"^(\w+) = ", uncommented, flags=re.MULTILINE) == keys


def test_the_written_file_can_ask_for_the_sandbox(tmp_path):
    write_default(tmp_path / "new", sandbox=True)
    assert Settings.load(tmp_path / "new", {}).mode.sandbox


def test_a_new_data_directory_is_the_owners_alone(tmp_path):
    write_default(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_an_existing_file_is_never_overwritten(tmp_path):
    load(tmp_path, "[server]\nport = 9000")
    with pytest.raises(SettingsError, match="exists already"):
        write_default(tmp_path)
    assert Settings.load(tmp_path, {}).server.port == 9000


def test_the_data_directory_is_the_argument_else_the_environment_else_the_checkouts(tmp_path):
    elsewhere = {"CAMBIST_HOME": str(tmp_path)}
    assert home_directory(Path("/data"), elsewhere) == Path("/data")
    assert home_directory(None, elsewhere) == tmp_path
    assert home_directory(None, {}) == CHECKOUT / "var"


def test_an_installed_package_keeps_its_data_in_the_current_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "__file__", str(tmp_path / "site-packages/cambist/settings.py"))
    monkeypatch.chdir(tmp_path)
    assert home_directory(None, {}) == tmp_path / "var"


def test_without_a_file_the_way_to_make_one_is_named(tmp_path):
    with pytest.raises(SettingsError, match="cambist init"):
        Settings.load(tmp_path, {})


@pytest.mark.parametrize("text", ["[server\nport = 1", "\x00"])
def test_a_file_that_is_not_toml_is_refused(tmp_path, text):
    assert refusal(tmp_path, text).startswith(f"{tmp_path / FILE_NAME} cannot be read: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nport = 0", "server.port = 0: must be a whole number from 1 to 65535"),
        ("[server]\nport = 65_536", "server.port = 65536: must be a whole number from 1 to 65535"),
        ("[server]\nport = '8000'", "server.port = '8000': must be a whole number"),
        ("[server]\nport = true", "server.port = True: must be a whole number"),
        ("[server]\nport = 8000.0", "server.port = 8000.0: must be a whole number"),
        ("[server]\nhost = 'two words'", "server.host = 'two words': must be text of at most 253 characters"),
        ('[server]\nhost = "name\\n"', "server.host = 'name\\n': must be text"),
        ("[mode]\nsandbox = 1", "mode.sandbox = 1: must be true or false"),
        ("[limits]\norders_10s = -1", "limits.orders_10s = -1: must be a whole number from 0"),
        ("[snapshots]\nkeep = 1", "snapshots.keep = 1: must be a whole number from 2"),
        ("[server]\nprot = 8000", "server.prot is not a setting; [server] has host, port,"),
        ("[sever]\nport = 8000", "unknown section [sever]; there are server, mode,"),
        ("port = 8000", "unknown section [port]"),
        ("server = 8000", "unknown section [server]"),
        ("[server]\nport = 8001", "server.console_port = 8001: must differ from server.port"),
        ("[api]\nrecv_window_max_ms = 4_999", "api.recv_window_default_ms = 5000: must be at most"),
        ("[match]\nqueue_max = 1_023", "match.batch_max = 1024: must be at most match.queue_max = 1023"),
        ("[processes]\nmatch_apart = true", "processes.gateways = 0: match_apart = true needs one at least"),
        ("[processes]\nstandby = true", "processes.standby = true: needs processes.match_apart = true"),
    ],
)
def test_a_wrong_value_in_the_file_is_named_with_its_place_and_what_is_allowed(tmp_path, text, said):
    message = refusal(tmp_path, text)
    assert message.startswith(f"{tmp_path / FILE_NAME}: ") and said in message


@pytest.mark.parametrize(
    "text",
    [
        "[server]\nport = 1",
        "[server]\nport = 65_535",
        "[limits]\norders_10s = 0",
        "[snapshots]\nkeep = 2",
        "[api]\nrecv_window_max_ms = 5_000",
        "[match]\nqueue_max = 1_024",
    ],
)
def test_the_limits_themselves_are_allowed(tmp_path, text):
    load(tmp_path, text)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CAMBIST_PORT", "0", "CAMBIST_PORT (server.port) = '0': must be a whole number from 1 to 65535"),
        ("CAMBIST_PORT", "8_000", "CAMBIST_PORT (server.port) = '8_000': must be"),
        ("CAMBIST_PORT", "٨٠", "CAMBIST_PORT (server.port) = '٨٠': must be"),
        ("CAMBIST_PORT", "", "CAMBIST_PORT (server.port) = '': must be"),
        ("CAMBIST_MODE_SANDBOX", "yes", "CAMBIST_MODE_SANDBOX (mode.sandbox) = 'yes': must be true or false"),
        ("CAMBIST_LIMITS_ORDER_10S", "5", "CAMBIST_LIMITS_ORDER_10S is not a setting; [limits] has"),
        ("CAMBIST_SERVER_PORT", "9000", "CAMBIST_SERVER_PORT is called CAMBIST_PORT"),
    ],
)
def test_a_wrong_value_in_the_environment_is_named_with_its_variable(tmp_path, name, value, said):
    message = refusal(tmp_path, **{name: value})
    assert message.startswith("environment: ") and said in message


def test_variables_that_are_no_settings_are_left_alone(tmp_path):
    assert load(tmp_path, CAMBIST_SHARED_DATA="x", HOME="y") == Settings(home=tmp_path)


def test_the_manual_lists_every_setting_with_its_default_and_variable():
    manual = (CHECKOUT / "docs/settings.md").read_text()
    rows = re.findall(r"^\| `([\w.]+)` \| `([^`]*)` \| `(\w+)` \|", manual, flags=re.MULTILINE)
    expected = [
        (f"{name}.{field.name}", toml(field.default), module.environment_name(name, field.name))
        for name, section in zip(names(), sections(), strict=True)
        for field in msgspec.structs.fields(section)
    ]
    assert rows == expected


def names() -> list[str]:
    return [field.name for field in msgspec.structs.fields(Settings) if field.name != "home"]


def sections() -> list[type[msgspec.Struct]]:
    return [field.type for field in msgspec.structs.fields(Settings) if field.name != "home"]


def toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("", []),
        ("one.example:7000", [("one.example", 7000)]),
        ("10.0.0.1:1,::1:65535", [("10.0.0.1", 1), ("::1", 65535)]),
    ],
)
def test_addresses_are_hosts_and_ports_with_commas_between(tmp_path, given, found):
    settings = load(tmp_path, CAMBIST_INTAKE_SERVERS=given)
    assert hosts_and_ports(settings.intake.servers) == found


@pytest.mark.parametrize(
    "given", ["host", "host:", ":1", "host:1,", "host:1 other:2", "host:65536", "host:0"]
)
def test_what_is_no_address_is_refused(tmp_path, given):
    assert "intake.servers" in refusal(tmp_path, CAMBIST_INTAKE_SERVERS=given)
