"""`cambist staff`: who may use the console, and the keys of those who have no passkey."""

import os
from pathlib import Path
from typing import Any

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from cambist.cli.door import ask
from cambist.cli.output import answers
from cambist.control.staff import DisableStaff, InviteStaff, ListStaff
from cambist.staff.keys import Purpose
from cambist.staff.roles import Role

_PURPOSES = {purpose.name.lower(): purpose for purpose in Purpose}


@click.group()
def staff() -> None:
    """Members of the staff, and keys they approve with."""


@staff.command()
@click.argument("name")
@click.option("--email", required=True)
@click.option(
    "--role",
    "roles",
    type=click.Choice([role.value for role in Role]),
    multiple=True,
    required=True,
    help="What the person does; repeatable.",
)
@answers
def invite(name: str, email: str, roles: tuple[str, ...]) -> Any:
    """Print a link for a first sign-in: good once, for 24 hours. Again for somebody who has lost all keys."""
    return ask(InviteStaff(name=name, email=email, roles=[Role(role) for role in roles]))


@staff.command("list")
@answers
def list_staff() -> Any:
    """Show everybody."""
    return ask(ListStaff())


@staff.command()
@click.argument("name")
@answers
def disable(name: str) -> Any:
    """End somebody's access for good, at once."""
    return ask(DisableStaff(name=name))


@staff.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@answers
def key(file: Path) -> Any:
    """Make an Ed25519 key in FILE. Nobody but you should ever have that file."""
    made = Ed25519PrivateKey.generate()
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise click.ClickException(f"{file} exists already, and a key is not written over") from None
    with open(descriptor, "wb") as out:
        out.write(pem)
    return {"file": str(file), "public_key": _public(made).hex()}


@staff.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("purpose", type=click.Choice(list(_PURPOSES)))
@click.argument("challenge")
@answers
def sign(file: Path, purpose: str, challenge: str) -> Any:
    """Sign what the console shows, with the key in FILE, on a machine that you trust."""
    private = load_pem_private_key(file.read_bytes(), None)
    if not isinstance(private, Ed25519PrivateKey):
        raise click.ClickException(f"{file} holds no Ed25519 key")
    signature = private.sign(_PURPOSES[purpose].value + base64url_to_bytes(challenge))
    return {"public_key": bytes_to_base64url(_public(private)), "signature": bytes_to_base64url(signature)}


def _public(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
