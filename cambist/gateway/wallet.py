"""What clients ask a wallet for: coins, balances, the key's own permissions, and what there is none of yet.

Deposits and withdrawals come with the wallets: until then their histories are empty, and asking for an
address or a withdrawal is refused by name.
"""

from cambist import money
from cambist.accounts.api_keys import Scope
from cambist.engine.commands import AssetStatus
from cambist.engine.views import AssetView
from cambist.gateway import errors
from cambist.gateway.calls import Call
from cambist.gateway.errors import ApiError
from cambist.gateway.schemas import Answer, encode
from cambist.match.queries import Account, Assets, Balances, BalanceView


class Coin(Answer, kw_only=True):
    """An asset as the wallet shows it. It has no networks before there are wallets."""

    coin: str
    deposit_all_enable: bool = False
    withdraw_all_enable: bool = False
    name: str
    free: str
    locked: str
    freeze: str
    withdrawing: str
    ipoing: str
    ipoable: str
    storage: str
    is_legal_money: bool = False
    trading: bool
    network_list: tuple[()] = ()


class AssetDetail(Answer):
    min_withdraw_amount: str
    deposit_status: bool = False
    withdraw_fee: int = 0
    withdraw_status: bool = False
    deposit_tip: str = ""


class UserAsset(Answer):
    asset: str
    free: str
    locked: str
    freeze: str
    withdrawing: str
    ipoable: str
    btc_valuation: str


class KeyPermissions(Answer, kw_only=True):
    """What the key that signed the request may do."""

    ip_restrict: bool
    create_time: int
    enable_reading: bool
    enable_withdrawals: bool
    enable_internal_transfer: bool = False
    enable_margin: bool = False
    enable_futures: bool = False
    permits_universal_transfer: bool = False
    enable_vanilla_options: bool = False
    enable_fix_api_trade: bool = False
    enable_fix_read_only: bool = False
    enable_spot_and_margin_trading: bool
    enable_portfolio_margin_trading: bool = False


async def system_status(call: Call) -> bytes:
    return b'{"status":0,"msg":"normal"}'


async def none(call: Call) -> bytes:
    """Things that clients ask for at their start or list, and of which there are none here."""
    return b"[]"


async def no_transfers(call: Call) -> bytes:
    return b'{"total":0,"rows":[]}'


async def coins(call: Call) -> bytes:
    return encode([_coin(*balance) for balance in await _balances(call)])


async def asset_details(call: Call) -> bytes:
    wanted = call.params.get("asset")
    found = {
        asset.name: AssetDetail(money.format_atoms(0, asset.scale))
        for asset in await _assets(call)
        if wanted in (None, asset.name)
    }
    return encode(found)


async def user_assets(call: Call) -> bytes:
    """What the account has something of. The valuation in bitcoin is always zero."""
    wanted = call.params.get("asset")
    return encode(
        [
            _user_asset(*balance)
            for balance in await _balances(call)
            if (balance.available_atoms or balance.held_atoms) and wanted in (None, balance.asset.name)
        ]
    )


async def key_permissions(call: Call) -> bytes:
    key = call.key
    if key is None:
        raise RuntimeError("a request that needs a key has none")
    return encode(
        KeyPermissions(
            ip_restrict=bool(key.ip_allow),
            create_time=call.time(key.created_at_ns),
            enable_reading=Scope.READ in key.scopes,
            enable_withdrawals=Scope.WITHDRAW in key.scopes,
            enable_spot_and_margin_trading=Scope.TRADE in key.scopes,
        )
    )


async def account_status(call: Call) -> bytes:
    found = await call.services.core.query(Account(call.account))
    is_frozen = found is None or found.frozen
    return b'{"data":"Locked"}' if is_frozen else b'{"data":"Normal"}'


async def deposit_address(call: Call) -> bytes:
    await _require_asset(call)
    raise ApiError(errors.NO_DEPOSITS)


async def withdraw(call: Call) -> bytes:
    await _require_asset(call)
    call.params.require("address")
    call.params.require("amount")
    raise ApiError(errors.NO_WITHDRAWALS)


async def _require_asset(call: Call) -> None:
    """Raises ApiError for a `coin` that is not listed."""
    wanted = call.params.require("coin")
    if all(asset.name != wanted for asset in await _assets(call)):
        raise ApiError(errors.NO_SUCH_ASSET)


async def _assets(call: Call) -> list[AssetView]:
    return await call.services.core.query(Assets())


async def _balances(call: Call) -> list[BalanceView]:
    return await call.services.core.query(Balances(call.account))


def _coin(asset: AssetView, available: int, held: int) -> Coin:
    zero = money.format_atoms(0, asset.scale)
    return Coin(
        coin=asset.name,
        name=asset.name,
        free=money.format_atoms(available, asset.scale),
        locked=money.format_atoms(held, asset.scale),
        freeze=zero,
        withdrawing=zero,
        ipoing=zero,
        ipoable=zero,
        storage=zero,
        trading=asset.state == AssetStatus.ACTIVE,
    )


def _user_asset(asset: AssetView, available: int, held: int) -> UserAsset:
    zero = money.format_atoms(0, asset.scale)
    return UserAsset(
        asset=asset.name,
        free=money.format_atoms(available, asset.scale),
        locked=money.format_atoms(held, asset.scale),
        freeze=zero,
        withdrawing=zero,
        ipoable=zero,
        btc_valuation="0.00000000",
    )
