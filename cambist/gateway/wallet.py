"""What clients ask a wallet for: coins and their networks, balances, the key's own permissions."""

from cambist import money
from cambist.accounts.api_keys import Scope
from cambist.engine.commands import AssetStatus
from cambist.engine.views import AssetView
from cambist.gateway import capital
from cambist.gateway.calls import Call
from cambist.gateway.schemas import Answer, encode
from cambist.match.queries import Account, Assets, Balances, BalanceView
from cambist.wallet_calls import NetworkShown

_UNLIMITED = "9999999999"  # where nothing but the balance limits a withdrawal


class CoinNetwork(Answer, kw_only=True):
    coin: str
    network: str
    name: str
    is_default: bool
    deposit_enable: bool
    withdraw_enable: bool
    deposit_desc: str = ""
    withdraw_desc: str = ""
    special_tips: str = ""
    special_withdraw_tips: str = ""
    reset_address_status: bool = False
    address_regex: str = "^0x[0-9A-Fa-f]{40}$"
    memo_regex: str = ""
    withdraw_fee: str
    withdraw_min: str
    withdraw_max: str
    withdraw_internal_min: str
    withdraw_integer_multiple: str
    deposit_dust: str
    min_confirm: int
    un_lock_confirm: int
    same_address: bool = False
    withdraw_tag: bool = False
    estimated_arrival_time: int = 0
    busy: bool = False
    contract_address_url: str = ""
    contract_address: str


class Coin(Answer, kw_only=True):
    """An asset as the wallet shows it."""

    coin: str
    deposit_all_enable: bool
    withdraw_all_enable: bool
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
    network_list: list[CoinNetwork]


class AssetDetail(Answer):
    min_withdraw_amount: str
    deposit_status: bool
    withdraw_fee: str
    withdraw_status: bool
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
    networks = await capital.networks(call)
    return encode([_coin(networks, *balance) for balance in await _balances(call)])


async def asset_details(call: Call) -> bytes:
    wanted = call.params.get("asset")
    networks = await capital.networks(call)
    found = {
        asset.name: _detail(networks, asset) for asset in await _assets(call) if wanted in (None, asset.name)
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


async def _assets(call: Call) -> list[AssetView]:
    return await call.services.core.query(Assets())


async def _balances(call: Call) -> list[BalanceView]:
    return await call.services.core.query(Balances(call.account))


def _coin(networks: list[NetworkShown], asset: AssetView, available: int, held: int) -> Coin:
    zero = money.format_atoms(0, asset.scale)
    of_it = [each for each in networks if each.asset == asset.name]
    return Coin(
        coin=asset.name,
        deposit_all_enable=any(each.is_deposit_open for each in of_it),
        withdraw_all_enable=any(each.is_withdrawal_open for each in of_it),
        network_list=[_coin_network(each, is_default=each is of_it[0]) for each in of_it],
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


def _coin_network(network: NetworkShown, *, is_default: bool) -> CoinNetwork:
    return CoinNetwork(
        coin=network.asset,
        network=network.network,
        name=network.network,
        is_default=is_default,
        deposit_enable=network.is_deposit_open,
        withdraw_enable=network.is_withdrawal_open,
        withdraw_fee=network.withdrawal_fee,
        withdraw_min=network.withdrawal_min,
        withdraw_max=network.withdrawal_daily_max or _UNLIMITED,
        withdraw_internal_min=network.withdrawal_min,
        withdraw_integer_multiple=money.format_atoms(1, network.decimals),
        deposit_dust=network.deposit_min,
        min_confirm=network.confirmations,
        un_lock_confirm=network.large_confirmations,
        contract_address=network.contract,
    )


def _detail(networks: list[NetworkShown], asset: AssetView) -> AssetDetail:
    """Of the asset's first network."""
    of_it = next((each for each in networks if each.asset == asset.name), None)
    if of_it is None:
        zero = money.format_atoms(0, asset.scale)
        return AssetDetail(zero, False, zero, False)
    return AssetDetail(
        of_it.withdrawal_min, of_it.is_deposit_open, of_it.withdrawal_fee, of_it.is_withdrawal_open
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
