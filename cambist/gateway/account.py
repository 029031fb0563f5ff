"""What an account's owner may see: balances, permissions, trades and order counts."""

from collections.abc import Iterable

from cambist import money
from cambist._matching import Engine
from cambist.engine.commands import Permission
from cambist.engine.views import AssetView, FeesView
from cambist.gateway import errors
from cambist.gateway.calls import NS_PER_S, Call
from cambist.gateway.commission import rate
from cambist.gateway.errors import ApiError
from cambist.gateway.market_data import rate_limits
from cambist.gateway.schemas import (
    Account,
    AssetBalance,
    CommissionRates,
    OrderCount,
    encode,
)

_E8_PER_BASIS_POINT = 10_000


async def account(call: Call) -> bytes:
    number, omit_zeros = call.account, call.params.flag("omitZeroBalances")

    def read(engine: Engine) -> Account | None:
        row = engine.account(number)
        if row is None:
            return None
        tier, permissions, frozen = row[1:4]
        rates = highest_rates(FeesView(*engine.fees(market[0], tier)[0]) for market in engine.markets())
        return Account(
            maker_commission=rates.maker // _E8_PER_BASIS_POINT,
            taker_commission=rates.taker // _E8_PER_BASIS_POINT,
            buyer_commission=rates.buyer // _E8_PER_BASIS_POINT,
            seller_commission=rates.seller // _E8_PER_BASIS_POINT,
            commission_rates=CommissionRates(*map(rate, rates)),
            can_trade=not frozen and bool(permissions & Permission.TRADE),
            can_withdraw=not frozen and bool(permissions & Permission.WITHDRAW),
            can_deposit=bool(permissions & Permission.DEPOSIT),
            update_time=call.time(engine.time_ns),
            balances=[
                AssetBalance(asset.name, *_amounts(asset, balance))
                for asset, balance in read_balances(engine, number)
                if any(balance) or not omit_zeros
            ],
            uid=number,
        )

    found = await call.services.core.query(read)
    if found is None:
        raise ApiError(errors.KEY_REJECTED)
    return encode(found)


async def order_counts(call: Call) -> bytes:
    """The limits on unfilled orders, and how many count now."""
    tally = call.services.orders.of(call.account, call.now_ns // NS_PER_S)
    counts = {"SECOND": tally.count_10s, "DAY": tally.count_1d}
    return encode(
        [
            OrderCount(
                each.rate_limit_type,
                each.interval,
                each.interval_num,
                each.limit,
                counts[each.interval],
            )
            for each in rate_limits(call.services.settings.limits)
            if each.rate_limit_type == "ORDERS"
        ]
    )


def read_balances(engine: Engine, number: int) -> list[tuple[AssetView, tuple[int, int]]]:
    """Every asset that is listed with (available, held) of the account, zeros included."""
    known = {asset: (available, held) for asset, available, held in engine.balances(number)}
    assets = [AssetView(*row) for row in engine.assets()]
    return [(asset, known.get(asset.asset, (0, 0))) for asset in assets]


def highest_rates(rates: Iterable[FeesView]) -> FeesView:
    """One answer for all markets: nobody pays more than this before special fees and tax."""
    return FeesView(*map(max, zip(FeesView(0, 0, 0, 0), *rates, strict=True)))


def _amounts(asset: AssetView, balance: tuple[int, int]) -> tuple[str, str]:
    available, held = balance
    return money.format_atoms(available, asset.scale), money.format_atoms(held, asset.scale)
