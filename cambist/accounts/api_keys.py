"""Which key may act for which account: made, listed, revoked, and found for every signed request.

The secret of an HMAC key is shown once; of Ed25519 and RSA keys the owner gives only the public key.
Either is stored sealed (to check a signature takes the secret itself) and bound to its kind, account, scopes,
addresses and expiry: a row that was edited or copied in the database does not open.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Flag
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from cambist import ids
from cambist.accounts.signatures import Check, Kind, check_with, read_public_key
from cambist.accounts.users import User
from cambist.errors import Refused
from cambist.store.audit import Act
from cambist.store.records import Records
from cambist.store.secrets import Vault
from cambist.store.tables import api_keys

KEYS_PER_USER_MAX = 30
LABEL_LONGEST = 64
IP_ALLOW_MAX = 30
TIME_END_NS = 1 << 63  # the database holds less

IpNetwork = IPv4Network | IPv6Network


class Scope(Flag):
    """What a key may do. Stored as bits: never renumber."""

    READ = 1
    TRADE = 2
    WITHDRAW = 4


class ApiKeyInvalid(Refused):
    """A key that may not exist like this; the text says why."""

    code = "api_key_invalid"


class ApiKeyUnknown(Refused):
    code = "api_key_unknown"

    def __init__(self, api_key: str) -> None:
        super().__init__(f"there is no API key {api_key}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as the gateway needs it; `permits` is the whole rule beside the signature (`is_signed`)."""

    id: str
    kind: Kind
    account: int
    scopes: Scope
    ip_allow: tuple[IpNetwork, ...]
    created_at_ns: int
    expires_at_ns: int | None
    is_signed: Check = field(repr=False)

    def permits(self, scope: Scope, *, client_ip: str, now_ns: int) -> bool:
        """Whether the key may be used for all of `scope`, from this address, now."""
        return (
            not scope._value_ & ~self.scopes._value_  # what Flag's own `in` says, at a twentieth of its cost
            and (self.expires_at_ns is None or now_ns < self.expires_at_ns)
            and (not self.ip_allow or self._allows(client_ip))
        )

    def _allows(self, client_ip: str) -> bool:
        address = ip_address(client_ip)
        # A socket for both families names an IPv4 client in its IPv6 form.
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self.ip_allow)


@dataclass(frozen=True, slots=True)
class ApiKeyEntry:
    """A key as its owner and the operator see it: without the secret."""

    id: str
    kind: Kind
    user_id: int
    account: int
    label: str
    scopes: Scope
    ip_allow: tuple[str, ...]
    created_at_ns: int
    expires_at_ns: int | None
    revoked_at_ns: int | None


def create(
    records: Records,
    user: User,
    *,
    label: str,
    scopes: Scope,
    kind: Kind = Kind.HMAC,
    public_key: str | None = None,
    ip_allow: Collection[str] = (),
    expires_at_ns: int | None = None,
    now_ns: int,
    acting_user: str,
) -> tuple[str, str | None]:
    """As `create_in`, in a transaction of its own."""
    with records.write() as db:
        return create_in(
            records,
            db,
            user,
            label=label,
            scopes=scopes,
            kind=kind,
            public_key=public_key,
            ip_allow=ip_allow,
            expires_at_ns=expires_at_ns,
            now_ns=now_ns,
            acting_user=acting_user,
        )


def create_in(
    records: Records,
    db: Connection,
    user: User,
    *,
    label: str,
    scopes: Scope,
    kind: Kind = Kind.HMAC,
    public_key: str | None = None,
    ip_allow: Collection[str] = (),
    expires_at_ns: int | None = None,
    now_ns: int,
    acting_user: str,
) -> tuple[str, str | None]:
    """A new key as (API key, secret); the secret of an HMAC key cannot be shown again, others have None.

    `public_key` is PEM, for the other kinds. Raises ApiKeyInvalid and PublicKeyInvalid.
    """
    if user.account is None:
        raise ApiKeyInvalid(f"the account of {user.email} is not complete; create the user again")
    networks = [str(_network(text)) for text in ip_allow]
    _require_sensible(label, scopes, networks, expires_at_ns, now_ns)
    api_key = ids.new_api_key()
    secret = ids.new_api_key() if kind is Kind.HMAC else None
    material = _material(kind, secret, public_key)
    row = {
        "id": api_key,
        "user_id": user.id,
        "account": user.account,
        "kind": kind.value,
        "label": label,
        "scopes": scopes.value,
        "ip_allow": networks,
        "created_at_ns": now_ns,
        "created_by": acting_user,
        "expires_at_ns": expires_at_ns,
    }
    place = _place(kind.value, api_key, user.account, scopes.value, networks, expires_at_ns)
    sealed = records.vault.seal(material, place=place)
    active = select(func.count()).where(api_keys.c.user_id == user.id, api_keys.c.revoked_at_ns.is_(None))
    if db.execute(active).scalar_one() >= KEYS_PER_USER_MAX:
        raise ApiKeyInvalid(f"{user.email} has {KEYS_PER_USER_MAX} API keys, the most a user may have")
    db.execute(insert(api_keys).values(row | {"sealed_key": sealed}))
    records.audit.append(db, Act(acting_user, "api-key.create", row, now_ns))
    return api_key, secret


def delete(records: Records, api_key: str, *, now_ns: int, acting_user: str) -> None:
    """Revoke a key: once this has returned, `find` gives it no more. A second call raises ApiKeyUnknown."""
    with records.write() as db:
        revoked = db.execute(
            update(api_keys)
            .where(api_keys.c.id == api_key, api_keys.c.revoked_at_ns.is_(None))
            .values(revoked_at_ns=now_ns, revoked_by=acting_user)
        )
        if revoked.rowcount == 0:
            raise ApiKeyUnknown(api_key)
        records.audit.append(db, Act(acting_user, "api-key.delete", {"api_key": api_key}, now_ns))


def revoke_all(db: Connection, user_id: int, *, now_ns: int, acting_user: str) -> int:
    """All keys of a user, in the transaction that says why; how many there were."""
    active = (api_keys.c.user_id == user_id) & api_keys.c.revoked_at_ns.is_(None)
    revoked = db.execute(update(api_keys).where(active).values(revoked_at_ns=now_ns, revoked_by=acting_user))
    return int(revoked.rowcount)


def list_all(records: Records, user: User | None = None) -> list[ApiKeyEntry]:
    """All keys, or those of one user, oldest first, revoked ones too."""
    wanted = select(api_keys).order_by(api_keys.c.created_at_ns, api_keys.c.id)
    if user is not None:
        wanted = wanted.where(api_keys.c.user_id == user.id)
    with records.read() as db:
        return [_entry(row) for row in db.execute(wanted)]


# Built once: it is what a request with an unknown key costs, and anyone can send those.
_VALID = select(api_keys).where(api_keys.c.id == bindparam("api_key"), api_keys.c.revoked_at_ns.is_(None))


def find(records: Records, api_key: str) -> ApiKey | None:
    """The key, if it exists and is not revoked; expiry, scopes and addresses are for `permits`.

    Known keys are answered from memory. Raises SealBroken for a row that was tampered with.
    """
    if not ids.is_api_key(api_key):
        return None
    return records.remembered(("api key", api_key), lambda db: _read(records.vault, db, api_key))


def _read(vault: Vault, db: Connection, api_key: str) -> ApiKey | None:
    row = db.execute(_VALID, {"api_key": api_key}).one_or_none()
    if row is None:
        return None
    place = _place(row.kind, row.id, row.account, row.scopes, row.ip_allow, row.expires_at_ns)
    kind, material = Kind(row.kind), vault.unseal(row.sealed_key, place=place)
    return ApiKey(
        id=row.id,
        kind=kind,
        account=row.account,
        scopes=Scope(row.scopes),
        ip_allow=tuple(map(_network, row.ip_allow)),
        created_at_ns=row.created_at_ns,
        expires_at_ns=row.expires_at_ns,
        is_signed=check_with(kind, material),
    )


def _material(kind: Kind, secret: str | None, public_key: str | None) -> bytes:
    """What signatures will be checked with."""
    if secret is not None:
        if public_key is not None:
            raise ApiKeyInvalid("an HMAC key has a secret that is made here, and no public key")
        return secret.encode()
    if public_key is None:
        raise ApiKeyInvalid(f"an {kind} key needs its owner's public key")
    return read_public_key(kind, public_key)


def _place(
    kind: str, api_key: str, account: int, scopes: int, ip_allow: Sequence[str], expires_at_ns: int | None
) -> str:
    """What a sealed key is bound to: a public key that became a secret could sign for everybody."""
    what = "api key" if kind == Kind.HMAC else f"{kind} api key"
    return (
        f"{what} {api_key} account {account} scopes {scopes} from {','.join(ip_allow)} until {expires_at_ns}"
    )


def _require_sensible(
    label: str, scopes: Scope, networks: Sequence[str], expires_at_ns: int | None, now_ns: int
) -> None:
    if not 1 <= len(label) <= LABEL_LONGEST or not label.isprintable():
        raise ApiKeyInvalid(f"a label has 1 to {LABEL_LONGEST} printable characters")
    if not scopes:
        raise ApiKeyInvalid("a key needs at least one scope: read, trade or withdraw")
    if Scope.WITHDRAW in scopes and not networks:
        raise ApiKeyInvalid("a key that may withdraw needs a list of IP addresses")
    if len(networks) > IP_ALLOW_MAX:
        raise ApiKeyInvalid(f"a key has at most {IP_ALLOW_MAX} IP addresses or networks")
    if expires_at_ns is not None and expires_at_ns <= now_ns:
        raise ApiKeyInvalid("the key would have expired already")
    if expires_at_ns is not None and expires_at_ns >= TIME_END_NS:
        raise ApiKeyInvalid("a key expires before April 2262; for one that does not expire leave the day out")


def _network(text: str) -> IpNetwork:
    try:
        return ip_network(text)
    except ValueError as problem:
        raise ApiKeyInvalid(f"not an IP address or network: {problem}") from None


def _entry(row: Row[tuple[object, ...]]) -> ApiKeyEntry:
    return ApiKeyEntry(
        id=row.id,
        kind=Kind(row.kind),
        user_id=row.user_id,
        account=row.account,
        label=row.label,
        scopes=Scope(row.scopes),
        ip_allow=tuple(row.ip_allow),
        created_at_ns=row.created_at_ns,
        expires_at_ns=row.expires_at_ns,
        revoked_at_ns=row.revoked_at_ns,
    )
