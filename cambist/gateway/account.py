"""What an account's owner may see: balances, permissions, trades and order counts."""

from collections.abc import Iterable

from cambist import money
from cambist.engine.commands import Permission
from cambist.engine.views import FeesView
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
from cambist.match.queries import AccountStatement, BalanceView

_E8_PER_BASIS_POINT = 10_000


async def account(call: Call) -> bytes:
    found = await call.services.core.query(AccountStatement(call.account))
    if found is None:
        raise ApiError(errors.KEY_REJECTED)
    owner, rates = found.account, highest_rates(found.fees)
    omit_zeros = call.params.flag("omitZeroBalances")
    return encode(
        Account(
            maker_commission=rates.maker // _E8_PER_BASIS_POINT,
            taker_commission=rates.taker // _E8_PER_BASIS_POINT,
            buyer_commission=rates.buyer // _E8_PER_BASIS_POINT,
            seller_commission=rates.seller // _E8_PER_BASIS_POINT,
            commission_rates=CommissionRates(*map(rate, rates)),
            can_trade=not owner.frozen and bool(owner.permissions & Permission.TRADE),
            can_withdraw=not owner.frozen and bool(owner.permissions & Permission.WITHDRAW),
            can_deposit=bool(owner.permissions & Permission.DEPOSIT),
            update_time=call.time(found.time_ns),
            balances=[
                _balance(balance)
                for balance in found.balances
                if balance.available_atoms or balance.held_atoms or not omit_zeros
            ],
            uid=call.account,
        )
    )


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


def highest_rates(rates: Iterable[FeesView]) -> FeesView:
    """One answer for all markets: nobody pays more than this before special fees and tax."""
    return FeesView(*map(max, zip(FeesView(0, 0, 0, 0), *rates, strict=True)))


def _balance(balance: BalanceView) -> AssetBalance:
    asset, available, held = balance
    return AssetBalance(
        asset.name, money.format_atoms(available, asset.scale), money.format_atoms(held, asset.scale)
    )
