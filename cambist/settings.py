"""What an operator can set: `$CAMBIST_HOME/cambist.toml`, overridden by environment variables.

The structs below are the only list of settings: types, limits, defaults and descriptions are read from them
to check a value, to explain a refusal and to write the commented file of a new exchange. A setting is fixed
while the exchange runs. Secrets are never settings (`cambist/store/secrets.py`).
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import msgspec
from msgspec import Meta, Struct

FILE_NAME = "cambist.toml"

PORT_MAX = 65_535

MIB = 1 << 20
GIB = 1 << 30


def _between(low: int, high: int) -> Meta:
    return Meta(ge=low, le=high)


def _says(description: str) -> Meta:
    return Meta(description=description)


_Host = Annotated[str, Meta(pattern=r"^[0-9A-Za-z.:-]+\Z", max_length=253)]
_Addresses = Annotated[
    str, Meta(pattern=r"^([0-9A-Za-z.:-]+:[0-9]{1,5}(,[0-9A-Za-z.:-]+:[0-9]{1,5})*)?\Z", max_length=4_096)
]
_Path = Annotated[str, Meta(min_length=1, max_length=4_096)]
_Port = Annotated[int, _between(1, PORT_MAX)]
_Origin = Annotated[
    str, Meta(pattern=r"^(https://[0-9a-z.-]+(:[0-9]{1,5})?|http://localhost:[0-9]{1,5})?\Z", max_length=253)
]
_Count = Annotated[int, _between(1, 1_000_000)]
_Limit = Annotated[int, _between(0, 1_000_000_000)]
_Url = Annotated[str, Meta(pattern=r"^(https?://[!-~]+)?\Z", max_length=1_024)]
_Level = Annotated[str, Meta(pattern=r"^(debug|info|warning|error)\Z", max_length=7)]
_Milliseconds = Annotated[int, _between(1, 60_000)]


class SettingsError(Exception):
    """A setting that cannot be used; the text names where it stands, its value and what is allowed."""


class Server(Struct, frozen=True, kw_only=True):
    """Where the exchange listens."""

    host: Annotated[_Host, _says("Address to listen on; 0.0.0.0 opens it to the network.")] = "127.0.0.1"
    port: Annotated[_Port, _says("Port of the public API and pages.")] = 8000
    console_port: Annotated[
        int, _between(0, PORT_MAX), _says("Port of the staff's console; 0: there is none.")
    ] = 8001
    public_hostname: Annotated[_Host, _says("Name under which users reach the exchange.")] = "localhost"


class Mode(Struct, frozen=True, kw_only=True):
    """What kind of exchange this is."""

    sandbox: Annotated[bool, _says("Play money from `cambist sandbox`; never with real users.")] = False
    demo_chain: Annotated[bool, _says("In the demo a chain of its own, where anvil is installed.")] = True


class Log(Struct, frozen=True, kw_only=True):
    """The command log, the one thing that must never be lost."""

    segment_bytes: Annotated[int, _between(MIB, GIB), _says("Size of one file, zero-filled ahead.")] = (
        64 * MIB
    )
    low_disk_bytes: Annotated[int, _between(0, 1 << 50), _says("Free space that new orders need.")] = GIB
    seal_idle_ms: Annotated[_Milliseconds, _says("Idle time after which the end of the log is sealed.")] = 100


class Match(Struct, frozen=True, kw_only=True):
    """The match server's queue."""

    queue_max: Annotated[_Count, _says("Queue length at which all but cancels get -1008.")] = 8_192
    batch_max: Annotated[int, _between(1, 65_535), _says("Commands made durable by one disk sync.")] = 1_024


class Limits(Struct, frozen=True, kw_only=True):
    """How much one client may ask for. 0 switches a limit off."""

    request_weight_1m: Annotated[_Limit, _says("Request weight per IP address and minute.")] = 6_000
    connections: Annotated[_Limit, _says("HTTP connections per IP address.")] = 512
    raw_requests_5m: Annotated[_Limit, _says("Requests per IP address and five minutes.")] = 300_000
    orders_10s: Annotated[_Limit, _says("Unfilled orders per account and ten seconds.")] = 100
    orders_1d: Annotated[_Limit, _says("Unfilled orders per account and day.")] = 200_000
    websockets_5m: Annotated[_Limit, _says("WebSockets opened per IP address and five minutes.")] = 300
    websocket_messages_1s: Annotated[_Limit, _says("Pings, pongs and stream requests per WebSocket.")] = 5


class Api(Struct, frozen=True, kw_only=True):
    """How requests are read."""

    recv_window_default_ms: Annotated[_Milliseconds, _says("recvWindow where none is named.")] = 5_000
    recv_window_max_ms: Annotated[_Milliseconds, _says("Largest recvWindow a request may name.")] = 60_000
    body_max_bytes: Annotated[int, _between(1_024, 16 * MIB), _says("Largest request body.")] = 65_536


class Processes(Struct, frozen=True, kw_only=True):
    """Which processes `cambist run` keeps beside the exchange itself and its data server."""

    gateways: Annotated[int, _between(0, 15), _says("Further gateway processes on the public port.")] = 0
    standby: Annotated[bool, _says("A second match server that takes over from the first.")] = False
    office: Annotated[bool, _says("Accounts in a browser: sign-up, sign-in and what follows.")] = True
    match_apart: Annotated[bool, _says("The match server in a process without a gateway.")] = False


class Ops(Struct, frozen=True, kw_only=True):
    """Health and metrics for those who watch over the exchange, on the loopback address."""

    port: Annotated[int, _between(0, 65_535), _says("Port of /health, /ready and /metrics; 0: none.")] = 8002


class Logging(Struct, frozen=True, kw_only=True):
    """What the processes write to standard error."""

    json: Annotated[bool, _says("One JSON object a line instead of text for people.")] = False
    level: Annotated[_Level, _says("The least important that is written: debug, info, warning or error.")] = (
        "warning"
    )


class Snapshots(Struct, frozen=True, kw_only=True):
    """Copies of the engine's state that make a restart fast."""

    directory: Annotated[_Path, _says("Where they are kept, relative to the data directory.")] = "snapshots"
    keep: Annotated[int, _between(2, 1_000), _says("Generations kept; the older ones are the fallback.")] = 2
    every_commands: Annotated[_Limit, _says("Commands after which the next one is made; 0: never.")] = 500_000
    every_minutes: Annotated[
        int, _between(0, 100_000), _says("Minutes after which the next one is made; 0: never.")
    ] = 60


class Keep(Struct, frozen=True, kw_only=True):
    """How much of the past stays: `prune` removes log and journal behind the oldest snapshot."""

    prune: Annotated[bool, _says("Remove log and journal that no start and no consumer needs.")] = False
    archive: Annotated[
        str, Meta(max_length=4_096), _says("Directory they are copied to before; empty: gone for good.")
    ] = ""
    commands: Annotated[_Limit, _says("Newest commands that stay in any case.")] = 1_000_000
    consumer_max_days: Annotated[
        int, _between(1, 10_000), _says("Days for which a consumer that is gone holds the log.")
    ] = 7


class Intake(Struct, frozen=True, kw_only=True):
    """The way from other processes to the match server."""

    listen: Annotated[
        _Addresses, _says("HOST:PORT for processes of other machines; empty: this machine's only.")
    ] = ""
    servers: Annotated[
        _Addresses, _says("HOST:PORT of match servers elsewhere, with commas; empty: this machine's.")
    ] = ""
    give_up_ms: Annotated[_Milliseconds, _says("Time after which an outcome is not known (-1007).")] = 5_000
    silent_ms: Annotated[_Milliseconds, _says("Silence after which another match server is tried.")] = 1_000


class Standby(Struct, frozen=True, kw_only=True):
    """The match server that waits to take over from another one."""

    silent_ms: Annotated[
        int, _between(100, 60_000), _says("Silence of the leader after which a standby takes over.")
    ] = 1_000


class Accounts(Struct, frozen=True, kw_only=True):
    """What users sign in with, and how long they wait for what is dangerous; shorter only in a sandbox."""

    session_hours: Annotated[int, _between(1, 720), _says("Hours after which a user signs in again.")] = 24
    session_idle_minutes: Annotated[
        int, _between(1, 1_440), _says("Minutes without a request after which a user signs in again.")
    ] = 60
    address_wait_hours: Annotated[
        int, _between(0, 1_000), _says("Hours before a withdrawal may go to a new address.")
    ] = 24
    change_wait_hours: Annotated[
        int,
        _between(0, 1_000),
        _says("Hours without withdrawals after a change of password or second factor."),
    ] = 24
    recovery_wait_hours: Annotated[
        int, _between(0, 1_000), _says("Hours without withdrawals after a recovery or a new e-mail address.")
    ] = 72


class Wallets(Struct, frozen=True, kw_only=True):
    """The nodes of the chains on which money comes in and goes out."""

    evm_rpc: Annotated[_Url, _says("URL of an Ethereum node's JSON-RPC; empty: no wallets.")] = ""
    evm_rpc_second: Annotated[
        _Url, _says("URL of a second node, which must say the same before anything counts; empty: none.")
    ] = ""
    evm_chain_id: Annotated[int, _between(1, 1 << 53), _says("The chain that both nodes must be on.")] = 1
    evm_waits_for_final: Annotated[
        bool, _says("Whether deposits wait until the chain calls their block final, too.")
    ] = True
    evm_gas_low_gwei: Annotated[
        int, _between(0, 1 << 53), _says("Coins for fees at the hot address below which it is an alarm.")
    ] = 100_000_000
    poll_ms: Annotated[_Milliseconds, _says("Time between two looks for a new block.")] = 500
    timeout_ms: Annotated[_Milliseconds, _says("Time that a node has for one answer.")] = 10_000
    silent_minutes: Annotated[
        int, _between(1, 10_000), _says("Age of the newest block at which it is an alarm.")
    ] = 5


class Signer(Struct, frozen=True, kw_only=True):
    """Who keeps the keys to coins, and where. Only the signer itself reads this."""

    directory: Annotated[_Path, _says("Its keys and store; one that starts with / lies elsewhere.")] = (
        "signer"
    )
    key_file: Annotated[_Path, _says("What opens the keystore; beside it unless it starts with /.")] = (
        "keystore.key"
    )
    user: Annotated[
        str,
        Meta(pattern=r"^([a-z_][a-z0-9_-]{0,31})?\Z", max_length=32),
        _says("The operating system's user that it becomes when root starts it."),
    ] = ""


class Console(Struct, frozen=True, kw_only=True):
    """The back office's pages, which listen on server.console_port."""

    host: Annotated[_Host, _says("Address to listen on; only the staff should reach it.")] = "127.0.0.1"
    origin: Annotated[
        _Origin, _says("https://NAME of it in browsers, to which passkeys are bound; empty: this machine's.")
    ] = ""


class Mail(Struct, frozen=True, kw_only=True):
    """The server that takes our mails. Its password is the file secrets/smtp-password."""

    server: Annotated[_Addresses, _says("HOST:PORT of an SMTP server; empty: mails stay in the records.")] = (
        ""
    )
    user: Annotated[str, Meta(max_length=254), _says("Who signs in there; empty: nobody.")] = ""
    sender: Annotated[
        str, Meta(pattern=r"^[!-~]+@[!-~]+\Z", max_length=254), _says("Address that mails come from.")
    ] = "cambist@localhost"


class Audit(Struct, frozen=True, kw_only=True):
    """Where the head of the audit trail is kept outside the records, so that a rewritten trail shows."""

    anchor_every_minutes: Annotated[
        int, _between(1, 1_440), _says("Minutes from one anchor to the next.")
    ] = 60
    anchor_file: Annotated[
        _Path, _says("What each is appended to; one that starts with / lies elsewhere, as it should.")
    ] = "anchors/audit.jsonl"
    anchor_command: Annotated[
        str,
        Meta(max_length=1_024),
        _says("Program that gets each as a line; it takes it elsewhere. Empty: none."),
    ] = ""


class Settings(Struct, frozen=True, kw_only=True):
    """All settings of one exchange, checked; `home` is the data directory that holds everything else."""

    home: Path
    server: Server = Server()
    mode: Mode = Mode()
    log: Log = Log()
    match: Match = Match()
    limits: Limits = Limits()
    api: Api = Api()
    processes: Processes = Processes()
    ops: Ops = Ops()
    logging: Logging = Logging()
    snapshots: Snapshots = Snapshots()
    keep: Keep = Keep()
    standby: Standby = Standby()
    intake: Intake = Intake()
    accounts: Accounts = Accounts()
    mail: Mail = Mail()
    console: Console = Console()
    audit: Audit = Audit()
    wallets: Wallets = Wallets()
    signer: Signer = Signer()

    @classmethod
    def load(cls, home: Path | None = None, environment: Mapping[str, str] = os.environ) -> Self:
        """The file's settings with the environment's on top. Raises SettingsError for anything doubtful."""
        home = home_directory(home, environment)
        return cls._of(home, _from_file(home / FILE_NAME) | _from_environment(environment))

    @classmethod
    def of_new(cls, home: Path, *, sandbox: bool, environment: Mapping[str, str] = os.environ) -> Self:
        """What `load` will give once `write_default` has written the file. Raises SettingsError."""
        document = tomllib.loads(default_text(sandbox=sandbox))
        return cls._of(home, dict(_file_keys(home / FILE_NAME, document)) | _from_environment(environment))

    @classmethod
    def _of(cls, home: Path, values: "_Found") -> Self:
        keys: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS}
        for (section, key), given in values.items():
            keys[section][key] = _checked(section, key, given)
        sections: dict[str, Any] = {name: struct(**keys[name]) for name, struct in _SECTIONS.items()}
        settings = cls(home=home, **sections)
        _check_together(settings, home / FILE_NAME)
        return settings

    @property
    def log_directory(self) -> Path:
        return self.home / "log"

    @property
    def journal_directory(self) -> Path:
        return self.home / "journal"

    @property
    def views_file(self) -> Path:
        return self.home / "views.db"

    @property
    def records_file(self) -> Path:
        return self.home / "records.db"

    @property
    def anchors_file(self) -> Path:
        return self.home / self.audit.anchor_file

    @property
    def secrets_directory(self) -> Path:
        return self.home / "secrets"

    @property
    def snapshots_directory(self) -> Path:
        return self.home / self.snapshots.directory

    @property
    def archive_directory(self) -> Path | None:
        """Where pruned files of all logs go, one directory for each; None if they are not kept."""
        return self.home / self.keep.archive if self.keep.archive else None

    @property
    def run_directory(self) -> Path:
        """What only running processes need: sockets and positions."""
        return self.home / "run"

    @property
    def listen_keys_file(self) -> Path:
        return self.run_directory / "listen-keys.db"

    @property
    def feed_file(self) -> Path:
        """The socket on which the data process listens for the gateway."""
        return self.home / "feed.sock"

    @property
    def supervisor_file(self) -> Path:
        """The socket on which the supervisor of `cambist run` is asked about its processes."""
        return self.home / "supervisor.sock"

    @property
    def console_origin(self) -> str:
        """Where a browser finds the console. Passkeys work on localhost, and not on 127.0.0.1."""
        return self.console.origin or f"http://localhost:{self.server.console_port}"

    @property
    def office_file(self) -> Path:
        """The socket on which the office answers the account API; only our own processes can open it."""
        return self.run_directory / "office.sock"

    def ops_file(self, process: str) -> Path:
        """The socket on which that process answers /health, /ready and /metrics."""
        return self.run_directory / f"ops-{process}.sock"

    @property
    def signer_directory(self) -> Path:
        """The signer's own: keystore, store and socket. Nothing else reads or writes there."""
        return self.home / self.signer.directory

    @property
    def signer_socket(self) -> Path:
        return self.signer_directory / "signer.sock"

    @property
    def socket_file(self) -> Path:
        """Where a running exchange takes the operator's commands; only the owner can open it."""
        return self.home / "operator.sock"


_SECTIONS: dict[str, type[Struct]] = {
    field.name: field.type for field in msgspec.structs.fields(Settings) if field.name != "home"
}
_KEYS = {
    (section, field.name): field
    for section, struct in _SECTIONS.items()
    for field in msgspec.structs.fields(struct)
}
# The three that are typed by hand have short names; all others are CAMBIST_<SECTION>_<KEY>.
_SHORT_NAMES = {
    ("server", "host"): "CAMBIST_HOST",
    ("server", "port"): "CAMBIST_PORT",
    ("server", "console_port"): "CAMBIST_CONSOLE_PORT",
}


def home_directory(home: Path | None = None, environment: Mapping[str, str] = os.environ) -> Path:
    """The data directory: `home`, else CAMBIST_HOME, else `var/` in the checkout or current directory."""
    if home is not None:
        return home.absolute()
    if named := environment.get("CAMBIST_HOME"):
        return Path(named).expanduser().absolute()
    checkout = Path(__file__).parents[1]
    return (checkout if (checkout / "pyproject.toml").exists() else Path.cwd()) / "var"


def hosts_and_ports(addresses: str) -> list[tuple[str, int]]:
    """Of HOST:PORT with commas between, as a setting has them."""
    pairs = [each.rpartition(":") for each in addresses.split(",") if each]
    return [(host, int(port)) for host, _, port in pairs]


def environment_name(section: str, key: str) -> str:
    return _SHORT_NAMES.get((section, key), f"CAMBIST_{section}_{key}".upper())


def write_default(home: Path, *, sandbox: bool = False) -> Path:
    """Create the data directory and its commented settings file; a file that exists raises SettingsError.

    Only what was chosen is set; the rest stands as comments, so that a later release may improve a default.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = home / FILE_NAME
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(default_text(sandbox=sandbox))
    except FileExistsError:
        raise SettingsError(
            f"{file} exists already; edit it, or remove it to start from the defaults"
        ) from None
    return file


def default_text(*, sandbox: bool = False) -> str:
    """The settings file of a new exchange."""
    lines = [
        "# Settings of this exchange. A key behind # shows its default; a change counts after a restart.",
        "# An environment variable wins over this file; its name stands behind each description.",
    ]
    for section, struct in _SECTIONS.items():
        lines += ["", f"# {struct.__doc__}", f"[{section}]"]
        for field in msgspec.structs.fields(struct):
            lines.append(f"# {_describe(section, field.name)} ({environment_name(section, field.name)})")
            if (section, field.name) == ("mode", "sandbox") and sandbox:
                lines.append("sandbox = true")
            else:
                lines.append(f"#{field.name} = {_toml(field.default)}")
    return "\n".join(lines) + "\n"


class _Given(NamedTuple):
    """A value as it was found; the environment has only text, so only there is text converted."""

    value: Any
    where: str
    convert_text: bool


_Found = dict[tuple[str, str], _Given]  # by (section, key)


def _from_file(file: Path) -> _Found:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"no settings file {file}; `cambist init` makes one") from None
    except (OSError, ValueError) as problem:
        raise SettingsError(f"{file} cannot be read: {problem}") from None
    return dict(_file_keys(file, document))


def _file_keys(file: Path, document: dict[str, Any]) -> Iterator[tuple[tuple[str, str], _Given]]:
    for section, table in document.items():
        if section not in _SECTIONS or not isinstance(table, dict):
            raise SettingsError(f"{file}: unknown section [{section}]; there are {', '.join(_SECTIONS)}")
        for key, value in table.items():
            _require_known(section, key, f"{file}: {section}.{key}")
            yield (section, key), _Given(value, f"{file}: {section}.{key}", convert_text=False)


def _from_environment(environment: Mapping[str, str]) -> _Found:
    """Overrides. A name in a section's style that is no setting is refused, lest a typo pass for a limit."""
    known = {environment_name(*place): place for place in _KEYS}
    found: _Found = {}
    for name, value in environment.items():
        if place := known.get(name):
            found[place] = _Given(value, f"environment: {name} ({'.'.join(place)})", convert_text=True)
            continue
        for section in _SECTIONS:
            if name.startswith(f"CAMBIST_{section.upper()}_"):
                key = name.removeprefix(f"CAMBIST_{section.upper()}_").lower()
                _require_known(section, key, f"environment: {name}")
                raise SettingsError(f"environment: {name} is called {environment_name(section, key)}")
    return found


def _require_known(section: str, key: str, source: str) -> None:
    if (section, key) not in _KEYS:
        keys = ", ".join(known for of, known in _KEYS if of == section)
        raise SettingsError(f"{source} is not a setting; [{section}] has {keys}")


def _checked(section: str, key: str, given: _Given) -> Any:
    kind = _KEYS[section, key].type
    try:
        return msgspec.convert(given.value, kind, strict=not given.convert_text)
    except msgspec.ValidationError:
        raise SettingsError(f"{given.where} = {given.value!r}: must be {_allowed(kind)}") from None


def _require_waits(accounts: Accounts, file: Path) -> None:
    """Each wait is time in which the owner of an account can still stop a thief."""
    for field in msgspec.structs.fields(Accounts):
        if field.name.endswith("_wait_hours") and getattr(accounts, field.name) < field.default:
            raise SettingsError(
                f"{file}: accounts.{field.name} = {getattr(accounts, field.name)}: "
                f"must be at least {field.default} where mode.sandbox is not true"
            )


def _check_together(settings: Settings, file: Path) -> None:
    server, api, match = settings.server, settings.api, settings.match
    if server.port == server.console_port:
        raise SettingsError(
            f"{file}: server.console_port = {server.console_port}: must differ from server.port"
        )
    if api.recv_window_default_ms > api.recv_window_max_ms:
        raise SettingsError(
            f"{file}: api.recv_window_default_ms = {api.recv_window_default_ms}: "
            f"must be at most api.recv_window_max_ms = {api.recv_window_max_ms}"
        )
    for name in ("listen", "servers"):
        for host, port in hosts_and_ports(getattr(settings.intake, name)):
            if not 0 < port <= PORT_MAX:
                raise SettingsError(f"{file}: intake.{name}: {host}:{port}: a port is from 1 to {PORT_MAX}")
    if len(hosts_and_ports(settings.mail.server)) > 1:
        raise SettingsError(f"{file}: mail.server = {settings.mail.server}: one server takes the mails")
    if match.batch_max > match.queue_max:
        raise SettingsError(
            f"{file}: match.batch_max = {match.batch_max}: "
            f"must be at most match.queue_max = {match.queue_max}"
        )
    processes = settings.processes
    if processes.match_apart and not processes.gateways:
        raise SettingsError(f"{file}: processes.gateways = 0: match_apart = true needs one at least")
    if processes.standby and not processes.match_apart:
        raise SettingsError(f"{file}: processes.standby = true: needs processes.match_apart = true")
    if not settings.mode.sandbox:
        _require_waits(settings.accounts, file)


def _allowed(kind: Any) -> str:
    match _info(kind).type:
        case msgspec.inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.StrType(pattern=pattern, max_length=longest):
            return f"text of at most {longest} characters" + (f" like {pattern}" if pattern else "")
    raise TypeError(f"settings have no type {kind}")


def _describe(section: str, key: str) -> str:
    schema = _info(_KEYS[section, key].type).extra_json_schema
    assert schema is not None, f"{section}.{key} needs a description"
    return str(schema["description"])


def _info(kind: Any) -> msgspec.inspect.Metadata:
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.Metadata)
    return info


def _toml(value: bool | int | str) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return f"{value:_}" if value >= 100_000 else str(value)
        case str():
            return f'"{value}"'
