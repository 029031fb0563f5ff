"""The demo's faucet: coins of its own chain, paid to the address that every deposit of the user goes to."""

from cambist.account_api.bodies import Body, Shown
from cambist.account_api.call import Call
from cambist.account_api.errors import NoSuchRoute
from cambist.accounts import throttle
from cambist.accounts.throttle import Rate
from cambist.wallets import networks
from cambist.wallets.addresses import NoNetwork

COINS, TOKENS = 1, 100
RATE = Rate(most=3, seconds=60)


class FaucetAsked(Body):
    asset: str


class FaucetPaid(Shown):
    """It is a deposit from now on, and counts after its confirmations."""

    asset: str
    amount: str
    txid: str


def pay(call: Call, asked: FaucetAsked) -> FaucetPaid:
    """Raises NoSuchRoute where money is real, NoNetwork, TooManyAttempts, Unavailable."""
    faucet = call.office.faucet
    if faucet is None:
        raise NoSuchRoute
    user_id = call.owner().user_id
    with call.office.records.write() as db:
        too_many = throttle.count(db, f"faucet {user_id}", RATE, call.now_ns)
        held = next((each for each in networks.every(db) if each.asset_name == asked.asset), None)
    if too_many is not None:
        raise too_many
    if held is None:
        raise NoNetwork(f"there is no {asked.asset} on a chain here")
    address = call.office.addresses.of(held.network, user_id)
    amount = TOKENS if held.contract else COINS
    txid = faucet(address, held.contract, amount * 10**held.decimals)
    return FaucetPaid(asked.asset, str(amount), txid)
