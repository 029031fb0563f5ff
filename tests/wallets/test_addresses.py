"""Which deposit address is whose, and that nobody else's is ever shown."""

import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from cambist.settings import Settings
from cambist.store.records import Records
from cambist.store.tables import users
from cambist.store.wallet_tables import deposit_addresses, networks
from cambist.wallets.addresses import AddressDoubted, Addresses, NoAccount, NoNetwork
from cambist.wallets.evm import xpub
from tests.wallets.settled import ANN, BOB, NETWORK, XPUB, open_records

# What every node for development unlocks: made by other people's code from the same phrase.
FIRST, SECOND = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
# From BIP-32, test vector 1.
OTHER_KEY = (
    "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1"
    "EGMcet8"
)
USERS = 200


class Signer:
    def __init__(self, key: str = XPUB) -> None:
        self.key = key
        self.asked: list[int] = []

    def derive(self, network: str, indexes: list[int]) -> list[str]:
        self.asked += indexes
        return [xpub.address(self.key, index) for index in indexes]


@pytest.fixture
def records(tmp_path):
    records = open_records(tmp_path)
    yield records
    records.close()


def given(records: Records) -> list[tuple[str, int]]:
    with records.read() as db:
        rows = db.execute(select(deposit_addresses.c.address, deposit_addresses.c.user_id))
        return [tuple(row) for row in rows]


def test_addresses_are_those_of_other_peoples_wallets():
    assert [xpub.address(XPUB, 0), xpub.address(XPUB, 1)] == [FIRST, SECOND]


@pytest.mark.parametrize("key, index", [("xpub", 0), ("", 0), (XPUB[:-1] + "5", 0), (XPUB, 2**31)])
def test_no_address_comes_of_a_damaged_key_or_beyond_the_last_child(key, index):
    with pytest.raises(xpub.XpubInvalid):
        xpub.address(key, index)


def test_each_user_keeps_the_address_that_was_given_first(records):
    addresses = Addresses(records, Signer())
    assert addresses.of(NETWORK, ANN) == FIRST
    assert addresses.of(NETWORK, BOB) == SECOND
    assert Addresses(records, Signer()).of(NETWORK, ANN) == FIRST
    assert given(records) == [(FIRST, ANN), (SECOND, BOB)]


def sign_up(records: Records, count: int) -> None:
    """Users from number 10 on."""
    rows = [
        {
            "id": number,
            "email": f"{number}@example.org",
            "email_canonical": f"{number}@example.org",
            "account": 2_000 + number,
            "reference": str(number),
            "created_at_ns": 0,
            "created_by": "",
        }
        for number in range(10, 10 + count)
    ]
    with records.write() as db:
        db.execute(insert(users), rows)


def give(home: Path, *shares: tuple[int, int]) -> list[tuple[int, str]]:
    """What each of several processes has shown to its share of the users, (first, count), all at once."""
    command = [sys.executable, "-m", "tests.wallets.giving", str(home)]
    at_work = [
        subprocess.Popen([*command, str(first), str(count)], stdout=subprocess.PIPE, text=True)
        for first, count in shares
    ]
    shown = [process.communicate()[0] for process in at_work]
    assert [process.returncode for process in at_work] == [0] * len(at_work)
    lines = [line.split() for output in shown for line in output.splitlines()]
    return [(int(user), address) for user, address in lines]


@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("count", [150, pytest.param(100_000, marks=pytest.mark.long)])
def test_D32_processes_restarts_and_a_restored_database_never_share_an_address(tmp_path, count):
    home, old = tmp_path / "home", tmp_path / "old"
    home.mkdir()
    records = open_records(home)
    sign_up(records, count)
    records.close()
    third = count // 3
    # Shares overlap, so that processes give to the same user at once; then all begin anew for the next ones.
    shown = give(home, (10, third), (10, third))
    shutil.copytree(home, old)
    shown += give(home, (10, 2 * third), (10 + third, count - third))
    addresses = dict(shown)
    assert len(addresses) == len({*addresses.values()}) == len({*shown}) == count
    # The backup knows nothing of what was given since, and gives to others than before.
    restored = Records.open(Settings(home=old))
    known = {user: address for address, user in given(restored)}
    with restored.write() as db:
        restored.skip_addresses(db, time.time_ns())
    restored.close()
    again = dict(give(old, (10, count)))
    assert again.keys() == addresses.keys() and len({*again.values()}) == count
    anew = {user: address for user, address in again.items() if user not in known}
    assert len(anew) == count - len(known) > 0
    assert {*anew.values()}.isdisjoint(addresses.values())
    assert all(again[user] == addresses[user] == known[user] for user in known)


def test_D32_two_restores_of_one_backup_do_not_give_the_same(records):
    day_ns = 86_400 * 10**9
    sign_up(records, 3)
    began = []
    for number, now_ns in enumerate((time.time_ns(), time.time_ns() + day_ns)):
        with records.write() as db:
            records.skip_addresses(db, now_ns)
        address = Addresses(records, Signer()).of(NETWORK, 10 + number)
        with records.read() as db:
            began.append(records.addresses_from(db))
        assert address == xpub.address(XPUB, began[-1])
    assert began[1] - began[0] >= 2 * 86_400
    assert Addresses(records, Signer()).of(NETWORK, 12) == xpub.address(XPUB, began[1] + 1)


def test_D32_no_address_is_given_to_two_users_however_many_ask_at_once(records):
    sign_up(records, USERS)
    doors = [Addresses(records, Signer()) for _ in range(4)]
    asked = [(door, number) for number in range(10, 10 + USERS) for door in doors]
    with ThreadPoolExecutor(8) as pool:
        shown = list(pool.map(lambda each: (each[1], each[0].of(NETWORK, each[1])), asked))
    assert len(set(shown)) == USERS
    assert len({address for _, address in shown}) == USERS
    assert sorted(given(records)) == sorted((address, user) for user, address in set(shown))


def test_D32_an_address_that_the_signer_derives_otherwise_is_never_shown(records):
    other = Signer(OTHER_KEY)
    for _ in range(2):
        with pytest.raises(AddressDoubted):
            Addresses(records, other).of(NETWORK, ANN)


def test_D32_who_changes_the_key_or_an_address_in_the_database_misleads_nobody(records):
    Addresses(records, Signer()).of(NETWORK, ANN)
    with records.write() as db:
        db.execute(update(deposit_addresses).values(address="0x" + "66" * 20))
        db.execute(update(networks).values(xpub=OTHER_KEY))
    for user in (ANN, BOB):
        with pytest.raises(AddressDoubted):
            Addresses(records, Signer()).of(NETWORK, user)


def test_the_signer_is_asked_once_for_each_address_and_start(records):
    signer = Signer()
    addresses = Addresses(records, signer)
    assert [addresses.of(NETWORK, ANN) for _ in range(3)] == [FIRST] * 3
    assert signer.asked == [0]


def test_a_network_that_is_not_set_up_and_a_user_without_an_account_get_none(records):
    with records.write() as db:
        db.execute(update(users).where(users.c.id == BOB).values(account=None))
    addresses = Addresses(records, Signer())
    with pytest.raises(NoNetwork):
        addresses.of("BTC", ANN)
    with pytest.raises(NoAccount):
        addresses.of(NETWORK, BOB)
    assert given(records) == []
