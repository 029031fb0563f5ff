"""`cambist asset` and `cambist market`."""

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import click

from cambist.cli.door import ask
from cambist.cli.output import answers
from cambist.control.limits import LimitChanges, SetMarketLimits
from cambist.control.markets import (
    STANDARD_FEE,
    AddAsset,
    AddMarket,
    ComponentName,
    FilterChanges,
    ListAssets,
    ListMarkets,
    SetMarketFees,
    SetMarketFilters,
    SetMarketState,
    StateName,
)

F = TypeVar("F", bound=Callable[..., Any])

SYMBOL = click.argument("symbol")
CANCEL_ORDERS = click.option("--cancel-orders", is_flag=True, help="Cancel every order of the market first.")


@click.group()
def asset() -> None:
    """What can be owned."""


@asset.command("add")
@click.argument("name")
@click.option(
    "--scale", type=click.IntRange(0, 18), default=8, show_default=True, help="Decimals kept; final."
)
@answers
def add_asset(name: str, scale: int) -> Any:
    """List an asset, for example BTC."""
    return ask(AddAsset(name=name, scale=scale))


@asset.command("list")
@answers
def list_assets() -> Any:
    """Show all assets."""
    return ask(ListAssets())


@click.group()
def market() -> None:
    """What can be traded. A change counts at once; nothing needs a restart."""


def filters(command: F) -> F:
    """The options that name filters; prices and notionals are in quote, quantities in base."""
    command = click.option("--max-orders", type=click.IntRange(1), help="Open orders per account.")(command)
    for name, meaning in (
        ("notional-max-to-market", "Whether MARKET orders are held to the largest value too."),
        ("notional-min-to-market", "Whether MARKET orders are held to the smallest value too."),
    ):
        command = click.option(f"--{name}/--no-{name}", default=None, help=meaning)(command)
    for name, meaning in (
        ("notional-max", "Largest value of an order."),
        ("notional-min", "Smallest value of an order."),
        ("market-quantity-max", "Largest MARKET order."),
        ("market-quantity-min", "Smallest MARKET order."),
        ("quantity-max", "Largest order."),
        ("quantity-min", "Smallest order."),
        ("price-max", "Highest price."),
        ("price-min", "Lowest price."),
    ):
        command = click.option(f"--{name}", help=meaning)(command)
    return command


def limits(command: F) -> F:
    """The options that name limits; 0 takes one away."""
    for name, meaning in (
        ("trailing-below-max", "Largest trailing delta from below, in basis points."),
        ("trailing-below-min", "Smallest trailing delta from below."),
        ("trailing-above-max", "Largest trailing delta from above."),
        ("trailing-above-min", "Smallest trailing delta from above."),
        ("max-amends", "Amends of an order."),
        ("max-order-lists", "Open order lists per account."),
        ("iceberg-parts", "Parts of an iceberg order."),
        ("max-iceberg-orders", "Open iceberg orders per account."),
        ("max-algo-orders", "Open stop orders per account."),
        ("pause-seconds", "How long the market pauses when somebody would take outside of the range."),
        ("average-minutes", "Trades whose average is the reference price, at most 60; 0: the last price."),
    ):
        command = click.option(f"--{name}", type=click.IntRange(0), help=meaning)(command)
    for name, meaning in (
        ("max-position", "Base that an account may have and want to buy in all."),
        ("range-ask-down", "Lowest price at which sellers take, in multiples of the reference price."),
        ("range-ask-up", "Highest price at which sellers take."),
        ("range-bid-down", "Lowest price at which buyers take."),
        ("range-bid-up", "Highest price at which buyers take."),
        ("ask-down", "Lowest price of a sell, in multiples of the reference price."),
        ("ask-up", "Highest price of a sell."),
        ("bid-down", "Lowest price of a buy."),
        ("bid-up", "Highest price of a buy; 1.2 is 20 % above the reference price."),
    ):
        command = click.option(f"--{name}", help=meaning)(command)
    return command


@market.command("add")
@click.argument("base")
@click.argument("quote")
@click.option("--tick", required=True, help="Price step in quote; final.")
@click.option("--lot", required=True, help="Quantity step in base; final.")
@click.option("--state", type=click.Choice(get_args(StateName)[:5]), default="trading", show_default=True)
@click.option("--maker-fee", default=STANDARD_FEE, show_default=True, help="0.001 is 0.1 %.")
@click.option("--taker-fee", default=STANDARD_FEE, show_default=True, help="0.001 is 0.1 %.")
@filters
@answers
def add_market(
    base: str,
    quote: str,
    tick: str,
    lot: str,
    state: StateName,
    maker_fee: str,
    taker_fee: str,
    **bounds: Any,
) -> Any:
    """List a market of BASE against QUOTE; its symbol is both names together."""
    return ask(
        AddMarket(
            base=base,
            quote=quote,
            tick=tick,
            lot=lot,
            state=state,
            maker_fee=maker_fee,
            taker_fee=taker_fee,
            filters=FilterChanges(**bounds),
        )
    )


@market.command("list")
@answers
def list_markets() -> Any:
    """Show all markets; --json shows their filters and fees too."""
    return ask(ListMarkets())


@market.command()
@SYMBOL
@answers
def resume(symbol: str) -> Any:
    """Let orders trade (again)."""
    return ask(SetMarketState(symbol=symbol, state="trading"))


@market.command("cancel-only")
@SYMBOL
@answers
def cancel_only(symbol: str) -> Any:
    """Take cancels and nothing else."""
    return ask(SetMarketState(symbol=symbol, state="cancel-only"))


@market.command("pre-open")
@SYMBOL
@answers
def pre_open(symbol: str) -> Any:
    """Before a market opens: take orders that rest, amends and cancels; nothing trades."""
    return ask(SetMarketState(symbol=symbol, state="pre-open"))


@market.command("post-only")
@SYMBOL
@answers
def post_only(symbol: str) -> Any:
    """The same of a market that traded before."""
    return ask(SetMarketState(symbol=symbol, state="post-only"))


@market.command()
@SYMBOL
@CANCEL_ORDERS
@answers
def halt(symbol: str, cancel_orders: bool) -> Any:
    """Stop trading; orders stay unless told otherwise."""
    return ask(
        SetMarketState(symbol=symbol, state="halted", cancel_orders=cancel_orders), "cancelling orders"
    )


@market.command()
@SYMBOL
@CANCEL_ORDERS
@answers
def delist(symbol: str, cancel_orders: bool) -> Any:
    """Close a market for ever; its book must be empty."""
    return ask(
        SetMarketState(symbol=symbol, state="delisted", cancel_orders=cancel_orders), "cancelling orders"
    )


@market.command("filters")
@SYMBOL
@filters
@answers
def set_filters(symbol: str, **bounds: Any) -> Any:
    """Change what is named, leave the rest; resting orders stay. Shows the market."""
    return ask(SetMarketFilters(symbol=symbol, filters=FilterChanges(**bounds)))


@market.command("limits")
@SYMBOL
@limits
@answers
def set_limits(symbol: str, **bounds: Any) -> Any:
    """Change what is named, leave the rest; resting orders stay. Shows the limits."""
    return ask(SetMarketLimits(symbol=symbol, limits=LimitChanges(**bounds)))


@market.command("fees")
@SYMBOL
@click.option(
    "--component", type=click.Choice(get_args(ComponentName)), default="standard", show_default=True
)
@click.option("--tier", type=click.IntRange(0, 15), default=0, show_default=True, help="Standard fees only.")
@click.option("--maker", help="Who rested pays this part of what is received; 0.001 is 0.1 %.")
@click.option("--taker", help="Who arrived pays this.")
@click.option("--buyer", help="Who buys pays this.")
@click.option("--seller", help="Who sells pays this.")
@answers
def set_fees(symbol: str, component: ComponentName, tier: int, **rates: Any) -> Any:
    """Change the rates that are named, leave the rest; counts from the next trade. Shows the rates."""
    return ask(SetMarketFees(symbol=symbol, component=component, tier=tier, **rates))
