"""The wallet's part of the account API: networks, addresses to pay to, deposits, and withdrawals."""

import time
from typing import NamedTuple

from sqlalchemy import select

from cambist.account_api import wallet_history
from cambist.account_api.bodies import Body
from cambist.account_api.call import Call
from cambist.account_api.entry import Done
from cambist.accounts import address_book, people
from cambist.accounts.api_keys import Scope
from cambist.accounts.policy import SensitiveAct
from cambist.accounts.web_sessions import WebSession
from cambist.errors import Refused
from cambist.money import AmountInvalid, format_atoms, parse_atoms
from cambist.store.audit import Act
from cambist.store.records import Records
from cambist.store.tables import users
from cambist.store.wallet_tables import withdrawals
from cambist.wallet_calls import (
    AddressOfAccount,
    DepositAddress,
    DepositShown,
    Everything,
    HistoryOfAccount,
    NetworkShown,
    WithdrawalOfAccount,
    WithdrawalShown,
)
from cambist.wallets import networks, requests
from cambist.wallets.networks import AssetNetwork
from cambist.wallets.requests import Wanted
from cambist.wallets.review import WithdrawalUnknown
from cambist.wallets.withdrawals import State

# How long whoever asks for a withdrawal waits to hear whether the amount was there.
HELD_WITHIN_S = 3.0
_LOOK_EVERY_S = 0.02


class AccountUnknown(Refused):
    code = "account_unknown"


class AddressWanted(Body):
    network: str


class NewWithdrawal(Body):
    """`amount` leaves the account. `addressId` is of the address book."""

    asset: str
    network: str
    address_id: int
    amount: str


# For the owner, in a page.


def list_networks(call: Call) -> list[NetworkShown]:
    with call.office.records.read() as db:
        return [_network(each) for each in networks.every(db)]


def give_address(call: Call, wanted: AddressWanted) -> DepositAddress:
    return _address(call, wanted.network, call.owner().user_id)


def list_deposits(call: Call) -> list[DepositShown]:
    with call.read() as (db, person):
        return wallet_history.newest_deposits(db, person.user.id)


def list_withdrawals(call: Call) -> list[WithdrawalShown]:
    with call.read() as (db, person):
        return wallet_history.newest_withdrawals(db, person.user.id)


def withdraw(call: Call, wanted: NewWithdrawal) -> WithdrawalShown:
    with call.read() as (db, person):
        book = address_book.list_all(db, person.user.id)
    entry = next((each for each in book if each.id == wanted.address_id), None)
    if entry is None or entry.network != wanted.network:
        raise address_book.AddressUnknown
    asked = _Asked(wanted.asset, wanted.network, entry.address, entry.tag, wanted.amount, None, "web")
    return _withdraw(call, call.owner().user_id, asked, call.owner())


def cancel_withdrawal(call: Call) -> Done:
    if not (call.subject.isascii() and call.subject.isdigit()):
        raise WithdrawalUnknown
    with call.write("withdrawal.cancel", withdrawal=call.subject) as (db, person):
        requests.cancel(db, person.user.id, int(call.subject[:18]), call.now_ns)
    return Done()


# For a gateway, on behalf of a key.


def networks_for_all(call: Call, _: Everything) -> list[NetworkShown]:
    return list_networks(call)


def address_of_account(call: Call, wanted: AddressOfAccount) -> DepositAddress:
    return _address(call, wanted.network, _user_of(call.office.records, wanted.account))


def deposits_of_account(call: Call, wanted: HistoryOfAccount) -> list[DepositShown]:
    user_id = _user_of(call.office.records, wanted.account)
    with call.office.records.read() as db:
        return wallet_history.deposits_like(db, user_id, wanted)


def withdrawals_of_account(call: Call, wanted: HistoryOfAccount) -> list[WithdrawalShown]:
    user_id = _user_of(call.office.records, wanted.account)
    with call.office.records.read() as db:
        return wallet_history.withdrawals_like(db, user_id, wanted)


def withdraw_of_account(call: Call, wanted: WithdrawalOfAccount) -> WithdrawalShown:
    asked = _Asked(
        wanted.asset, wanted.network, wanted.address, wanted.tag, wanted.amount, wanted.name, "api"
    )
    return _withdraw(call, _user_of(call.office.records, wanted.account), asked, Scope(wanted.scopes))


class _Asked(NamedTuple):
    asset: str
    network: str
    address: str
    tag: str
    amount: str
    name: str | None
    via: str


def _withdraw(call: Call, user_id: int, asked: _Asked, by: WebSession | Scope) -> WithdrawalShown:
    records = call.office.records
    with records.write() as db:
        person = people.get(db, user_id)
        asset = requests.asset_on(db, asked.asset, asked.network)
        wanted = Wanted(
            asset=asked.asset,
            network=asked.network,
            address=asked.address,
            tag=asked.tag,
            debit_atoms=_atoms(asked.amount, asset),
            name=asked.name,
            via=asked.via,
        )
        number = requests.request(db, person, wanted, by, call.now_ns)
        details = {"withdrawal": number, "amount": asked.amount, "asset": asked.asset, "via": asked.via}
        records.audit.append(db, Act(person.actor, SensitiveAct.WITHDRAW, details, call.now_ns))
    return _when_held(records, number)


def _atoms(amount: str, asset: AssetNetwork) -> int:
    try:
        return parse_atoms(amount, asset.scale)
    except AmountInvalid as problem:
        raise requests.AmountOutOfRange(str(problem)) from None


def _when_held(records: Records, number: int) -> WithdrawalShown:
    """As it is when the engine has answered, or after a while as it is then."""
    deadline_s = time.monotonic() + HELD_WITHIN_S
    while True:
        with records.read() as db:
            row = db.execute(select(withdrawals).where(withdrawals.c.id == number)).one()
            if row.state != State.REQUESTED or time.monotonic() > deadline_s:
                return wallet_history.withdrawal(row, networks.by_id(db, row.asset_network_id))
        time.sleep(_LOOK_EVERY_S)


def _address(call: Call, network: str, user_id: int) -> DepositAddress:
    return DepositAddress(network, call.office.addresses.of(network, user_id), "")


def _user_of(records: Records, account: int) -> int:
    """Raises AccountUnknown."""
    found = records.remembered(
        ("user of account", account),
        lambda db: db.scalar(select(users.c.id).where(users.c.account == account)),
    )
    if found is None:
        raise AccountUnknown("this account is nobody's")
    return int(found)


def _network(asset: AssetNetwork) -> NetworkShown:
    most, large_above = asset.withdrawal_daily_max_atoms, asset.large_above_atoms
    return NetworkShown(
        asset=asset.asset_name,
        network=asset.network,
        contract=asset.contract,
        confirmations=asset.confirmations,
        large_above=format_atoms(large_above, asset.scale) if large_above else None,
        large_confirmations=asset.large_confirmations if large_above else asset.confirmations,
        deposit_min=format_atoms(asset.deposit_min_atoms, asset.scale),
        withdrawal_fee=format_atoms(asset.withdrawal_fee_atoms, asset.scale),
        withdrawal_min=requests.least(asset),
        withdrawal_daily_max=format_atoms(most, asset.scale) if most else None,
        is_deposit_open=asset.is_deposit_open and not asset.halted,
        is_withdrawal_open=asset.is_withdrawal_open and not asset.halted,
        halted_reason=asset.halted,
        decimals=min(asset.scale, asset.decimals),
    )
