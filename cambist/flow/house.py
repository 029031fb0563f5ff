"""The house's own trading accounts in a sandbox: made and funded once, found again after a restart.

Accounts and credits carry references, so asking for them again returns what exists. The counterpart is the
sandbox mirror, and nothing outside sandbox mode calls this. What is held on a chain is no play money: of that
the accounts get what the exchange itself has got there.
"""

from asyncio import Future, gather, sleep, to_thread
from collections.abc import Sequence
from typing import Self

from cambist.engine import commands
from cambist.engine.commands import (
    AccountClass,
    OrderType,
    Permission,
    Role,
    Side,
    StpMode,
    TimeInForce,
)
from cambist.engine.events import Status, result
from cambist.engine.system_accounts import HOUSE
from cambist.engine.views import AssetView
from cambist.errors import Broken
from cambist.match.server import MatchServer, Port

ACCOUNTS = 64  # orders are dealt out among them, so that none comes near the limit of open orders per account
FUNDS_UNITS = 1_000_000  # whole coins of each asset for each account
_ASK_AGAIN_S = 1.0


class House:
    def __init__(self, admin: Port, port: Port, accounts: Sequence[int]) -> None:
        self._admin = admin
        self._port = port
        self._accounts = accounts

    @classmethod
    async def open(cls, server: MatchServer, assets: Sequence[AssetView]) -> Self:
        """Accounts with play money of these assets; orders that an earlier run left are cancelled."""
        admin = await to_thread(server.open_port, Role.ADMIN, "house-setup")
        mirror = await _value(admin, _account(AccountClass.MIRROR, b"mirror:sandbox"))
        accounts = [
            await _value(admin, _account(AccountClass.USER, b"house:%d" % nth)) for nth in range(ACCOUNTS)
        ]
        await gather(
            *(_value(admin, _credit(mirror, account, asset)) for account in accounts for asset in assets)
        )
        port = await to_thread(server.open_port, Role.TRADE, "house")
        await gather(
            *(port.submit(commands.CancelAll(account=account, market=0).encode()) for account in accounts)
        )
        return cls(admin, port, accounts)

    async def share_out(self, asset: AssetView) -> None:
        """Gives each account the same funds of what is held on a chain, as soon as the exchange has them."""
        for account in self._accounts:
            move = _move(account, asset).encode()
            while (status := result(await self._admin.submit(move)).status) == Status.INSUFFICIENT_BALANCE:
                await sleep(_ASK_AGAIN_S)
                move = _move(account, asset).encode()
            if status != Status.OK:
                raise Broken(f"the house's funds were refused with {Status(status).name}")

    def place(
        self,
        owner: int,
        market: int,
        side: Side,
        order_type: OrderType,
        time_in_force: TimeInForce,
        price_ticks: int,
        quantity_lots: int,
        client_id: bytes = b"",
    ) -> Future[bytes]:
        """`owner` is any number; equal numbers mean the same account."""
        return self._port.submit(
            commands.Place(
                account=self._accounts[owner % ACCOUNTS],
                market=market,
                side=side,
                order_type=order_type,
                time_in_force=time_in_force,
                stp_mode=StpMode.NONE,
                price_ticks=price_ticks,
                quantity_lots=quantity_lots,
                client_id=client_id,
            ).encode()
        )

    def cancel(self, owner: int, market: int, client_id: bytes) -> Future[bytes]:
        return self._port.submit(
            commands.Cancel(
                account=self._accounts[owner % ACCOUNTS], market=market, client_id=client_id
            ).encode()
        )


async def _value(port: Port, command: commands.AccountCreate | commands.Credit) -> int:
    answer = result(await port.submit(command.encode()))
    if answer.status != Status.OK:
        raise Broken(f"the house's set-up was refused with {Status(answer.status).name}: {command}")
    return answer.value


def _account(account_class: AccountClass, reference: bytes) -> commands.AccountCreate:
    return commands.AccountCreate(
        account_class=account_class,
        tier=0,
        permissions=Permission.TRADE,
        stp_group=0,
        owner=0,
        reference=reference,
    )


def _credit(mirror: int, account: int, asset: AssetView) -> commands.Credit:
    return commands.Credit(
        market=asset.asset,
        account=account,
        counter_account=mirror,
        fee_account=0,
        amount_atoms=FUNDS_UNITS * 10**asset.scale,
        fee_atoms=0,
        reference=b"house:%d:%d" % (account, asset.asset),
        origin=b"",
    )


def _move(account: int, asset: AssetView) -> commands.Move:
    return commands.Move(
        market=asset.asset,
        account=HOUSE,
        counter_account=account,
        fee_account=0,
        amount_atoms=FUNDS_UNITS * 10**asset.scale,
        fee_atoms=0,
        reference=b"house:%d:%d:own" % (account, asset.asset),
        origin=b"",
    )
