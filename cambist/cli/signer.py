"""`cambist signer`: the console of the signer. It works on the signer's own files, running or not."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from sqlalchemy import Connection
from webauthn.helpers import base64url_to_bytes

from cambist.cli.output import answers
from cambist.match import recovery
from cambist.settings import Settings
from cambist.signer import approvals, console, keystore, service, setup, store
from cambist.signer.keystore import Keystore
from cambist.signer.store import Limits, Network, Store

_KIND = click.option(
    "--type",
    "kind",
    type=click.Choice([approvals.ED25519, approvals.WEBAUTHN]),
    default=approvals.ED25519,
    show_default=True,
)
_KEY = click.option("--key", required=True, help="Public key: hex or base64; of a passkey as shown.")
_CREDENTIAL = click.option("--credential", default="", help="Of a passkey: its id, as shown.")


@click.group()
def signer() -> None:
    """The process that has the keys to coins, at its own console."""


@signer.command()
@answers
def init() -> Any:
    """Make keys, encrypted on disk. Afterwards: `network`, `limits`, `approver add`, and a backup."""
    settings = Settings.load()
    setup.create(settings, recovery.log_id(settings.log_directory).hex())
    keys = Keystore.open(settings.signer_directory, setup.key_file(settings))
    return {
        "directory": str(settings.signer_directory),
        "key_file": str(setup.key_file(settings)),
        "hot_address": keys.hot.address,
        "deposits_xpub": keys.deposits_xpub,
    }


@signer.command()
@click.argument("name")
@click.option("--chain-id", type=int, required=True)
@click.option("--fee-max", type=int, required=True, help="Of one transaction, in wei.")
@click.option("--fee-day-max", type=int, required=True, help="Of all in 24 hours, in wei.")
@click.option("--gas-max", type=int, default=0, help="To one deposit address at once, for sweeping; in wei.")
@answers
def network(name: str, chain_id: int, fee_max: int, fee_day_max: int, gas_max: int) -> Any:
    """Sign for a network, or change what it may cost."""
    with _writing() as db:
        console.set_network(db, Network(name, chain_id, fee_max, fee_day_max, gas_max))
        return [each._asdict() for each in store.all_networks(db)]


@signer.command("limits")
@click.argument("network_name", metavar="NETWORK")
@click.option("--contract", default="", help="The token; without it the network's own coin.")
@click.option("--per-payment", type=int, required=True)
@click.option("--per-hour", type=int, required=True)
@click.option("--per-day", type=int, required=True)
@click.option("--two-above", type=int, required=True, help="More than this takes two approvers.")
@answers
def limits_(
    network_name: str, contract: str, per_payment: int, per_hour: int, per_day: int, two_above: int
) -> Any:
    """How much may leave, in the smallest unit of the chain. What has no limits is not signed."""
    with _writing() as db:
        console.set_limits(db, Limits(network_name, contract, per_payment, per_hour, per_day, two_above))
        return [each._asdict() for each in store.all_limits(db)]


@signer.command()
@click.argument("rp_id")
@click.argument("origins", nargs=-1, required=True)
@answers
def page(rp_id: str, origins: tuple[str, ...]) -> Any:
    """Where passkeys are used: the console's host name and its origins, such as https://host:8001."""
    with _writing() as db:
        console.set_page(db, rp_id, list(origins))
    return {"rp_id": rp_id, "origins": list(origins)}


@signer.group()
def approver() -> None:
    """Whose approval counts."""


@approver.command()
@click.argument("name")
@_KIND
@_KEY
@_CREDENTIAL
@answers
def add(name: str, kind: str, key: str, credential: str) -> Any:
    """Enrol a key of a person."""
    with _writing() as db:
        console.add_approver(db, name, kind, console.read_key(kind, key), _credential(credential))
        return _approvers(db)


@approver.command()
@click.argument("name")
@_KIND
@_KEY
@_CREDENTIAL
@answers
def rotate(name: str, kind: str, key: str, credential: str) -> Any:
    """A new key in place of all that the person had."""
    with _writing() as db:
        console.rotate_approver(db, name, kind, console.read_key(kind, key), _credential(credential))
        return _approvers(db)


@approver.command()
@click.argument("name")
@answers
def remove(name: str) -> Any:
    """Nothing that this person signs counts any more."""
    with _writing() as db:
        console.remove_approver(db, name)
        return _approvers(db)


@approver.command("list")
@answers
def list_approvers() -> Any:
    """Show all keys that count."""
    with _writing() as db:
        return _approvers(db)


@signer.command()
@answers
def status() -> Any:
    """What the signer works for, and within which limits."""
    settings = Settings.load()
    with _writing() as db:
        return {
            "exchange": store.value(db, service.EXCHANGE),
            "directory": str(settings.signer_directory),
            "networks": [each._asdict() for each in store.all_networks(db)],
            "limits": [each._asdict() for each in store.all_limits(db)],
            "approvers": _approvers(db),
        }


@signer.command()
@answers
def verify() -> Any:
    """Open the keystore, as the signer will at its start, and show the addresses that come of it."""
    settings = Settings.load()
    setup.become_owner(settings)
    keys = Keystore.open(settings.signer_directory, setup.key_file(settings))
    return {"hot_address": keys.hot.address, "deposits_xpub": keys.deposits_xpub}


@signer.command()
@click.confirmation_option(prompt="Whoever sees the words has all coins. Show them?")
def words() -> None:
    """The 24 words of the seed, for paper in a safe."""
    settings = Settings.load()
    setup.become_owner(settings)
    click.echo(keystore.words(settings.signer_directory, setup.key_file(settings)))


def _approvers(db: Connection) -> list[dict[str, str]]:
    return [
        {"name": each.name, "type": each.kind, "key": each.public_key.hex()}
        for each in store.all_approvers(db)
    ]


def _credential(text: str) -> bytes:
    return base64url_to_bytes(text) if text else b""


@contextmanager
def _writing() -> Iterator[Connection]:
    settings = Settings.load()
    setup.become_owner(settings)
    own = Store(settings.signer_directory)
    try:
        with own.write() as db:
            yield db
    finally:
        own.close()
