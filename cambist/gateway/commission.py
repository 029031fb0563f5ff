"""What an account pays: the rates of a market, and those of one order that is only tried."""

import msgspec

from cambist import money
from cambist.engine.commands import Side
from cambist.engine.views import FeesView
from cambist.gateway.calls import Call
from cambist.gateway.markets import Market
from cambist.gateway.order_params import read_order
from cambist.gateway.params import Params
from cambist.gateway.schemas import Answer, CommissionRates, TradeFee, encode
from cambist.match.queries import Fees


class Discount(msgspec.Struct, rename="camel", frozen=True):
    """What fees paid in a coin of the exchange's own would save. There is no such coin."""

    enabled_for_account: bool = False
    enabled_for_symbol: bool = False
    discount_asset: str = ""
    discount: str = "0.00000000"


class Commission(Answer):
    symbol: str
    standard_commission: CommissionRates
    special_commission: CommissionRates
    tax_commission: CommissionRates
    discount: Discount = Discount()


class OrderRates(Answer):
    """A seller's or buyer's rate is in either already."""

    maker: str
    taker: str


class OrderCommission(Answer):
    standard_commission_for_order: OrderRates
    special_commission_for_order: OrderRates
    tax_commission_for_order: OrderRates
    discount: Discount = Discount()


async def rates(call: Call) -> bytes:
    market = await call.services.markets.of(call.params)
    standard, special, tax = await _fees(call, [market])
    return encode(Commission(market.symbol, _shown(standard), _shown(special), _shown(tax)))


def test_order_weight(params: Params) -> int:
    return 20 if "computeCommissionRates" in params else 1


async def test_order(call: Call) -> bytes:
    """Checks the request and its signature. The market's filters and the balance are for the engine."""
    market = await call.services.markets.of(call.params)
    order = read_order(call.params, market)
    if not call.params.flag("computeCommissionRates"):
        return b"{}"
    standard, special, tax = (_for_order(fees, order.side) for fees in await _fees(call, [market]))
    return encode(OrderCommission(standard, special, tax))


async def trade_fees(call: Call) -> bytes:
    """The standard rates of the markets asked for."""
    wanted = await call.services.markets.wanted(call.params)
    standard = (await _fees(call, wanted))[::3]
    return encode(
        [
            TradeFee(market.symbol, rate(fees.maker), rate(fees.taker))
            for market, fees in zip(wanted, standard, strict=True)
        ]
    )


def rate(rate_e8: int) -> str:
    return money.format_atoms(rate_e8, money.RATE_SCALE)


async def _fees(call: Call, markets: list[Market]) -> list[FeesView]:
    """Standard, special and tax rates of the account's tier; of each market, one after the other."""
    return await call.services.core.query(Fees(call.account, [market.id for market in markets]))


def _shown(fees: FeesView) -> CommissionRates:
    return CommissionRates(*map(rate, fees))


def _for_order(fees: FeesView, side: Side) -> OrderRates:
    of_side = fees.buyer if side == Side.BUY else fees.seller
    return OrderRates(rate(fees.maker + of_side), rate(fees.taker + of_side))
