"""`cambist network`."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cambist.cli.door import ask
from cambist.cli.output import answers
from cambist.control.networks import (
    AddNetwork,
    HaltNetwork,
    ListNetworks,
    ListUnexplained,
    SetNetwork,
    TermChanges,
)

F = TypeVar("F", bound=Callable[..., Any])

NETWORK = click.argument("network")
ASSET = click.argument("asset")


@click.group()
def network() -> None:
    """On which chains assets come in and go out, and on what terms."""


def terms(command: F) -> F:
    """The options that name terms; amounts are in the asset."""
    for name, meaning in (
        ("withdrawals-open", "Whether it may be withdrawn."),
        ("deposits-open", "Whether deposits are credited."),
    ):
        command = click.option(f"--{name}/--no-{name}", default=None, help=meaning)(command)
    for name, meaning in (
        ("hot-max", "Most that is to lie at the hot address; 0: no limit."),
        ("review-two-above", "Withdrawals above this need two people's approval."),
        ("withdrawal-daily-max", "Most that one user may withdraw in a day; 0: no limit."),
        ("withdrawal-min", "Smallest withdrawal."),
        ("withdrawal-fee", "What a withdrawal costs its user."),
        ("deposit-min", "Smallest deposit that is credited."),
        ("large-above", "Deposits above this need --large-confirmations; 0: all need the same."),
    ):
        command = click.option(f"--{name}", help=meaning)(command)
    for name, meaning in (
        ("large-confirmations", "Blocks before a large deposit is credited."),
        ("confirmations", "Blocks before a deposit is credited."),
    ):
        command = click.option(f"--{name}", type=click.IntRange(1), help=meaning)(command)
    return command


@network.command("add")
@NETWORK
@ASSET
@click.option("--contract", default="", help="The token's contract; none for the network's own coin.")
@click.option("--decimals", type=click.IntRange(0, 36), default=18, show_default=True, help="On the chain.")
@terms
@answers
def add_network(network: str, asset: str, contract: str, decimals: int, **changes: Any) -> Any:
    """Let ASSET come in on NETWORK, for example ETH. The node is asked what the contract says of itself."""
    return ask(
        AddNetwork(
            network=network, asset=asset, contract=contract, decimals=decimals, terms=TermChanges(**changes)
        )
    )


@network.command("list")
@answers
def list_networks() -> Any:
    """Show which assets are on which networks, and on what terms."""
    return ask(ListNetworks())


@network.command()
@answers
def unexplained() -> Any:
    """Show transactions of our addresses that the records have not made, and what they can have paid.

    Two people at the console explain them (`network.explain`); until then payouts do not go on.
    """
    return ask(ListUnexplained())


@network.command("set")
@NETWORK
@ASSET
@terms
@answers
def set_network(network: str, asset: str, **changes: Any) -> Any:
    """Change what is named, leave the rest."""
    return ask(SetNetwork(network=network, asset=asset, terms=TermChanges(**changes)))


@network.command()
@NETWORK
@ASSET
@click.argument("reason")
@answers
def halt(network: str, asset: str, reason: str) -> Any:
    """Neither credit nor pay out until `resume`; REASON is shown to users."""
    return ask(HaltNetwork(network=network, asset=asset, reason=reason))


@network.command()
@NETWORK
@ASSET
@answers
def resume(network: str, asset: str) -> Any:
    """Go on after a halt, once its cause is understood."""
    return ask(HaltNetwork(network=network, asset=asset, reason=None))
