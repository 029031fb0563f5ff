"""Listen keys: names of an account's stream for clients of the older kind. Valid for an hour, and renewed.

They lie in a small database that all gateways of a machine share, so each is good at every gateway and after
a restart. It is not synced: a power cut costs a client what an hour without a renewal costs, a new key.
"""

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    Connection,
    MetaData,
    String,
    Table,
    bindparam,
    case,
    delete,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DatabaseError

from cambist import ids
from cambist.errors import Unavailable
from cambist.store.sqlite import open_database

log = logging.getLogger(__name__)

VALID_NS = 3_600 * 10**9

_metadata = MetaData()
_keys = Table(
    "listen_keys",
    _metadata,
    Column("name", String(64), primary_key=True),
    Column("account", BigInteger, nullable=False, unique=True),
    Column("expires_ns", BigInteger, nullable=False),
)
_NOW: BindParameter[int] = bindparam("now_ns")
_is_valid = _keys.c.expires_ns > _NOW
_its_owners = (_keys.c.name == bindparam("key")) & (_keys.c.account == bindparam("owner")) & _is_valid
_new = insert(_keys)
# One statement, so that two gateways cannot give an account two keys.
_START = _new.on_conflict_do_update(
    index_elements=["account"],
    set_={
        "name": case((_is_valid, _keys.c.name), else_=_new.excluded.name),
        "expires_ns": _new.excluded.expires_ns,
    },
).returning(_keys.c.name)
_RENEW = update(_keys).where(_its_owners).values(expires_ns=bindparam("until_ns"))
_END = delete(_keys).where(_its_owners)
_DROP = delete(_keys).where(~_is_valid)
_FIND = select(_keys.c.account).where(_keys.c.name == bindparam("key"), _is_valid)


class ListenKeys:
    """`on_end` is told of each key in use here that was closed or has expired."""

    def __init__(self, file: Path, on_end: Callable[[str], None]) -> None:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        self._database = open_database(file, is_derived=True)
        self._on_end = on_end
        _metadata.create_all(self._database)

    def start(self, account: int, now_ns: int) -> str:
        """The account's key, a new one if it has none; valid for an hour from now. Raises Unavailable."""
        row = {"name": ids.new_api_key(), "account": account, "expires_ns": now_ns + VALID_NS}
        with self._writing() as db:
            name = str(db.execute(_START, row | {"now_ns": now_ns}).scalar_one())
            db.execute(_DROP, {"now_ns": now_ns})
            return name

    def renew(self, name: str, account: int, now_ns: int) -> bool:
        """False if the account has no such key. Raises Unavailable."""
        until = {"until_ns": now_ns + VALID_NS}
        with self._writing() as db:
            renewed: int = db.execute(_RENEW, _named(name, account, now_ns) | until).rowcount
        return renewed == 1

    def end(self, name: str, account: int, now_ns: int) -> bool:
        """The same."""
        with self._writing() as db:
            ended: int = db.execute(_END, _named(name, account, now_ns)).rowcount
        if ended:
            self._on_end(name)
        return ended == 1

    def end_all(self, account: int) -> None:
        """Whatever key the account has. Raises Unavailable."""
        with self._writing() as db:
            db.execute(delete(_keys).where(_keys.c.account == account))

    def account_of(self, name: str, now_ns: int) -> int | None:
        if not ids.is_api_key(name):  # as nearly every stream's name
            return None
        with self._database.begin() as db:
            return db.execute(_FIND, {"key": name, "now_ns": now_ns}).scalar()

    def look(self, in_use: Collection[str], now_ns: int) -> None:
        """Whether the keys that are in use here are still valid; to be called now and then."""
        if not in_use:
            return
        valid = select(_keys.c.name).where(_keys.c.name.in_(in_use), _is_valid)
        try:
            with self._database.begin() as db:
                found = set(db.scalars(valid, {"now_ns": now_ns}))
        except DatabaseError as problem:
            log.warning("listen keys cannot be looked at: %s", problem.orig)
            return
        for name in set(in_use) - found:
            self._on_end(name)

    def close(self) -> None:
        self._database.dispose()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        try:
            with self._database.begin() as db:
                yield db
        except DatabaseError as problem:  # a full disk, or another gateway that is at it for long
            raise Unavailable(f"listen keys cannot be kept: {problem.orig}") from problem


def _named(name: str, account: int, now_ns: int) -> dict[str, str | int]:
    return {"key": name, "owner": account, "now_ns": now_ns}
