"""`cambist user` and `cambist api-key`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from cambist.accounts.signatures import Kind
from cambist.cli.door import ask
from cambist.cli.output import answers
from cambist.control.users import (
    KINDS,
    SCOPE_NAMES,
    CreateApiKey,
    CreateUser,
    DeleteApiKey,
    FreezeUser,
    ListApiKeys,
    ListUsers,
    ResetSecondFactor,
    SignOutUser,
)

EMAIL = click.argument("email")


@click.group()
def user() -> None:
    """Users and their accounts."""


@user.command("create")
@EMAIL
@answers
def create_user(email: str) -> Any:
    """Create a user with an account, or complete one whose creation was interrupted."""
    return ask(CreateUser(email=email))


@user.command("list")
@answers
def list_users() -> Any:
    """Show all users."""
    return ask(ListUsers())


@user.command()
@EMAIL
@answers
def freeze(email: str) -> Any:
    """Stop an account: it may cancel and be credited, nothing else."""
    return ask(FreezeUser(email=email, frozen=True))


@user.command()
@EMAIL
@answers
def unfreeze(email: str) -> Any:
    """Let an account trade again."""
    return ask(FreezeUser(email=email, frozen=False))


@user.command("reset-second-factor")
@EMAIL
@click.option("--reason", required=True, help="How the owner has shown to be the owner; for the audit trail.")
@answers
def reset_second_factor(email: str, reason: str) -> Any:
    """Take away an authenticator app that its owner has lost; withdrawals wait."""
    return ask(ResetSecondFactor(email=email, reason=reason))


@user.command("sign-out")
@EMAIL
@answers
def sign_out(email: str) -> Any:
    """End all sessions, API keys and private streams of a user."""
    return ask(SignOutUser(email=email))


@click.group("api-key")
def api_key() -> None:
    """Keys with which programs act for a user."""


@api_key.command("create")
@EMAIL
@click.option("--label", default="default", show_default=True, help="What the key is for.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPE_NAMES),
    multiple=True,
    default=("read", "trade"),
    show_default=True,
    help="What the key may do; repeatable.",
)
@click.option(
    "--type", "kind", type=click.Choice(KINDS), default="hmac", show_default=True, help="How it signs."
)
@click.option(
    "--public-key",
    "public_key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM file with the owner's public key; for ed25519 and rsa.",
)
@click.option(
    "--ip", "ip_allow", multiple=True, help="Address or network it may come from; several possible."
)
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="Day (UTC) on which the key ends.")
@answers
def create_key(
    email: str,
    label: str,
    scopes: tuple[str, ...],
    kind: str,
    public_key: Path | None,
    ip_allow: tuple[str, ...],
    expires: datetime | None,
) -> Any:
    """Create a key. The secret of an HMAC key is shown now and never again."""
    return ask(
        CreateApiKey(
            email=email,
            label=label,
            scopes=list(scopes),
            kind=Kind(kind),
            public_key=None if public_key is None else public_key.read_text("utf-8", "replace"),
            ip_allow=list(ip_allow),
            expires_at_ns=None if expires is None else _midnight_ns(expires),
        )
    )


@api_key.command("list")
@click.option("--email", help="Only this user's keys.")
@answers
def list_keys(email: str | None) -> Any:
    """Show all keys, revoked ones too. Secrets are never shown."""
    return ask(ListApiKeys(email=email))


@api_key.command("delete")
@click.argument("key")
@answers
def delete_key(key: str) -> Any:
    """Revoke a key at once and for ever."""
    return ask(DeleteApiKey(api_key=key))


def _midnight_ns(day: datetime) -> int:
    return int(day.replace(tzinfo=UTC).timestamp()) * 1_000_000_000
