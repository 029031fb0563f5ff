"""The records database: users, keys and whatever else no log can rebuild.

Several processes write, each its own tables and the audit trail. Everything is written through `write()`, one
transaction per action, one at a time over all processes; when it has returned, it is on the disk.
Known limit: SQLite only. What knows that stands in cambist/store/sqlite.py.
"""

import os
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar, cast

from sqlalchemy import Connection, Engine, PoolProxiedConnection, delete, insert, select

from cambist.errors import Refused
from cambist.settings import Settings
from cambist.store import migrate
from cambist.store.audit import Act, Trail
from cambist.store.secrets import SealBroken, Vault
from cambist.store.sqlite import open_database, writing
from cambist.store.tables import meta

_VAULT_PLACE = "records database"
_PAYOUTS = "payouts"
_ADDRESSES = "addresses from"
# From 2026 on, in all lives of an exchange together; 2**31 numbers last for 34 years.
_ADDRESSES_A_SECOND = 2
_ADDRESSES_SINCE_NS = 1_767_225_600 * 10**9
CONTENT_LONGEST = 255
_LOOK_EVERY_NS = 20_000_000
_REMEMBERED_MAX = 65_536

T = TypeVar("T")


class RecordsError(Refused):
    """The database cannot be used as it is; the text says what to do."""

    code = "records_unusable"


class Records:
    """An open records database and the vault that reads its secrets. Usable from every thread."""

    def __init__(self, engine: Engine, vault: Vault, *, is_shared: bool = False) -> None:
        self.vault = vault
        self.audit = Trail(vault)
        self._engine = engine
        self._to_write = writing(engine)
        self._watch: PoolProxiedConnection | None = None
        self._looks_every_ns = 0 if is_shared else _LOOK_EVERY_NS
        self._looked_at_ns = self._seen = 0
        self._writing = threading.Lock()
        self._writes = 0
        self._memory: dict[Hashable, tuple[tuple[int, int], Any]] = {}

    @classmethod
    def create(cls, settings: Settings) -> Self:
        """Make the master key and an empty database, or complete what an interrupted call has left.

        Raises RecordsError if a database is there already, SecretsError if the secrets are open to others.
        """
        file = settings.records_file
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))  # SQLite itself would let others read it
        engine = open_database(file)
        with engine.begin() as db:
            if migrate.version(db) is not None:
                raise RecordsError(f"{file} exists already; a new exchange needs an empty data directory")
        records = cls(engine, Vault.create(settings.secrets_directory))
        with records.write() as db:
            migrate.upgrade(db, migrate.RECORDS)
            seal = records.vault.seal(b"", place=_VAULT_PLACE)
            db.execute(insert(meta).values(name="vault", content=seal))
        return records

    @classmethod
    def open(cls, settings: Settings, *, is_shared: bool = False) -> Self:
        """Open a database and bring it to this release's schema; a refusal leaves it as it was.

        `is_shared`: others write most of what is remembered here, so SQLite is asked each time whether they
        have; else their writes are seen 20 ms later at most. Raises RecordsError if it is missing, empty or
        sealed with another master key, DatabaseTooNew and SecretsError.
        """
        file = settings.records_file
        missing = RecordsError(
            f"{file} is missing or empty; restore the backup, or `cambist init` a new exchange"
        )
        if not file.exists():
            raise missing
        vault = Vault.open(settings.secrets_directory)
        records = cls(open_database(file), vault, is_shared=is_shared)
        with records.write() as db:
            if migrate.version(db) is None:
                raise missing
            migrate.upgrade(db, migrate.RECORDS)
            _require_own_vault(db, records.vault)
        return records

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of the database."""
        with self._engine.begin() as db:
            yield db

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that writes: durable when the block has ended, undone if it raises."""
        with self._writing:
            try:
                with self._to_write.begin() as db:
                    yield db
            finally:
                self._writes += 1

    def remembered(self, key: Hashable, read: Callable[[Connection], T | None]) -> T | None:
        """What `read` gives, from memory until the next write. Nothing is remembered of what is not there."""
        version = self.version()  # before the read: what a write overtakes is outdated at once
        known = self._memory.get(key)
        if known is not None and known[0] == version:
            return cast(T, known[1])
        with self.read() as db:
            value = read(db)
        if value is None:
            self._memory.pop(key, None)
        else:
            if len(self._memory) >= _REMEMBERED_MAX:  # sessions come and go: most of it is of no more use
                self._memory.clear()
            self._memory[key] = (version, value)
        return value

    def version(self) -> tuple[int, int]:
        """Another one after each write; what was remembered under an older one must be read again."""
        now_ns = time.monotonic_ns()
        if now_ns - self._looked_at_ns >= self._looks_every_ns:
            if self._watch is None:
                self._watch = self._engine.raw_connection()
            connection: Any = self._watch.driver_connection
            self._seen = int(connection.execute("PRAGMA data_version").fetchone()[0])
            self._looked_at_ns = now_ns
        return self._writes, self._seen

    def bind_log(self, log_id: bytes) -> None:
        """Store which log belongs to this database; later, raises RecordsError unless it is the same."""
        with self.write() as db:
            bound = db.scalar(select(meta.c.content).where(meta.c.name == "log"))
            if bound is None:
                db.execute(insert(meta).values(name="log", content=log_id))
            elif bound != log_id:
                raise RecordsError(
                    f"the records database belongs to log {bound.hex()}, not to {log_id.hex()}; "
                    "one of the two comes from another exchange or backup"
                )

    def bind_mode(self, *, sandbox: bool) -> None:
        """Store whether the money here is play money; later, raises RecordsError if settings say otherwise.

        Play money must not become real by a changed setting, nor real money be credited at will.
        """
        mode = b"sandbox" if sandbox else b"real"
        with self.write() as db:
            bound = db.scalar(select(meta.c.content).where(meta.c.name == "mode"))
            if bound is None:
                db.execute(insert(meta).values(name="mode", content=mode))
            elif bound != mode:
                made, wanted = ("with", "without") if bound == b"sandbox" else ("without", "with")
                raise RecordsError(
                    f"this exchange was made {made} mode.sandbox and is to start {wanted} it: "
                    "an exchange keeps its mode; make a new one in another CAMBIST_HOME"
                )

    def payouts_stopped(self) -> str | None:
        """Why nothing may be paid out; None if nothing is in the way."""
        with self.read() as db:
            reason = db.scalar(select(meta.c.content).where(meta.c.name == _PAYOUTS))
        return None if reason is None else reason.decode()

    def stop_payouts(self, db: Connection, reason: str) -> None:
        """Until `resume_payouts`. A reason that stands already is kept: it is the older one."""
        if db.scalar(select(meta.c.content).where(meta.c.name == _PAYOUTS)) is None:
            db.execute(insert(meta).values(name=_PAYOUTS, content=reason.encode()[:CONTENT_LONGEST]))

    def resume_payouts(self, act: Act) -> bool:
        """Somebody has looked; `act` says who. False if payouts were not stopped."""
        with self.write() as db:
            resumed = db.execute(delete(meta).where(meta.c.name == _PAYOUTS)).rowcount > 0
            if resumed:
                self.audit.append(db, act)
        return resumed

    def skip_addresses(self, db: Connection, now_ns: int) -> None:
        """These are restored: what was given since the backup is not known here and is not given again.

        Numbers go on where the clock is, so that two restores of one backup do not meet either.
        """
        begin = max(0, (now_ns - _ADDRESSES_SINCE_NS) * _ADDRESSES_A_SECOND // 10**9)
        db.execute(delete(meta).where(meta.c.name == _ADDRESSES))
        db.execute(insert(meta).values(name=_ADDRESSES, content=str(begin).encode()))

    def addresses_from(self, db: Connection) -> int:
        """The lowest number of a deposit address that may be given now."""
        begin = db.scalar(select(meta.c.content).where(meta.c.name == _ADDRESSES))
        return 0 if begin is None else int(begin)

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()
        self._engine.dispose()


def _require_own_vault(db: Connection, vault: Vault) -> None:
    seal = db.execute(select(meta.c.content).where(meta.c.name == "vault")).scalar_one()
    try:
        vault.unseal(seal, place=_VAULT_PLACE)
    except SealBroken:
        raise RecordsError(
            "the records database was sealed with another master key; restore that one from the backup"
        ) from None
