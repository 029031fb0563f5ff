"""What is decided at the signer's own console and nowhere else: networks, caps, and whose approval counts.

Each change leaves a row in the signer's history. A running signer takes it up with the next call.
"""

import base64
import binascii
import time
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection, delete, insert, update
from webauthn.helpers import (
    base64url_to_bytes,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
)

from cambist.errors import Refused
from cambist.signer import approvals, families, store
from cambist.signer.service import ORIGINS, RP_ID
from cambist.signer.store import Limits, Network


class NoSuchApprover(Refused):
    code = "no_such_approver"


class KeyKnown(Refused):
    code = "key_known"


class ValueRefused(Refused):
    code = "value_refused"


def set_network(db: Connection, network: Network) -> None:
    """Added, or changed in everything but its chain. Raises ValueRefused; NoFamily for an unknown one."""
    families.of(network.name)
    _require_positive(fee_max=network.fee_max, fee_day_max=network.fee_day_max)
    known = {each.name: each for each in store.all_networks(db)}.get(network.name)
    if known is not None and known.chain_id != network.chain_id:
        raise ValueRefused(f"{network.name} is chain {known.chain_id}; what was signed for it stays there")
    row = network._asdict() | {
        name: str(getattr(network, name)) for name in ("fee_max", "fee_day_max", "gas_max")
    }
    db.execute(delete(store.networks).where(store.networks.c.name == network.name))
    db.execute(insert(store.networks).values(row))
    _note(db, "network.set", row)


def set_limits(db: Connection, limits: Limits) -> None:
    """Raises NotSetUp for a network that is unknown, ValueRefused, AddressRefused for the contract."""
    store.network(db, limits.network)
    if limits.contract:
        families.of(limits.network).require_address(limits.contract)
    _require_positive(per_payment=limits.per_payment, per_hour=limits.per_hour, per_day=limits.per_day)
    if limits.two_above < 0:
        raise ValueRefused("two_above is at least 0: then every payment takes two")
    row = limits._asdict() | {
        name: str(getattr(limits, name)) for name in ("per_payment", "per_hour", "per_day", "two_above")
    }
    table = store.limits
    of_it = (table.c.network == limits.network, table.c.contract == limits.contract)
    db.execute(delete(table).where(*of_it))
    db.execute(insert(table).values(row))
    _note(db, "limits.set", row)


def set_page(db: Connection, rp_id: str, origins: list[str]) -> None:
    """Where passkeys are used: what the console page is called, as browsers say it."""
    store.set_value(db, RP_ID, rp_id)
    store.set_value(db, ORIGINS, " ".join(origins))
    _note(db, "page.set", {"rp_id": rp_id, "origins": origins})


def add_approver(db: Connection, name: str, kind: str, public_key: bytes, credential_id: bytes = b"") -> None:
    """A person may have several keys, but no key belongs to two: two approvals are of two people.

    Raises KeyKnown, NotApproved for what is no key.
    """
    if not name.isprintable() or not 0 < len(name) <= 64:
        raise ValueRefused("a name has 1 to 64 printable characters")
    approvals.require_key(kind, public_key)
    if any(each.public_key == public_key for each in store.all_approvers(db)):
        raise KeyKnown("this key is somebody's already")
    row = {"name": name, "kind": kind, "public_key": public_key, "credential_id": credential_id}
    db.execute(insert(store.approvers).values(row | {"added_at_ns": time.time_ns()}))
    said = {"name": name, "kind": kind, "public_key": public_key.hex(), "credential_id": credential_id.hex()}
    _note(db, "approver.add", said)


def remove_approver(db: Connection, name: str) -> int:
    """All keys of this person; how many. Raises NoSuchApprover."""
    table = store.approvers
    removed = db.execute(
        update(table)
        .where(table.c.name == name, table.c.removed_at_ns.is_(None))
        .values(removed_at_ns=time.time_ns())
    ).rowcount
    if not removed:
        raise NoSuchApprover(f"the signer has no key of {name}")
    _note(db, "approver.remove", {"name": name, "keys": removed})
    return removed


def rotate_approver(
    db: Connection, name: str, kind: str, public_key: bytes, credential_id: bytes = b""
) -> None:
    """This key in place of all that the person had. Raises NoSuchApprover, and as `add_approver`."""
    remove_approver(db, name)
    add_approver(db, name, kind, public_key, credential_id)


def read_key(kind: str, text: str) -> bytes:
    """Of what the console shows: Ed25519 as hex or base64, a passkey's COSE key as base64url.

    Raises NotApproved.
    """
    try:
        if kind == approvals.WEBAUTHN:
            found = decoded_public_key_to_cryptography(decode_credential_public_key(base64url_to_bytes(text)))
            return found.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        is_hex = len(text) == 2 * approvals.ED25519_BYTES
        return bytes.fromhex(text) if is_hex else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as problem:
        raise approvals.NotApproved(f"this is no {kind} public key: {problem}") from None


def _require_positive(**values: int) -> None:
    for name, value in values.items():
        if value <= 0:
            raise ValueRefused(f"{name} = {value}: must be more than zero")


def _note(db: Connection, action: str, details: dict[str, Any]) -> None:
    store.note(db, action, details, time.time_ns())
